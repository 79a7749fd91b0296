/**
 * TD3+BC: TD3 with an imitation term, a strong and simple baseline.
 *
 * Source: Fujimoto & Gu 2021, "A Minimalist Approach to Offline Reinforcement Learning", arXiv 2106.06860.
 *
 * @module
 */

import { type Algorithm, type Batch, finishUpdate } from "./core/agent.ts";
import { checked, type CreateAgent } from "./core/checked.ts";
import { type CommonConfig, type Limits, ranges } from "./core/config.ts";
import { drawNormals } from "./core/acting.ts";
import { copyArrays, type NdArray } from "./engine/array.ts";
import { compile } from "./engine/compile.ts";
import { initTwin, type TwinCritic, twinError, twinValues } from "./core/twin_critic.ts";
import { initMlp, type Linear } from "./core/nn.ts";
import { type AdamStep, adamStep, initTrained, type Trained, trainStep } from "./core/optim.ts";
import { tanhAction, tanhPolicy } from "./core/tanh_policy.ts";
import { bellmanTarget, meanSquaredError, polyakAverage } from "./core/td.ts";
import { stopGradient, type Tensor, tf } from "./engine/tensor.ts";

/** Settings of TD3+BC. */
export interface Td3BcConfig extends CommonConfig {
  /** Weight of the value against imitation, whose scale is divided out (alpha, Eq. 5). */
  valueWeight: number;
  /** Spread of the noise on target actions, and its bound, in units of `maxAction`. */
  targetNoise: number;
  /** Largest absolute noise on target actions. */
  targetClip: number;
  /** Critic updates per policy update. */
  policyEvery: number;
  /** Adam's step size. */
  learningRate: number;
  /** Discount of the return, in [0, 1]. */
  discount: number;
  /** Share of the new parameters that a target takes at each update. */
  polyakRate: number;
  /** Width of all networks. */
  hidden: number;
}

/** Defaults (paper, Table 3, and authors' code). */
export const td3BcDefaults: Td3BcConfig = {
  valueWeight: 2.5,
  targetNoise: 0.2,
  targetClip: 0.5,
  policyEvery: 2,
  learningRate: 3e-4,
  discount: 0.99,
  polyakRate: 0.005,
  hidden: 256,
  updates: 1_000_000,
  batchSize: 256,
  candidates: 1,
  rewardTransform: "none",
  normalizeObservations: true,
};

const limits: Limits<Td3BcConfig> = {
  valueWeight: ranges.positive,
  targetNoise: ranges.notNegative,
  targetClip: ranges.positive,
  policyEvery: ranges.count,
  learningRate: ranges.positive,
  discount: ranges.belowOne,
  polyakRate: ranges.rate,
  hidden: ranges.count,
};

interface Arrays<L = NdArray> {
  policy: Trained<Linear<L>[], L>;
  policyTarget: Linear<L>[];
  critic: Trained<TwinCritic<L>, L>;
  criticTarget: TwinCritic<L>;
}

/** `-valueWeight mean Q / mean |Q|` and `mean (pi(s) - a)^2` (Eqs. 4 and 5). */
export function td3BcPolicyLoss(action: Tensor, data: Tensor, value: Tensor, valueWeight: number): Tensor {
  const scale = stopGradient(tf.div(valueWeight, tf.mean(tf.abs(value))));
  return tf.sub(meanSquaredError(action, data), tf.mul(scale, tf.mean(value)));
}

const settings = { defaults: td3BcDefaults, limits };

/** Creates TD3+BC for a task. */
export const createTd3Bc: CreateAgent<Td3BcConfig> = checked("TD3+BC", settings, (config, spec) => {
  const { valueWeight, targetNoise, targetClip, policyEvery, learningRate, discount, polyakRate, hidden } = config;
  const { observationDim: s, actionDim: a, maxAction } = spec;

  type Inputs = { state: Arrays; batch: Batch; noise: NdArray; step: AdamStep };
  const criticStep = (state: Arrays<Tensor>, batch: Batch<Tensor>, noise: Tensor, step: AdamStep<Tensor>) => {
    const { observation: now, nextObservation: after } = batch;
    const bound = targetClip * maxAction;
    const smoothing = tf.clipByValue(tf.mul(noise, targetNoise * maxAction), -bound, bound);
    const next = tf.clipByValue(
      tf.add(tanhAction(state.policyTarget, after, maxAction), smoothing),
      -maxAction,
      maxAction,
    );
    const nextValue = tf.minimum(...twinValues(state.criticTarget, after, next));
    const target = bellmanTarget(batch.reward, batch.terminal, nextValue, discount);
    const critic = trainStep(state.critic, (p) => twinError(twinValues(p, now, batch.action), target), step);
    return critic;
  };

  const trainCritic = compile<Inputs>("td3_bc/critic", ({ state, batch, noise, step }) => {
    const critic = criticStep(state, batch, noise, step);
    return { state: { ...state, critic: critic.next }, metrics: { criticLoss: critic.value } };
  });

  const trainBoth = compile<Inputs & { policyStep: AdamStep }>(
    "td3_bc/both",
    ({ state, batch, noise, step, policyStep }) => {
      const critic = criticStep(state, batch, noise, step);
      const { observation } = batch;
      const policy = trainStep(state.policy, (p) => {
        const action = tanhAction(p, observation, maxAction);
        const [value] = twinValues(critic.next.params, observation, action);
        return td3BcPolicyLoss(action, batch.action, value, valueWeight);
      }, policyStep);
      return {
        state: {
          ...state,
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
      const policy = initMlp([s, hidden, hidden, a], rng.child("policy"));
      const critic = initTwin((stream) => initMlp([a + s, hidden, hidden, 1], stream), rng);
      const arrays: Arrays = {
        policy: initTrained(policy),
        policyTarget: copyArrays(policy),
        critic: initTrained(critic),
        criticTarget: copyArrays(critic),
      };
      return { updates: 0, arrays };
    },
    async update(state, batch, rng) {
      const k = state.updates + 1;
      const noise = drawNormals(batch.action.shape[0], a, rng);
      const inputs = { state: state.arrays as Arrays, batch, noise, step: adamStep(k, { learningRate }) };
      if (k % policyEvery !== 0) return finishUpdate(state, await trainCritic(inputs));
      const policyStep = adamStep(k / policyEvery, { learningRate });
      return finishUpdate(state, await trainBoth({ ...inputs, policyStep }));
    },
    ...tanhPolicy("td3_bc", spec, (arrays) => (arrays as Arrays).policy.params),
  };
});

/** TD3+BC. */
export const td3Bc: Algorithm<Td3BcConfig> = {
  name: "td3_bc",
  module: import.meta.url,
  acts: "one pass",
  title: "TD3+BC",
  source: "Fujimoto & Gu 2021, arXiv 2106.06860",
  defaults: td3BcDefaults,
  limits,
  presets: {}, // One setting for all tasks.
  create: createTd3Bc,
};
