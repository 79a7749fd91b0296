import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { compile } from "../../algorithms/engine/compile.ts";
import type { Linear } from "../../algorithms/core/nn.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { ancestralStep, cleanFromNoise } from "../../algorithms/core/samplers.ts";
import { tf } from "../../algorithms/engine/tensor.ts";
import { treeLeaves } from "../../algorithms/engine/tree.ts";
import { scheduleLevels, vpSchedule } from "../../algorithms/core/vp.ts";
import {
  createDiffusionQl,
  diffusionQlDefaults,
  type NoiseNetwork,
  noiseNetwork,
  sampleActions,
} from "../../algorithms/diffusion_ql.ts";
import type { AgentState } from "../../algorithms/core/agent.ts";
import golden from "../golden/dql_golden.json" with { type: "json" };
import trainerGolden from "../golden/dql_trainer_golden.json" with { type: "json" };
import { filled, filler, lcgRng, worstError } from "../golden.ts";

const tolerance = 1e-5; // Float32 networks, and float64 tables where the reference has float32 ones.
const near = (actual: ArrayLike<number>, expected: unknown) => {
  const error = worstError(actual, [expected].flat(2) as number[]);
  assert(error <= tolerance, `worst error ${error}, allowed ${tolerance}`);
};

function filledNoiseNetwork(): NoiseNetwork<NdArray> {
  const fill = filler(51000);
  const stack = (sizes: number[]): Linear<NdArray>[] => sizes.slice(1).map((n, i) => fill.linear(sizes[i], n));
  return { time: stack([16, 32, 16]), trunk: stack([2 + 16 + 3, 256, 256, 256, 2]) };
}

const x = filled(90001, [4, 2], 1.5);
const s = filled(90002, [4, 3]);
const noise = filled(90003, [4, 2], 1.7);
const schedule = vpSchedule(5);

Deno.test("vpSchedule() matches the reference tables at T = 5 and T = 50 (9.1)", () => {
  near(schedule.beta, golden.vp5.betas);
  near(schedule.alphaBar, golden.vp5.alphas_cumprod);
  near(schedule.posterior.map((p) => p.variance), golden.vp5.posterior_variance);
  near(schedule.posterior.map((p) => p.clean), golden.vp5.posterior_mean_coef1);
  near(schedule.posterior.map((p) => p.noisy), golden.vp5.posterior_mean_coef2);
  const long = vpSchedule(50);
  near([long.beta[0], long.beta[49], long.alphaBar[49]], [
    golden.vp50.beta0,
    golden.vp50.beta_last,
    golden.vp50.acp_last,
  ]);
});

Deno.test("noiseNetwork() matches the reference rows (9.1)", async () => {
  const run = compile<{ p: NoiseNetwork<NdArray>; x: NdArray; t: NdArray; s: NdArray }>(
    "noise",
    ({ p, x, t, s }) => ({ y: noiseNetwork(p, x, t, s) }),
  );
  const { y } = await run({ p: filledNoiseNetwork(), x, t: ndarray(golden.mlp.t, [4, 1]), s });
  near(y.data, golden.mlp.out);
});

Deno.test("ancestralStep() matches the reference posterior means and samples (9.1)", async () => {
  const run = compile<{ p: NoiseNetwork<NdArray>; x: NdArray; s: NdArray; noise: NdArray }>(
    "step",
    ({ p, x, s, noise }) => {
      const clean = cleanFromNoise((input, { time }) => noiseNetwork(p, input, tf.fill([4, 1], time), s));
      const levels = scheduleLevels(schedule, [4, 3, 2, 1, 0]);
      const steps = golden.mlp.t.map((t, i) => {
        const [now, next] = levels.slice(4 - t);
        const { mean, sigma } = ancestralStep(x, tf.clipByValue(clean(x, now), -1, 1), now, next);
        return { mean, sample: tf.add(mean, tf.mul(noise, sigma)), i };
      });
      const rowsOf = (name: "mean" | "sample") =>
        tf.stack(steps.map((step) => tf.slice(step[name], [step.i, 0], [1, 2])));
      return { mean: rowsOf("mean"), sample: rowsOf("sample") };
    },
  );
  const result = await run({ p: filledNoiseNetwork(), x, s, noise });
  near(result.mean.data, golden.p_mean);
  near(result.sample.data, golden.p_sample);
});

Deno.test("sampleActions() matches the reference chain of five steps (9.1)", async () => {
  const run = compile<{ p: NoiseNetwork<NdArray>; s: NdArray; noise: NdArray[] }>(
    "chain",
    ({ p, s, noise }) => ({ action: sampleActions(p, s, noise, schedule, 1) }),
  );
  const rng = lcgRng(77);
  const draws = Array.from({ length: 6 }, () => ndarray(rng.fillNormal(new Float32Array(8)), [4, 2]));
  near((await run({ p: filledNoiseNetwork(), s, noise: draws })).action.data, golden.sample_T5);
});

/**
 * The reference numbers of the next test are not the authors': no run of their trainer was at hand. They come from a plain twin in
 * PyTorch 2.13 (float64, `tests/golden/dql_trainer.py`), written from the paper and the published order of the trainer's steps.
 */
const trainers = {
  plain: { first: 0, updates: 10_000, maxBackup: false, emaStart: 2 },
  backup: { first: 49_998, updates: 60_000, maxBackup: true, emaStart: 1000 }, // The cosine's first step is at 50,000.
} as const;
for (const [kind, { first, ...settings }] of Object.entries(trainers)) {
  Deno.test(`createDiffusionQl() reproduces a PyTorch trainer at learning rate 1e-4, ${kind}`, async () => {
    const config = {
      ...diffusionQlDefaults,
      learningRate: 1e-4,
      valueWeight: 0.5,
      clipNorm: 0.5,
      emaEvery: 2,
      ...settings,
    };
    const agent = createDiffusionQl(config, { observationDim: 3, actionDim: 2, maxAction: 1 });
    const arrays = structuredClone(agent.init(createRng(0)).arrays) as Record<string, { params: unknown }>;
    const filledCritic = () => {
      const fill = filler(52000);
      const [q1, q2] = [0, 0].map(() => [5, 256, 256, 256].map((n, i) => fill.linear(n, [256, 256, 256, 1][i])));
      return { q1, q2 };
    };
    arrays.actor.params = filledNoiseNetwork();
    arrays.actorEma = filledNoiseNetwork() as never;
    arrays.critic.params = filledCritic();
    arrays.criticTarget = filledCritic() as never;
    let state: AgentState = { updates: first, arrays };
    const rng = lcgRng(2024);
    let worst = 0;
    const compare = (actual: number, expected: number) => {
      worst = Math.max(worst, Math.abs(actual - expected) / Math.max(Math.abs(expected), 1));
    };
    for (const [k, row] of trainerGolden[kind as "plain"].entries()) {
      const ends = filled(60004 + 10 * k, [8, 1]).data.map((v) => v > -0.6 ? 0 : 1);
      const batch = {
        observation: filled(60000 + 10 * k, [8, 3]),
        action: filled(60001 + 10 * k, [8, 2], 0.95),
        nextObservation: filled(60002 + 10 * k, [8, 3]),
        reward: filled(60003 + 10 * k, [8, 1]),
        terminal: ndarray(ends, [8, 1]),
      };
      const result = await agent.update(state, batch, rng);
      state = result.state;
      for (const [name, value] of Object.entries(result.metrics)) compare(value, row[name as "actorLoss"]);
      const now = state.arrays as Record<string, { params: unknown }>;
      const groups = { ...now, actor: now.actor.params, critic: now.critic.params };
      for (const [name, params] of Object.entries(groups)) {
        let [sum, squares] = [0, 0];
        for (const { data } of treeLeaves<NdArray>(params)) {
          for (const v of data) [sum, squares] = [sum + v, squares + v * v];
        }
        compare(sum, row[name as "actor"][0]);
        compare(squares, row[name as "actor"][1]);
      }
    }
    console.log(`      worst relative error ${worst.toExponential(1)}`);
    assert(worst <= 2e-5, `worst relative error ${worst}`);
  });
}

Deno.test("createDiffusionQl() has the published parameter counts", () => {
  const sizes = { halfcheetah: [17, 6], hopper: [11, 3], antmaze: [29, 8], pen: [45, 24], kitchen: [60, 9] } as const;
  for (const [task, [observationDim, actionDim]] of Object.entries(sizes)) {
    const agent = createDiffusionQl(diffusionQlDefaults, { observationDim, actionDim, maxAction: 1 });
    const { actor } = agent.init(createRng(0)).arrays as { actor: { params: unknown } };
    const count = treeLeaves<NdArray>(actor.params).reduce((sum, { data }) => sum + data.length, 0);
    assertEquals(count, golden.param_counts[task as "hopper"].actor);
  }
});

Deno.test("createDiffusionQl() learns the better of two actions", async () => {
  const config = { ...diffusionQlDefaults, hidden: 32, emaStart: 0, batchSize: 64, valueWeight: 1 };
  const agent = createDiffusionQl(config, { observationDim: 1, actionDim: 1, maxAction: 1 });
  const rng = createRng("two actions");
  let state = agent.init(rng);
  const column = (f: (i: number) => number) => ndarray(Float32Array.from({ length: 64 }, (_, i) => f(i)), [64, 1]);
  const batch = {
    observation: column(() => 0),
    nextObservation: column(() => 0),
    action: column((i) => i % 2 ? 0.7 : -0.7),
    reward: column((i) => i % 2 ? 1 : 0),
    terminal: column(() => 1),
  };
  for (let k = 0; k < 600; k++) ({ state } = await agent.update(state, batch, rng.child(`${k}`)));
  const { data } = await agent.act(state, ndarray(new Float32Array(200), [200, 1]), 1, rng.child("act"));
  const better = Array.from(data).filter((a) => a > 0);
  assert(better.length > 160, `the better action was taken ${better.length} of 200 times`);
  assertAlmostEquals(better.reduce((a, b) => a + b) / better.length, 0.7, 0.3);
});
