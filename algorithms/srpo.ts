/**
 * SRPO: a deterministic policy regularized by the score of a diffusion model of the data.
 *
 * Source: Chen, Lu, Wang, Su & Zhu 2023, "Score Regularized Policy Optimization through Diffusion Behavior", arXiv
 * 2310.07297, and the authors' code where it differs ("authors' code" below). Three phases, one after the other: a diffusion
 * model of the data's actions, an IQL critic, and the policy, each with the networks before it frozen.
 *
 * Deviation: minibatches are drawn with replacement, where the authors' code shuffles passes; the linear maps that its blocks
 * register and never use are left out.
 *
 * @module
 */

import {
  type Agent,
  type Algorithm,
  assertRange,
  type Batch,
  type CommonConfig,
  drawNormals,
  finishUpdate,
  type Spec,
} from "./core/agent.ts";
import { asConstants, column, compile, exportOnnx, type NdArray, ndarray } from "./core/compile.ts";
import { initIql, type IqlArrays, iqlStep, type TwinCritic, twinValues } from "./core/iql.ts";
import { type BehaviourNetwork, behaviourNoise, drawFrequencies, initBehaviour } from "./core/ln_resnet.ts";
import { initMlp, type Linear, mlp, relu } from "./core/nn.ts";
import { type AdamStep, adamStep, cosineDecay, initTrained, type Trained, trainStep } from "./core/optim.ts";
import type { Rng } from "./core/rng.ts";
import { stopGradient, type Tensor, tf, valueAndGrad } from "./core/tensor.ts";
import { vpMarginal } from "./core/vp_sde.ts";

/** How the policy's gradient weighs the score at a time (omega), with or without the baseline that subtracts the noise. */
export type SrpoWeighting = "VDS" | "VDSnoise" | "stable" | "stablenoise" | "score" | "scorenoise";

/** Settings of SRPO. */
export interface SrpoConfig extends CommonConfig {
  /** Weight of the action value against the score (beta of the authors' code; 1 / beta of the paper weighs the score). */
  inverseTemperature: number;
  /** `VDS`: sigma^2; `stable`: 1; `score`: alpha / sigma; with `noise`: the baseline of Eq. 15. */
  weighting: SrpoWeighting;
  /** Whether the value's gradient is scaled to unit root mean square per row. */
  normalizeGradient: "on" | "off";
  /** Updates of the behaviour model, then of the critic; the policy has the rest of `updates`. */
  behaviourUpdates: number;
  criticUpdates: number;
  /** Rows per update of the behaviour model; `batchSize` is that of critic and policy. */
  behaviourBatchSize: number;
  learningRate: number;
  /** AdamW's decay of the behaviour model. */
  weightDecay: number;
  /** Share of the behaviour model's hidden units that are dropped in training. */
  dropout: number;
  expectile: number;
  discount: number;
  polyakRate: number;
  /** Width of critic and policy, and number of the policy's hidden layers. */
  hidden: number;
  policyDepth: number;
  /** Width and residual blocks of the behaviour model; its blocks are four times as wide inside. */
  behaviourHidden: number;
  blocks: number;
}

/** Defaults, from the authors' code. */
export const srpoDefaults: SrpoConfig = {
  inverseTemperature: 0.05, // beta; per task in the presets
  weighting: "VDS",
  normalizeGradient: "off",
  behaviourUpdates: 2_000_000,
  criticUpdates: 1_500_000,
  behaviourBatchSize: 2048,
  learningRate: 3e-4,
  weightDecay: 0.01,
  dropout: 0.1,
  expectile: 0.7,
  discount: 0.99,
  polyakRate: 0.005,
  hidden: 256,
  policyDepth: 2,
  behaviourHidden: 256,
  blocks: 3,
  updates: 4_500_000,
  batchSize: 256,
  candidates: 1,
  rewardTransform: "iql_locomotion",
};

// ------------------------------------------------------------------------------------------------------- Networks

/** The policy's action, `[batch, A]` in (-1, 1). */
export function srpoAction(p: Linear[], s: Tensor): Tensor {
  return tf.tanh(mlp(p, s, relu));
}

// --------------------------------------------------------------------------------------------------------- Losses

/** Times, their marginals and unit Gaussians of an update: `[batch, 1]` each, and `[batch, A]`. */
export interface VpNoise<L = NdArray> {
  t: L;
  alpha: L;
  sigma: L;
  epsilon: L;
}

/** `alpha a + sigma z`. */
export function diffuse(a: Tensor, { alpha, sigma, epsilon }: VpNoise<Tensor>): Tensor {
  return tf.add(tf.mul(alpha, a), tf.mul(sigma, epsilon));
}

/** Denoising loss of the behaviour model: squared error summed over dimensions, averaged over rows. */
export function behaviourLoss(
  p: BehaviourNetwork,
  frequencies: Tensor,
  batch: Batch<Tensor>,
  noise: VpNoise<Tensor>,
  masks: readonly Tensor[] | null,
): Tensor {
  const predicted = behaviourNoise(p, frequencies, diffuse(batch.action, noise), noise.t, batch.observation, masks);
  return tf.mean(tf.sum(tf.square(tf.sub(predicted, noise.epsilon)), 1));
}

/**
 * The gradient of SRPO's objective in the action, per row and before the mean over rows (Eq. 15): weighted noise prediction
 * minus `inverseTemperature` times the gradient of the mean target action value.
 *
 * @param a Actions, `[batch, A]`; their own gradient is stopped.
 */
export function srpoActionGradient(
  behaviour: BehaviourNetwork,
  frequencies: Tensor,
  target: TwinCritic,
  s: Tensor,
  a: Tensor,
  noise: VpNoise<Tensor>,
  config: Pick<SrpoConfig, "weighting" | "normalizeGradient" | "inverseTemperature">,
): Tensor {
  const fixed = stopGradient(a);
  const predicted = behaviourNoise(behaviour, frequencies, diffuse(fixed, noise), noise.t, s, null);
  const error = config.weighting.endsWith("noise") ? tf.sub(predicted, noise.epsilon) : predicted;
  const weight = config.weighting.startsWith("VDS")
    ? tf.square(noise.sigma)
    : config.weighting.startsWith("score")
    ? tf.div(noise.alpha, noise.sigma)
    : tf.onesLike(noise.sigma);
  const { grad } = valueAndGrad((x: { a: Tensor }) => {
    const [q1, q2] = twinValues(target, s, x.a);
    return tf.sum(tf.mul(tf.add(q1, q2), 0.5));
  }, { a: fixed });
  const slope = config.normalizeGradient === "on"
    ? tf.div(grad.a, tf.sqrt(tf.mean(tf.square(grad.a), 1, true)))
    : grad.a;
  return tf.sub(tf.mul(weight, error), tf.mul(slope, config.inverseTemperature));
}

// --------------------------------------------------------------------------------------------------------- Updates

interface SrpoArrays<L = NdArray> extends IqlArrays<L> {
  /** Fourier frequencies of the behaviour model, fixed. */
  frequencies: L;
  behaviour: Trained<BehaviourNetwork<L>, L>;
  policy: Trained<Linear<L>[], L>;
}

/** Noise at times uniform in `[low, high]`. */
function drawVpNoise(rows: number, dim: number, [low, high]: readonly [number, number], rng: Rng): VpNoise {
  const times = rng.fillUniform(new Float64Array(rows)).map((u) => low + u * (high - low));
  const of = (f: (t: number) => number) => column(Float32Array.from(times, f));
  return {
    t: of((t) => t),
    alpha: of((t) => vpMarginal(t).alpha),
    sigma: of((t) => vpMarginal(t).sigma),
    epsilon: drawNormals(rows, dim, rng),
  };
}

function drawMasks(rows: number, { blocks, behaviourHidden, dropout }: SrpoConfig, rng: Rng): NdArray[] {
  const kept = 1 / (1 - dropout);
  return Array.from({ length: blocks }, () => {
    const data = rng.fillUniform(new Float32Array(rows * behaviourHidden));
    for (let i = 0; i < data.length; i++) data[i] = data[i] < dropout ? 0 : kept;
    return ndarray(data, [rows, behaviourHidden]);
  });
}

const [behaviourTimes, policyTimes] = [[1e-3, 1], [0.02, 0.98]] as const; // Authors' code.

/** Creates SRPO for a task. */
export function createSrpo(config: SrpoConfig, spec: Spec): Agent {
  assertSrpo(config);
  const { behaviourUpdates, criticUpdates } = config;
  const policyUpdates = config.updates - behaviourUpdates - criticUpdates;
  type Inputs = { state: SrpoArrays; batch: Batch; step: AdamStep };

  const trainBehaviour = compile<Inputs & { noise: VpNoise; masks: NdArray[] }>(
    "srpo/behaviour",
    ({ state, batch, step, noise, masks }) => {
      const used = config.dropout > 0 ? masks : null;
      const loss = (p: BehaviourNetwork) => behaviourLoss(p, state.frequencies, batch, noise, used);
      const { value, next } = trainStep(state.behaviour, loss, step, { decays: "weights" });
      return { state: { ...state, behaviour: next }, metrics: { behaviourLoss: value } };
    },
  );

  const trainCritic = compile<Inputs>("srpo/critic", ({ state, batch, step }) => {
    const { next, metrics } = iqlStep(state, batch, step, config);
    return { state: { ...state, ...next }, metrics };
  });

  const trainPolicy = compile<Inputs & { noise: VpNoise }>("srpo/policy", ({ state, batch, step, noise }) => {
    const s = batch.observation;
    const action = srpoAction(state.policy.params, s);
    const direction = stopGradient(srpoActionGradient(
      state.behaviour.params,
      state.frequencies,
      state.criticTarget,
      s,
      action,
      noise,
      config,
    ));
    // The loss whose gradient is Eq. 15's.
    const policy = trainStep(state.policy, (p) => tf.mean(tf.sum(tf.mul(direction, srpoAction(p, s)), 1)), step);
    const q = tf.mul(tf.add(...twinValues(state.criticTarget, s, action)), 0.5);
    return {
      state: { ...state, policy: policy.next },
      metrics: { policyLoss: policy.value, policyValue: tf.mean(q) },
    };
  });

  const act = compile<{ policy: Linear<NdArray>[]; observation: NdArray }, { action: Tensor }>(
    "srpo/act",
    ({ policy, observation }) => ({ action: srpoAction(policy, observation) }),
  );

  return {
    batchRows: (updates) => updates < behaviourUpdates ? config.behaviourBatchSize : config.batchSize,

    init(rng) {
      const { observationDim: s, actionDim: a } = spec;
      const { hidden: h, policyDepth } = config;
      const arrays: SrpoArrays = {
        frequencies: drawFrequencies(rng.child("frequencies")),
        behaviour: initTrained(initBehaviour(spec, config, rng.child("behaviour"))),
        ...initIql(spec, h, rng.child("critic")),
        policy: initTrained(initMlp([s, ...Array(policyDepth).fill(h), a], rng.child("policy"))),
      };
      return { updates: 0, arrays };
    },

    async update(state, batch, rng) {
      const arrays = state.arrays as SrpoArrays;
      const rows = batch.action.shape[0];
      const k = state.updates - behaviourUpdates; // Of the critic's phase.
      const { learningRate } = config;
      if (k < 0) {
        const step = adamStep(state.updates + 1, { learningRate, weightDecay: config.weightDecay });
        const noise = drawVpNoise(rows, spec.actionDim, behaviourTimes, rng);
        const masks = config.dropout > 0 ? drawMasks(rows, config, rng.child("dropout")) : [];
        return finishUpdate(state, await trainBehaviour({ state: arrays, batch, step, noise, masks }));
      }
      if (k < criticUpdates) {
        return finishUpdate(
          state,
          await trainCritic({ state: arrays, batch, step: adamStep(k + 1, { learningRate }) }),
        );
      }
      const n = k - criticUpdates;
      const step = adamStep(n + 1, { learningRate: cosineDecay(learningRate, n, policyUpdates) });
      const noise = drawVpNoise(rows, spec.actionDim, policyTimes, rng);
      return finishUpdate(state, await trainPolicy({ state: arrays, batch, step, noise }));
    },

    async act(state, observation) {
      const { policy: { params: policy } } = state.arrays as SrpoArrays;
      return (await act({ policy, observation })).action;
    },

    exportPolicy(state) {
      const policy = (state.arrays as SrpoArrays).policy.params;
      return exportOnnx("srpo/policy", { observation: [1, spec.observationDim] }, ({ observation }) => ({
        action: srpoAction(asConstants(policy), observation),
      }));
    },
  };
}

function assertSrpo(config: SrpoConfig) {
  const name = "SRPO";
  for (const field of ["inverseTemperature", "learningRate"] as const) {
    assertRange(name, field, config[field], config[field] > 0, "positive");
  }
  assertRange(name, "expectile", config.expectile, config.expectile > 0 && config.expectile < 1, "in (0, 1)");
  assertRange(name, "discount", config.discount, config.discount >= 0 && config.discount < 1, "in [0, 1)");
  assertRange(name, "dropout", config.dropout, config.dropout >= 0 && config.dropout < 1, "in [0, 1)");
  for (const field of ["behaviourUpdates", "criticUpdates"] as const) {
    assertRange(name, field, config[field], Number.isInteger(config[field]) && config[field] >= 0, "an integer from 0");
  }
  const before = config.behaviourUpdates + config.criticUpdates;
  assertRange(name, "updates", config.updates, config.updates > before, `above behaviour's and critic's (${before})`);
}

// -------------------------------------------------------------------------------------------------------- Presets

const locomotion: Record<string, number> = {
  "halfcheetah-medium-v2": 0.2,
  "halfcheetah-medium-replay-v2": 0.2,
  "halfcheetah-medium-expert-v2": 0.01,
  "hopper-medium-v2": 0.05,
  "hopper-medium-replay-v2": 0.2,
  "hopper-medium-expert-v2": 0.01,
  "walker2d-medium-v2": 0.05,
  "walker2d-medium-replay-v2": 0.5,
  "walker2d-medium-expert-v2": 0.1,
};
const antmaze: Record<string, number> = {
  "antmaze-umaze-v2": 0.02,
  "antmaze-umaze-diverse-v2": 0.04,
  "antmaze-medium-play-v2": 0.08,
  "antmaze-medium-diverse-v2": 0.05,
  "antmaze-large-play-v2": 0.06,
  "antmaze-large-diverse-v2": 0.05,
};
const source = "authors' code; locomotion: paper, Table 2";
const maze: Partial<SrpoConfig> = {
  expectile: 0.9,
  policyDepth: 4,
  normalizeGradient: "on",
  rewardTransform: "iql_antmaze",
};

/** Per-task settings. */
export const srpoPresets: Algorithm<SrpoConfig>["presets"] = Object.fromEntries([
  ...Object.entries(locomotion).map(([task, inverseTemperature]) => [task, { source, config: { inverseTemperature } }]),
  ...Object.entries(antmaze).map(([task, inverseTemperature]) => [
    task,
    { source, config: { inverseTemperature, ...maze } },
  ]),
]);

/** SRPO. */
export const srpo: Algorithm<SrpoConfig> = {
  name: "srpo",
  title: "SRPO",
  source: "Chen, Lu, Wang, Su & Zhu 2023, arXiv 2310.07297",
  defaults: srpoDefaults,
  presets: srpoPresets,
  create: createSrpo,
};
