/**
 * IQL: implicit Q-learning with an advantage-weighted policy.
 *
 * Source: Kostrikov, Nair & Levine 2021, "Offline Reinforcement Learning with Implicit Q-Learning", arXiv 2110.06169.
 *
 * Deviation: a deterministic policy under squared error, as in SRPO's authors' code, for the paper's Gaussian one; with unit
 * variance the paper's loss is half of it.
 *
 * @module
 */

import { type Agent, type Algorithm, type Batch, finishUpdate, type Spec } from "./core/agent.ts";
import { assertRange, type CommonConfig } from "./core/config.ts";
import type { NdArray } from "./engine/array.ts";
import { compile } from "./engine/compile.ts";
import { initIql, type IqlArrays, iqlStep } from "./core/iql.ts";
import { twinValues } from "./core/twin_critic.ts";
import { initMlp, type Linear, mlp, relu } from "./core/nn.ts";
import { type AdamStep, adamStep, cosineDecay, initTrained, type Trained, trainStep } from "./core/optim.ts";
import { tanhAction, tanhPolicy } from "./core/tanh_policy.ts";
import { stopGradient, type Tensor, tf } from "./engine/tensor.ts";

/** Settings of IQL. */
export interface IqlConfig extends CommonConfig {
  /** Level of the value regression (tau, Eq. 5). */
  expectile: number;
  /** Factor of the advantage in the policy's weight (beta, Eq. 7). */
  inverseTemperature: number;
  /** Largest weight. */
  maxWeight: number;
  /** Adam's step size. */
  learningRate: number;
  /** Discount of the return, in [0, 1]. */
  discount: number;
  /** Share of the new parameters that a target takes at each update. */
  polyakRate: number;
  /** Width of all networks. */
  hidden: number;
}

/** Defaults, those of the paper's locomotion tasks (Appendix B). */
export const iqlDefaults: IqlConfig = {
  expectile: 0.7,
  inverseTemperature: 3,
  maxWeight: 100, // Authors' code.
  learningRate: 3e-4,
  discount: 0.99,
  polyakRate: 0.005,
  hidden: 256,
  updates: 1_000_000,
  batchSize: 256,
  candidates: 1,
  rewardTransform: "iql_locomotion",
};

/** Squared error summed over dimensions, weighted by `min(exp(inverseTemperature A), maxWeight)` (Eq. 7). */
export function iqlPolicyLoss(
  p: Linear[],
  { criticTarget, value }: Pick<IqlArrays<Tensor>, "criticTarget" | "value">,
  batch: Batch<Tensor>,
  { inverseTemperature, maxWeight }: Pick<IqlConfig, "inverseTemperature" | "maxWeight">,
  maxAction: number,
): Tensor {
  const { observation, action } = batch;
  const best = tf.minimum(...twinValues(criticTarget, observation, action));
  const advantage = tf.sub(best, mlp(value.params, observation, relu));
  const weight = stopGradient(tf.minimum(tf.exp(tf.mul(advantage, inverseTemperature)), maxWeight));
  const error = tf.sum(tf.square(tf.sub(tanhAction(p, observation, maxAction), action)), 1, true);
  return tf.mean(tf.mul(weight, error));
}

interface Arrays<L = NdArray> extends IqlArrays<L> {
  policy: Trained<Linear<L>[], L>;
}

/** Creates IQL for a task. */
export function createIql(config: IqlConfig, spec: Spec): Agent {
  const { expectile, discount, learningRate } = config;
  assertRange("IQL", "expectile", expectile, expectile > 0 && expectile < 1, "in (0, 1)");
  assertRange("IQL", "inverseTemperature", config.inverseTemperature, config.inverseTemperature > 0, "positive");
  assertRange("IQL", "discount", discount, discount >= 0 && discount < 1, "in [0, 1)");
  assertRange("IQL", "learningRate", learningRate, learningRate > 0, "positive");

  const train = compile<{ state: Arrays; batch: Batch; step: AdamStep; policyStep: AdamStep }>(
    "iql/update",
    ({ state, batch, step, policyStep }) => {
      const { next, metrics } = iqlStep(state, batch, step, config);
      const policy = trainStep(
        state.policy,
        (p) => iqlPolicyLoss(p, next, batch, config, spec.maxAction), // With the networks already updated (authors' code).
        policyStep,
      );
      return { state: { ...next, policy: policy.next }, metrics: { ...metrics, policyLoss: policy.value } };
    },
  );

  return {
    init(rng) {
      const { observationDim: s, actionDim: a } = spec;
      const { hidden: h } = config;
      const policy = initTrained(initMlp([s, h, h, a], rng.child("policy")));
      const arrays: Arrays = { ...initIql(spec, h, rng.child("critic")), policy };
      return { updates: 0, arrays };
    },
    async update(state, batch) {
      const k = state.updates;
      const step = adamStep(k + 1, { learningRate });
      const policyStep = adamStep(k + 1, { learningRate: cosineDecay(learningRate, k, config.updates) });
      return finishUpdate(state, await train({ state: state.arrays as Arrays, batch, step, policyStep }));
    },
    ...tanhPolicy("iql", spec, (arrays) => (arrays as Arrays).policy.params),
  };
}

const mazes = ["umaze", "umaze-diverse", "medium-play", "medium-diverse", "large-play", "large-diverse"];
const antmaze: Partial<IqlConfig> = { expectile: 0.9, inverseTemperature: 10, rewardTransform: "iql_antmaze" };

/** IQL. */
export const iql: Algorithm<IqlConfig> = {
  name: "iql",
  module: import.meta.url,
  acts: "one pass",
  title: "IQL",
  source: "Kostrikov, Nair & Levine 2021, arXiv 2110.06169",
  defaults: iqlDefaults,
  presets: Object.fromEntries(
    mazes.map((maze) => [`antmaze-${maze}-v2`, { source: "paper, Appendix B", config: antmaze }]),
  ),
  create: createIql,
};
