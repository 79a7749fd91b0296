/**
 * One student, one teacher, one bridge: any cell of the grid as an algorithm, with everything else the same.
 *
 * Three phases, each with the networks before it frozen, as SRPO's: a teacher of the data's actions, an IQL critic, and a student that
 * pleases the critic and is tied to the teacher by a bridge. Teacher and critic do not depend on the bridge: at one seed they are the same
 * bytes across a row. All of it is ours but the losses; see `bridges.ts` and `teachers.ts` for those.
 *
 * @module
 */

import { drawNormals } from "../core/acting.ts";
import { type Algorithm, type Batch, finishUpdate } from "../core/agent.ts";
import { checked, type CreateAgent } from "../core/checked.ts";
import { assertRange, type CommonConfig, type Limits, ranges } from "../core/config.ts";
import { consistencyLevels } from "../core/consistency.ts";
import type { RawNetwork } from "../core/edm.ts";
import { meanValueLoss } from "../core/gelu_critic.ts";
import { initIql, type IqlArrays, iqlStep } from "../core/iql.ts";
import { arrangeInputs, createMlp, createNoiseActor } from "../core/mlp_actor.ts";
import { sinusoidalEmbedding } from "../core/nn.ts";
import { type AdamStep, adamStep, initTrained, type Trained, trainStep } from "../core/optim.ts";
import type { Rng } from "../core/rng.ts";
import { stochasticPolicy } from "../core/stochastic_policy.ts";
import { polyakAverage } from "../core/td.ts";
import { type TwinCritic, twinValues } from "../core/twin_critic.ts";
import { column, copyArrays, type NdArray } from "../engine/array.ts";
import { compile } from "../engine/compile.ts";
import { asConstants } from "../engine/export_onnx.ts";
import { type LossTerms, stopGradient, type Tensor, tf } from "../engine/tensor.ts";
import {
  completionLoss,
  compositionLoss,
  consistencyLoss,
  type ConsistencyNoise,
  flowSample,
  flowTimes,
  klLoss,
  pairedLoss,
  scoreLoss,
  slopeLoss,
  type Taught,
  teacherVelocity,
  trustRegionLoss,
} from "./bridges.ts";
import { assertCell, type BridgeName, bridges, type Cell, createTeacher, teacherNames } from "./grid.ts";
import {
  initTimedNetwork,
  studentAction,
  studentLevels,
  studentMap,
  studentPass,
  studentVelocity,
  type TimedNetwork,
  timedNetwork,
  timesOf,
} from "./students.ts";
import {
  flowTeacher,
  levelColumns,
  type LevelNoise,
  type Levels,
  noisyAction,
  type Teacher,
  teacherEnd,
  type TeacherName,
} from "./teachers.ts";

/** Settings of a cell of the grid. */
export interface BridgedConfig extends CommonConfig, Cell {
  /** Weight of the bridge; tuned per bridge, on one grid. */
  bridgeWeight: number;
  /** Weight of the value term, `-mean Q / mean |Q|` at the student's action from pure noise; at 0 the critic is not asked. */
  valueWeight: number;
  /** Updates of the teacher, then of the critic; the student has the rest of `updates`. Without a teacher its share is the student's. */
  teacherUpdates: number;
  /** Updates of the critic, after those of the teacher. */
  criticUpdates: number;
  /** Levels of DDPM's model. */
  ddpmSteps: number;
  /** Network calls of a teacher's deterministic sampler. */
  nfe: number;
  /** Levels of a student at all levels. */
  levels: number;
  /** Adam's step size, of all networks. */
  learningRate: number;
  /** Expectile of the critic's state value, in (0, 1). */
  expectile: number;
  /** Discount of the return, in [0, 1). */
  discount: number;
  /** Share of the critic that its target takes at each update. */
  polyakRate: number;
  /** Share of the student that its average, with which consistency compares, takes at each update. */
  studentRate: number;
  /** Width of teacher, student and critic. */
  hidden: number;
  /** Width of a time's embedding. */
  timeDim: number;
}

/** Defaults, ours; the critic's are IQL's. */
export const bridgedDefaults: BridgedConfig = {
  teacher: "edm",
  bridge: "trust region",
  student: "usual",
  sampler: "deterministic",
  bridgeWeight: 1,
  valueWeight: 1,
  teacherUpdates: 300_000,
  criticUpdates: 300_000,
  ddpmSteps: 20,
  nfe: 10, // FQL's
  levels: 18, // Of consistency distillation, arXiv 2303.01469; with CPQL's 40 and a slow average a short training stays at one mode
  learningRate: 3e-4,
  expectile: 0.7,
  discount: 0.99,
  polyakRate: 0.005,
  studentRate: 0.05,
  hidden: 256,
  timeDim: 16,
  updates: 1_000_000,
  batchSize: 256,
  candidates: 1,
  rewardTransform: "iql_locomotion",
  normalizeObservations: false,
};

const limits: Limits<BridgedConfig> = {
  teacher: teacherNames,
  bridge: Object.keys(bridges) as BridgeName[],
  student: ["usual", "deterministic", "stochastic"],
  sampler: ["deterministic", "ancestral"],
  bridgeWeight: ranges.notNegative,
  valueWeight: ranges.notNegative,
  teacherUpdates: ranges.wholeNumber,
  criticUpdates: ranges.wholeNumber,
  ddpmSteps: ranges.several,
  nfe: ranges.count,
  levels: ranges.several,
  learningRate: ranges.positive,
  expectile: ranges.betweenZeroAndOne,
  discount: ranges.belowOne,
  polyakRate: ranges.rate,
  studentRate: ranges.rate,
  hidden: ranges.count,
  timeDim: ranges.embedding,
};

const settings = { defaults: bridgedDefaults, limits };

/** Factor of what each teacher's network is told in its embedding: a level's index, `ln(sigma) / 4`, times in [0, 1]. */
const timeScales: Readonly<Record<TeacherName, number>> = { ddpm: 1, edm: 40, vp: 100, flow: 100 };

/** A teacher's network, the observation known to it. */
export function teacherNetwork(teacher: Teacher, p: TimedNetwork, s: Tensor, timeDim: number): RawNetwork {
  return (x, time) => timedNetwork(p, s, x, [sinusoidalEmbedding(tf.mul(time, timeScales[teacher.name]), timeDim)]);
}

/** Noise of a student's update: what its bridge takes, and the noise of its action. */
interface StudentNoise<L = NdArray> {
  /** Of the student's action, `[batch, A]`. */
  z: L;
  /** Levels and unit Gaussians, of the student's action or of the data's. */
  level?: LevelNoise<L>;
  /** Levels of the sampler's calls from `level` down, and the end. */
  path?: Levels<L>[];
  /** KL: for the model of the student's own actions. */
  fake?: LevelNoise<L>;
  consistency?: ConsistencyNoise<L>;
  /** Composition: flow times from noise to data, and the end of the slope's short interval, `[batch, 1]` each. */
  times?: { start: L; middle: L; end: L; short: L };
}

const shortest = 1e-3; // BFQ's.

/** Draws the noise of a student's update. */
function drawStudentNoise(
  { bridge, nfe, levels, timeDim }: BridgedConfig,
  teacher: Teacher | null,
  rows: number,
  dim: number,
  rng: Rng,
): StudentNoise {
  const uniforms = (n: number) => rng.fillUniform(new Float64Array(n));
  const normals = () => drawNormals(rows, dim, rng);
  const of = (f: (i: number) => number) => column(Float32Array.from({ length: rows }, (_, i) => f(i)));
  const z = normals();
  const data = flowTeacher(); // Levels of the data alone are a flow's.
  const drawLevels = (law: (u: number) => number = (u) => u) =>
    Array.from(uniforms(rows), (u) => teacher ? teacher.bridgeLevel(u) : data.bridgeLevel(law(u)));
  if (bridge === "paired") return { z };
  if (bridge === "consistency") {
    const edges = studentLevels(teacher, levels);
    const index = Array.from(uniforms(rows), (u) => Math.floor(u * (edges.length - 1)));
    const [lower, upper] = [index.map((i) => edges[i]), index.map((i) => edges[i + 1])];
    const consistency = {
      upper: consistencyLevels(upper, timeDim, "scaled"),
      lower: consistencyLevels(lower, timeDim, "scaled"),
      weight: of((i) => 1 / (upper[i] - lower[i])),
      epsilon: normals(),
    };
    const { epsilon } = consistency;
    return { z, consistency, ...(teacher ? { level: { ...levelColumns(upper.map(teacher.levelAt)), epsilon } } : {}) };
  }
  if (bridge === "completion") {
    const drawn = drawLevels((u) => u * u); // SSCP's law of times.
    const level = { ...levelColumns(drawn), epsilon: normals() };
    if (!teacher) return { z, level };
    const paths = drawn.map((from) => teacher.path(from, nfe));
    return { z, level, path: Array.from({ length: nfe + 1 }, (_, i) => levelColumns(paths.map((path) => path[i]))) };
  }
  const drawn = drawLevels();
  const level = { ...levelColumns(drawn), epsilon: normals() };
  if (bridge === "composition") {
    const { alpha, sigma } = teacher?.top ?? data.top;
    const noisiest = sigma / (alpha + sigma);
    const [three, widths] = [uniforms(3 * rows), uniforms(rows)];
    for (let i = 0; i < rows; i++) three.subarray(3 * i, 3 * i + 3).sort();
    const at = (j: number) => of((i) => 1 - noisiest * three[3 * i + j]);
    const flowTime = (i: number) => drawn[i].alpha / (drawn[i].alpha + drawn[i].sigma);
    const short = of((i) => Math.min(flowTime(i) + shortest * widths[i], 1));
    return { z, level, times: { start: at(2), middle: at(1), end: at(0), short } };
  }
  if (bridge !== "kl") return { z, level };
  return { z, level, fake: { ...levelColumns(drawLevels()), epsilon: normals() } };
}

/** The networks that a bridge is between, of tensors. */
interface Parts {
  student: TimedNetwork;
  average?: TimedNetwork;
  fake?: TimedNetwork;
  teacher?: TimedNetwork;
}

/** The loss of the bridge; of an action in units of the bound, whose student made it from `noise.z`. */
function bridgeLoss(
  { bridge, nfe, timeDim }: BridgedConfig,
  teacher: Teacher | null,
  p: Parts,
  s: Tensor,
  data: Tensor,
  action: Tensor,
  noise: StudentNoise<Tensor>,
): Tensor {
  const bound = (of: TimedNetwork) => teacherNetwork(teacher!, of, s, timeDim);
  const taught: Taught | null = teacher ? { teacher, network: bound(p.teacher!) } : null;
  const level = noise.level!;
  if (bridge === "trust region") return trustRegionLoss(taught!, action, level);
  if (bridge === "score") return scoreLoss(taught!, action, level, true);
  if (bridge === "kl") return klLoss(taught!, bound(p.fake!), action, level);
  if (bridge === "paired") {
    const { top, path } = taught!.teacher;
    const levels = path(top, nfe).map((level): Levels => asConstants(levelColumns([level])));
    return pairedLoss(action, teacherEnd(taught!.teacher, taught!.network, tf.mul(noise.z, top.sigma), levels));
  }
  if (bridge === "consistency") {
    const predicted = taught && ((y: Tensor) => taught.teacher.noise(taught.network, tf.mul(level.alpha, y), level));
    const [own, average] = [p.student, p.average!].map((net) => studentMap(net, s));
    return consistencyLoss(own, average, data, noise.consistency!, predicted);
  }
  const velocity = studentVelocity(p.student, s, timeDim);
  const [x, t] = [flowSample(data, level), flowTimes(level)];
  const slope = taught ? teacherVelocity(taught, data, level) : tf.sub(data, level.epsilon);
  if (bridge === "completion") {
    const target = taught ? teacherEnd(taught.teacher, taught.network, noisyAction(data, level), noise.path!) : data;
    return tf.add(completionLoss(velocity, x, t, target), slopeLoss(velocity, x, t, t, slope));
  }
  const { start, middle, end, short } = noise.times!;
  const from = tf.add(tf.mul(start, data), tf.mul(tf.sub(1, start), level.epsilon));
  return tf.add(compositionLoss(velocity, from, start, middle, end), slopeLoss(velocity, x, t, short, slope));
}

interface Arrays<L = NdArray> extends IqlArrays<L> {
  /** Absent without a teacher. */
  teacherModel?: Trained<TimedNetwork<L>, L>;
  student: Trained<TimedNetwork<L>, L>;
  /** Of the student, for consistency. */
  average?: TimedNetwork<L>;
  /** Model of the student's own actions, for KL. */
  fake?: Trained<TimedNetwork<L>, L>;
}

/** Creates a cell of the grid for a task. */
export const createBridged: CreateAgent<BridgedConfig> = checked("Bridged", settings, (config, spec) => {
  assertCell(config);
  const before = config.teacherUpdates + config.criticUpdates;
  assertRange(
    "Bridged",
    "updates",
    config.updates,
    config.updates > before,
    `above teacher's and critic's (${before})`,
  );
  const { criticUpdates, learningRate, timeDim, valueWeight } = config;
  const { observationDim: s, actionDim: a, maxAction } = spec;
  const teacher = createTeacher(config.teacher, config);
  const teacherUpdates = teacher ? config.teacherUpdates : 0;
  const kind = bridges[config.bridge].student;
  const deterministic = config.student === "deterministic" || config.student === "usual" && config.bridge === "score";
  const pass = studentPass(kind, teacher, { timeDim, levels: config.levels, deterministic });
  const unit = (batch: Batch<Tensor>) => ({ ...batch, action: tf.div(batch.action, maxAction) });

  type Inputs<State> = { state: State; batch: Batch; step: AdamStep };
  const trainTeacher = compile<
    Inputs<{ teacherModel: Trained<TimedNetwork<NdArray>> }> & { noise: LevelNoise<NdArray> }
  >(
    "bridged/teacher",
    ({ state, batch, step, noise }) => {
      const { observation, action } = unit(batch);
      const loss = (p: TimedNetwork) => teacher!.loss(teacherNetwork(teacher!, p, observation, timeDim), action, noise);
      const { value, next } = trainStep(state.teacherModel, loss, step);
      return { state: { teacherModel: next }, metrics: { teacherLoss: value } };
    },
  );

  const trainCritic = compile<Inputs<IqlArrays>>("bridged/critic", ({ state, batch, step }) => {
    const { next, metrics } = iqlStep(state, unit(batch), step, config);
    return { state: next, metrics };
  });

  type StudentState = Pick<Arrays, "student" | "average" | "fake">;
  type Frozen = { teacher?: TimedNetwork<NdArray>; critic: TwinCritic<NdArray> };
  const trainStudent = compile<Inputs<StudentState> & { frozen: Frozen; noise: StudentNoise }>(
    "bridged/student",
    ({ state, frozen, batch, step, noise }) => {
      const { observation, action: data } = unit(batch);
      const { average, fake }: Pick<Arrays<Tensor>, "average" | "fake"> = state;
      const student = trainStep(state.student, (p: TimedNetwork): LossTerms => {
        const action = studentAction(p, observation, noise.z, pass);
        const parts: Parts = { student: p, average, fake: fake?.params, teacher: frozen.teacher };
        const bridge = bridgeLoss(config, teacher, parts, observation, data, action, noise);
        if (valueWeight === 0) return { total: tf.mul(bridge, config.bridgeWeight), bridge };
        const value = meanValueLoss(twinValues(frozen.critic, observation, tf.clipByValue(action, -1, 1)), true);
        return { total: tf.add(tf.mul(bridge, config.bridgeWeight), tf.mul(value, valueWeight)), bridge, value };
      }, step);
      const metrics = {
        bridgeLoss: student.terms.bridge,
        ...(valueWeight === 0 ? {} : { valueLoss: student.terms.value }),
        studentLoss: student.value,
      };
      const next = student.next;
      if (average) {
        return { state: { student: next, average: polyakAverage(average, next.params, config.studentRate) }, metrics };
      }
      if (!fake) return { state: { student: next }, metrics };
      const own = stopGradient(studentAction(state.student.params, observation, noise.z, pass));
      const model = trainStep(
        fake,
        (p: TimedNetwork) =>
          teacher!.loss(teacherNetwork(teacher!, p, observation, timeDim), own, noise.fake as LevelNoise),
        step,
      );
      return { state: { student: next, fake: model.next }, metrics: { ...metrics, fakeLoss: model.value } };
    },
  );

  return {
    init(rng) {
      const network = (times: number, name: string) => initTimedNetwork(times, spec, config, rng.child(name));
      const student = network(timesOf[kind], "student");
      const arrays: Arrays = {
        ...(teacher ? { teacherModel: initTrained(network(1, "teacher")) } : {}),
        ...initIql(spec, config.hidden, rng.child("critic")),
        student: initTrained(student),
        ...(config.bridge === "consistency" ? { average: copyArrays(student) } : {}),
        ...(config.bridge === "kl" ? { fake: initTrained(network(1, "teacher")) } : {}),
      };
      return { updates: 0, arrays };
    },

    async update(state, batch, rng) {
      const arrays = state.arrays as Arrays;
      const rows = batch.action.shape[0];
      const finish = (result: { state?: object; metrics?: Record<string, NdArray> }) =>
        finishUpdate(state, { ...result, state: { ...arrays, ...result.state } });
      const k = state.updates - teacherUpdates; // Of the critic's phase.
      if (k < 0) {
        const step = adamStep(state.updates + 1, { learningRate });
        const drawn = Array.from(rng.fillUniform(new Float64Array(rows)), teacher!.trainingLevel);
        const noise = { ...levelColumns(drawn), epsilon: drawNormals(rows, a, rng) };
        return finish(await trainTeacher({ state: { teacherModel: arrays.teacherModel! }, batch, step, noise }));
      }
      if (k < criticUpdates) {
        const { critic, criticTarget, value } = arrays;
        const step = adamStep(k + 1, { learningRate });
        return finish(await trainCritic({ state: { critic, criticTarget, value }, batch, step }));
      }
      const n = k - criticUpdates;
      const { student, average, fake, criticTarget: critic, teacherModel } = arrays;
      // The model of the student's own actions starts as the teacher, as in DQL-KL.
      const model = fake && (n === 0 ? initTrained(copyArrays(teacherModel!.params)) : fake);
      return finish(
        await trainStudent({
          state: { student, ...(average ? { average } : {}), ...(model ? { fake: model } : {}) },
          frozen: { critic, ...(teacherModel ? { teacher: teacherModel.params } : {}) },
          batch,
          step: adamStep(n + 1, { learningRate }),
          noise: drawStudentNoise(config, teacher, rows, a, rng),
        }),
      );
    },

    createActor(state, rng) {
      const { times, trunk: [first, ...rest] } = (state.arrays as Arrays).student.params;
      const embedded = pass.embeddings.map((values, i) => ({
        from: a + i * timeDim,
        values: createMlp(times[i], "mish")(values),
      }));
      const kept = [{ from: a + times.length * timeDim, count: s }, { from: 0, count: a, factor: pass.scale }];
      const layers = [arrangeInputs(first, [...kept, ...embedded]), ...rest];
      return createNoiseActor({ layers, activation: "mish", skip: pass.skip, out: pass.out }, maxAction, rng);
    },

    ...stochasticPolicy<TimedNetwork, TwinCritic>("bridged", spec, {
      paramsOf: (arrays) => (arrays as Arrays).student.params,
      sample: (student, s, [z]) => tf.mul(tf.clipByValue(studentAction(student, s, z, pass), -1, 1), maxAction),
      criticOf: (arrays) => (arrays as Arrays).criticTarget,
      value: (critic, s, a) => tf.minimum(...twinValues(critic, s, tf.div(a, maxAction))),
    }),
  };
});

/** Any teacher with any bridge. */
export const bridged: Algorithm<BridgedConfig> = {
  name: "bridged",
  module: import.meta.url,
  acts: "one sample",
  phases: ["teacherUpdates", "criticUpdates"],
  title: "Bridged",
  source: "Ours: teachers and bridges of DTQL, SRPO, FQL, SSCP, Consistency-AC and BFQ, crossed",
  ...settings,
  presets: {},
  create: createBridged,
};
