import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { drawBySoftmax } from "../../algorithms/core/acting.ts";
import { resolveConfig } from "../../algorithms/core/config.ts";
import { useBackend } from "../../algorithms/engine/backend.ts";
import { type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { compile } from "../../algorithms/engine/compile.ts";
import { edmDefaults, edmDenoiser, edmScalings, sigmasFromUniforms } from "../../algorithms/core/edm.ts";
import { type Linear, sinusoidalEmbedding } from "../../algorithms/core/nn.ts";
import { cosineDecay } from "../../algorithms/core/optim.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { type Tensor, tf, valueAndGrad } from "../../algorithms/engine/tensor.ts";
import { treeLeaves } from "../../algorithms/engine/tree.ts";
import {
  actionValues,
  actorHead,
  actorLogDensity,
  actorSample,
  createDqlKl,
  createDtql,
  type Critic,
  diffusionLoss,
  type DiffusionNetwork,
  diffusionNetwork,
  distillationLoss,
  dqlKlDefaults,
  dtql,
  dtqlActorTerms,
  dtqlCriticLoss,
  dtqlDefaults,
  stateValue,
} from "../../algorithms/dtql/mod.ts";
import { drawBanditBatch, makeBandit } from "../../data/bandits.ts";
import golden from "../golden/dtql_golden.json" with { type: "json" };
import { filled, filledActor, filledCritic, filledScore, lcgRng, worstError } from "../golden.ts";

// Float32 against float64: 1e-5 of max(1, |value|) for values, of the tensor's norm for gradients.
const tolerance = 1e-5;
const near = (actual: ArrayLike<number>, expected: unknown, bound = tolerance) => {
  const error = worstError(actual, [expected].flat(3) as number[]);
  assert(error <= bound, `worst error ${error}, allowed ${bound}`);
};

const spec = { observationDim: 3, actionDim: 2, maxAction: 1 };
const score = () => filledScore(1000, 3, 2, 8, 4);
const actor = () => filledActor(2000, 3, 2, 8);
const critic = () => filledCritic(3000, 3, 2, 8);
const x = filled(50001, [4, 2], 0.9);
const s = filled(50002, [4, 3]);
const noise = filled(50003, [4, 2], 1.7);
const sigma = ndarray([0.05, 0.3, 1, 5], [4, 1]);
const epsilon = filled(50004, [4, 2], 1.5);
const dataAction = ndarray([1, -1, 0.5, 0, -0.2, 0.9, 0.99, -0.3], [4, 2]);
const batch = {
  observation: s,
  action: dataAction,
  nextObservation: filled(50005, [4, 3]),
  reward: ndarray([1, 0, -1, 2], [4, 1]),
  terminal: ndarray([0, 0, 1, 0], [4, 1]),
};
const norms = (tree: unknown) => treeLeaves<NdArray>(tree).map(({ data }) => Math.hypot(...data));
type Inputs<K extends string> = Record<K, NdArray>;

Deno.test("filled() gives the reference's inputs", () => {
  near(x.data, golden.inputs.x, 1e-7);
  near(s.data, golden.inputs.s, 1e-7);
  near(noise.data, golden.inputs.noise, 1e-7);
});

Deno.test("edmScalings() matches golden rows 1 and 2", async () => {
  const scale = compile("scalings", ({ sigma }) => edmScalings(sigma, edmDefaults));
  const c = await scale({ sigma: ndarray(golden.scalings.map((row) => row.sigma), [5, 1]) });
  golden.scalings.forEach((row, i) => {
    near([c.skip.data[i], c.out.data[i], c.in.data[i]], row.c, 1e-6);
    near([c.noise.data[i]], row.cnoise, 1e-6);
  });
});

Deno.test("sigmasFromUniforms() matches golden row 3", () => {
  for (const [u, expected] of golden.loglogistic) {
    assertAlmostEquals(sigmasFromUniforms([u], edmDefaults)[0], expected, 1e-6 * expected);
  }
});

Deno.test("sinusoidalEmbedding() matches golden row 4", async () => {
  for (const dim of [4, 16] as const) {
    const embed = compile("embed", ({ x }) => ({ y: sinusoidalEmbedding(x, dim) }));
    const { y } = await embed({ x: ndarray([Math.log(0.05) / 4, Math.log(2) / 4], [2, 1]) });
    near(y.data, golden.posemb[dim]);
  }
});

Deno.test("scoreNetwork() matches golden row 5", async () => {
  const run = compile<Inputs<"x" | "s" | "c"> & { p: DiffusionNetwork<NdArray> }>(
    "score",
    ({ p, x, s, c }) => ({ y: diffusionNetwork(p, x, s, c) }),
  );
  const c = ndarray(sigma.data.map((v) => Math.log(v) / 4), [4, 1]);
  near((await run({ p: score(), x, s, c })).y.data, golden.score_raw);
});

for (
  const [rows, clip, expected] of [
    ["6, 6b and 6c", 1, golden["edm_clip1"]],
    ["7", 0.3, golden["edm_clip0.3"]],
    ["8", Infinity, golden["edm_noclip"]],
  ] as const
) {
  Deno.test(`diffusionLoss() and edmDenoiser() match golden row ${rows}`, async () => {
    const run = compile<Inputs<"x" | "s" | "sigma" | "noise"> & { p: DiffusionNetwork<NdArray> }>(
      "loss",
      ({ p, x, s, sigma, noise }) => {
        const both = { p, x };
        const { value, grad } = valueAndGrad(
          (t: typeof both) => diffusionLoss(t.p, s, t.x, { sigma, epsilon: noise }, clip),
          both,
        );
        const denoise = edmDenoiser((input, level) => diffusionNetwork(p, input, s, level), edmDefaults, clip);
        return { value, x: grad.x, p: grad.p, denoised: denoise(tf.add(x, tf.mul(sigma, noise)), sigma) };
      },
    );
    const result = await run({ p: score(), x, s, sigma, noise });
    near(result.value.data, expected.loss);
    near(result.x.data, expected.grad_x);
    near(result.denoised.data, expected.denoised);
    if ("param_grad_norms" in expected) near(norms(result.p), expected.param_grad_norms);
  });
}

Deno.test("actorHead(), actorSample() and actorLogDensity() match golden rows 9, 10 and 11", async () => {
  const run = compile<Inputs<"s" | "epsilon" | "action"> & { p: Linear<NdArray>[] }>(
    "actor",
    ({ p, s, epsilon, action }) => ({
      ...actorHead(p, s),
      sample: actorSample(p, s, epsilon, 1),
      density: actorLogDensity(p, s, action, 1),
    }),
  );
  const result = await run({ p: actor(), s, epsilon, action: dataAction });
  near(result.mean.data, golden.actor.mu);
  near(result.std.data, golden.actor.std);
  near(result.sample.data, golden.actor.action);
  near(result.density.data, golden.actor.log_prob);
});

Deno.test("actionValues() and stateValue() match golden row 12", async () => {
  const run = compile<Inputs<"s" | "a" | "s2"> & { p: Critic<NdArray> }>("critic", ({ p, s, a, s2 }) => {
    const [q1, q2] = actionValues(p, s, a);
    return { q1, q2, v: stateValue(p, s), v2: stateValue(p, s2) };
  });
  const result = await run({ p: critic(), s, a: dataAction, s2: batch.nextObservation });
  for (const name of ["q1", "q2", "v", "v2"] as const) near(result[name].data, golden.critic[name]);
});

for (const expectile of [0.7, 0.9] as const) {
  Deno.test(`dtqlCriticLoss() matches golden row 13 at expectile ${expectile}`, async () => {
    const run = compile<{ p: Critic<NdArray>; batch: typeof batch }>(
      "criticLoss",
      ({ p, batch }) => valueAndGrad((p: Critic) => dtqlCriticLoss(p, batch, { ...dtqlDefaults, expectile }), p),
    );
    const { value, grad } = await run({ p: critic(), batch });
    near(value.data, golden.critic[`loss_${expectile}`]);
    // The reference lists a linear's weight and bias, then its norm's; ours lists all linears first.
    const order = (q: Critic<NdArray>["q1"]) => q.layers.flatMap((l, i) => [l, q.norms[i]].filter(Boolean));
    const ordered = [order(grad.q1), order(grad.q2), grad.v];
    near(norms(ordered), golden.critic[`grad_norms_${expectile}`]);
  });
}

Deno.test("dtqlActorTerms() matches golden rows 14 and 14b", async () => {
  const config = { ...dtqlDefaults, trustRegionWeight: 5, likelihoodWeight: 1 };
  const run = compile<
    & { actor: Linear<NdArray>[]; diffusion: DiffusionNetwork<NdArray>; critic: Critic<NdArray>; batch: typeof batch }
    & { noise: { action: NdArray; sigma: NdArray; epsilon: NdArray } }
  >("actorTerms", ({ actor, diffusion, critic, batch, noise }) => {
    const loss = (p: Linear[]) => dtqlActorTerms(p, diffusion, critic, batch, noise, config, spec);
    const { value: total, grad, terms } = valueAndGrad(loss, actor);
    return { ...terms, total, grad };
  });
  const inputs = { actor: actor(), diffusion: score(), critic: critic(), batch };
  const result = await run({ ...inputs, noise: { action: epsilon, sigma, epsilon: noise } });
  const expected = golden.actor_loss_alpha5_gamma1;
  near(result.trustRegion.data, expected.distill);
  near(result.value.data, expected.q);
  near(result.likelihood.data, expected.gamma);
  near(result.total.data, expected.total);
  near(norms(result.grad), expected.grad_norms);
});

Deno.test("distillationLoss() matches golden row 15", async () => {
  const run = compile<
    Inputs<"x" | "s" | "sigma" | "noise"> & { real: DiffusionNetwork<NdArray>; fake: DiffusionNetwork<NdArray> }
  >(
    "dmd",
    ({ real, fake, x, s, sigma, noise }) =>
      valueAndGrad((p: { x: Tensor }) => distillationLoss(real, fake, s, p.x, { sigma, epsilon: noise }, 1), { x }),
  );
  const { value, grad } = await run({ real: score(), fake: filledScore(4000, 3, 2, 8, 4), x, s, sigma, noise });
  near(value.data, golden.dmd.loss);
  near(grad.x.data, golden.dmd.grad);
});

Deno.test("drawBySoftmax() draws with the probabilities of golden row 16", () => {
  const n = 40_000;
  const values = ndarray(Float32Array.from({ length: 4 * n }, (_, i) => [1, 3, 2.5, -4][i % 4]), [4 * n, 1]);
  const actions = ndarray(Float32Array.from({ length: 4 * n }, (_, i) => i % 4), [4 * n, 1]);
  const drawn = drawBySoftmax(actions, values, 4, createRng("softmax")).data;
  golden.softmax.forEach((p, k) => {
    const deviation = Math.sqrt(p * (1 - p) / n);
    assertAlmostEquals(drawn.filter((d) => d === k).length / n, p, 4.5 * deviation + 1e-9); // 4.5 sigma
  });
});

Deno.test("cosineDecay() matches golden row 17", () => {
  for (const [k, expected] of golden["cosine_3e-4_T1000"]) {
    assertAlmostEquals(cosineDecay(3e-4, k, 1000), expected, 1e-15);
  }
});

Deno.test("createDtql() reproduces the reference trainer over two pretraining and three main updates (8.3)", async () => {
  const config = {
    ...dtqlDefaults,
    trustRegionWeight: 5,
    likelihoodWeight: 1,
    schedule: "cosine" as const,
    pretrainUpdates: 2,
    updates: 12, // Cosine over 10 main updates.
    batchSize: 8,
  };
  const agent = createDtql(config, spec);
  const start = agent.init(createRng(0));
  const arrays = structuredClone(start.arrays) as Record<string, { params: unknown }>;
  arrays.critic.params = filledCritic(12000, 3, 2, 256);
  arrays.criticTarget = filledCritic(12000, 3, 2, 256) as never;
  arrays.diffusion.params = filledScore(11000, 3, 2, 256, 16);
  arrays.actor.params = filledActor(13000, 3, 2, 256);
  let state = { updates: 0, arrays: arrays as unknown };
  const rng = lcgRng(2024);
  let worst = 0;
  const compare = (actual: number, expected: number) => {
    worst = Math.max(worst, Math.abs(actual - expected) / Math.max(Math.abs(expected), 1));
  };
  const sums = (tree: unknown) => {
    let [sum, squares] = [0, 0];
    for (const { data } of treeLeaves<NdArray>(tree)) for (const v of data) [sum, squares] = [sum + v, squares + v * v];
    return [sum, squares];
  };
  for (let k = 0; k < 5; k++) {
    const column = (values: NdArray) => ndarray(values.data.map((v) => v > -0.6 ? 0 : 1), [8, 1]);
    const batch = {
      observation: filled(60000 + 10 * k, [8, 3]),
      action: filled(60001 + 10 * k, [8, 2], 0.95),
      nextObservation: filled(60002 + 10 * k, [8, 3]),
      reward: filled(60003 + 10 * k, [8, 1]),
      terminal: column(filled(60004 + 10 * k, [8, 1])),
    };
    const result = await agent.update(state, batch, rng);
    state = result.state as typeof state;
    const row = golden.e2e[Math.max(k - 1, 0)];
    if (k === 0) continue;
    if (k === 1) compare(result.metrics.diffusionLoss, row.bc_loss!);
    if (row.losses) {
      compare(result.metrics.diffusionLoss, row.losses.bc_loss);
      compare(result.metrics.trustRegionLoss, row.losses.distill_loss);
      compare(result.metrics.valueLoss, row.losses.ql_loss);
      compare(result.metrics.criticLoss, row.losses.critic_loss);
      compare(result.metrics.likelihoodLoss, row.losses.gamma_loss);
      compare(result.metrics.actorLoss, row.losses.actor_loss);
    }
    const now = state.arrays as Record<string, { params: unknown }>;
    const groups = { bc: now.diffusion.params, critic: now.critic.params, actor: now.actor.params };
    for (const [name, params] of Object.entries({ ...groups, critic_target: now.criticTarget })) {
      sums(params).forEach((v, i) => compare(v, row[name as "bc"][i]));
    }
  }
  console.log(`      worst relative error ${worst.toExponential(1)}`);
  assert(worst <= 1e-4, `worst relative error ${worst}`);
});

Deno.test("createDqlKl() starts policy and fake model as copies of the pretrained model, or as networks of their own", async () => {
  for (const start of ["copies", "independent"] as const) {
    const small = {
      hidden: 16,
      diffusionHidden: 16,
      batchSize: 4,
      pretrainUpdates: 20,
      updates: 100,
      learningRate: 1e-3,
    };
    const agent = createDqlKl({ ...dqlKlDefaults, ...small, start }, spec);
    const values = (arrays: unknown, name: string) => {
      const { params } = (arrays as Record<string, { params: unknown }>)[name];
      return treeLeaves<NdArray>(params).flatMap(({ data }) => [...data]);
    };
    const apart = (x: number[], y: number[]) => Math.max(...x.map((v, i) => Math.abs(v - y[i])));
    let state = agent.init(createRng(0));
    const [diffusion, actor, fake] = ["diffusion", "actor", "fake"].map((name) => values(state.arrays, name));
    if (start === "copies") assertEquals([actor, fake], [diffusion, diffusion]);
    else assert(apart(actor, diffusion) > 0.1 && apart(fake, diffusion) > 0.1 && apart(actor, fake) > 0.1);
    const update = async (k: number) => {
      const [observation, action, nextObservation] = [3, 2, 3].map((n, i) => filled(10 * k + i, [4, n]));
      const [reward, terminal] = [filled(10 * k + 3, [4, 1]), ndarray([0, 0, 0, 1], [4, 1])];
      const batch = { observation, action, nextObservation, reward, terminal };
      ({ state } = await agent.update(state, batch, createRng(k)));
    };
    for (let k = 0; k < 20; k++) await update(k);
    const pretrained = values(state.arrays, "diffusion");
    assert(apart(pretrained, diffusion) > 5e-3);
    await update(20); // The first step of Adam moves each number by the learning rate.
    for (const [name, own] of [["actor", actor], ["fake", fake]] as const) {
      const from = start === "copies" ? pretrained : own;
      assert(apart(values(state.arrays, name), from) < 1.001e-3, `${start}: ${name}`);
    }
  }
});

Deno.test("createDtql() refuses settings out of range", () => {
  const make = (change: Partial<typeof dtqlDefaults>) => () => createDtql({ ...dtqlDefaults, ...change }, spec);
  assertThrows(make({ expectile: 1.2 }), RangeError, "expectile must be in (0, 1), current value is 1.2");
  assertThrows(make({ learningRate: 0 }), RangeError, "learningRate must be positive, current value is 0");
});

Deno.test("createDtql() has the published parameter counts on halfcheetah", () => {
  const agent = createDtql(dtqlDefaults, { observationDim: 17, actionDim: 6, maxAction: 1 });
  const arrays = agent.init(createRng(0)).arrays as Record<string, { params: unknown }>;
  const count = (tree: unknown) => treeLeaves<NdArray>(tree).reduce((sum, { data }) => sum + data.length, 0);
  assertEquals(count(arrays.diffusion.params), 210_230);
  assertEquals(count(arrays.critic.params), 415_491);
  assertEquals(count(arrays.actor.params), 139_276);
});

Deno.test("one observation row stands for all: the same update as with as many equal rows", async () => {
  await useBackend("onnx");
  const config = resolveConfig(dtql, "25gaussians-far", { batchSize: 8, hidden: 16, diffusionHidden: 16, updates: 3 });
  const agent = dtql.create(config, { observationDim: 1, actionDim: 2, maxAction: 11 });
  const bandit = makeBandit("25gaussians", "far", 100, createRng("bandit"));
  const train = async (rows: 1 | 8) => {
    let state = agent.init(createRng("init"));
    for (let k = 0; k < 3; k++) {
      const batch = drawBanditBatch(bandit, 8, createRng(`batch/${k}`));
      const observation = ndarray(new Float32Array(rows), [rows, 1]);
      const result = await agent.update(
        state,
        { ...batch, observation, nextObservation: observation },
        createRng(`${k}`),
      );
      state = result.state;
    }
    return treeLeaves<NdArray>(state.arrays).flatMap(({ data }) => [...data]);
  };
  const [one, many] = [await train(1), await train(8)];
  one.forEach((x, i) => assertAlmostEquals(x, many[i], 1e-4 * Math.max(Math.abs(x), 1)));
});
