/**
 * ReBRAC: TD3+BC with its penalties decoupled, LayerNorm critics and a third layer.
 *
 * Source: Tarasov, Kurenkov, Nikulin & Kolesnikov 2023, "Revisiting the Minimalist Approach to Offline Reinforcement
 * Learning", arXiv 2305.09836, and the authors' code: TD3+BC's loss with its two penalties apart, their weights per task in Table 11.
 *
 * Deviation: in four places from the authors' code, which is JAX.
 * - Layers start as PyTorch's do; theirs have hidden biases of 0.1, and last layers uniform within 0.001 (policy) and 0.003 (critic).
 * - LayerNorm's epsilon is PyTorch's 1e-5, theirs Flax's 1e-6.
 * - Of two updates the second one moves the policy, of theirs the first.
 * - The target policy follows the policy after its step, theirs the one before it.
 * An early version of their code also bounds targets from below by the data's returns; the published one does not, nor does this.
 *
 * @module
 */

import { type Algorithm, type Batch, finishUpdate } from "./core/agent.ts";
import { checked, type CreateAgent } from "./core/checked.ts";
import { type CommonConfig, type Limits, ranges } from "./core/config.ts";
import { drawNormals } from "./core/acting.ts";
import { copyArrays, type NdArray } from "./engine/array.ts";
import { compile } from "./engine/compile.ts";
import { initLayerNorm, type LayerNorm, layerNorm } from "./core/layer_norm.ts";
import { initMlp, type Linear, linear, relu } from "./core/nn.ts";
import { type AdamStep, adamStep, initTrained, type Trained, trainStep } from "./core/optim.ts";
import { tanhAction, tanhPolicy } from "./core/tanh_policy.ts";
import { bellmanTarget, polyakAverage } from "./core/td.ts";
import { initTwin, type Twin, twinError } from "./core/twin_critic.ts";
import { stopGradient, type Tensor, tf } from "./engine/tensor.ts";

/** Settings of ReBRAC. */
export interface RebracConfig extends CommonConfig {
  /** Weight of the policy's squared distance from the data (beta 1). */
  policyPenalty: number;
  /** Weight of the same distance in the critic's target (beta 2). */
  criticPenalty: number;
  /** Spread of the noise on target actions, and its bound. */
  targetNoise: number;
  /** Largest absolute noise on target actions. */
  targetClip: number;
  /** Critic updates per policy update. */
  policyEvery: number;
  /** Adam's step size of the policy. */
  learningRate: number;
  /** Adam's step size of the critic. */
  criticLearningRate: number;
  /** Discount of the return, in [0, 1]. */
  discount: number;
  /** Share of the new parameters that a target takes at each update. */
  polyakRate: number;
  /** Width and hidden layers of all networks. */
  hidden: number;
  /** Hidden layers. */
  depth: number;
}

/** Defaults: authors' code for locomotion, but for the penalties, which they choose per task (see the presets). */
export const rebracDefaults: RebracConfig = {
  policyPenalty: 0.01, // Ours: the middle of the paper's grid {0.001, 0.01, 0.05, 0.1}
  criticPenalty: 0.01, // Ours: the middle of {0, 0.001, 0.01, 0.1, 0.5}
  targetNoise: 0.2,
  targetClip: 0.5,
  policyEvery: 2,
  learningRate: 1e-3,
  criticLearningRate: 1e-3,
  discount: 0.99,
  polyakRate: 0.005,
  hidden: 256,
  depth: 3,
  updates: 1_000_000,
  batchSize: 1024,
  candidates: 1,
  rewardTransform: "none",
  normalizeObservations: false,
};

const limits: Limits<RebracConfig> = {
  policyPenalty: ranges.notNegative,
  criticPenalty: ranges.notNegative,
  targetNoise: ranges.notNegative,
  targetClip: ranges.positive,
  policyEvery: ranges.count,
  learningRate: ranges.positive,
  criticLearningRate: ranges.positive,
  discount: ranges.belowOne,
  polyakRate: ranges.rate,
  hidden: ranges.count,
  depth: ranges.count,
};

interface QNetwork<L = Tensor> {
  layers: Linear<L>[];
  norms: LayerNorm<L>[];
}

type Critic<L = Tensor> = Twin<QNetwork<L>>;

interface Arrays<L = NdArray> {
  policy: Trained<Linear<L>[], L>;
  policyTarget: Linear<L>[];
  critic: Trained<Critic<L>, L>;
  criticTarget: Critic<L>;
}

const squaredDistance = (a: Tensor, b: Tensor) => tf.sum(tf.square(tf.sub(a, b)), 1, true);

/** `[Q1(s, a), Q2(s, a)]`, each `[batch, 1]`: affine maps, each but the last followed by ReLU and LayerNorm. */
function values(p: Critic, s: Tensor, a: Tensor): [Tensor, Tensor] {
  const input = tf.concat([s, a], 1);
  const value = ({ layers, norms }: QNetwork) =>
    linear(layers[norms.length], norms.reduce((x, norm, i) => layerNorm(norm, relu(linear(layers[i], x))), input));
  return [value(p.q1), value(p.q2)];
}

/** `mean(policyPenalty |pi(s) - a|^2 - Q / mean |Q|)`. */
export function rebracPolicyLoss(action: Tensor, data: Tensor, value: Tensor, policyPenalty: number): Tensor {
  const scale = stopGradient(tf.div(1, tf.mean(tf.abs(value))));
  return tf.mean(tf.sub(tf.mul(squaredDistance(action, data), policyPenalty), tf.mul(value, scale)));
}

const settings = { defaults: rebracDefaults, limits };

/** Creates ReBRAC for a task. */
export const createRebrac: CreateAgent<RebracConfig> = checked("ReBRAC", settings, (config, spec) => {
  const { policyPenalty, criticPenalty, targetNoise, targetClip, policyEvery, learningRate, discount } = config;
  const { polyakRate, hidden, depth } = config;
  const { observationDim: s, actionDim: a, maxAction } = spec;

  type Inputs = { state: Arrays; batch: Batch; noise: NdArray; step: AdamStep };
  const criticStep = (state: Arrays<Tensor>, batch: Batch<Tensor>, noise: Tensor, step: AdamStep<Tensor>) => {
    const smoothing = tf.clipByValue(tf.mul(noise, targetNoise), -targetClip, targetClip);
    const next = tanhAction(state.policyTarget, batch.nextObservation, maxAction);
    const noisy = tf.clipByValue(tf.add(next, smoothing), -maxAction, maxAction);
    const penalty = tf.mul(squaredDistance(noisy, batch.nextAction!), criticPenalty);
    const nextValue = tf.sub(tf.minimum(...values(state.criticTarget, batch.nextObservation, noisy)), penalty);
    const target = bellmanTarget(batch.reward, batch.terminal, nextValue, discount);
    return trainStep(state.critic, (p) => twinError(values(p, batch.observation, batch.action), target), step);
  };

  const trainCritic = compile<Inputs>("rebrac/critic", ({ state, batch, noise, step }) => {
    const critic = criticStep(state, batch, noise, step);
    return { state: { ...state, critic: critic.next }, metrics: { criticLoss: critic.value } };
  });

  const trainBoth = compile<Inputs & { policyStep: AdamStep }>(
    "rebrac/both",
    ({ state, batch, noise, step, policyStep }) => {
      const critic = criticStep(state, batch, noise, step);
      const policy = trainStep(state.policy, (p) => {
        const action = tanhAction(p, batch.observation, maxAction);
        const least = tf.minimum(...values(critic.next.params, batch.observation, action));
        return rebracPolicyLoss(action, batch.action, least, policyPenalty);
      }, policyStep);
      return {
        state: {
          policy: policy.next,
          policyTarget: polyakAverage(state.policyTarget, policy.next.params, polyakRate),
          critic: critic.next,
          criticTarget: polyakAverage(state.criticTarget, critic.next.params, polyakRate),
        },
        metrics: { criticLoss: critic.value, policyLoss: policy.value },
      };
    },
  );

  return {
    init(rng) {
      const widths: number[] = Array(depth).fill(hidden);
      const policy = initMlp([s, ...widths, a], rng.child("policy"));
      const critic = initTwin((stream) => ({
        layers: initMlp([s + a, ...widths, 1], stream),
        norms: widths.map(initLayerNorm),
      }), rng);
      const arrays: Arrays = {
        policy: initTrained(policy),
        policyTarget: copyArrays(policy),
        critic: initTrained(critic),
        criticTarget: copyArrays(critic),
      };
      return { updates: 0, arrays };
    },
    async update(state, batch, rng) {
      if (!batch.nextAction) {
        throw new TypeError("Cannot update ReBRAC: batch.nextAction must be given; see Algorithm.needs");
      }
      const k = state.updates + 1;
      const noise = drawNormals(batch.action.shape[0], a, rng);
      const step = adamStep(k, { learningRate: config.criticLearningRate });
      const inputs = { state: state.arrays as Arrays, batch, noise, step };
      if (k % policyEvery !== 0) return finishUpdate(state, await trainCritic(inputs));
      const policyStep = adamStep(k / policyEvery, { learningRate });
      return finishUpdate(state, await trainBoth({ ...inputs, policyStep }));
    },
    ...tanhPolicy("rebrac", spec, (arrays) => (arrays as Arrays).policy.params),
  };
});

// -------------------------------------------------------------------------------------------------------- Presets

type Penalties = readonly [policy: number, critic: number];
const locomotion: Record<string, Penalties> = {
  "halfcheetah-random-v2": [0.001, 0.1],
  "halfcheetah-medium-v2": [0.001, 0.01],
  "halfcheetah-expert-v2": [0.01, 0.01],
  "halfcheetah-medium-expert-v2": [0.01, 0.1],
  "halfcheetah-medium-replay-v2": [0.01, 0.001],
  "halfcheetah-full-replay-v2": [0.001, 0.1],
  "hopper-random-v2": [0.001, 0.01],
  "hopper-medium-v2": [0.01, 0.001],
  "hopper-expert-v2": [0.1, 0.1],
  "hopper-medium-expert-v2": [0.1, 0.01],
  "hopper-medium-replay-v2": [0.05, 0.5],
  "hopper-full-replay-v2": [0.01, 0.01],
  "walker2d-random-v2": [0.01, 0],
  "walker2d-medium-v2": [0.05, 0.1],
  "walker2d-expert-v2": [0.01, 0.5],
  "walker2d-medium-expert-v2": [0.01, 0.01],
  "walker2d-medium-replay-v2": [0.05, 0.01],
  "walker2d-full-replay-v2": [0.01, 0.01],
};
const antmaze: Record<string, Penalties> = {
  "antmaze-umaze-v2": [0.003, 0.002],
  "antmaze-umaze-diverse-v2": [0.003, 0.001],
  "antmaze-medium-play-v2": [0.001, 0.0005],
  "antmaze-medium-diverse-v2": [0.001, 0],
  "antmaze-large-play-v2": [0.002, 0.001],
  "antmaze-large-diverse-v2": [0.002, 0.002],
};
const adroit: Record<string, Penalties> = {
  "pen-human-v1": [0.1, 0.5],
  "pen-cloned-v1": [0.05, 0.5],
  "pen-expert-v1": [0.01, 0.01],
  "door-human-v1": [0.1, 0.1],
  "door-cloned-v1": [0.01, 0.1],
  "door-expert-v1": [0.05, 0.01],
  "hammer-human-v1": [0.01, 0.5],
  "hammer-cloned-v1": [0.1, 0.5],
  "hammer-expert-v1": [0.01, 0.01],
  "relocate-human-v1": [0.1, 0.01],
  "relocate-cloned-v1": [0.1, 0.01],
  "relocate-expert-v1": [0.05, 0.01],
};
const presetsOf = (
  table: Record<string, Penalties>,
  common: Partial<RebracConfig>,
): Algorithm<RebracConfig>["presets"] =>
  Object.fromEntries(
    Object.entries(table).map(([task, [policyPenalty, criticPenalty]]) => [
      task,
      { source: "authors' code; paper, Table 11", config: { policyPenalty, criticPenalty, ...common } },
    ]),
  );

/** Per-task settings: the paper's 36. */
export const rebracPresets: Algorithm<RebracConfig>["presets"] = {
  ...presetsOf(locomotion, {}),
  ...presetsOf(antmaze, {
    learningRate: 3e-4,
    criticLearningRate: 5e-5,
    batchSize: 256,
    discount: 0.999,
    rewardTransform: "rebrac_antmaze",
  }),
  ...presetsOf(adroit, { learningRate: 3e-4, criticLearningRate: 3e-4, batchSize: 256 }),
};

/** ReBRAC. */
export const rebrac: Algorithm<RebracConfig> = {
  name: "rebrac",
  module: import.meta.url,
  acts: "one pass",
  needs: { nextAction: true },
  title: "ReBRAC",
  source: "Tarasov, Kurenkov, Nikulin & Kolesnikov 2023, arXiv 2305.09836",
  ...settings,
  presets: rebracPresets,
  create: createRebrac,
};
