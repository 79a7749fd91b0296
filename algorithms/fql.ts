/**
 * FQL: a one-step policy regressed on ten Euler steps of a flow model of the data, from the same noise, and on the value.
 *
 * Source: Park, Li & Levine 2025, "Flow Q-Learning", arXiv 2502.02538, and the authors' code where it differs ("authors' code" below).
 * The weight of the flow's rows by value (`flowWeight`) is after GFP, arXiv 2512.03973, whose code was not public: not a reproduction.
 *
 * The authors have no setting for locomotion. Their advice for a new task is `normalizeValue` and `distillationWeight` in 0.03, 0.1,
 * 0.3, 1, 3, 10; what is used there is to be tuned and its trials shown.
 *
 * Deviation: actions are divided by `maxAction` where they enter, and multiplied by it where they leave.
 *
 * @module
 */

import { type Algorithm, type Batch, finishUpdate } from "./core/agent.ts";
import { drawNormals } from "./core/acting.ts";
import { checked, type CreateAgent } from "./core/checked.ts";
import { type CommonConfig, type Limits, ranges } from "./core/config.ts";
import {
  aggregateValues,
  type GeluCritic,
  geluValues,
  initGeluCritic,
  meanValueLoss,
  type TwinAggregation,
  twinAggregations,
  unitActions,
} from "./core/gelu_critic.ts";
import { createNoiseActor } from "./core/mlp_actor.ts";
import { gelu, initGlorotMlp, type Linear, mlp, rowsLike } from "./core/nn.ts";
import { type AdamStep, adamStep, initTrained, type Trained, trainStep } from "./core/optim.ts";
import type { Rng } from "./core/rng.ts";
import { stochasticPolicy } from "./core/stochastic_policy.ts";
import { bellmanTarget, meanSquaredError, polyakAverage } from "./core/td.ts";
import { twinError } from "./core/twin_critic.ts";
import { column, copyArrays, type NdArray } from "./engine/array.ts";
import { compile } from "./engine/compile.ts";
import { type LossTerms, stopGradient, type Tensor, tf } from "./engine/tensor.ts";
import { mapTree } from "./engine/tree.ts";

const flowWeights = ["none", "value"] as const;
const nextActions = ["one step", "both"] as const;
const targetAverages = ["before step", "after step"] as const;

/** Settings of FQL. */
export interface FqlConfig extends CommonConfig {
  /** Weight of the distance from the flow's action (alpha). */
  distillationWeight: number;
  /** Euler steps of the flow's action. */
  flowSteps: number;
  /** How both target values of the next action become one. */
  nextValue: TwinAggregation;
  /** Whether the value term is divided by the mean absolute value. */
  normalizeValue: boolean;
  /** Whether a row of the flow's loss is weighted by how much better its action is than the policy's (`value`, GFP). */
  flowWeight: "none" | "value";
  /** Temperature of that weight (eta of GFP). */
  flowTemperature: number;
  /** Whose next action the target values: the one-step policy's, or both its and the flow's, averaged (an option of GFP). */
  nextAction: "one step" | "both";
  /** Whether the target critic follows the critic as it was before an update (authors' code) or after it (most ports). */
  targetAverage: "before step" | "after step";
  /** Adam's step size. */
  learningRate: number;
  /** Discount of the return, in [0, 1). */
  discount: number;
  /** Share of the critic that its target takes at each update. */
  polyakRate: number;
  /** Width of the hidden layers. */
  hidden: number;
  /** Hidden layers of each network. */
  depth: number;
}

/** Defaults, from the authors' code. */
export const fqlDefaults: FqlConfig = {
  distillationWeight: 10, // alpha; per task in the presets
  flowSteps: 10,
  nextValue: "mean",
  normalizeValue: false,
  flowWeight: "none",
  flowTemperature: 1e-3, // GFP: about this
  nextAction: "one step",
  targetAverage: "before step",
  learningRate: 3e-4,
  discount: 0.99,
  polyakRate: 0.005,
  hidden: 512,
  depth: 4,
  updates: 1_000_000,
  batchSize: 256,
  candidates: 1,
  rewardTransform: "none",
  normalizeObservations: false,
};

const limits: Limits<FqlConfig> = {
  distillationWeight: ranges.positive,
  flowSteps: ranges.count,
  nextValue: twinAggregations,
  flowWeight: flowWeights,
  flowTemperature: ranges.positive,
  nextAction: nextActions,
  targetAverage: targetAverages,
  learningRate: ranges.positive,
  discount: ranges.belowOne,
  polyakRate: ranges.rate,
  hidden: ranges.count,
  depth: ranges.count,
};

/** The networks that one Adam trains. */
export interface FqlNetworks<L = Tensor> {
  /** Twin action values. */
  critic: GeluCritic<L>;
  /** The velocity on the way from noise (t = 0) to an action (t = 1). */
  flow: Linear<L>[];
  /** The one-step policy. */
  policy: Linear<L>[];
}

// --------------------------------------------------------------------------------------------------------- Losses

/** `v(s, x, t)`: `[batch, S]`, `[batch, A]`, `[batch, 1]` to `[batch, A]`. */
export function flowVelocity(p: Linear[], s: Tensor, x: Tensor, t: Tensor): Tensor {
  return mlp(p, tf.concat([rowsLike(s, x), x, t], 1), gelu);
}

/** `mu(s, z)`, not clipped: `[batch, S]`, `[batch, A]` to `[batch, A]`. */
export function oneStepAction(p: Linear[], s: Tensor, z: Tensor): Tensor {
  return mlp(p, tf.concat([rowsLike(s, z), z], 1), gelu);
}

const clipped = (a: Tensor) => tf.clipByValue(a, -1, 1);

/**
 * Flow matching on the data's actions.
 *
 * @param weight Of each row, `[batch, 1]`; 1 if not given.
 */
export function flowLoss(
  p: Linear[],
  s: Tensor,
  a: Tensor,
  { start, t }: { start: Tensor; t: Tensor },
  weight?: Tensor,
): Tensor {
  const x = tf.add(tf.mul(tf.sub(1, t), start), tf.mul(t, a));
  const error = tf.square(tf.sub(flowVelocity(p, s, x, t), tf.sub(a, start)));
  return tf.mean(weight ? tf.mul(weight, error) : error);
}

/**
 * The flow's action from noise `z`: Euler steps from t = 0 to 1, clipped once at the end, `[batch, A]`.
 *
 * @param velocity Of `x [batch, A]` at `t [batch, 1]`.
 */
export function flowAction(velocity: (x: Tensor, t: Tensor) => Tensor, z: Tensor, steps: number): Tensor {
  let x = z;
  for (let i = 0; i < steps; i++) x = tf.add(x, tf.mul(velocity(x, tf.fill([z.shape[0], 1], i / steps)), 1 / steps));
  return clipped(x);
}

/** GFP's weight of a row, the data action's share in a softmax of its value and the policy's action's, `[batch, 1]`. */
export function flowRowWeight(p: GeluCritic, s: Tensor, data: Tensor, policy: Tensor, temperature: number): Tensor {
  const [qData, qPolicy] = [data, policy].map((a) => aggregateValues(geluValues(p, s, a), "mean"));
  const scale = tf.div(1 / temperature, tf.mean(tf.abs(qData)));
  return stopGradient(tf.sigmoid(tf.mul(scale, tf.sub(qData, qPolicy))));
}

/** Both mean squared errors against one target, averaged. */
export function fqlCriticLoss(p: GeluCritic, s: Tensor, a: Tensor, target: Tensor): Tensor {
  return tf.mul(twinError(geluValues(p, s, a), target), 0.5);
}

/** Noise of an update, in the order in which it is drawn. */
export interface FqlNoise<L = NdArray> {
  /** Of the next action, `[batch, A]`. */
  next: L;
  /** Where the flow starts, `[batch, A]`. */
  start: L;
  /** Times of the flow's loss in [0, 1), `[batch, 1]`. */
  t: L;
  /** Of the policy's action and the flow's that it is compared with, `[batch, A]`. */
  z: L;
}

/** Draws the noise of an update. */
export function drawFqlNoise(rows: number, dim: number, rng: Rng): FqlNoise {
  return {
    next: drawNormals(rows, dim, rng),
    start: drawNormals(rows, dim, rng),
    t: column(rng.fillUniform(new Float32Array(rows))),
    z: drawNormals(rows, dim, rng),
  };
}

/** What the critic is regressed on, `[batch, 1]`. */
export function fqlTarget(
  p: FqlNetworks,
  criticTarget: GeluCritic,
  batch: Batch<Tensor>,
  noise: Tensor,
  config: FqlConfig,
): Tensor {
  const s = batch.nextObservation;
  const valueOf = (a: Tensor) => aggregateValues(geluValues(criticTarget, s, a), config.nextValue);
  const own = valueOf(clipped(oneStepAction(p.policy, s, noise)));
  const value = config.nextAction === "one step"
    ? own
    : tf.mul(tf.add(own, valueOf(flowAction((x, t) => flowVelocity(p.flow, s, x, t), noise, config.flowSteps))), 0.5);
  return stopGradient(bellmanTarget(batch.reward, batch.terminal, value, config.discount));
}

/** All terms, of actions in units of the bound. */
export function fqlTerms(
  p: FqlNetworks,
  criticTarget: GeluCritic,
  batch: Batch<Tensor>,
  noise: FqlNoise<Tensor>,
  config: FqlConfig,
): LossTerms {
  const { observation: s, action } = batch;
  const fixed: GeluCritic = mapTree<Tensor, Tensor>(p.critic, stopGradient); // The critic has no gradient from what it judges.
  const critic = fqlCriticLoss(p.critic, s, action, fqlTarget(p, criticTarget, batch, noise.next, config));
  const own = oneStepAction(p.policy, s, noise.z);
  const teacher = stopGradient(flowAction((x, t) => flowVelocity(p.flow, s, x, t), noise.z, config.flowSteps));
  const distillation = meanSquaredError(own, teacher); // Only the flow's action is clipped (authors' code).
  const value = meanValueLoss(geluValues(fixed, s, clipped(own)), config.normalizeValue);
  const weight = config.flowWeight === "value"
    ? flowRowWeight(fixed, s, action, clipped(own), config.flowTemperature)
    : undefined;
  const flow = flowLoss(p.flow, s, action, noise, weight);
  const policy = tf.add(tf.mul(distillation, config.distillationWeight), value);
  return { total: tf.add(tf.add(critic, flow), policy), critic, flow, distillation, value };
}

// --------------------------------------------------------------------------------------------------------- Updates

interface Arrays<L = NdArray> {
  networks: Trained<FqlNetworks<L>, L>;
  criticTarget: GeluCritic<L>;
}

const settings = { defaults: fqlDefaults, limits };

/** Creates FQL for a task. */
export const createFql: CreateAgent<FqlConfig> = checked("FQL", settings, (config, spec) => {
  const { learningRate, polyakRate } = config;
  const { observationDim: s, actionDim: a, maxAction } = spec;

  const train = compile<{ state: Arrays; batch: Batch; noise: FqlNoise; step: AdamStep }>(
    "fql/update",
    ({ state, batch, noise, step }) => {
      const unit = { ...batch, action: unitActions(batch.action, maxAction) };
      const { value: loss, terms, next } = trainStep(
        state.networks,
        (p) => fqlTerms(p, state.criticTarget, unit, noise, config), // All at the parameters before the step.
        step,
      );
      const followed = config.targetAverage === "before step" ? state.networks : next;
      return {
        state: { networks: next, criticTarget: polyakAverage(state.criticTarget, followed.params.critic, polyakRate) },
        metrics: {
          criticLoss: terms.critic,
          flowLoss: terms.flow,
          distillationLoss: terms.distillation,
          valueLoss: terms.value,
          loss,
        },
      };
    },
  );

  return {
    init(rng) {
      const widths: number[] = Array(config.depth).fill(config.hidden);
      const networks: FqlNetworks<NdArray> = {
        critic: initGeluCritic(spec, config, rng.child("critic")),
        flow: initGlorotMlp([s + a + 1, ...widths, a], rng.child("flow")),
        policy: initGlorotMlp([s + a, ...widths, a], rng.child("policy")),
      };
      const arrays: Arrays = { networks: initTrained(networks), criticTarget: copyArrays(networks.critic) };
      return { updates: 0, arrays };
    },

    async update(state, batch, rng) {
      const noise = drawFqlNoise(batch.action.shape[0], a, rng);
      const step = adamStep(state.updates + 1, { learningRate });
      return finishUpdate(state, await train({ state: state.arrays as Arrays, batch, noise, step }));
    },

    createActor(state, rng) {
      const layers = (state.arrays as Arrays).networks.params.policy;
      return createNoiseActor({ layers, activation: "gelu", skip: 0, out: 1 }, maxAction, rng);
    },

    ...stochasticPolicy<Linear[], GeluCritic>("fql", spec, {
      paramsOf: (arrays) => (arrays as Arrays).networks.params.policy,
      sample: (policy, s, [z]) => tf.mul(clipped(oneStepAction(policy, s, z)), maxAction),
      criticOf: (arrays) => (arrays as Arrays).criticTarget,
      value: (critic, s, a) => aggregateValues(geluValues(critic, s, tf.div(a, maxAction)), config.nextValue),
    }),
  };
});

// --------------------------------------------------------------------------------------------------------- Presets

const source = "authors' code, README's commands";
const updates = 500_000;
const antmaze: Record<string, number> = {
  "umaze": 10,
  "umaze-diverse": 10,
  "medium-play": 10,
  "medium-diverse": 10,
  "large-play": 3,
  "large-diverse": 3,
};
const adroit: Record<string, readonly [human: number, cloned: number, expert: number]> = {
  pen: [1e4, 1e4, 3e3],
  door: [3e4, 3e4, 3e4],
  hammer: [3e4, 1e4, 3e4],
  relocate: [1e4, 3e4, 3e4],
};
const adroitData = ["human", "cloned", "expert"] as const;

/** FQL. */
export const fql: Algorithm<FqlConfig> = {
  name: "fql",
  module: import.meta.url,
  acts: "one sample",
  title: "FQL",
  source: "Park, Li & Levine 2025, arXiv 2502.02538",
  ...settings,
  presets: Object.fromEntries([
    ...Object.entries(antmaze).map(([maze, distillationWeight]) => [
      `antmaze-${maze}-v2`,
      { source, config: { distillationWeight, updates, rewardTransform: "iql_antmaze" } },
    ]),
    ...Object.entries(adroit).flatMap(([hand, weights]) =>
      weights.map((distillationWeight, i) => [
        `${hand}-${adroitData[i]}-v1`,
        { source, config: { distillationWeight, updates, nextValue: "min" } },
      ])
    ),
  ]),
  create: createFql,
};
