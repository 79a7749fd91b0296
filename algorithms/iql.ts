/**
 * IQL: implicit Q-learning with an advantage-weighted policy.
 *
 * Source: Kostrikov, Nair & Levine 2021, "Offline Reinforcement Learning with Implicit Q-Learning", arXiv 2110.06169.
 *
 * Deviation: SRPO's authors' code is followed where IQL's own is another ("authors' code" below is SRPO's).
 * - The policy is deterministic, under squared error; the paper's is a Gaussian, whose loss at unit variance is half of it.
 * - Targets take V(s') as it was before this update's step of V; IQL's own code takes it after.
 * - The advantage's Q is the target critics' after their step, IQL's own code takes them before.
 * - Layers start as PyTorch's do; IQL's own start orthogonal with gain sqrt(2) and zero biases.
 * - Actions are taken as they are; IQL's own code clips them to 1e-5 within their bounds.
 * - Rewards (`iql_locomotion`) are scaled by the range of returns between terminals, at most 1000 rows each, so that they drift from the
 *   episodes after a time limit; IQL's own code splits episodes where the observation jumps.
 *
 * @module
 */

import { type Algorithm, type Batch, finishUpdate } from "./core/agent.ts";
import { checked, type CreateAgent } from "./core/checked.ts";
import { type CommonConfig, type Limits, ranges } from "./core/config.ts";
import type { NdArray } from "./engine/array.ts";
import { compile } from "./engine/compile.ts";
import { initIql, type IqlArrays, iqlStep } from "./core/iql.ts";
import { twinValues } from "./core/twin_critic.ts";
import { drawDropoutMasks, initMlp, type Linear, mlp, relu } from "./core/nn.ts";
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
  /** Share of the policy's hidden units that are dropped in training. */
  dropout: number;
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
  dropout: 0,
  updates: 1_000_000,
  batchSize: 256,
  candidates: 1,
  rewardTransform: "iql_locomotion",
  normalizeObservations: false,
};

const limits: Limits<IqlConfig> = {
  expectile: ranges.betweenZeroAndOne,
  inverseTemperature: ranges.positive,
  maxWeight: ranges.positive,
  learningRate: ranges.positive,
  discount: ranges.belowOne,
  polyakRate: ranges.rate,
  hidden: ranges.count,
  dropout: ranges.belowOne,
};

/**
 * Squared error summed over dimensions, weighted by `min(exp(inverseTemperature A), maxWeight)` (Eq. 7).
 *
 * @param masks Factors of the hidden layers, `[batch, hidden]` each, see {@linkcode drawDropoutMasks}; null for none.
 */
export function iqlPolicyLoss(
  p: Linear[],
  { criticTarget, value }: Pick<IqlArrays<Tensor>, "criticTarget" | "value">,
  batch: Batch<Tensor>,
  { inverseTemperature, maxWeight }: Pick<IqlConfig, "inverseTemperature" | "maxWeight">,
  maxAction: number,
  masks: readonly Tensor[] | null = null,
): Tensor {
  const { observation, action } = batch;
  const best = tf.minimum(...twinValues(criticTarget, observation, action));
  const advantage = tf.sub(best, mlp(value.params, observation, relu));
  const weight = stopGradient(tf.minimum(tf.exp(tf.mul(advantage, inverseTemperature)), maxWeight));
  const error = tf.sum(tf.square(tf.sub(tanhAction(p, observation, maxAction, masks), action)), 1, true);
  return tf.mean(tf.mul(weight, error));
}

interface Arrays<L = NdArray> extends IqlArrays<L> {
  policy: Trained<Linear<L>[], L>;
}

/** Creates IQL for a task. */
export const createIql: CreateAgent<IqlConfig> = checked("IQL", { defaults: iqlDefaults, limits }, (config, spec) => {
  const { learningRate } = config;

  const train = compile<{ state: Arrays; batch: Batch; masks: NdArray[]; step: AdamStep; policyStep: AdamStep }>(
    "iql/update",
    ({ state, batch, masks, step, policyStep }) => {
      const dropped = config.dropout > 0 ? masks : null;
      const { next, metrics } = iqlStep(state, batch, step, config);
      const policy = trainStep(
        state.policy,
        (p) => iqlPolicyLoss(p, next, batch, config, spec.maxAction, dropped), // With the networks already updated (authors' code).
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
    async update(state, batch, rng) {
      const k = state.updates;
      const step = adamStep(k + 1, { learningRate });
      const policyStep = adamStep(k + 1, { learningRate: cosineDecay(learningRate, k, config.updates) });
      const { dropout, hidden } = config;
      const masks = dropout > 0 ? drawDropoutMasks(2, [batch.action.shape[0], hidden], dropout, rng) : [];
      return finishUpdate(state, await train({ state: state.arrays as Arrays, batch, masks, step, policyStep }));
    },
    ...tanhPolicy("iql", spec, (arrays) => (arrays as Arrays).policy.params),
  };
});

const mazes = ["umaze", "umaze-diverse", "medium-play", "medium-diverse", "large-play", "large-diverse"];
const tasks = (groups: readonly (readonly string[])[]) =>
  groups.reduce((heads, tails) => heads.flatMap((head) => tails.map((tail) => `${head}-${tail}`)));
const presetsOf = (names: readonly string[], config: Partial<IqlConfig>) =>
  Object.fromEntries(names.map((name) => [name, { source: "paper, Appendix B; authors' code", config }]));
const levels = ["medium", "medium-replay", "medium-expert"];
const demonstrations: Partial<IqlConfig> = { inverseTemperature: 0.5, dropout: 0.1, rewardTransform: "none" };

/** Per-task settings: the paper's tasks, and the same in other versions. */
export const iqlPresets: Algorithm<IqlConfig>["presets"] = {
  ...presetsOf(tasks([["halfcheetah", "hopper", "walker2d"], levels, ["v2"]]), {}),
  ...presetsOf(tasks([["antmaze"], mazes, ["v0", "v2"]]), {
    expectile: 0.9,
    inverseTemperature: 10,
    rewardTransform: "iql_antmaze",
  }),
  ...presetsOf(tasks([["kitchen"], ["complete", "partial", "mixed"], ["v0"]]), demonstrations),
  ...presetsOf(tasks([["pen", "hammer", "door", "relocate"], ["human", "cloned"], ["v0", "v1"]]), demonstrations),
};

/** IQL. */
export const iql: Algorithm<IqlConfig> = {
  name: "iql",
  module: import.meta.url,
  acts: "one pass",
  title: "IQL",
  source: "Kostrikov, Nair & Levine 2021, arXiv 2110.06169",
  defaults: iqlDefaults,
  limits,
  presets: iqlPresets,
  create: createIql,
};
