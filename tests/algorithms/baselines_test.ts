import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { resolveConfig } from "../../algorithms/core/config.ts";
import { takeBest } from "../../algorithms/core/acting.ts";
import { useBackend } from "../../algorithms/engine/backend.ts";
import { type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { type Tensor, tf } from "../../algorithms/engine/tensor.ts";
import type { NoiseLevel } from "../../algorithms/core/denoiser.ts";
import { cleanFromNoise, sampleAncestral } from "../../algorithms/core/samplers.ts";
import { vpLevels } from "../../algorithms/core/vp_sde.ts";
import { bc } from "../../algorithms/bc.ts";
import { iql } from "../../algorithms/iql.ts";
import { drawDropoutMasks, initMlp } from "../../algorithms/core/nn.ts";
import { tanhAction } from "../../algorithms/core/tanh_policy.ts";
import { treeEntries } from "../../algorithms/engine/tree.ts";
import { rebrac, rebracPolicyLoss } from "../../algorithms/rebrac.ts";
import { behaviourSampling } from "../../algorithms/srpo/mod.ts";
import { td3Bc, td3BcPolicyLoss } from "../../algorithms/td3_bc.ts";
import { observationScale } from "../../algorithms/core/normalization.ts";
import { observationStatistics } from "../../data/d4rl.ts";

const spec = { observationDim: 1, actionDim: 1, maxAction: 1 };

Deno.test("td3BcPolicyLoss() weighs the value by 2.5 / mean |Q|, here 0.01875, and imitation by one", async () => {
  await useBackend("cpu");
  const [action, data] = [tf.tensor2d([[0.5], [0], [-1]]), tf.tensor2d([[0], [0.1], [-1]])];
  const loss = td3BcPolicyLoss(action, data, tf.tensor2d([[100], [-50], [250]]), 2.5).dataSync()[0];
  assertAlmostEquals(loss, (0.25 + 0.01) / 3 - 0.01875 * 100, 1e-6);
});

Deno.test("rebracPolicyLoss() is its formula, written as a loop", async () => {
  await useBackend("cpu");
  const [actions, data, values] = [[[0.5, 0.2], [0, -1]], [[0, 0], [0.1, -0.5]], [3, -5]];
  const scale = 1 / ((3 + 5) / 2);
  let wanted = 0;
  for (let i = 0; i < 2; i++) {
    let distance = 0;
    for (let d = 0; d < 2; d++) distance += (actions[i][d] - data[i][d]) ** 2;
    wanted += (0.05 * distance - scale * values[i]) / 2;
  }
  const value = tf.tensor2d(values, [2, 1]);
  assertAlmostEquals(
    rebracPolicyLoss(tf.tensor2d(actions), tf.tensor2d(data), value, 0.05).dataSync()[0],
    wanted,
    1e-6,
  );
});

Deno.test("takeBest() takes each row's candidate of largest value", () => {
  const best = takeBest(ndarray([1, 2, 3, 4, 5, 6, 7, 8], [4, 2]), ndarray([0, 1, 5, -1], [4, 1]), 2);
  assertEquals([...best.data], [3, 4, 5, 6]);
});

Deno.test("sampleAncestral() with the exact noise of a Gaussian comes to that Gaussian as calls grow", async () => {
  await useBackend("cpu");
  const [rows, mean, deviation] = [20_000, 0.3, 0.2];
  const rng = createRng("ancestral");
  const clean = cleanFromNoise((x: Tensor, { alpha, sigma }: NoiseLevel) =>
    tf.mul(tf.sub(x, alpha * mean), sigma / ((alpha * deviation) ** 2 + sigma ** 2))
  );
  const errors = [100, 200, 400].map((nfe) => {
    const [start, ...noises] = Array.from(
      { length: nfe },
      () => tf.tensor2d(rng.fillNormal(new Float32Array(rows)), [rows, 1]),
    );
    const x = sampleAncestral(clean, start, vpLevels(nfe), noises).dataSync() as Float32Array;
    const found = x.reduce((a, b) => a + b) / rows;
    assertAlmostEquals(found, mean, 0.01);
    return Math.abs(Math.sqrt(x.reduce((sum, v) => sum + (v - found) ** 2, 0) / rows) - deviation);
  });
  // The spread's error halves with the step, to within twice the sampling error of 0.001.
  for (const i of [1, 2]) assertAlmostEquals(errors[i], errors[i - 1] / 2, 0.002, `${errors}`);
  assert(errors[2] < 0.01, `${errors}`);
});

Deno.test("observationStatistics() are mean and standard deviation, observationScale() the latter plus 0.001", () => {
  const { mean, standardDeviation } = observationStatistics({
    observation: Float32Array.of(1, 10, 3, 10),
    count: 2,
    observationDim: 2,
  });
  assertEquals(Array.from(mean), [2, 10]);
  assertEquals(Array.from(standardDeviation), [1, 0]);
  assertEquals(observationScale({ standardDeviation }), Float32Array.of(1.001, 0.001));
});

/** One observation; the reward is largest at action 0.5, and ever lower beyond. */
function drawBandit(rows: number, seed: string): Record<string, NdArray> {
  const rng = createRng(seed);
  const action = rng.fillUniform(new Float32Array(rows)).map((u) => 2 * u - 1);
  return {
    observation: ndarray(new Float32Array(rows), [rows, 1]),
    action: ndarray(action, [rows, 1]),
    reward: ndarray(action.map((a) => 1 - 2 * (a - 0.5) ** 2), [rows, 1]),
    nextObservation: ndarray(new Float32Array(rows), [rows, 1]),
    terminal: ndarray(new Float32Array(rows).fill(1), [rows, 1]),
    nextAction: ndarray(action, [rows, 1]),
  };
}

for (
  const [algorithm, wanted, overrides] of [
    [bc, 0, {}], // The data's mean action.
    [td3Bc, 0.5, { valueWeight: 10 }], // Near the best action.
    [rebrac, 0.5, { policyPenalty: 0.01 }],
  ] as const
) {
  Deno.test(`${algorithm.title} finds ${wanted ? "the best action" : "the mean action"} of a one-state task`, async () => {
    await useBackend("onnx");
    const task = {
      ...spec,
      observationStatistics: { mean: new Float32Array(1), standardDeviation: [1] },
    };
    const config = resolveConfig<never>(algorithm as never, "none", {
      hidden: 64,
      batchSize: 128,
      updates: 1500,
      learningRate: 1e-3,
      ...overrides,
    });
    const agent = algorithm.create(config, task);
    let state = agent.init(createRng("init"));
    for (let k = 0; k < 1500; k++) {
      ({ state } = await agent.update(state, drawBandit(128, `batch/${k}`) as never, createRng(`update/${k}`)));
    }
    const { data } = await agent.act(state, ndarray([0], [1, 1]), 1, createRng("act"));
    assertAlmostEquals(data[0], wanted, 0.12);
  });
}

Deno.test("baselines refuse what they cannot work with", async () => {
  assertThrows(
    () => td3Bc.create(td3Bc.defaults, spec),
    TypeError,
    "spec.observationStatistics must be given",
  );
  const agent = rebrac.create(resolveConfig(rebrac, "none", { hidden: 8 }), spec);
  const { nextAction: _, ...batch } = drawBandit(8, "a");
  await assertRejects(
    () => agent.update(agent.init(createRng("init")), batch as never, createRng("u")),
    TypeError,
    "batch.nextAction must be given",
  );
});

Deno.test("ReBRAC's policy and critic each move by a rate of their own", async () => {
  await useBackend("onnx");
  for (const [still, moving] of [["policy", "critic"], ["critic", "policy"]]) {
    const rates = {
      learningRate: still === "policy" ? 1e-12 : 1e-3,
      criticLearningRate: still === "critic" ? 1e-12 : 1e-3,
    };
    const agent = rebrac.create(resolveConfig(rebrac, "none", { hidden: 8, policyEvery: 1, ...rates }), spec);
    const first = agent.init(createRng("init"));
    const before = structuredClone(first.arrays);
    const { state } = await agent.update(first, drawBandit(8, "a") as never, createRng("u"));
    const moved = (network: string) => {
      const values = (tree: unknown) =>
        treeEntries<NdArray>((tree as Record<string, { params: unknown }>)[network].params).flatMap((
          [, { data }],
        ) => [...data]);
      const old = values(before);
      return Math.max(...values(state.arrays).map((x, i) => Math.abs(x - old[i])));
    };
    assert(moved(still) < 1e-9 && moved(moving) > 5e-4, `${still}: ${moved(still)}, ${moving}: ${moved(moving)}`);
  }
});

Deno.test("IQL's dropout multiplies the policy's hidden layers by masks in training, and is off in acting", async () => {
  await useBackend("onnx");
  const share = 0.25;
  const masks = drawDropoutMasks(2, [400, 50], share, createRng("masks"));
  for (const { data, shape } of masks) {
    assertEquals(shape, [400, 50]);
    const dropped = data.filter((x: number) => x === 0).length / data.length;
    assertAlmostEquals(dropped, share, 5 * Math.sqrt(share * (1 - share) / data.length));
    assert(data.every((x) => x === 0 || Math.abs(x - 1 / (1 - share)) < 1e-6));
  }
  const make = (dropout: number) => iql.create(resolveConfig(iql, "none", { hidden: 32, dropout }), spec);
  const losses = await Promise.all([0, 0.5, 0.5].map(async (dropout, i) => {
    const agent = make(dropout);
    const batch = drawBandit(64, "a") as never;
    return (await agent.update(agent.init(createRng("init")), batch, createRng(`u${i}`))).metrics;
  }));
  assertEquals(new Set(losses.map(({ policyLoss }) => policyLoss)).size, 3); // Noise of its own in each update.
  assertEquals(new Set(losses.map(({ criticLoss }) => criticLoss)).size, 1); // The critic has none.
  const observation = ndarray([0.3], [1, 1]);
  const actions = await Promise.all([0, 0.5].map(async (dropout) => {
    const agent = make(dropout);
    return (await agent.act(agent.init(createRng("init")), observation, 1, createRng("act"))).data[0];
  }));
  assertEquals(actions[0], actions[1]);

  await useBackend("cpu");
  const layers = initMlp([1, 3, 3, 1], createRng("p")).map(({ weight, bias }) => ({
    weight: tf.tensor2d(weight.data as Float32Array, weight.shape as [number, number]),
    bias: tf.tensor1d(bias.data as Float32Array),
  }));
  const factors = [[0, 2, 2], [2, 0, 2]];
  let h = [0.7];
  layers.forEach(({ weight, bias }, i) => {
    const [w, b] = [weight.arraySync(), bias.arraySync()];
    const y = b.map((x, o) => x + h.reduce((sum, v, k) => sum + v * w[k][o], 0));
    h = i < 2 ? y.map((x, o) => Math.max(x, 0) * factors[i][o]) : y.map((x) => 2 * Math.tanh(x));
  });
  const found = tanhAction(layers, tf.tensor2d([[0.7]]), 2, factors.map((row) => tf.tensor2d([row]))).dataSync();
  assertAlmostEquals(found[0], h[0], 1e-6);
  await useBackend("onnx");
});

Deno.test("every sampler of the behaviour model acts in bounds", async () => {
  await useBackend("onnx");
  const small = { behaviourHidden: 16, blocks: 1, hidden: 16, batchSize: 8, nfe: 6 };
  const task = { observationDim: 3, actionDim: 2, maxAction: 1 };
  const observation = ndarray(createRng("o").fillNormal(new Float32Array(12)), [4, 3]);
  for (const sampler of ["ddpm", "ddim", "dpm2", "dpm3", "dpm2m", "dpm3m", "dpmpp2", "dpmpp3", "dpmpp2m", "dpmpp3m"]) {
    const config = resolveConfig(behaviourSampling, "none", { ...small, sampler });
    const agent = behaviourSampling.create(config, task);
    const { data, shape } = await agent.act(agent.init(createRng("init")), observation, 4, createRng("act"));
    assertEquals(shape, [4, 2]);
    assert(data.every((a) => Math.abs(a) <= 1), sampler);
  }
});
