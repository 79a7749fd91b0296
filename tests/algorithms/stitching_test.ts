import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { useBackend } from "../../algorithms/engine/backend.ts";
import type { NdArray } from "../../algorithms/engine/array.ts";
import { bc } from "../../algorithms/bc.ts";
import { initMlp, type Linear } from "../../algorithms/core/nn.ts";
import { createRng, type Rng } from "../../algorithms/core/rng.ts";
import { type Tensor, tf } from "../../algorithms/engine/tensor.ts";
import { mapTree, treeLeaves } from "../../algorithms/engine/tree.ts";
import {
  actionVaeDefaults,
  actionVaeFunction,
  actionVaeLoss,
  initActionVae,
  meanKl,
  trainActionVae,
} from "../../algorithms/stitching/action_vae.ts";
import { denormalize, fitCdf, normalize } from "../../algorithms/stitching/cdf_normalizer.ts";
import {
  dynamicsDefaults,
  dynamicsLoss,
  type DynamicsNetwork,
  initDynamics,
  nextStateGaussian,
  predictDynamics,
  trainDynamics,
} from "../../algorithms/stitching/dynamics.ts";
import { joinTrajectories, type Trajectories } from "../../algorithms/core/trajectories.ts";
import type { Stage } from "../../algorithms/core/stage.ts";
import { buildKdTree } from "../../algorithms/stitching/kd_tree.ts";
import { rewardDefaults, valueDefaults } from "../../algorithms/stitching/regression.ts";
import {
  criticLoss,
  generatorLoss,
  initRewardGan,
  rewardGanDefaults,
  rewardGanFunction,
  trainRewardGan,
} from "../../algorithms/stitching/reward_gan.ts";
import { joinColumns } from "../../algorithms/core/rows.ts";
import { stitch, type StitchingConfig, stitchingDefaults } from "../../algorithms/stitching/stitch.ts";
import {
  acceptsReturn,
  applyWalks,
  type Connections,
  gaussianLogDensity,
  type StitchPredictions,
  walkTrajectories,
} from "../../algorithms/stitching/stitcher.ts";

Deno.test("buildKdTree() finds what a loop over all points finds, ties and repeated points included", () => {
  const rng = createRng("tree");
  for (const [n, dim] of [[1, 2], [24, 1], [25, 3], [3000, 11], [2000, 2]]) {
    const points = rng.fillNormal(new Float32Array(n * dim)).map((x, i) => i % 5 ? x : Math.round(x));
    if (n > 100) points.copyWithin(50 * dim, 0, 20 * dim);
    const tree = buildKdTree(points, dim);
    for (let trial = 0; trial < 40; trial++) {
      const at = rng.integer(n);
      const point = trial % 2 ? points.slice(at * dim, (at + 1) * dim) : rng.fillNormal(new Float32Array(dim));
      const radius = [0, 0.3, 1, 3][trial % 4];
      const wanted = [];
      for (let i = 0; i < n; i++) {
        let sum = 0;
        for (let d = 0; d < dim; d++) sum += (points[i * dim + d] - point[d]) ** 2;
        if (sum <= radius * radius) wanted.push(i);
      }
      assertEquals([...tree.within(point, radius)].sort((a, b) => a - b), wanted);
    }
  }
});

Deno.test("normalize() and denormalize() match golden S6", () => {
  const cdf = fitCdf([1, 2, 2, 5]);
  assertEquals([1, 2, 3.5, 0, 9].map((x) => normalize(cdf, x)), [-0.5, 0.5, 0.75, -0.5, 1]);
  assertEquals([-1, 0, 0.75, 1].map((y) => denormalize(cdf, y)), [1, 1.5, 3.5, 5]);
  assertEquals(normalize(fitCdf([3, 3]), 7), 7);
});

Deno.test("fitCdf() of many samples keeps 4096 points and moves no share by more than one in 4096", () => {
  const samples = createRng("many").fillNormal(new Float64Array(50_000));
  const cdf = fitCdf(samples);
  assertEquals(cdf.values.length, 4096);
  const sorted = samples.toSorted();
  for (let i = 0; i < sorted.length; i += 97) {
    assertAlmostEquals(normalize(cdf, sorted[i]), 2 * (i + 1) / sorted.length - 1, 2 / 4096);
  }
});

Deno.test("gaussianLogDensity() matches golden S8", () => {
  const density = gaussianLogDensity(
    Float32Array.of(1, -1),
    0,
    Float32Array.of(0.5, -0.5),
    Float32Array.of(0.5, 2),
    0,
    2,
  );
  assertAlmostEquals(density, -2.3691270664093, 1e-12);
});

Deno.test("acceptsReturn() matches golden S12", () => {
  assertEquals([[-95, -100], [-89, -100], [110, 100], [110.01, 100]].map(([a, b]) => acceptsReturn(a, b)), [
    false,
    true,
    false,
    true,
  ]);
});

/** One-dimensional trajectories through the given points; reward and action are the difference. */
function trajectoriesOf(paths: number[][]): Trajectories {
  const rows = paths.flatMap((path) =>
    path.slice(1).map((next, i) => ({ s: path[i], next, done: i === path.length - 2 ? 1 : 0 }))
  );
  const column = (f: (row: typeof rows[number]) => number) => Float32Array.from(rows, f);
  return {
    count: rows.length,
    observationDim: 1,
    actionDim: 1,
    observation: column((r) => r.s),
    action: column((r) => r.next - r.s),
    reward: column((r) => r.next - r.s),
    nextObservation: column((r) => r.next),
    done: column((r) => r.done),
  };
}

const predict = ({ observation, nextObservation }: Trajectories): StitchPredictions => ({
  means: [0.9, 1.1].map((shift) => observation.map((s) => s + shift)),
  standardDeviations: [0, 1].map(() => new Float32Array(observation.length).fill(0.5)),
  nextValue: nextObservation, // V(s) = s
});
const decode = ({ observation, nextObservation }: Connections) => {
  const difference = nextObservation.map((x, i) => x - observation[i]);
  return Promise.resolve({ action: difference, reward: difference });
};
const returns = ({ reward, done }: Trajectories) => {
  const out = [0];
  reward.forEach((r, i) => {
    out[out.length - 1] += r;
    if (done[i] && i + 1 < reward.length) out.push(0);
  });
  return out;
};

Deno.test("a pass over golden S11 splices the first trajectory into the second, and leaves the second alone", async () => {
  const data = trajectoriesOf([[0, 0.4, 0.8, 1.2], [0.1, 1.1, 2.1, 3.1]]);
  const walks = walkTrajectories(data, predict(data), { radius: 0.2 });
  assertEquals(walks, [{ from: [0, 4, 5], to: [3, 4, 5] }, { from: [3, 4, 5], to: [3, 4, 5] }]);
  const { data: next, accepted, stitches } = await applyWalks(data, walks, decode);
  assertEquals([accepted, stitches, next.count], [1, 1, 6]);
  [0, 1.1, 2.1].forEach((x, i) => assertAlmostEquals(next.observation[i], x, 1e-6));
  [1.1, 2.1, 3.1].forEach((x, i) => assertAlmostEquals(next.nextObservation[i], x, 1e-6));
  assertAlmostEquals(next.action[0], 1.1, 1e-6);
  returns(next).forEach((x, i) => assertAlmostEquals(x, [3.1, 3][i], 1e-6));
  assertEquals([...next.done], [0, 0, 1, 0, 0, 1]);
});

Deno.test("a walk over repeated transitions stays on its own rows where nothing better is near", () => {
  const once = trajectoriesOf([[0, 0.4, 0.8, 1.2], [0.1, 1.1, 2.1, 3.1]]);
  const { data: twice } = joinTrajectories({ data: once, terminal: once.done }, { data: once, terminal: once.done });
  assertEquals(walkTrajectories(twice, predict(twice), { radius: 0.2 }), [
    { from: [0, 4, 5], to: [3, 4, 5] },
    { from: [3, 4, 5], to: [3, 4, 5] },
    { from: [6, 4, 5], to: [3, 4, 5] },
    { from: [9, 10, 11], to: [9, 10, 11] },
  ]);
});

Deno.test("passes on random trajectories never lower a return, and without a radius nothing is stitched", async () => {
  const rng = createRng("random");
  let data = trajectoriesOf(Array.from({ length: 30 }, () => {
    let x = 3 * rng.uniform();
    return [x, ...Array.from({ length: 5 + rng.integer(10) }, () => x += 1.4 * rng.uniform())];
  }));
  const alone = walkTrajectories(data, predict(data), { radius: 0 });
  assert(alone.every(({ from, to }) => from.every((row, i) => row === to[i])));
  const before = returns(data);
  let last = before;
  for (let pass = 0; pass < 4; pass++) {
    const walks = walkTrajectories(data, predict(data), { radius: 0.3 });
    ({ data } = await applyWalks(data, walks, decode));
    const now = returns(data);
    assertEquals(now.length, before.length);
    now.forEach((x, i) => assert(x >= last[i] - 1e-5, `pass ${pass}, trajectory ${i}: ${x} after ${last[i]}`));
    last = now;
  }
  const mean = (xs: number[]) => xs.reduce((a, b) => a + b) / xs.length;
  assert(mean(last) > 1.1 * mean(before), `${mean(last)} after ${mean(before)}`);
});

Deno.test("dynamicsLoss() is minus the mean log density", async () => {
  await useBackend("cpu");
  const p = initDynamics(2, { hidden: 8, depth: 2 }, createRng("p"));
  const eager = mapTree<NdArray, Tensor>(p, ({ data, shape }) => tf.tensor(data, [...shape])) as DynamicsNetwork;
  const [s, next] = [tf.tensor2d([[0.1, -1], [2, 0.5]]), tf.tensor2d([[0, 1], [-1, 0.3]])];
  const { mean, standardDeviation } = nextStateGaussian(eager, s);
  const [m, d, x] = [mean, standardDeviation, next].map((t) => t.dataSync() as Float32Array);
  const wanted = [0, 1].reduce((sum, row) => sum - gaussianLogDensity(x, row, m, d, row, 2) / 2, 0);
  assertAlmostEquals(dynamicsLoss(eager, s, next).dataSync()[0], wanted, 1e-5);
});

Deno.test("trainDynamics() learns mean and spread of a noisy map, and keeps the best networks", async () => {
  await useBackend("onnx");
  const [rng, count] = [createRng("map"), 2000];
  const observation = rng.fillUniform(new Float32Array(count)).map((u) => 4 * u - 2);
  const noise = rng.fillNormal(new Float32Array(count));
  const nextObservation = observation.map((s, i) => Math.sin(s) + (s > 0 ? 0.3 : 0.1) * noise[i]);
  const config = {
    ...dynamicsDefaults,
    members: 3,
    kept: 2,
    hidden: 32,
    depth: 2,
    learningRate: 3e-3,
    epochs: 40,
    patience: 10,
  };
  const ensemble = await trainDynamics(
    { count, observationDim: 1, observation, nextObservation },
    config,
    rng.child("fit"),
  );
  const losses = ensemble.losses.data;
  assertEquals([ensemble.networks.length, losses.length], [2, 3]);
  assert(losses[0] <= losses[1] && losses[1] <= losses[2]);
  const { means, standardDeviations } = await predictDynamics(ensemble, Float32Array.of(-1, 1), 2);
  for (const [mean, deviation] of means.map((m, e) => [m, standardDeviations[e]])) {
    [-1, 1].forEach((s, i) => assertAlmostEquals(mean[i], Math.sin(s), 0.1));
    [0.1, 0.3].forEach((sd, i) => assertAlmostEquals(deviation[i], sd, 0.35 * sd));
  }
});

Deno.test("trainDynamics() says how many rows it needs", async () => {
  const data = {
    count: 10,
    observationDim: 1,
    observation: new Float32Array(10),
    nextObservation: new Float32Array(10),
  };
  await assertRejects(
    () => trainDynamics(data, dynamicsDefaults, createRng("few")),
    RangeError,
    "data must have at least 321 rows, current number is 10",
  );
});

/** Walks of a point in the plane: from the west to the south for nothing, from the north to the goal in the east. */
function crossing(rng: Rng): { data: Trajectories; terminal: Float32Array } {
  const rows: { s: number[]; next: number[]; reward: number; done: number }[] = [];
  const noisy = (x: number) => x + 0.06 * rng.fillNormal(new Float64Array(1))[0];
  for (let k = 0; k < 60; k++) {
    const [from, to] = k % 2 ? [[0, 2], [2, 0]] : [[-2, 0], [0, -2]];
    const path = Array.from({ length: 17 }, (_, i) => {
      const [base, u] = i <= 8 ? [from, 1 - i / 8] : [to, (i - 8) / 8];
      return [noisy(base[0] * u), noisy(base[1] * u)];
    });
    path.slice(1).forEach((next, i) => {
      const done = i === 15 ? 1 : 0;
      rows.push({ s: path[i], next, reward: done && k % 2 ? 1 : 0, done });
    });
  }
  const flat = (f: (row: typeof rows[number]) => number[]) => Float32Array.from(rows.flatMap(f));
  const done = flat((r) => [r.done]);
  return {
    data: {
      count: rows.length,
      observationDim: 2,
      actionDim: 2,
      observation: flat((r) => r.s),
      action: flat((r) => [r.next[0] - r.s[0], r.next[1] - r.s[1]]),
      reward: flat((r) => [r.reward]),
      nextObservation: flat((r) => r.next),
      done,
    },
    terminal: done,
  };
}

Deno.test("stitch() finds the way from the west to the goal, which no trajectory takes, and no pass lowers the mean return", async () => {
  await useBackend("onnx");
  const { data, terminal } = crossing(createRng("crossing"));
  const small = { updates: 1500, batchSize: 64, learningRate: 3e-3, hidden: 32 };
  const config = {
    ...stitchingDefaults,
    radius: 0.2,
    passes: 2,
    dynamics: {
      ...dynamicsDefaults,
      members: 3,
      kept: 2,
      hidden: 32,
      depth: 2,
      learningRate: 3e-3,
      epochs: 40,
      patience: 10,
    },
    value: small,
    reward: small,
    inverse: small,
  };
  const { data: stitched, passes } = await stitch(data, terminal, config, createRng("stitch"));
  console.log("     ", passes.map((p) => `${p.accepted} accepted, mean return ${p.meanReturn.toFixed(3)}`).join("; "));
  assert(passes[0].accepted > 3 && passes[0].meanReturn > 0.5 && passes[1].meanReturn >= passes[0].meanReturn - 1e-5);
  const found = (set: Trajectories) => {
    let [start, crossings] = [0, 0];
    for (let i = 0; i < set.count; i++) {
      if (!set.done[i]) continue;
      if (set.observation[2 * start] < -1.5 && set.nextObservation[2 * i] > 1.5) crossings++;
      start = i + 1;
    }
    return crossings;
  };
  assertEquals(found(data), 0);
  assert(found(stitched) > 3, `${found(stitched)} ways found`);
});

Deno.test("the stitcher's networks have the sizes of the specification's table", () => {
  const count = (p: unknown) => treeLeaves<NdArray>(p).reduce((sum, { data }) => sum + data.length, 0);
  const rng = createRng(0);
  for (
    const [s, a, dynamics, vae, small, reward, gan, critic, value, policy] of [
      [11, 3, 127_422, 591_762 + 587_253, 21_388 + 20_611, 276_481, 277_505, 276_993, 138_242, 69_635],
      [17, 6, 131_034, 612_024 + 603_006, 24_856 + 23_302, 284_161, 285_185, 284_673, 141_314, 71_942],
    ]
  ) {
    assertEquals(count(initDynamics(s, dynamicsDefaults, rng)), dynamics);
    assertEquals([750, 128].map((hidden) => count(initActionVae(s, a, hidden, rng))), [vae, small]);
    assertEquals(count(initMlp([2 * s + a, rewardDefaults.hidden, rewardDefaults.hidden, 1], rng)), reward);
    const pair = initRewardGan(2 * s + a, rewardGanDefaults.hidden, rng);
    assertEquals([count(pair.generator), count(pair.critic)], [gan, critic]);
    assertEquals(2 * count(initMlp([s, valueDefaults.hidden, valueDefaults.hidden, 1], rng)), value);
    const agent = bc.create(bc.defaults, { observationDim: s, actionDim: a, maxAction: 1 }); // Golden S14.
    assertEquals(count((agent.init(rng).arrays as { policy: { params: unknown } }).policy.params), policy);
  }
});

Deno.test("actionVaeLoss() and meanKl() match golden S9", async () => {
  await useBackend("cpu");
  const kl = meanKl(tf.tensor2d([[0.5, -1]]), tf.tensor2d([[0.5, 2]]));
  assertAlmostEquals(kl.dataSync()[0], 0.875, 1e-6);
  assertAlmostEquals(actionVaeLoss(tf.scalar(0.04), kl).total.dataSync()[0], 0.4575, 1e-6);
});

/** Connections of one-dimensional states by actions of either sign and size |s' - s|, with rewards of two kinds. */
function ambiguous(count: number, rng: Rng) {
  const s = rng.fillUniform(new Float32Array(count));
  const action = rng.fillUniform(new Float32Array(count)).map((u) => (u < 0.5 ? -0.3 : 0.7) + 0.1 * u);
  const next = s.map((x, i) => x + Math.abs(action[i]));
  const reward = action.map((x) => x > 0 ? 2 : -1);
  return { s, action, next, reward, connections: joinColumns(count, [s, 1], [next, 1]) };
}

Deno.test("trainActionVae() learns the action between two states", async () => {
  await useBackend("onnx");
  const rng = createRng("vae");
  const { action, connections } = ambiguous(2000, rng);
  const config = { ...actionVaeDefaults, updates: 1500, learningRate: 3e-3, hidden: 32 };
  const p = await trainActionVae({ connections, action, count: 2000 }, config, 1, rng.child("train"));
  const decode = actionVaeFunction(p, 1, rng.child("act"));
  const found = await decode(connections, 2000);
  const error = found.reduce((sum, x, i) => sum + Math.abs(x - action[i]), 0) / 2000;
  assert(error < 0.1, `${error}`);
  assertEquals(await actionVaeFunction(p, 1, rng.child("act"))(connections, 2000), found); // A stream, not a state.
});

Deno.test("criticLoss() and generatorLoss() are their sums, written out", async () => {
  await useBackend("cpu");
  const eager = (p: unknown): Linear[] => mapTree<NdArray, Tensor>(p, ({ data, shape }) => tf.tensor(data, [...shape]));
  const pair = initRewardGan(3, 4, createRng("gan"));
  const [generator, critic] = [eager(pair.generator), eager(pair.critic)];
  const plain = (layers: Linear<NdArray>[], input: number[]) =>
    layers.reduce((h, { weight, bias }, l) =>
      Array.from(bias.data, (b, j) => {
        const y = h.reduce((sum, x, i) => sum + x * weight.data[i * bias.data.length + j], b);
        return l < layers.length - 1 ? Math.max(y, 0) : y;
      }), input)[0];
  const rows = [[0.1, -0.5, 2], [1, 0.3, -0.7]];
  const [z, r] = [[[0.2, -1], [0.5, 0.4]], [[1], [-2]]];
  const made = rows.map((row, i) => plain(pair.generator, [...z[i], ...row]));
  const verdict = (rewards: number[]) =>
    rows.reduce((sum, row, i) => sum + plain(pair.critic, [...row, rewards[i]]) / 2, 0);
  const squares = treeLeaves<NdArray>(pair.critic).flatMap(({ data }) => [...data]).reduce((sum, x) => sum + x * x, 0);
  const x = tf.tensor2d(rows);
  const generated = tf.tensor2d(made.map((y) => [y]));
  assertAlmostEquals(
    criticLoss(critic, x, tf.tensor2d(r), generated).dataSync()[0],
    verdict(r.flat()) - verdict(made) + 1e-4 * squares,
    1e-5,
  );
  assertAlmostEquals(generatorLoss(generator, critic, x, tf.tensor2d(z)).dataSync()[0], verdict(made), 1e-5);
});

Deno.test("trainRewardGan() tells rewards of two kinds of actions apart", async () => {
  await useBackend("onnx");
  const rng = createRng("gan");
  const { s, action, next, reward } = ambiguous(2000, rng);
  const inputs = joinColumns(2000, [s, 1], [action, 1], [next, 1]);
  const config = { ...rewardGanDefaults, updates: 1500, batchSize: 64, learningRate: 1e-3, hidden: 32 };
  const pair = await trainRewardGan({ inputs, targets: reward, count: 2000 }, config, rng.child("train"));
  const found = await rewardGanFunction(pair, rng.child("reward"))(inputs, 2000);
  const mean = (kind: number) => {
    const rows = [...found].filter((_, i) => reward[i] === kind);
    return rows.reduce((a, b) => a + b) / rows.length;
  };
  assert(mean(2) > mean(-1) + 1.5, `${mean(2)}, ${mean(-1)}`);
});

Deno.test("stitch() with the autoencoder and the GAN goes on from what a stage kept as if it had not stopped", async () => {
  await useBackend("onnx");
  const { data, terminal } = crossing(createRng("crossing"));
  const tiny = { updates: 60, batchSize: 32, learningRate: 3e-3, hidden: 16 };
  const config: StitchingConfig = {
    ...stitchingDefaults,
    radius: 0.2,
    passes: 2,
    dynamics: { ...dynamicsDefaults, members: 2, kept: 1, hidden: 16, depth: 2, epochs: 3 },
    value: tiny,
    decoder: "vae",
    vae: tiny,
    rewards: "gan",
    gan: tiny,
  };
  const kept = new Map<string, unknown>();
  const keep: Stage = async (name, compute) => {
    if (!kept.has(name)) kept.set(name, await compute(() => {}));
    return kept.get(name) as never;
  };
  const whole = await stitch(data, terminal, config, createRng("stitch"), keep);
  assertEquals([...kept.keys()], [
    "dynamics",
    "action autoencoder",
    "reward GAN",
    "pass 1 of 2, values",
    "pass 1 of 2",
    "pass 2 of 2, values",
    "pass 2 of 2",
  ]);
  for (const name of ["pass 2 of 2", "pass 2 of 2, values"]) kept.delete(name);
  assertEquals(await stitch(data, terminal, config, createRng("stitch"), keep), whole);
});
