/**
 * Consistency-AC and CPQL: a policy that maps noise of any level to an action, trained to agree with itself at the level below, or to
 * reconstruct the data, and to please a critic.
 *
 * Sources: Ding & Jin 2023, "Consistency Models as a Rich and Efficient Policy Class for Reinforcement Learning", arXiv 2309.16984, and
 * Chen, Li & Zhao 2023, "Boosting Continuous Control with Consistency Policy", arXiv 2310.06343, each with the authors' code where it
 * differs ("authors' code" below). CPQL's released imitation is a reconstruction; its consistency loss is only logged there.
 *
 * Deviation: actions are divided by `maxAction` where they enter, and multiplied by it where they leave; the embedding of a level is
 * computed in float64; CPQL's one update beyond the last thousand is left out. The authors report checkpoints chosen by training loss
 * (`offline`) or by score (`online`); what is kept here is the last.
 *
 * @module
 */

import { type Agent, type Algorithm, type Batch, finishUpdate } from "./core/agent.ts";
import { drawNormals, repeatRows } from "./core/acting.ts";
import { checked, type CreateAgent } from "./core/checked.ts";
import { type CommonConfig, type Limits, ranges, type RewardTransform } from "./core/config.ts";
import {
  consistencyEdges,
  type ConsistencyInput,
  consistencyInputs,
  type ConsistencyLevels,
  consistencyLevels,
} from "./core/consistency.ts";
import { edmDefaults } from "./core/edm.ts";
import { initLayerNorm, type LayerNorm, layerNorm } from "./core/layer_norm.ts";
import { arrangeInputs, createMlp, createNoiseActor } from "./core/mlp_actor.ts";
import { initMlp, type Linear, linear, mish, mlp, rowsLike } from "./core/nn.ts";
import { type AdamStep, adamStep, cosineDecay, initTrained, type Trained, trainStep } from "./core/optim.ts";
import type { Rng } from "./core/rng.ts";
import { stochasticPolicy } from "./core/stochastic_policy.ts";
import { bellmanTarget, expectileLoss, polyakAverage } from "./core/td.ts";
import { crossNormalizedLoss, initTwin, type Twin, twinError } from "./core/twin_critic.ts";
import { column, copyArrays, type NdArray, scalar } from "./engine/array.ts";
import { compile } from "./engine/compile.ts";
import { asConstants } from "./engine/export_onnx.ts";
import { stopGradient, type Tensor, tf } from "./engine/tensor.ts";

const imitations = ["consistency", "reconstruction"] as const;
const weightings = ["step", "signal", "none"] as const;
const curricula = ["per call", "whole run", "fixed"] as const;
const timeRules = ["linear", "karras"] as const;
const critics = ["q", "q_v"] as const;
const nextPolicies = ["average", "online"] as const;
const schedules = ["constant", "cosine"] as const;
const targetAverages = ["every update", "with policy"] as const;

/** Settings of Consistency-AC and CPQL. */
export interface ConsistencyAcConfig extends CommonConfig {
  /** What the policy imitates: the average of itself at the level below (`consistency`), or the data (`reconstruction`). */
  imitation: "consistency" | "reconstruction";
  /**
   * How the network is told level and sample: `plain` (Consistency-AC), or `scaled` (CPQL), which also clips every result to the
   * bounds.
   */
  input: ConsistencyInput;
  /** Weight of a level in the imitation: `100 / (t2 - t1)` (`step`), `1 / sigma^2 + 4` (`signal`), or 1 (`none`). */
  weighting: "step" | "signal" | "none";
  /**
   * Levels of the imitation: growing from 2 to 150 within each call of the authors' training function (`per call`, authors' code) or
   * once (`whole run`), or always {@linkcode ConsistencyAcConfig.levels} (`fixed`).
   */
  curriculum: "per call" | "whole run" | "fixed";
  /** Updates of one such call. */
  callUpdates: number;
  /** Levels of the `fixed` curriculum. */
  levels: number;
  /** Network calls per action. */
  nfe: number;
  /** Levels of these calls: evenly spaced from 80 to 2 (`linear`), or 80 and then evenly spaced in the 7th root (`karras`). */
  times: "linear" | "karras";
  /** Level that a single `linear` call is told; its noise has the size 80 (authors' code: 2). */
  oneCallTime: number;
  /** Weight of the value term (eta). */
  valueWeight: number;
  /** What targets rest on: action values of the next action (`q`), or a state value by expectile regression (`q_v`). */
  critic: "q" | "q_v";
  /** Whether each hidden layer of an action value has LayerNorm before Mish. */
  criticLayerNorm: boolean;
  /** Expectile of the state value, in (0, 1). */
  expectile: number;
  /** Whose next action the targets value: the averaged policy's, or the policy's own. */
  nextPolicy: "average" | "online";
  /** Whether targets take the best of 10 actions per Q. */
  maxBackup: boolean;
  /** Whether targets are divided by their standard deviation over the batch. */
  normalizeTarget: boolean;
  /** Adam's step size for the policy. */
  learningRate: number;
  /** Adam's step size for the critic. */
  criticLearningRate: number;
  /** Whether both decay along a cosine, a step every `callUpdates` (authors' code: over the number of 1000-update epochs). */
  schedule: "constant" | "cosine";
  /** Largest gradient norm of policy and critic each. */
  clipNorm: number;
  /** Discount of the return, in [0, 1). */
  discount: number;
  /** Whether the target critic moves at every update by `polyakRate`, or together with the averaged policy. */
  targetAverage: "every update" | "with policy";
  /** Share of the critic that its target takes. */
  polyakRate: number;
  /** Share of the policy that its average takes, every `emaEvery` updates from `emaStart`. */
  emaRate: number;
  /** Updates before the average of the policy begins. */
  emaStart: number;
  /** Updates between steps of that average. */
  emaEvery: number;
  /** Width of the hidden layers. */
  hidden: number;
  /** Width of the embedding of a level. */
  timeDim: number;
}

/** Defaults of Consistency-AC, from the authors' code. */
export const consistencyAcDefaults: ConsistencyAcConfig = {
  imitation: "consistency",
  input: "plain",
  weighting: "step", // The table's flag that switches it off for six tasks never reaches the agent (authors' code).
  curriculum: "per call",
  callUpdates: 50_000,
  levels: 40,
  nfe: 2,
  times: "linear",
  oneCallTime: 2,
  valueWeight: 1, // eta; per task in the presets
  critic: "q",
  criticLayerNorm: false,
  expectile: 0.7,
  nextPolicy: "average",
  maxBackup: false,
  normalizeTarget: false,
  learningRate: 3e-4,
  criticLearningRate: 3e-4,
  schedule: "cosine",
  clipNorm: 9, // Per task in the presets.
  discount: 0.99,
  targetAverage: "every update",
  polyakRate: 0.005,
  emaRate: 0.005,
  emaStart: 1000,
  emaEvery: 5,
  hidden: 256,
  timeDim: 16,
  updates: 2_000_000,
  batchSize: 256,
  candidates: 50,
  rewardTransform: "none",
  normalizeObservations: false,
};

const limits: Limits<ConsistencyAcConfig> = {
  imitation: imitations,
  input: consistencyInputs,
  weighting: weightings,
  curriculum: curricula,
  callUpdates: ranges.count,
  levels: ranges.several,
  nfe: ranges.count,
  times: timeRules,
  oneCallTime: ranges.positive,
  valueWeight: ranges.notNegative,
  critic: critics,
  expectile: ranges.betweenZeroAndOne,
  nextPolicy: nextPolicies,
  learningRate: ranges.positive,
  criticLearningRate: ranges.positive,
  schedule: schedules,
  clipNorm: ranges.positive,
  discount: ranges.belowOne,
  targetAverage: targetAverages,
  polyakRate: ranges.rate,
  emaRate: ranges.rate,
  emaStart: ranges.wholeNumber,
  emaEvery: ranges.count,
  hidden: ranges.count,
  timeDim: ranges.embedding,
};

/** Defaults of CPQL, from the authors' code. */
export const cpqlDefaults: ConsistencyAcConfig = {
  ...consistencyAcDefaults,
  imitation: "reconstruction",
  input: "scaled",
  weighting: "signal",
  curriculum: "fixed",
  nfe: 1,
  times: "karras",
  criticLayerNorm: true,
  nextPolicy: "online",
  schedule: "constant",
  targetAverage: "with policy",
};

// ------------------------------------------------------------------------------------------------------- Networks

/** The policy's network: an embedding of the level and three Mish layers. */
export interface ConsistencyNetwork<L = Tensor> {
  time: Linear<L>[];
  trunk: Linear<L>[];
}

/** One action value: affine, LayerNorm if there is one, Mish three times, then an affine map to one number. */
export interface ConsistencyValue<L = Tensor> {
  layers: Linear<L>[];
  norms: LayerNorm<L>[];
}

/** Twin action values, and a state value, empty where there is none. */
export interface ConsistencyCritic<L = Tensor> extends Twin<ConsistencyValue<L>> {
  v: Linear<L>[];
}

const { sigmaMin, sigmaMax } = edmDefaults;
const clipped = (a: Tensor) => tf.clipByValue(a, -1, 1);

/** The clean action `skip x + out F` behind `x [batch, A]` at `levels`, `[batch, A]`; the identity at level 0.002. */
export function consistencyMap(
  p: ConsistencyNetwork,
  s: Tensor,
  x: Tensor,
  levels: ConsistencyLevels<Tensor>,
  input: ConsistencyInput,
): Tensor {
  const embedded = rowsLike(mlp(p.time, levels.embedding, mish), x);
  const seen = input === "plain" ? x : tf.mul(x, levels.in);
  const network = mlp(p.trunk, tf.concat([seen, embedded, rowsLike(s, x)], 1), mish);
  const mapped = tf.add(tf.mul(x, levels.skip), tf.mul(network, levels.out));
  return input === "plain" ? mapped : clipped(mapped);
}

/** `[Q1(s, a), Q2(s, a)]`, each `[batch, 1]`. */
export function consistencyValues(p: Twin<ConsistencyValue>, s: Tensor, a: Tensor): [Tensor, Tensor] {
  const input = tf.concat([rowsLike(s, a), a], 1);
  const value = ({ layers, norms }: ConsistencyValue) =>
    layers.reduce((x, layer, i) => {
      const y = linear(layer, x);
      return i + 1 === layers.length ? y : mish(norms.length > 0 ? layerNorm(norms[i], y) : y);
    }, input);
  return [value(p.q1), value(p.q2)];
}

/** Levels of the network calls of an action. */
export function callTimes(
  { nfe, times, oneCallTime }: Pick<ConsistencyAcConfig, "nfe" | "times" | "oneCallTime">,
): number[] {
  if (times === "linear") {
    return nfe === 1 ? [oneCallTime] : Array.from({ length: nfe }, (_, i) => sigmaMax + i / (nfe - 1) * (2 - sigmaMax));
  }
  const root = (x: number) => x ** (1 / 7);
  return Array.from({ length: nfe }, (_, i) => {
    const index = i < 2 ? 0 : 40 * (i - 1) / (nfe - 2); // Of 39 steps; the last is clipped to 0.002 (authors' code).
    const sigma = (root(sigmaMax) + index / 39 * (root(sigmaMin) - root(sigmaMax))) ** 7;
    return Math.min(Math.max(sigma, sigmaMin), sigmaMax);
  });
}

/**
 * Actions `[batch, A]`: the map at the first of {@linkcode callTimes}, of noise of size 80, then noise anew and the map again.
 *
 * @param noises Unit Gaussians `[batch, A]`, one per call.
 */
export function consistencyAction(
  p: ConsistencyNetwork,
  s: Tensor,
  noises: readonly Tensor[],
  config: ConsistencyAcConfig,
): Tensor {
  let x = tf.mul(noises[0], sigmaMax);
  callTimes(config).forEach((time, i) => {
    if (i > 0) x = tf.add(x, tf.mul(noises[i], Math.sqrt(Math.max(time ** 2 - sigmaMin ** 2, 0))));
    const levels = asConstants(consistencyLevels([time], config.timeDim, config.input));
    x = consistencyMap(p, s, x, levels, config.input);
  });
  return clipped(x);
}

// --------------------------------------------------------------------------------------------------------- Losses

/** Levels of the imitation at an update: `ceil(sqrt(k (150^2 - 2^2) / K + 2^2) - 1) + 1` at update `k` of `K`. */
export function levelCount(k: number, total: number): number {
  const [least, most] = [2, 150];
  return Math.ceil(Math.sqrt(k * (most ** 2 - least ** 2) / total + least ** 2) - 1) + 1;
}

/** Noise of an imitation: the level of each row, the one below it, the weight of the row, `[batch, 1]`, and unit Gaussians. */
export interface ImitationNoise<L = NdArray> {
  upper: ConsistencyLevels<L>;
  lower: ConsistencyLevels<L>;
  weight: L;
  /** `[batch, A]` */
  z: L;
}

/**
 * Noise of an imitation from uniforms in [0, 1), one per row.
 *
 * @param count Number of levels, at least 2.
 */
export function imitationNoise(
  count: number,
  uniforms: ArrayLike<number>,
  z: NdArray,
  { curriculum, timeDim, input, weighting }: Pick<
    ConsistencyAcConfig,
    "curriculum" | "timeDim" | "input" | "weighting"
  >,
): ImitationNoise {
  const edges = consistencyEdges(count);
  const rows = Array.from(uniforms, (u) => {
    const index = Math.floor(u * (count - 1));
    return curriculum === "fixed" ? count - 2 - index : index; // CPQL numbers its levels downwards.
  });
  const [lower, upper] = [rows.map((i) => edges[i]), rows.map((i) => edges[i + 1])];
  const weights = {
    step: (i: number) => 100 / (upper[i] - lower[i]),
    signal: (i: number) => 1 / upper[i] ** 2 + 4,
    none: () => 1,
  };
  return {
    upper: consistencyLevels(upper, timeDim, input),
    lower: consistencyLevels(lower, timeDim, input),
    weight: column(Float32Array.from(rows, (_, i) => weights[weighting](i))),
    z,
  };
}

/**
 * `mean(weight (f(a + t2 z, t2) - target)^2)`: the target is the averaged policy's result at the level below, with the same noise, or
 * the data's action.
 */
export function imitationLoss(
  p: ConsistencyNetwork,
  average: ConsistencyNetwork,
  s: Tensor,
  a: Tensor,
  { upper, lower, weight, z }: ImitationNoise<Tensor>,
  { imitation, input }: Pick<ConsistencyAcConfig, "imitation" | "input">,
): Tensor {
  const noisy = (levels: ConsistencyLevels<Tensor>) => tf.add(a, tf.mul(levels.sigma, z));
  const target = imitation === "reconstruction"
    ? a
    : stopGradient(consistencyMap(average, s, noisy(lower), lower, input));
  return tf.mean(tf.mul(weight, tf.square(tf.sub(consistencyMap(p, s, noisy(upper), upper, input), target))));
}

/** What action values of the next state are regressed on in mode `q`, `[batch, 1]`: the best of each row's actions per Q, then the smaller. */
export function nextActionTarget(
  target: Twin<ConsistencyValue>,
  batch: Batch<Tensor>,
  nextObservation: Tensor,
  nextAction: Tensor,
  { discount, normalizeTarget }: Pick<ConsistencyAcConfig, "discount" | "normalizeTarget">,
): Tensor {
  const repeats = nextAction.shape[0] / batch.reward.shape[0];
  const [q1, q2] = consistencyValues(target, nextObservation, nextAction).map((q) =>
    tf.max(tf.reshape(q, [-1, repeats]), 1, true)
  );
  const y = bellmanTarget(batch.reward, batch.terminal, tf.minimum(q1, q2), discount);
  return stopGradient(normalizeTarget ? tf.div(y, tf.add(deviation(y), 1e-6)) : y);
}

/** Standard deviation over a column, with `n - 1` as PyTorch has it. */
function deviation(x: Tensor): Tensor {
  const squares = tf.sum(tf.square(tf.sub(x, tf.mean(x))));
  return tf.sqrt(tf.div(squares, x.shape[0] - 1));
}

/** Mode `q_v`: expectile regression of V on the smaller Q, and both Q on targets with V. */
export function stateValueCriticLoss(
  p: ConsistencyCritic,
  batch: Batch<Tensor>,
  { discount, expectile }: Pick<ConsistencyAcConfig, "discount" | "expectile">,
): Tensor {
  const values = consistencyValues(p, batch.observation, batch.action);
  const best = stopGradient(tf.minimum(...values));
  const valueLoss = expectileLoss(tf.sub(best, mlp(p.v, batch.observation, mish)), expectile);
  const nextValue = stopGradient(mlp(p.v, batch.nextObservation, mish));
  return tf.add(valueLoss, twinError(values, bellmanTarget(batch.reward, batch.terminal, nextValue, discount)));
}

// --------------------------------------------------------------------------------------------------------- Updates

interface Arrays<L = NdArray> {
  actor: Trained<ConsistencyNetwork<L>, L>;
  actorAverage: ConsistencyNetwork<L>;
  critic: Trained<ConsistencyCritic<L>, L>;
  criticTarget: ConsistencyCritic<L>;
}

interface UpdateInputs {
  state: Arrays;
  batch: Batch;
  nextRepeated: NdArray;
  noise: { next: NdArray[]; policy: NdArray[]; imitation: ImitationNoise; coin: NdArray };
  steps: { actor: AdamStep; critic: AdamStep };
  rates: { actor: NdArray; critic: NdArray };
}

const backupActions = 10; // Authors' code.

const settings = { defaults: consistencyAcDefaults, limits };

/** Creates Consistency-AC or, with {@linkcode cpqlDefaults}, CPQL. */
export const createConsistencyAc: CreateAgent<ConsistencyAcConfig> = checked("Consistency-AC", settings, (
  config,
  spec,
) => {
  const { clipNorm, nfe, valueWeight } = config;
  const { observationDim: s, actionDim: a, maxAction } = spec;
  const repeats = config.maxBackup ? backupActions : 1;

  const train = compile<UpdateInputs>(
    "consistency_ac/update",
    ({ state, batch, nextRepeated, noise, steps, rates }) => {
      const unit = { ...batch, action: tf.div(batch.action, maxAction) };
      const nextActor = config.nextPolicy === "average" ? state.actorAverage : state.actor.params;
      const criticLoss = (p: ConsistencyCritic) => {
        if (config.critic === "q_v") return stateValueCriticLoss(p, unit, config);
        const next = consistencyAction(nextActor, nextRepeated, noise.next, config);
        const target = nextActionTarget(state.criticTarget, unit, nextRepeated, next, config);
        return twinError(consistencyValues(p, unit.observation, unit.action), target);
      };
      const critic = trainStep(state.critic, criticLoss, steps.critic, { clipNorm });
      const actor = trainStep(
        state.actor,
        (p) => {
          const action = consistencyAction(p, unit.observation, noise.policy, config);
          const values = consistencyValues(critic.next.params, unit.observation, action);
          const value = crossNormalizedLoss(values, noise.coin);
          const imitation = imitationLoss(
            p,
            state.actorAverage,
            unit.observation,
            unit.action,
            noise.imitation,
            config,
          );
          return { total: tf.add(imitation, tf.mul(value, valueWeight)), imitation, value };
        },
        steps.actor,
        { clipNorm },
      );
      return {
        state: {
          actor: actor.next,
          actorAverage: polyakAverage(state.actorAverage, actor.next.params, rates.actor), // At rate 0 it stays as it is.
          critic: critic.next,
          criticTarget: polyakAverage(state.criticTarget, critic.next.params, rates.critic),
        },
        metrics: {
          criticLoss: critic.value,
          imitationLoss: actor.terms.imitation,
          valueLoss: actor.terms.value,
          actorLoss: actor.value,
        },
      };
    },
  );

  const drawCalls = (rows: number, rng: Rng) => Array.from({ length: nfe }, () => drawNormals(rows, a, rng));

  /** Levels at an update; a call is never longer than the run. */
  const levelsAt = (k: number) => {
    if (config.curriculum === "fixed") return config.levels;
    const total = config.curriculum === "whole run" ? config.updates : Math.min(config.callUpdates, config.updates);
    return levelCount(k % total, total);
  };

  return {
    init(rng) {
      const { hidden: h, timeDim: e } = config;
      const actor: ConsistencyNetwork<NdArray> = {
        time: initMlp([e, 2 * e, e], rng.child("time")),
        trunk: initMlp([a + e + s, h, h, h, a], rng.child("trunk")),
      };
      const twin = initTwin((stream) => ({
        layers: initMlp([s + a, h, h, h, 1], stream),
        norms: config.criticLayerNorm ? [h, h, h].map(initLayerNorm) : [],
      }), rng);
      const critic = { ...twin, v: config.critic === "q_v" ? initMlp([s, h, h, h, 1], rng.child("v")) : [] };
      const arrays: Arrays = {
        actor: initTrained(actor),
        actorAverage: copyArrays(actor),
        critic: initTrained(critic),
        criticTarget: copyArrays(critic),
      };
      return { updates: 0, arrays };
    },

    async update(state, batch, rng) {
      const k = state.updates;
      const rows = batch.reward.shape[0];
      const next = config.critic === "q" ? drawCalls(rows * repeats, rng) : []; // In the order of the reference rows.
      const policy = drawCalls(rows, rng);
      const z = drawNormals(rows, a, rng);
      const imitation = imitationNoise(levelsAt(k), rng.fillUniform(new Float64Array(rows)), z, config);
      const coin = scalar(rng.uniform() > 0.5 ? 1 : 0);
      const epochs = Math.max(Math.round(config.updates / 1000), 1);
      const adam = (rate: number) => {
        const decayed = cosineDecay(rate, Math.floor(k / config.callUpdates), epochs);
        return adamStep(k + 1, { learningRate: config.schedule === "cosine" ? decayed : rate });
      };
      const followed = k >= config.emaStart && k % config.emaEvery === 0 ? config.emaRate : 0;
      const { nextObservation } = batch;
      const result = await train({
        state: state.arrays as Arrays,
        batch,
        nextRepeated: nextObservation.shape[0] === 1 ? nextObservation : repeatRows(nextObservation, repeats),
        noise: { next, policy, imitation, coin },
        steps: { actor: adam(config.learningRate), critic: adam(config.criticLearningRate) },
        rates: {
          actor: scalar(followed),
          critic: scalar(config.targetAverage === "with policy" ? followed : config.polyakRate),
        },
      });
      return finishUpdate(state, result);
    },

    ...(nfe > 1 ? {} : {
      createActor(state, rng) {
        const { time, trunk: [first, ...rest] } = (state.arrays as Arrays).actor.params;
        const levels = consistencyLevels(callTimes(config), config.timeDim, config.input);
        const [skip, out, scale] = [levels.skip, levels.out, levels.in].map(({ data }) => data[0]);
        const embedded = createMlp(time, "mish")(levels.embedding.data);
        const arranged = arrangeInputs(first, [
          { from: a + config.timeDim, count: s },
          { from: 0, count: a, factor: scale * sigmaMax },
          { from: a, values: embedded },
        ]);
        const layers = [arranged, ...rest];
        return createNoiseActor({ layers, activation: "mish", skip: skip * sigmaMax, out }, maxAction, rng);
      },
    } satisfies Pick<Agent, "createActor">),

    ...stochasticPolicy<ConsistencyNetwork, ConsistencyCritic>("consistency_ac", spec, {
      draws: nfe,
      paramsOf: (arrays) => (arrays as Arrays).actor.params,
      sample: (actor, s, noises) => tf.mul(consistencyAction(actor, s, noises, config), maxAction),
      criticOf: (arrays) => (arrays as Arrays).criticTarget,
      value: (critic, s, a) => tf.minimum(...consistencyValues(critic, s, tf.div(a, maxAction))),
    }),
  };
});

// --------------------------------------------------------------------------------------------------------- Presets

const source = "authors' code, hyperparameter table";
type Presets = Algorithm<ConsistencyAcConfig>["presets"];
const epochs = (n: number) => ({ updates: 1000 * n });
const named = (rows: Record<string, Partial<ConsistencyAcConfig>>): Presets =>
  Object.fromEntries(Object.entries(rows).map(([task, config]) => [task, { source, config }]));

const backup = { maxBackup: true, ...epochs(1000), rewardTransform: "cql_antmaze" as RewardTransform };
const normed = { ...backup, normalizeTarget: true };
const pen = {
  learningRate: 3e-5,
  valueWeight: 0.01,
  normalizeTarget: true,
  rewardTransform: "standardize" as RewardTransform,
};
const kitchen = { valueWeight: 0.5, normalizeTarget: true, ...epochs(1500), clipNorm: 2 };

/** Consistency-AC. */
export const consistencyAc: Algorithm<ConsistencyAcConfig> = {
  name: "consistency_ac",
  module: import.meta.url,
  acts: "one sample",
  title: "Consistency-AC",
  source: "Ding & Jin 2023, arXiv 2309.16984",
  ...settings,
  presets: named({
    "halfcheetah-medium-v2": { clipNorm: 9 },
    "halfcheetah-medium-replay-v2": { clipNorm: 2 },
    "halfcheetah-medium-expert-v2": { clipNorm: 7 },
    "hopper-medium-v2": { valueWeight: 0.1, clipNorm: 9 },
    "hopper-medium-replay-v2": { valueWeight: 0.1, clipNorm: 4 },
    "hopper-medium-expert-v2": { clipNorm: 5 },
    "walker2d-medium-v2": { nfe: 5, normalizeTarget: true, clipNorm: 1 },
    "walker2d-medium-replay-v2": { valueWeight: 0.1, nfe: 5, clipNorm: 4 },
    "walker2d-medium-expert-v2": { normalizeTarget: true, clipNorm: 5 },
    "antmaze-umaze-v0": { ...normed, valueWeight: 0.01, maxBackup: false, clipNorm: 2 },
    "antmaze-umaze-diverse-v0": { ...normed, valueWeight: 0.01, clipNorm: 3 },
    "antmaze-medium-play-v0": { ...backup, learningRate: 1e-3, valueWeight: 0.01, clipNorm: 2 },
    "antmaze-medium-diverse-v0": { ...normed, valueWeight: 0.01, clipNorm: 1 },
    "antmaze-large-play-v0": { ...normed, valueWeight: 4.5, clipNorm: 10 },
    "antmaze-large-diverse-v0": { ...normed, valueWeight: 3.5, clipNorm: 2 },
    "pen-human-v1": { ...pen, ...epochs(1000), clipNorm: 7 },
    "pen-cloned-v1": { ...pen, ...epochs(500), clipNorm: 8 },
    "kitchen-complete-v0": kitchen,
    "kitchen-partial-v0": kitchen,
    "kitchen-mixed-v0": kitchen,
  }),
  create: createConsistencyAc,
};

type CpqlRow = [valueWeight: number, clipNorm: number, expectile: number, change?: Partial<ConsistencyAcConfig>];
const maze = { ...backup, nfe: 4 };
const cpqlRows: Record<string, CpqlRow> = {
  "halfcheetah-medium-v2": [2, 9, 0.7],
  "halfcheetah-medium-replay-v2": [2, 2, 0.7],
  "halfcheetah-medium-expert-v2": [1, 8, 0.7],
  "hopper-medium-v2": [2, 9, 0.6],
  "hopper-medium-replay-v2": [1, 4, 0.6],
  "hopper-medium-expert-v2": [0.5, 5, 0.6],
  "walker2d-medium-v2": [1, 1, 0.6],
  "walker2d-medium-replay-v2": [1, 4, 0.6],
  "walker2d-medium-expert-v2": [1, 5, 0.6],
  "antmaze-umaze-v0": [1, 2, 0.9, maze],
  "antmaze-umaze-diverse-v0": [2, 3, 0.9, maze],
  "antmaze-medium-play-v0": [4, 2, 0.9, { ...maze, learningRate: 1e-3 }],
  "antmaze-medium-diverse-v0": [3, 1, 0.9, maze],
  "antmaze-large-play-v0": [4.5, 10, 0.9, maze],
  "antmaze-large-diverse-v0": [3.5, 7, 0.9, maze],
  "pen-human-v1": [0.15, 7, 0.7, { learningRate: 3e-5, ...epochs(1000) }],
  "pen-cloned-v1": [0.1, 8, 0.7, { learningRate: 3e-5, ...epochs(1000) }],
};

/** CPQL, as released. */
export const cpql: Algorithm<ConsistencyAcConfig> = {
  ...consistencyAc,
  name: "cpql",
  title: "CPQL",
  source: "Chen, Li & Zhao 2023, arXiv 2310.06343",
  defaults: cpqlDefaults,
  limits,
  presets: named(Object.fromEntries(
    Object.entries(cpqlRows).map(([task, [valueWeight, clipNorm, expectile, change]]) => [
      task,
      { valueWeight, clipNorm, expectile, ...change },
    ]),
  )),
};
