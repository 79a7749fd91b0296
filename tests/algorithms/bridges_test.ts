import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { boundaryLoss, compositionLoss as bfqComposition, type FlowMap, meanVelocity } from "../../algorithms/bfq.ts";
import {
  type BridgedConfig,
  bridgedDefaults,
  type BridgeName,
  type Cell,
  completionLoss,
  compositionLoss,
  consistencyLoss,
  createBridged,
  createTeacher,
  ddpmTeacher,
  definedCells,
  edmTeacher,
  flowSample,
  flowTeacher,
  flowTimes,
  klLoss,
  levelColumns,
  type LevelNoise,
  type Levels,
  type MeanVelocity,
  noisyAction,
  pairedLoss,
  scoreLoss,
  slopeLoss,
  studentLevels,
  type Teacher,
  teacherEnd,
  type TeacherName,
  teacherVelocity,
  trustRegionLoss,
  undefinedBecause,
  vpTeacher,
} from "../../algorithms/bridges/mod.ts";
import {
  consistencyAcDefaults,
  consistencyMap,
  type ConsistencyNetwork,
  imitationLoss,
  type ImitationNoise,
  imitationNoise,
} from "../../algorithms/consistency_ac.ts";
import type { NoiseLevel } from "../../algorithms/core/denoiser.ts";
import { edmDefaults, edmScalings, type RawNetwork } from "../../algorithms/core/edm.ts";
import { behaviourNoise } from "../../algorithms/core/ln_resnet.ts";
import { type Linear, rowsLike } from "../../algorithms/core/nn.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { meanSquaredError } from "../../algorithms/core/td.ts";
import { useBackend } from "../../algorithms/engine/backend.ts";
import { encodeCheckpoint } from "../../algorithms/engine/checkpoint.ts";
import { type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { compile, type Traced } from "../../algorithms/engine/compile.ts";
import { type Tensor, tf, valueAndGrad } from "../../algorithms/engine/tensor.ts";
import { diffusionLoss, type DiffusionNetwork, diffusionNetwork, distillationLoss } from "../../algorithms/dtql/mod.ts";
import { flowAction, flowVelocity, oneStepAction } from "../../algorithms/fql.ts";
import { completionTerms, type SscpActor, stepVelocity } from "../../algorithms/sscp.ts";
import { srpoActionGradient, srpoDefaults, vpNoiseAt } from "../../algorithms/srpo/mod.ts";
import { makeBandit } from "../../data/bandits.ts";
import { filled, filledBehaviour, filledScore, filledTwin, filler } from "../golden.ts";
import { batchAt, drawAt, filledStack, near, spec, uniform } from "./family.ts";

await useBackend("onnx");

/** Compiles and runs once. */
// deno-lint-ignore no-explicit-any -- arrays in, tensors inside
function run<I extends Record<string, any>>(inputs: I, f: (inputs: Traced<I>) => Record<string, unknown>) {
  // deno-lint-ignore no-explicit-any -- as above
  return compile<I, any>("test", f as (inputs: Traced<I>) => any)(inputs);
}

const teachers: Record<TeacherName, Teacher> = {
  ddpm: ddpmTeacher(5),
  edm: edmTeacher(),
  vp: vpTeacher(),
  flow: flowTeacher(),
};
const { observation: s, action: a } = batchAt(200000);
const epsilon = drawAt(200000, 6);
const noiseOf = (levels: NoiseLevel[], e = epsilon): LevelNoise<NdArray> => ({ ...levelColumns(levels), epsilon: e });

// ------------------------------------------------------------------------------------------ Conversions of teachers

const [mean, deviation] = [0.3, 0.6]; // Of a Gaussian in each dimension, whose denoiser is known.

/** The exact network of a teacher for that Gaussian, at known levels. */
function exactNetwork(teacher: Teacher, { alpha, sigma }: Levels): RawNetwork {
  const clean = (x: Tensor) => { // E[a | x], with x = alpha a + sigma epsilon.
    const spread = tf.add(tf.mul(tf.square(alpha), deviation ** 2), tf.square(sigma));
    const pull = tf.div(tf.mul(alpha, deviation ** 2), spread);
    return tf.add(tf.mul(pull, tf.sub(x, tf.mul(alpha, mean))), mean);
  };
  const noise = (x: Tensor) => tf.div(tf.sub(x, tf.mul(alpha, clean(x))), sigma);
  if (teacher.name === "flow") return (x) => tf.sub(clean(x), noise(x));
  if (teacher.name !== "edm") return noise;
  const c = edmScalings(sigma, edmDefaults);
  return (scaled) => {
    const x = tf.div(scaled, c.in);
    return tf.div(tf.sub(clean(x), tf.mul(x, c.skip)), c.out);
  };
}

for (const teacher of Object.values(teachers)) {
  Deno.test(`${teacher.name}: D and noise of an exact network are those of the Gaussian in closed form, at every ratio`, async () => {
    const ratios = teacher.grid?.slice(0, 4) ?? [0.02, 0.3, 1.7, 30];
    const levels = ratios.map(teacher.levelAt);
    levels.forEach(({ alpha, sigma }, i) => assertAlmostEquals(sigma / alpha / ratios[i], 1, 1e-6));
    const y = ndarray(epsilon.data.map((e, i) => a.data[i] + ratios[Math.floor(i / 2)] * e), [4, 2]);
    const { clean, noise } = await run({ y, levels: levelColumns(levels) }, ({ y, levels }) => {
      const network = exactNetwork(teacher, levels);
      const x = tf.mul(y, levels.alpha);
      return { clean: teacher.denoise(network, x, levels), noise: teacher.noise(network, x, levels) };
    });
    y.data.forEach((v, i) => {
      const ratio = ratios[Math.floor(i / 2)];
      const expected = (deviation ** 2 * v + ratio ** 2 * mean) / (deviation ** 2 + ratio ** 2);
      assertAlmostEquals(clean.data[i], expected, 2e-5);
      const expectedNoise = (v - expected) / ratio; // The score times -sigma.
      assertAlmostEquals(noise.data[i], expectedNoise, 2e-5 * Math.max(1, 1 / ratio));
    });
  });

  Deno.test(`${teacher.name}: the deterministic sampler follows the Gaussian's flow, in closed form`, async () => {
    const start = filled(7, [4, 2], 1.2);
    const endOf = async (nfe: number) => {
      const path = (nfe > 5 && teacher.name === "ddpm" ? ddpmTeacher(nfe) : teacher).path;
      const top = (nfe > 5 && teacher.name === "ddpm" ? ddpmTeacher(nfe) : teacher).top;
      const { x } = await run({ start }, ({ start }) => {
        let x = tf.mul(start, top.sigma);
        const levels = path(top, nfe).map((level): Levels => {
          const of = (value: number) => tf.fill([1, 1], value);
          return { time: of(level.time), alpha: of(level.alpha), sigma: of(level.sigma) };
        });
        for (let i = 0; i < nfe; i++) x = teacher.step(exactNetwork(teacher, levels[i]), x, levels[i], levels[i + 1]);
        return { x };
      });
      // (x - alpha mean) / sqrt((alpha deviation)^2 + sigma^2) is constant along the flow.
      const [scale, last] = [Math.hypot(top.alpha * deviation, top.sigma), path(top, nfe)[nfe]];
      return Math.max(...[...x.data as Float32Array].map((v, i) => {
        const z = (top.sigma * start.data[i] - top.alpha * mean) / scale;
        return Math.abs(v - (last.alpha * mean + Math.hypot(last.alpha * deviation, last.sigma) * z));
      }));
    };
    const [few, many] = [await endOf(20), await endOf(80)];
    assert(many < 0.03 && many < few / 2.5, `error ${few} with 20 calls, ${many} with 80`); // Order 1: a quarter.
  });

  Deno.test(`${teacher.name}: its loss is a weighted squared distance of D from the action`, async () => {
    const levels = teacher.grid?.slice(0, 4).map(teacher.levelAt) ?? [0.05, 0.4, 1.7, 9].map(teacher.levelAt);
    const noise = noiseOf(levels);
    const layers = filledStack(filler(9), [3, 8, 2]);
    const signal = ({ alpha, sigma }: Levels) => tf.div(tf.square(alpha), tf.square(sigma));
    const weightOf: Record<TeacherName, (levels: Levels) => Tensor> = {
      ddpm: signal,
      edm: ({ sigma }) => tf.div(1, tf.square(edmScalings(sigma, edmDefaults).out)),
      vp: signal,
      flow: ({ sigma }) => tf.div(1, tf.square(sigma)), // 1 - t
    };
    const { loss, weighted } = await run({ layers, a, noise }, ({ layers, a, noise }) => {
      const network: RawNetwork = (x, time) => {
        const h = tf.tanh(
          tf.matMul(tf.concat([x, time], 1) as tf.Tensor2D, (layers as Linear[])[0].weight as tf.Tensor2D),
        );
        return tf.matMul(h as tf.Tensor2D, (layers as Linear[])[1].weight as tf.Tensor2D);
      };
      const error = tf.square(tf.sub(teacher.denoise(network, noisyAction(a, noise), noise), a));
      return { loss: teacher.loss(network, a, noise), weighted: tf.mean(tf.mul(weightOf[teacher.name](noise), error)) };
    });
    assertAlmostEquals(loss.data[0] / weighted.data[0], 1, 2e-4); // Float32 differences over small sigmas.
  });
}

Deno.test("flowSample(), flowTimes() and teacherVelocity() are the same for all teachers at one ratio", async () => {
  const ratios = teachers.ddpm.grid!.slice(0, 4); // Which all of them have.
  const found = await Promise.all(
    Object.values(teachers).map((teacher) =>
      run({ a, noise: noiseOf(ratios.map(teacher.levelAt)) }, ({ a, noise }) => {
        const network = exactNetwork(teacher, noise);
        return { x: flowSample(a, noise), t: flowTimes(noise), v: teacherVelocity({ teacher, network }, a, noise) };
      })
    ),
  );
  near(found[0].t.data, ratios.map((r) => 1 / (1 + r)), 1e-6);
  for (const { x, t, v } of found.slice(1)) {
    near(x.data, [...found[0].x.data], 1e-6);
    near(t.data, [...found[0].t.data], 1e-6);
    near(v.data, [...found[0].v.data], 1e-5);
  }
});

// ------------------------------------------------------------------------------- Rows that are published algorithms

Deno.test("edm x trust region is DTQL's loss, edm x kl DQL-KL's, to the bit, gradients included", async () => {
  const sigmas = [0.05, 0.3, 1, 5];
  const inputs = {
    real: filledScore(1000, 3, 2, 8, 4),
    fake: filledScore(4000, 3, 2, 8, 4),
    s,
    x: { a },
    noise: noiseOf(sigmas.map(edmTeacher().levelAt)),
  };
  for (const clip of [1, 0.3, Infinity]) { // At 0.3 some actions are clipped.
    const found = await run(inputs, ({ real, fake, s, x, noise }) => {
      const network = (p: DiffusionNetwork): RawNetwork => (input, level) => diffusionNetwork(p, input, s, level);
      const taught = { teacher: edmTeacher(clip), network: network(real) };
      return {
        trust: valueAndGrad((x: { a: Tensor }) => trustRegionLoss(taught, x.a, noise), x),
        dtql: valueAndGrad((x: { a: Tensor }) => diffusionLoss(real, s, x.a, noise, clip), x),
        kl: valueAndGrad((x: { a: Tensor }) => klLoss(taught, network(fake), x.a, noise), x),
        dqlKl: valueAndGrad((x: { a: Tensor }) => distillationLoss(real, fake, s, x.a, noise, clip), x),
      };
    });
    for (const [ours, theirs] of [["trust", "dtql"], ["kl", "dqlKl"]]) {
      assertEquals(found[ours].value.data, found[theirs].value.data);
      assertEquals(found[ours].grad.a.data, found[theirs].grad.a.data);
      assert(found[ours].grad.a.data.some((g: number) => g !== 0));
    }
  }
});

Deno.test("vp x score has SRPO's gradient in the action, with and without its baseline, within 1e-6", async () => {
  const { network, frequencies } = filledBehaviour(20000, 3, 2);
  const vp = vpNoiseAt(Float64Array.of(0.03, 0.2, 0.5, 0.9), epsilon);
  const noise = { time: vp.t, alpha: vp.alpha, sigma: vp.sigma, epsilon };
  for (const [weighting, baseline] of [["VDS", false], ["VDSnoise", true]] as const) {
    const inputs = { network, frequencies, q: filledTwin(31000, 3, 2), s, x: { a }, noise, vp };
    const { ours, theirs } = await run(inputs, ({ network, frequencies, q, s, x, noise, vp }) => {
      const net: RawNetwork = (input, time) => behaviourNoise(network, frequencies, input, time, s, null);
      const config = { ...srpoDefaults, weighting, inverseTemperature: 0 };
      const loss = (x: { a: Tensor }) => scoreLoss({ teacher: vpTeacher(), network: net }, x.a, noise, baseline);
      return {
        ours: tf.mul(valueAndGrad(loss, x).grad.a, 4), // Of the mean over four rows.
        theirs: srpoActionGradient(network, frequencies, q, s, x.a, vp, config),
      };
    });
    near(ours.data, [...theirs.data], 1e-6);
  }
});

Deno.test("flow x paired is FQL's distillation within 1e-6, its gradient included", async () => {
  const widths = [8, 8, 8, 8];
  const inputs = {
    flow: filledStack(filler(210000), [6, ...widths, 2]),
    policy: filledStack(filler(220000), [5, ...widths, 2]),
    s,
    z: drawAt(200000, 8),
  };
  const { ours, theirs } = await run(inputs, ({ flow, policy, s, z }) => {
    const velocity = (x: Tensor, t: Tensor) => flowVelocity(flow, s, x, rowsLike(t, x));
    const { path, top } = flowTeacher();
    const levels = path(top, 10).map(({ time, alpha, sigma }): Levels => {
      const of = (value: number) => tf.fill([1, 1], value);
      return { time: of(time), alpha: of(alpha), sigma: of(sigma) };
    });
    const end = teacherEnd(flowTeacher(), velocity, z, levels);
    return {
      ours: valueAndGrad((p: Linear[]) => pairedLoss(oneStepAction(p, s, z), end), policy),
      theirs: valueAndGrad(
        (p: Linear[]) => meanSquaredError(oneStepAction(p, s, z), flowAction(velocity, z, 10)),
        policy,
      ),
    };
  });
  near(ours.value.data, [...theirs.value.data], 1e-6);
  ours.grad.forEach(({ weight }: Linear<NdArray>, i: number) =>
    near(weight.data, [...theirs.grad[i].weight.data], 1e-6)
  );
});

Deno.test("none x completion, consistency and composition are SSCP's, Consistency-AC's and BFQ's losses within 1e-6", async () => {
  const u = uniform(207063, [4, 1]);
  const fill = filler(310000);
  fill.skip(1);
  const actor = {
    frequencies: filled(310000, [1, 4], 0.35),
    time: filledStack(fill, [8, 8, 8]),
    step: filledStack(fill, [8, 8, 8]),
    trunk: filledStack(fill, [13, 8, 8, 8, 8, 2]),
  };
  const levels = noiseOf([...u.data].map((x) => ({ time: x * x, alpha: x * x, sigma: 1 - x * x })));
  const sscp = await run({ actor, s, a, u, start: epsilon, levels }, ({ actor, s, a, u, start, levels }) => {
    const theirs = completionTerms((x, t, d) => stepVelocity(actor as SscpActor, s, x, t, d), a, { start, u });
    const velocity: MeanVelocity = (x, t, end) => stepVelocity(actor as SscpActor, s, x, t, tf.sub(end, t));
    const [x, t] = [flowSample(a, levels), flowTimes(levels)];
    return {
      theirs: [theirs.completion, theirs.flow],
      ours: [completionLoss(velocity, x, t, a), slopeLoss(velocity, x, t, t, tf.sub(a, levels.epsilon))],
    };
  });
  sscp.ours.forEach(({ data }: NdArray, i: number) => near(data, [...sscp.theirs[i].data], 1e-6));

  const net = (base: number) => {
    const fill = filler(base);
    return { time: filledStack(fill, [16, 32, 16]), trunk: filledStack(fill, [21, 8, 8, 8, 2]) };
  };
  const noise = imitationNoise(10, u.data, epsilon, consistencyAcDefaults);
  const { upper, lower, weight, z } = noise;
  const both = { p: net(410000), average: net(420000), s, a, noise, own: { upper, lower, weight, epsilon: z } };
  const consistency = await run(both, ({ p, average, s, a, noise, own }) => {
    const map = (p: ConsistencyNetwork): Parameters<typeof consistencyLoss>[0] => (y, levels) =>
      consistencyMap(p, s, y, levels, "plain");
    return {
      theirs: imitationLoss(p, average, s, a, noise as ImitationNoise<Tensor>, consistencyAcDefaults),
      ours: consistencyLoss(map(p), map(average), a, own, null),
    };
  });
  assertEquals(consistency.ours.data, consistency.theirs.data); // To the bit.

  const other = filler(610000);
  const flowMap = {
    start: filledStack(other, [8, 16, 8]),
    end: filledStack(other, [8, 16, 8]),
    trunk: filledStack(other, [21, 8, 8, 8, 2]),
  };
  const times = {
    r: ndarray([0.1, 0.4, 0.3, 0.5], [4, 1]),
    m: ndarray([0.4, 0.5, 0.45, 0.6], [4, 1]),
    t: ndarray([0.9, 0.55, 0.6, 0.95], [4, 1]),
  };
  const bfq = await run({ flowMap, s, a, noise: { epsilon, ...times } }, ({ flowMap, s, a, noise }) => {
    const own = (x: Tensor, r: Tensor, t: Tensor) => meanVelocity(flowMap as FlowMap, s, x, r, t, 3);
    const turned = (t: Tensor) => tf.sub(1, t);
    const velocity: MeanVelocity = (x, t, end) => tf.neg(own(x, turned(end), turned(t)));
    const x = tf.add(tf.mul(turned(noise.t), a), tf.mul(noise.t, noise.epsilon));
    const [start, middle, end] = [noise.t, noise.m, noise.r].map(turned);
    return {
      theirs: [bfqComposition(own, a, noise), boundaryLoss(own, a, noise)],
      ours: [
        compositionLoss(velocity, x, start, middle, end),
        slopeLoss(velocity, x, start, end, tf.sub(a, noise.epsilon)),
      ],
    };
  });
  bfq.ours.forEach(({ data }: NdArray, i: number) => near(data, [...bfq.theirs[i].data], 1e-6));
});

Deno.test("score is the trust region without the teacher's derivative, and kl of one single action is score's direction", async () => {
  const teacher = vpTeacher();
  const layers = filledStack(filler(9), [3, 8, 2]);
  const noise = noiseOf([0.05, 0.4, 1.7, 9].map(teacher.levelAt));
  const { score, trust, kl } = await run({ layers, x: { a }, noise }, ({ layers, x, noise }) => {
    const network: RawNetwork = (x, time) => {
      const [first, second] = layers as Linear[];
      const h = tf.tanh(tf.matMul(tf.concat([x, time], 1) as tf.Tensor2D, first.weight as tf.Tensor2D));
      return tf.matMul(h as tf.Tensor2D, second.weight as tf.Tensor2D);
    };
    const { alpha, sigma } = noise;
    const clean = teacher.denoise(network, noisyAction(x.a, noise), noise);
    const pull = tf.div(tf.mul(alpha, tf.sub(x.a, clean)), sigma); // alpha (a - D) / sigma
    const taught = { teacher, network };
    return {
      score: valueAndGrad((x: { a: Tensor }) => scoreLoss(taught, x.a, noise, true), x).grad.a,
      trust: tf.mul(tf.mul(tf.square(sigma), pull), 1 / 4),
      kl: valueAndGrad((x: { a: Tensor }) => klLoss(taught, () => noise.epsilon, x.a, noise), x).grad.a,
    };
  });
  near(score.data, [...trust.data], 1e-5);
  for (let row = 0; row < 4; row++) { // Parallel: the same direction with a factor per row.
    const [u, v] = [score, kl].map(({ data }) => data.slice(2 * row, 2 * row + 2));
    const cosine = (u[0] * v[0] + u[1] * v[1]) / Math.hypot(...u) / Math.hypot(...v);
    assertAlmostEquals(cosine, 1, 1e-4);
  }
});

// ------------------------------------------------------------------------------------------------------------ The grid

Deno.test("undefined cells are errors that say why", () => {
  const refuses = (change: Partial<Cell>, message: string) =>
    assertThrows(() => createBridged({ ...bridgedDefaults, ...change }, spec), RangeError, message);
  for (const bridge of ["trust region", "score", "kl", "paired"] as const) {
    refuses({ teacher: "none", bridge }, `Cannot bridge: ${bridge} must have a teacher`);
  }
  refuses({ teacher: "flow", bridge: "paired", sampler: "ancestral" }, "ancestral sampling draws noise anew");
  refuses({ bridge: "kl", student: "deterministic" }, "kl must have a stochastic student");
  refuses({ bridge: "paired", student: "deterministic" }, "it learns which noise leads to which action");
  refuses({ bridge: "completion", student: "deterministic" }, "it is a function of a noisy action");
  refuses({ bridge: "score", sampler: "ancestral" }, "only paired could draw samples of another");
  assertEquals(undefinedBecause({ ...bridgedDefaults, bridge: "score", student: "stochastic" }), null);
  assertEquals(definedCells().length, 31);
  assertThrows(() => ddpmTeacher(5).levelAt(1), RangeError, "sigma / alpha must be one of its 5 ratios");
  refuses({ teacher: "gan" as TeacherName }, "Cannot create Bridged: teacher must be one of ddpm, edm");
});

Deno.test("studentLevels() rise from 0.002 within the teacher's range, and are DDPM's own", () => {
  for (const name of ["ddpm", "edm", "vp", "flow", "none"] as const) {
    const teacher = createTeacher(name, { ddpmSteps: 7 });
    const levels = studentLevels(teacher, 12);
    assertEquals(levels.length, name === "ddpm" ? 8 : 12);
    assertAlmostEquals(levels[0], 0.002, 1e-12);
    levels.slice(1).forEach((level, i) => assert(level > levels[i]));
    if (teacher) assertAlmostEquals(levels.at(-1)! / teacher.range[1], 1, 1e-9);
    levels.slice(1).forEach((level) => teacher?.levelAt(level)); // All can be asked.
  }
});

const tiny: BridgedConfig = {
  ...bridgedDefaults,
  hidden: 32,
  batchSize: 64,
  learningRate: 3e-3,
  nfe: 4,
  ddpmSteps: 6,
  levels: 8,
  discount: 0,
  teacherUpdates: 60,
  criticUpdates: 60,
  updates: 160,
  rewardTransform: "none",
};
const bandit = makeBandit("8gaussians", "far", 2000, createRng("bandit"));
const draw = bandit.batches({ rewardTransform: "none", nextAction: false });

/** Trains a cell on the bandit; the metrics of every update, and the state after some. */
async function trainCell(cell: Partial<BridgedConfig>, stop = tiny.updates) {
  const agent = createBridged({ ...tiny, ...cell }, bandit.spec);
  let state = agent.init(createRng("init"));
  const metrics: Record<string, number>[] = [];
  for (let k = 0; k < stop; k++) {
    const result = await agent.update(state, draw(64, createRng(`batch/${k}`)), createRng(`update/${k}`));
    state = result.state;
    metrics.push(result.metrics);
  }
  return { agent, state, metrics };
}

for (const { teacher, bridge } of definedCells()) {
  Deno.test(`${teacher} x ${bridge} trains on a bandit, and its actor acts as its agent does`, async () => {
    const { agent, state, metrics } = await trainCell({ teacher, bridge });
    for (const [k, row] of metrics.entries()) {
      for (const [name, value] of Object.entries(row)) assert(Number.isFinite(value), `${name} is ${value} at ${k}`);
    }
    const zeros = ndarray(new Float32Array(200), [200, 1]);
    const { data } = await agent.act(state, zeros, 1, createRng("act"));
    assert(data.every((x) => Math.abs(x) <= bandit.maxAction));
    const act = agent.createActor!(state, createRng("act"));
    const rng = createRng("act");
    for (let i = 0; i < 5; i++) {
      const { data } = await agent.act(state, ndarray(new Float32Array(1), [1, 1]), 1, rng);
      act([0]).forEach((x, d) => assertAlmostEquals(x, data[d], 2e-4)); // The noise at level 80 or so is as large.
    }
  });
}

Deno.test("teacher and critic are the same bytes across a row", async () => {
  const before = async (bridge: BridgeName) => {
    const { state } = await trainCell({ teacher: "flow", bridge }, 120);
    const { teacherModel, critic, criticTarget, value } = state.arrays as Record<string, unknown>;
    return encodeCheckpoint({ teacherModel, critic, criticTarget, value });
  };
  const first = await before("trust region");
  for (const bridge of ["kl", "consistency", "composition"] as const) assertEquals(await before(bridge), first);
});
