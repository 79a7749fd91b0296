import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { resolveConfig } from "../../algorithms/core/config.ts";
import {
  consistencyEdges,
  type ConsistencyInput,
  type ConsistencyLevels,
  consistencyLevels,
} from "../../algorithms/core/consistency.ts";
import { mish, mlp } from "../../algorithms/core/nn.ts";
import { cosineDecay } from "../../algorithms/core/optim.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { polyakAverage } from "../../algorithms/core/td.ts";
import { crossNormalizedLoss, twinError } from "../../algorithms/core/twin_critic.ts";
import { useBackend } from "../../algorithms/engine/backend.ts";
import { copyArrays, type NdArray, ndarray, scalar } from "../../algorithms/engine/array.ts";
import { compile } from "../../algorithms/engine/compile.ts";
import { tf, valueAndGrad } from "../../algorithms/engine/tensor.ts";
import {
  callTimes,
  consistencyAc,
  type ConsistencyAcConfig,
  consistencyAcDefaults,
  consistencyAction,
  type ConsistencyCritic,
  consistencyMap,
  type ConsistencyNetwork,
  consistencyValues,
  cpql,
  cpqlDefaults,
  createConsistencyAc,
  imitationLoss,
  type ImitationNoise,
  imitationNoise,
  levelCount,
  nextActionTarget,
} from "../../algorithms/consistency_ac.ts";
import golden from "../golden/consistency_ac_golden.json" with { type: "json" };
import goldenCpql from "../golden/cpql_golden.json" with { type: "json" };
import { filled, filler } from "../golden.ts";
import {
  batchAt,
  countOf,
  drawAt,
  filledStack,
  near,
  nearSummary,
  orderedValue,
  scriptedRng,
  spec,
  type Summary,
  uniform,
} from "./family.ts";

await useBackend("onnx");

function filledActor(base: number): ConsistencyNetwork<NdArray> {
  const fill = filler(base);
  return { time: filledStack(fill, [16, 32, 16]), trunk: filledStack(fill, [21, 8, 8, 8, 2]) };
}

/** Consistency-AC's twin critic. */
function filledCritic(base: number): ConsistencyCritic<NdArray> {
  const fill = filler(base);
  const value = () => ({ layers: filledStack(fill, [5, 8, 8, 8, 1]), norms: [] });
  return { q1: value(), q2: value(), v: [] };
}

/** CPQL's critic with LayerNorm, and its state value. */
function filledCpqlCritic(base: number): ConsistencyCritic<NdArray> {
  const fill = filler(base);
  const value = () => {
    const [layers, norms] = [[], []] as [ReturnType<typeof fill.linear>[], ReturnType<typeof fill.norm>[]];
    for (const inputs of [5, 8, 8]) {
      layers.push(fill.linear(inputs, 8));
      norms.push(fill.norm(8));
    }
    return { layers: [...layers, fill.linear(8, 1)], norms };
  };
  return { q1: value(), q2: value(), v: filledStack(fill, [3, 8, 8, 8, 1]) };
}

const ordered = ({ q1, q2, v }: ConsistencyCritic<NdArray>) => [...orderedValue(q1), ...orderedValue(q2), v];

const small: ConsistencyAcConfig = { ...consistencyAcDefaults, hidden: 8 };
const smallCpql: ConsistencyAcConfig = { ...cpqlDefaults, hidden: 8 };

// -------------------------------------------------------------------------------------------- Consistency-AC

const batch = batchAt(400001);
const z = drawAt(400001 - 1, 9);
const levelsOf = (sigmas: number[], input: ConsistencyInput) => consistencyLevels(sigmas, 16, input);
const noises = (n: number, base: number, rows = 4) =>
  Array.from({ length: n }, (_, j) => filled(base + 1009 * j, [rows, 2], 1.7));

Deno.test("the filler gives Consistency-AC's reference inputs", () => {
  const { inputs } = golden;
  near(batch.observation.data, inputs.s, 1e-7);
  near(batch.action.data, inputs.a, 1e-7);
  near(batch.nextObservation.data, inputs.s_next, 1e-7);
  near(batch.reward.data, inputs.r, 1e-7);
  near(batch.terminal.data.map((t) => 1 - t), inputs.not_done);
  near(z.data, inputs.z, 1e-6);
});

Deno.test("levelCount() and consistencyEdges() match rows counts and boundaries", () => {
  for (const [name, rows] of Object.entries(golden.counts)) {
    for (const [k, n] of rows) assertEquals(levelCount(k, Number(name.slice(1))), n, `${name} at ${k}`);
  }
  assertEquals(levelCount(49_335, 50_000), 149);
  assertEquals(levelCount(49_336, 50_000), 150);
  const { "150_at": some, ...all } = golden.boundaries;
  for (const [n, edges] of Object.entries(all)) near(consistencyEdges(Number(n)), edges, 1e-10);
  for (const [i, edge] of some) near([consistencyEdges(150)[i]], edge, 1e-10);
});

type MapInputs = { p: ConsistencyNetwork<NdArray>; s: NdArray; x: NdArray; levels: ConsistencyLevels };

/** The map, and the network alone. */
const mapped = (input: ConsistencyInput) =>
  compile<MapInputs>("map", ({ p, s, x, levels }) => {
    const alone = { ...levels, skip: tf.zerosLike(levels.skip), out: tf.onesLike(levels.out) };
    return { f: consistencyMap(p, s, x, levels, input), network: consistencyMap(p, s, x, alone, input) };
  });

Deno.test("consistencyMap() matches row function, and is the identity at 0.002", async () => {
  const { function: row } = golden;
  const levels = levelsOf(row.t.flat(), "plain");
  near(levels.skip.data, row.c_skip);
  near(levels.out.data, row.c_out);
  near(levels.embedding.data, row.embedding, 1e-6);
  const x = ndarray(row.x.flat(), [4, 2]);
  const { f, network } = await mapped("plain")({ p: filledActor(410000), s: batch.observation, x, levels });
  near(network.data, row.network);
  near(f.data, row.f);
  assertEquals([...f.data.slice(0, 2)], [...x.data.slice(0, 2)]);
});

type ImitationInputs = {
  p: ConsistencyNetwork<NdArray>;
  average: ConsistencyNetwork<NdArray>;
  batch: typeof batch;
  noise: ImitationNoise;
};
const imitation = (config: ConsistencyAcConfig) =>
  compile<ImitationInputs>(
    "imitation",
    ({ p, average, batch: { observation: s, action: a }, noise }) =>
      valueAndGrad((p: ConsistencyNetwork) => imitationLoss(p, average, s, a, noise, config), p),
  );

for (const n of [2, 10, 150] as const) {
  Deno.test(`imitationLoss() matches row bc at ${n} levels`, async () => {
    const row = golden.bc[n];
    const u = uniform(411099, [4, 1]);
    near(u.data, row.u, 1e-7);
    const noise = imitationNoise(n, u.data, z, small);
    near(noise.lower.sigma.data, row.t1, 1e-6);
    near(noise.upper.sigma.data, row.t2, 1e-6);
    const inputs = { p: filledActor(410000), average: filledActor(420000), batch };
    const { value, grad } = await imitation(small)({ ...inputs, noise });
    near(value.data, row.scaled_mean);
    nearSummary(grad, row.grads);
    const plain = imitationNoise(n, u.data, z, { ...small, weighting: "none" });
    near((await imitation(small)({ ...inputs, noise: plain })).value.data, row.unscaled_mean);
    for (let r = 0; r < 4; r++) { // Each row alone.
      const weight = ndarray([0, 1, 2, 3].map((k) => k === r ? 8 : 0), [4, 1]);
      const { value } = await imitation(small)({ ...inputs, noise: { ...plain, weight } });
      near(value.data, row.element[r][0] + row.element[r][1]);
    }
  });
}

Deno.test("imitationLoss() at two levels regresses f(a + 80 z, 80) on a + 0.002 z", async () => {
  const noise = imitationNoise(2, [0.1, 0.4, 0.6, 0.9], z, { ...small, weighting: "none" });
  const { value } = await imitation(small)({ p: filledActor(410000), average: filledActor(420000), batch, noise });
  const x = ndarray(batch.action.data.map((a, i) => a + 80 * z.data[i]), [4, 2]);
  const levels = levelsOf([80, 80, 80, 80], "plain");
  const { f } = await mapped("plain")({ p: filledActor(410000), s: batch.observation, x, levels });
  const goal = batch.action.data.map((a, i) => a + 0.002 * z.data[i]);
  near(value.data, [...f.data].reduce((sum, v, i) => sum + (v - goal[i]) ** 2, 0) / 8);
});

type ActionInputs = { p: ConsistencyNetwork<NdArray>; s: NdArray; noises: NdArray[] };
const acted = (config: ConsistencyAcConfig) =>
  compile<ActionInputs>("act", ({ p, s, noises }) => ({ action: consistencyAction(p, s, noises, config) }));

Deno.test("consistencyAction() matches rows samplers, one call at 2 and at 80 included", async () => {
  const { samplers } = golden;
  const inputs = { p: filledActor(410000), s: batch.observation };
  for (
    const [nfe, row] of [[1, samplers.n_timesteps1], [2, samplers.n_timesteps2], [5, samplers.n_timesteps5]] as const
  ) {
    const config = { ...small, nfe };
    near(callTimes(config), row.times);
    near((await acted(config)({ ...inputs, noises: noises(nfe, 412108) })).action.data, row.action);
  }
  const far = { ...small, nfe: 1, oneCallTime: 80 };
  near((await acted(far)({ ...inputs, noises: noises(1, 412108) })).action.data, samplers.one_call_at_80.clamped);
  const x = ndarray(noises(1, 412108)[0].data.map((v) => 80 * v), [4, 2]);
  const levels = levelsOf([80, 80, 80, 80], "plain");
  near((await mapped("plain")({ ...inputs, x, levels })).f.data, samplers.one_call_at_80.unclamped);
});

type CriticInputs = {
  critic: ConsistencyCritic<NdArray>;
  target: ConsistencyCritic<NdArray>;
  average: ConsistencyNetwork<NdArray>;
  batch: typeof batch;
  next: NdArray;
  noises: NdArray[];
};
for (
  const [name, change, rows] of [
    ["plain", {}, 4],
    ["q_norm", { normalizeTarget: true }, 4],
    ["max_q_backup", {}, 40],
  ] as const
) {
  Deno.test(`nextActionTarget() and the critic's loss match row critic, ${name}`, async () => {
    const config = { ...small, ...change };
    const run = compile<CriticInputs>("critic", ({ critic, target, average, batch, next, noises }) => {
      const action = consistencyAction(average, next, noises, config);
      const goal = nextActionTarget(target, batch, next, action, config);
      const loss = (p: ConsistencyCritic) => twinError(consistencyValues(p, batch.observation, batch.action), goal);
      return {
        action,
        goal,
        values: consistencyValues(critic, batch.observation, batch.action),
        ...valueAndGrad(loss, critic),
      };
    });
    const expected = golden.critic[name];
    const repeated = rows === 4 ? batch.nextObservation : ndarray(
      Array.from({ length: 120 }, (_, i) => batch.nextObservation.data[3 * Math.floor(i / 30) + i % 3]),
      [40, 3],
    );
    const result = await run({
      critic: filledCritic(430025),
      target: filledCritic(440003),
      average: filledActor(420000),
      batch,
      next: repeated,
      noises: noises(2, 412108, rows),
    });
    near(result.values[0].data, golden.critic.q1);
    near(result.values[1].data, golden.critic.q2);
    if ("next_action" in expected) near(result.action.data, expected.next_action);
    near(result.goal.data, expected.target);
    near(result.value.data, expected.loss);
    nearSummary(ordered(result.grad), expected.grads);
  });
}

/** The value term through all network calls. */
const valueTerm = (config: ConsistencyAcConfig) =>
  compile<ActionInputs & { critic: ConsistencyCritic<NdArray>; coin: NdArray }>(
    "value",
    ({ p, s, noises, critic, coin }) =>
      valueAndGrad((p: ConsistencyNetwork) => {
        const action = consistencyAction(p, s, noises, config);
        return crossNormalizedLoss(consistencyValues(critic, s, action), coin);
      }, p),
  );

for (const [coin, name] of [[1, "q_term_numerator1"], [0, "q_term_numerator2"]] as const) {
  Deno.test(`crossNormalizedLoss() matches row ${name} of Consistency-AC and of CPQL`, async () => {
    const inputs = { p: filledActor(410000), s: batch.observation, noises: noises(2, 412108), coin: scalar(coin) };
    const { value, grad } = await valueTerm(small)({ ...inputs, critic: filledCritic(430025) });
    near(value.data, golden[name].loss);
    nearSummary(grad, golden[name].grads);
    const other = { p: filledActor(510000), s: batchC.observation, noises: noises(1, 512108), coin: scalar(coin) };
    const result = await valueTerm(smallCpql)({ ...other, critic: filledCpqlCritic(530000) });
    near(result.value.data, goldenCpql[name].loss);
    nearSummary(result.grad, goldenCpql[name].grads);
  });
}

Deno.test("polyakAverage() matches row ema_0.995", async () => {
  const { mean } = await compile<Record<"from" | "to", ConsistencyNetwork<NdArray>>>("average", ({ from, to }) => ({
    mean: polyakAverage(from, to, 0.005),
  }))({ from: filledActor(420000), to: filledActor(410000) });
  nearSummary(mean, golden["ema_0.995"]);
});

interface Arrays {
  actor: { params: ConsistencyNetwork<NdArray> };
  actorAverage: ConsistencyNetwork<NdArray>;
  critic: { params: ConsistencyCritic<NdArray> };
  criticTarget: ConsistencyCritic<NdArray>;
}

/** A fresh agent of filled networks whose averages are copies. */
function startOf(config: ConsistencyAcConfig, actor: ConsistencyNetwork<NdArray>, critic: ConsistencyCritic<NdArray>) {
  const agent = createConsistencyAc(config, spec);
  const arrays = agent.init(createRng(0)).arrays as Arrays;
  arrays.actor.params = actor;
  arrays.actorAverage = copyArrays(actor);
  arrays.critic.params = critic;
  arrays.criticTarget = copyArrays(critic);
  return { agent, state: { updates: 0, arrays: arrays as unknown } };
}

Deno.test("act() matches row acting: candidates, and their probabilities by target Q", async () => {
  const { probabilities_first5, argmax, max, candidate_7 } = golden.acting;
  const run = compile<ActionInputs & { critic: ConsistencyCritic<NdArray> }>(
    "candidates",
    ({ p, s, noises, critic }) => {
      const action = consistencyAction(p, s, noises, small);
      return { action, value: tf.minimum(...consistencyValues(critic, s, action)) };
    },
  );
  const s = ndarray(batch.observation.data.slice(0, 3), [1, 3]);
  const { action, value } = await run({
    p: filledActor(410000),
    s,
    noises: noises(2, 412108, 50),
    critic: filledCritic(440003),
  });
  const weights = Array.from(value.data as Float32Array, Math.exp);
  const sum = weights.reduce((a, b) => a + b);
  near(weights.slice(0, 5).map((w) => w / sum), probabilities_first5, 1e-6);
  assertEquals(weights.indexOf(Math.max(...weights)), argmax);
  near([Math.max(...weights) / sum], max, 1e-6);
  near(action.data.slice(14, 16), candidate_7);
  // The agent draws among exactly these: with the uniform at the end of candidate 7's share, it takes candidate 7.
  const { agent, state } = startOf(small, filledActor(410000), filledCritic(430025));
  (state.arrays as Arrays).criticTarget = filledCritic(440003);
  const upTo7 = weights.slice(0, 8).reduce((a, b) => a + b) / sum - 1e-4;
  const taken = await agent.act(state, s, 50, scriptedRng(noises(2, 412108, 50), [], [upTo7]));
  near(taken.data, candidate_7);
});

for (
  const [name, change, rows] of [
    ["e2e_plain", {}, 4],
    ["e2e_norm_backup", {
      normalizeTarget: true,
      maxBackup: true,
      valueWeight: 0.5,
      learningRate: 0.01,
      polyakRate: 0.1,
      emaRate: 0.1,
      clipNorm: 1,
    }, 40],
  ] as const
) {
  Deno.test(`createConsistencyAc() reproduces the reference trainer of row ${name} over three updates`, async () => {
    const run = golden[name];
    const config = { ...small, callUpdates: 3, emaStart: 1, emaEvery: 2, ...change };
    let { agent, state } = startOf(config, filledActor(410000), filledCritic(430025));
    for (let k = 0; k < 3; k++) {
      const base = 450000 + 30000 * k;
      const drawn = [drawAt(base, 7, rows), drawAt(base, 8, rows), ...[9, 10, 11].map((i) => drawAt(base, i))];
      const u = uniform(base + 12 * 1009, [4, 1]);
      const result = await agent.update(state, batchAt(base), scriptedRng(drawn, [u.data], [run.coin[k]]));
      state = result.state as typeof state;
      const row = run.rows[k];
      const { criticLoss, imitationLoss, valueLoss, actorLoss } = result.metrics;
      near([criticLoss, imitationLoss, valueLoss, actorLoss], [
        row.critic_loss,
        row.bc_loss,
        row.ql_loss,
        row.actor_loss,
      ]);
      const now = state.arrays as Arrays;
      nearSummary(now.actor.params, row.actor);
      nearSummary(now.actorAverage, row.actor_ema);
      nearSummary(ordered(now.critic.params), row.critic);
      nearSummary(ordered(now.criticTarget), row.critic_target);
    }
    assertAlmostEquals(cosineDecay(config.learningRate, 1, 10), run.lr_after_call[0], 1e-14);
  });
}

// ------------------------------------------------------------------------------------------------------- CPQL

const batchC = batchAt(500000);
const zC = drawAt(500000, 9);
const uC = uniform(511099, [4]);

Deno.test("the filler gives CPQL's reference inputs", () => {
  const { inputs } = goldenCpql;
  near(batchC.observation.data, inputs.s, 1e-7);
  near(batchC.action.data, inputs.a, 1e-7);
  near(batchC.nextObservation.data, inputs.s_next, 1e-7);
  near(batchC.reward.data, inputs.r, 1e-7);
  near(batchC.terminal.data.map((t) => 1 - t), inputs.not_done);
  near(zC.data, inputs.z, 1e-6);
  near(uC.data, inputs.u, 1e-7);
});

Deno.test("consistencyEdges() and consistencyLevels() match rows sigmas_40 and scalings of CPQL", () => {
  near(consistencyEdges(40).reverse(), goldenCpql.sigmas_40, 1e-10);
  const { sigma, c_skip, c_out, c_in, time_input, weight } = goldenCpql.scalings;
  const levels = levelsOf(sigma, "scaled");
  near(levels.skip.data, c_skip, 1e-6);
  near(levels.out.data, c_out, 1e-6);
  near(levels.in.data, c_in, 1e-6);
  near([0, 1, 2, 3].map((i) => levels.embedding.data[16 * i]), time_input.map(Math.sin), 1e-6); // The first rate is 1.
  // Weights: of the fixed levels, and at both ends.
  const { upper, weight: weights } = imitationNoise(40, [0, 1 - 1e-9, 0.5, 0.2], zC, smallCpql);
  near(weights.data, [...upper.sigma.data].map((s) => 1 / s ** 2 + 4), 1e-6);
  near([weights.data[0]], 4.00015625, 1e-6);
  near(sigma.map((s) => 1 / s ** 2 + 4), weight, 1e-9);
});

Deno.test("consistencyMap() matches rows function and function_clamped of CPQL, its gradient included", async () => {
  const p = filledActor(510000);
  for (const row of [goldenCpql.function, goldenCpql.function_clamped]) {
    const x = ndarray(row.x.flat(), [4, 2]);
    const inputs = { p, s: batchC.observation, x, levels: levelsOf(row.sigma, "scaled") };
    const { f, network } = await mapped("scaled")(inputs);
    near(f.data, row.denoised);
    if ("network" in row) near(network.data, row.network);
  }
  const { x, sigma, grads_of_sum } = goldenCpql.function_clamped;
  near(filled(513117, [4, 2], 3).data, x, 1e-6);
  const slope = compile<MapInputs>(
    "slope",
    ({ p, s, x, levels }) =>
      valueAndGrad((p: ConsistencyNetwork) => tf.sum(consistencyMap(p, s, x, levels, "scaled")), p),
  );
  const inputs = { p, s: batchC.observation, x: ndarray(x.flat(), [4, 2]), levels: levelsOf(sigma, "scaled") };
  nearSummary((await slope(inputs)).grad, grads_of_sum as Summary);
});

for (const [name, what] of [["reconstruction", "reconstruction"], ["consistency_logged", "consistency"]] as const) {
  Deno.test(`imitationLoss() matches row ${name} of CPQL`, async () => {
    const noise = imitationNoise(40, uC.data, zC, smallCpql);
    near(noise.upper.sigma.data, goldenCpql.reconstruction.sigma, 1e-6);
    const config: ConsistencyAcConfig = { ...smallCpql, imitation: what };
    const inputs = { p: filledActor(510000), average: filledActor(520000), batch: batchC, noise };
    const { value, grad } = await imitation(config)(inputs);
    near(value.data, goldenCpql[name].mean);
    nearSummary(grad, goldenCpql[name].grads as Summary);
  });
}

Deno.test("consistencyAction() matches rows samplers of CPQL; the last of four calls changes nothing", async () => {
  const inputs = { p: filledActor(510000), s: batchC.observation };
  near((await acted(smallCpql)({ ...inputs, noises: noises(1, 512108) })).action.data, goldenCpql.samplers.onestep);
  const four = { ...smallCpql, nfe: 4 };
  near(callTimes(four).slice(0, 2), [80, 80]);
  assertEquals(callTimes(four)[3], 0.002);
  const { action } = await acted(four)({ ...inputs, noises: noises(4, 512108) });
  near(action.data, goldenCpql.samplers.multistep);
  const other = [...noises(3, 512108), noises(1, 1)[0]]; // Other noise in the last call.
  assertEquals((await acted(four)({ ...inputs, noises: other })).action.data, action.data);
});

Deno.test("nextActionTarget(), consistencyValues() and the state value match row critic of CPQL", async () => {
  const { q1, q2, v, q_mode } = goldenCpql.critic;
  const run = compile<CriticInputs>("critic", ({ critic, target, average, batch, next, noises }) => {
    const action = consistencyAction(average, next, noises, smallCpql);
    const goal = nextActionTarget(target, batch, next, action, smallCpql);
    const loss = (p: Pick<ConsistencyCritic, "q1" | "q2">) =>
      twinError(consistencyValues(p, batch.observation, batch.action), goal);
    const values = consistencyValues(critic, batch.observation, batch.action);
    const state = mlp(critic.v, batch.observation, mish);
    return { action, goal, values, state, ...valueAndGrad(loss, { q1: critic.q1, q2: critic.q2 }) };
  });
  const result = await run({
    critic: filledCpqlCritic(530000),
    target: filledCpqlCritic(540000),
    average: filledActor(510000), // The policy's own.
    batch: batchC,
    next: batchC.nextObservation,
    noises: noises(1, 512108),
  });
  near(result.values[0].data, q1);
  near(result.values[1].data, q2);
  near(result.state.data, v);
  near(result.action.data, q_mode.next_action);
  near(result.goal.data, q_mode.target);
  near(result.value.data, q_mode.loss);
  const { norms, first } = q_mode.grads; // The last eight are of the state value, which this mode leaves alone.
  nearSummary(ordered({ ...result.grad, v: [] }), { norms: norms.slice(0, 28), first: first.slice(0, 28) });
  assert(norms.slice(28).every((x) => x === 0));
});

for (
  const [name, change] of [
    ["e2e_q_onestep", { valueWeight: 2, clipNorm: 9 }],
    ["e2e_q_multistep_backup", {
      nfe: 4,
      maxBackup: true,
      valueWeight: 4.5,
      learningRate: 0.01,
      emaRate: 0.1,
      clipNorm: 1,
    }],
    ["e2e_qv_onestep", { critic: "q_v", expectile: 0.6, valueWeight: 1, clipNorm: 5 }],
  ] as const
) {
  Deno.test(`createConsistencyAc() reproduces CPQL's reference trainer of row ${name} over three updates`, async () => {
    const run = goldenCpql[name];
    const config: ConsistencyAcConfig = { ...smallCpql, emaStart: 1, emaEvery: 2, ...change };
    const { v, ...twin } = filledCpqlCritic(530000);
    const trainsV = config.critic === "q_v";
    let { agent, state } = startOf(config, filledActor(510000), trainsV ? { ...twin, v } : { ...twin, v: [] });
    const rows = config.maxBackup ? 40 : 4;
    for (let k = 0; k < 3; k++) {
      const base = 550000 + 30000 * k;
      const draws = (first: number, n: number) =>
        Array.from({ length: config.nfe }, (_, i) => drawAt(base, first + i, n));
      const drawn = [...(trainsV ? [] : draws(7, rows)), ...draws(13, 4), drawAt(base, 11)];
      const u = uniform(base + 12 * 1009, [4]);
      const result = await agent.update(state, batchAt(base), scriptedRng(drawn, [u.data], [run.coin[k]]));
      state = result.state as typeof state;
      const row = run.rows[k];
      const { criticLoss, imitationLoss, valueLoss, actorLoss } = result.metrics;
      near([criticLoss, imitationLoss, valueLoss, actorLoss], [
        row.critic_loss,
        row.bc_loss,
        row.ql_loss,
        row.actor_loss,
      ]);
      const now = state.arrays as Arrays;
      const whole = (critic: ConsistencyCritic<NdArray>) => ordered(trainsV ? critic : { ...critic, v });
      nearSummary(now.actor.params, row.actor);
      nearSummary(now.actorAverage, row.actor_target);
      nearSummary(whole(now.critic.params), row.critic);
      nearSummary(whole(now.criticTarget), row.critic_target);
    }
  });
}

// --------------------------------------------------------------------------------------------------- Settings

Deno.test("Consistency-AC and CPQL have the published parameter counts on halfcheetah", () => {
  const counts = (config: ConsistencyAcConfig) => {
    const agent = createConsistencyAc(config, { observationDim: 17, actionDim: 6, maxAction: 1 });
    const { actor, critic } = agent.init(createRng(0)).arrays as Arrays;
    return [actor.params, critic.params].map(countOf);
  };
  assertEquals(counts(consistencyAcDefaults), [144_438, 275_970]);
  assertEquals(counts({ ...cpqlDefaults, critic: "q_v" }), [144_438, 415_491]);
});

Deno.test("the curriculum starts again in every call, or grows once", async () => {
  const losses = async (curriculum: ConsistencyAcConfig["curriculum"]) => {
    const config: ConsistencyAcConfig = { ...small, curriculum, callUpdates: 3, updates: 6, levels: 2 };
    const agent = createConsistencyAc(config, spec);
    const { arrays } = agent.init(createRng(0));
    const out: number[] = [];
    for (const updates of [0, 3]) { // The same networks, noise and batch.
      const state = { updates, arrays: copyArrays(arrays) };
      out.push((await agent.update(state, batch, createRng("noise"))).metrics.imitationLoss);
    }
    return out;
  };
  const [again, once] = [await losses("per call"), await losses("whole run")];
  assertEquals(again[1], again[0]);
  assertEquals(once[0], again[0]);
  assert(once[1] > 1.01 * once[0] || once[1] < 0.99 * once[0], `${once}`);
  assertEquals((await losses("fixed"))[1], (await losses("fixed"))[0]);
});

Deno.test("consistency policies stay within bounds of 2.5, where data do", async () => {
  const wide = { ...spec, maxAction: 2.5 };
  for (const config of [small, smallCpql]) {
    const [agent, unit] = [createConsistencyAc(config, wide), createConsistencyAc(config, spec)];
    const scaled = { ...batch, action: ndarray(batch.action.data.map((a) => 2.5 * a), [4, 2]) };
    const a = await agent.update(agent.init(createRng("init")), scaled, createRng(1));
    const b = await unit.update(unit.init(createRng("init")), batch, createRng(1));
    near([a.metrics.actorLoss], [b.metrics.actorLoss], 1e-4);
    const x = await agent.act(a.state, batch.observation, 1, createRng("act"));
    const y = await unit.act(b.state, batch.observation, 1, createRng("act"));
    near(x.data, [...y.data].map((v) => 2.5 * v), 1e-4);
  }
});

Deno.test("createConsistencyAc() refuses settings out of range", () => {
  const refuses = (change: Partial<ConsistencyAcConfig>, message: string) =>
    assertThrows(() => createConsistencyAc({ ...small, ...change }, spec), RangeError, message);
  refuses({ nfe: 0 }, "Cannot create Consistency-AC: nfe must be a positive integer, current value is 0");
  refuses({ levels: 1 }, "levels must be an integer from 2, current value is 1");
  refuses({ imitation: "consistent" as "consistency" }, "imitation must be one of consistency, reconstruction");
});

Deno.test("the presets of Consistency-AC and CPQL are those of the authors' tables", () => {
  const a = resolveConfig(consistencyAc, "walker2d-medium-replay-v2");
  assertEquals([a.valueWeight, a.nfe, a.normalizeTarget, a.clipNorm, a.updates], [0.1, 5, false, 4, 2_000_000]);
  const b = resolveConfig(consistencyAc, "antmaze-medium-play-v0");
  assertEquals(
    [b.learningRate, b.valueWeight, b.normalizeTarget, b.maxBackup, b.updates, b.rewardTransform],
    [1e-3, 0.01, false, true, 1_000_000, "cql_antmaze"],
  );
  const c = resolveConfig(cpql, "antmaze-large-diverse-v0");
  assertEquals([c.valueWeight, c.clipNorm, c.expectile, c.nfe, c.maxBackup], [3.5, 7, 0.9, 4, true]);
  assertEquals([consistencyAc, cpql].map(({ presets }) => Object.keys(presets).length), [20, 17]);
});
