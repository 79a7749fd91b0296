/**
 * SSCP: one network that is a flow model of the data and its own shortcut: asked for a whole rest of the way, it completes a sample.
 *
 * Source: Koirala & Fleming 2025, "Flow-Based Single-Step Completion for Efficient and Expressive Policy Learning", arXiv 2506.21427, and the authors' code where it differs ("authors'
 * code" below).
 *
 * Deviation: actions are divided by `maxAction` where they enter, and multiplied by it where they leave.
 *
 * @module
 */

import { type Algorithm, type Batch, finishUpdate, type Spec } from "./core/agent.ts";
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
import { arrangeInputs, createMlp, createNoiseActor } from "./core/mlp_actor.ts";
import { initGlorotMlp, type Linear, mish, mlp, rowsLike } from "./core/nn.ts";
import { type AdamStep, adamStep, initTrained, type Trained, trainStep } from "./core/optim.ts";
import type { Rng } from "./core/rng.ts";
import { stochasticPolicy } from "./core/stochastic_policy.ts";
import { bellmanTarget, meanSquaredError, polyakAverage } from "./core/td.ts";
import { twinError } from "./core/twin_critic.ts";
import { column, copyArrays, type NdArray, ndarray } from "./engine/array.ts";
import { compile } from "./engine/compile.ts";
import { type LossTerms, stopGradient, type Tensor, tf } from "./engine/tensor.ts";
import { mapTree } from "./engine/tree.ts";

const valuePlaces = ["completion", "pure noise"] as const;
const targetAverages = ["before step", "after step"] as const;

/** Settings of SSCP. */
export interface SscpConfig extends CommonConfig {
  /** Weight of flow matching (alpha 1). */
  flowWeight: number;
  /** Weight of the completion's distance from the data (alpha 2). */
  completionWeight: number;
  /** How both target values of the next action become one. */
  nextValue: TwinAggregation;
  /** Whether the value term is divided by the mean absolute value. */
  normalizeValue: boolean;
  /** What the value term judges: the completion of a partly noisy action (authors' code), or the action from pure noise. */
  valueAt: "completion" | "pure noise";
  /** Whether the averages follow the networks as they were before an update (authors' code) or after it (most ports). */
  targetAverage: "before step" | "after step";
  /** Adam's step size. */
  learningRate: number;
  /** Discount of the return, in [0, 1). */
  discount: number;
  /** Share of the critic that its target takes at each update. */
  polyakRate: number;
  /** Share of the actor that its average, which acts, takes at each update. */
  actorPolyakRate: number;
  /** Width of the hidden layers. */
  hidden: number;
  /** Hidden layers of each network. */
  depth: number;
  /** Width of the embedding of time and step; half as many frequencies. */
  timeDim: number;
}

/** Defaults, from the authors' code. */
export const sscpDefaults: SscpConfig = {
  flowWeight: 1,
  completionWeight: 1, // Per task in the presets.
  nextValue: "min",
  normalizeValue: true,
  valueAt: "completion",
  targetAverage: "before step",
  learningRate: 3e-4,
  discount: 0.99,
  polyakRate: 0.005,
  actorPolyakRate: 0.0005,
  hidden: 512,
  depth: 4,
  timeDim: 128,
  updates: 500_000,
  batchSize: 1024,
  candidates: 1,
  rewardTransform: "none",
  normalizeObservations: false,
};

const limits: Limits<SscpConfig> = {
  flowWeight: ranges.notNegative,
  completionWeight: ranges.notNegative,
  nextValue: twinAggregations,
  valueAt: valuePlaces,
  targetAverage: targetAverages,
  learningRate: ranges.positive,
  discount: ranges.belowOne,
  polyakRate: ranges.rate,
  actorPolyakRate: ranges.rate,
  hidden: ranges.count,
  depth: ranges.count,
  timeDim: ranges.even,
};

/** The actor: a velocity over any step. */
export interface SscpActor<L = Tensor> {
  /** Learnt frequencies that time and step share, `[1, timeDim / 2]`. */
  frequencies: L;
  /** Embedding of the time. */
  time: Linear<L>[];
  /** Embedding of the step. */
  step: Linear<L>[];
  /** The rest, on observation, sample and the sum of the embeddings. */
  trunk: Linear<L>[];
}

/** The networks that one Adam trains. */
export interface SscpNetworks<L = Tensor> {
  /** Twin action values. */
  critic: GeluCritic<L>;
  /** The policy. */
  actor: SscpActor<L>;
}

// --------------------------------------------------------------------------------------------------------- Losses

/** `[cos 2 pi w x, sin 2 pi w x]`, cosines first: `[batch, 1]` to `[batch, timeDim]`. */
export function fourierFeatures(frequencies: Tensor, x: Tensor): Tensor {
  const angles = tf.mul(tf.mul(x, 2 * Math.PI), frequencies);
  return tf.concat([tf.cos(angles), tf.sin(angles)], 1);
}

/**
 * `h(s, x, t, d)`: at `d = 0` the velocity at time `t`, at `d = 1 - t` the mean velocity of the rest of the way; `[batch, S]`, `[batch,
 * A]`, `[batch, 1]` twice to `[batch, A]`.
 */
export function stepVelocity(p: SscpActor, s: Tensor, x: Tensor, t: Tensor, d: Tensor): Tensor {
  const [time, step] = ([[p.time, t], [p.step, d]] as const).map(([net, c]) =>
    mlp(net, fourierFeatures(p.frequencies, c), mish)
  );
  return mlp(p.trunk, tf.concat([rowsLike(s, x), x, rowsLike(tf.add(time, step), x)], 1), mish);
}

const clipped = (a: Tensor) => tf.clipByValue(a, -1, 1);

/** The action from pure noise in one step, not clipped: `z + h(s, z, 0, 1)`, `[batch, A]`. */
export function noiseCompletion(p: SscpActor, s: Tensor, z: Tensor): Tensor {
  return tf.add(z, stepVelocity(p, s, z, tf.zeros([1, 1]), tf.ones([1, 1])));
}

/** Noise of an update, in the order in which it is drawn. */
export interface SscpNoise<L = NdArray> {
  /** Of the next action, `[batch, A]`. */
  next: L;
  /** Where the flow starts, `[batch, A]`. */
  start: L;
  /** Uniforms in [0, 1), whose squares are the times, `[batch, 1]`. */
  u: L;
}

/** Draws the noise of an update. */
export function drawSscpNoise(rows: number, dim: number, rng: Rng): SscpNoise {
  return {
    next: drawNormals(rows, dim, rng),
    start: drawNormals(rows, dim, rng),
    u: column(rng.fillUniform(new Float32Array(rows))),
  };
}

/** What the critic is regressed on, `[batch, 1]`; the next action is that of the averaged actor. */
export function sscpTarget(
  actor: SscpActor,
  criticTarget: GeluCritic,
  batch: Batch<Tensor>,
  noise: Tensor,
  config: SscpConfig,
): Tensor {
  const s = batch.nextObservation;
  const value = aggregateValues(
    geluValues(criticTarget, s, clipped(noiseCompletion(actor, s, noise))),
    config.nextValue,
  );
  return stopGradient(bellmanTarget(batch.reward, batch.terminal, value, config.discount));
}

/**
 * Flow matching of small steps, and the squared distance of completions from the data; also the completions, `[batch, A]`.
 *
 * @param velocity `h` of `x [batch, A]`, time and step, `[batch, 1]` each.
 */
export function completionTerms(
  velocity: (x: Tensor, t: Tensor, d: Tensor) => Tensor,
  a: Tensor,
  { start, u }: { start: Tensor; u: Tensor },
): { flow: Tensor; completion: Tensor; completed: Tensor } {
  const t = tf.square(u);
  const rest = tf.sub(1, t);
  const x = tf.add(tf.mul(rest, start), tf.mul(t, a));
  const flow = meanSquaredError(velocity(x, t, tf.zerosLike(t)), tf.sub(a, start));
  const completed = tf.add(x, tf.mul(rest, velocity(x, t, rest)));
  return { flow, completion: meanSquaredError(completed, a), completed };
}

/** All terms, of actions in units of the bound. */
export function sscpTerms(
  p: SscpNetworks,
  targets: { actor: SscpActor; critic: GeluCritic },
  batch: Batch<Tensor>,
  noise: SscpNoise<Tensor>,
  config: SscpConfig,
): LossTerms {
  const { observation: s, action } = batch;
  const fixed: GeluCritic = mapTree<Tensor, Tensor>(p.critic, stopGradient); // The critic has no gradient from what it judges.
  const goal = sscpTarget(targets.actor, targets.critic, batch, noise.next, config);
  const critic = tf.mul(twinError(geluValues(p.critic, s, action), goal), 0.5);
  const { flow, completion, completed } = completionTerms(
    (x, t, d) => stepVelocity(p.actor, s, x, t, d),
    action,
    noise,
  );
  const judged = config.valueAt === "completion" ? completed : noiseCompletion(p.actor, s, noise.start);
  const value = meanValueLoss(geluValues(fixed, s, clipped(judged)), config.normalizeValue);
  const imitation = tf.add(tf.mul(flow, config.flowWeight), tf.mul(completion, config.completionWeight));
  return { total: tf.add(tf.add(critic, imitation), value), critic, flow, completion, value };
}

// --------------------------------------------------------------------------------------------------------- Updates

interface Arrays<L = NdArray> {
  networks: Trained<SscpNetworks<L>, L>;
  criticTarget: GeluCritic<L>;
  actorAverage: SscpActor<L>;
}

const frequencyScale = 0.2; // Authors' code.

/** Fresh parameters of the actor. */
export function initSscpActor(
  { observationDim: s, actionDim: a }: Spec,
  { hidden, depth, timeDim: e }: Pick<SscpConfig, "hidden" | "depth" | "timeDim">,
  rng: Rng,
): SscpActor<NdArray> {
  const drawn = rng.child("frequencies").fillNormal(new Float32Array(e / 2));
  return {
    frequencies: ndarray(drawn.map((x) => frequencyScale * x), [1, e / 2]),
    time: initGlorotMlp([e, e, e], rng.child("time")),
    step: initGlorotMlp([e, e, e], rng.child("step")),
    trunk: initGlorotMlp([s + a + e, ...Array(depth).fill(hidden), a], rng.child("trunk")),
  };
}

const settings = { defaults: sscpDefaults, limits };

/** Creates SSCP for a task. */
export const createSscp: CreateAgent<SscpConfig> = checked("SSCP", settings, (config, spec) => {
  const { learningRate } = config;
  const { actionDim: a, maxAction } = spec;

  const train = compile<{ state: Arrays; batch: Batch; noise: SscpNoise; step: AdamStep }>(
    "sscp/update",
    ({ state, batch, noise, step }) => {
      const unit = { ...batch, action: unitActions(batch.action, maxAction) };
      const targets = { actor: state.actorAverage, critic: state.criticTarget };
      const { value: loss, terms, next } = trainStep(
        state.networks,
        (p) => sscpTerms(p, targets, unit, noise, config), // All at the parameters before the step.
        step,
      );
      const followed = (config.targetAverage === "before step" ? state.networks : next).params;
      return {
        state: {
          networks: next,
          criticTarget: polyakAverage(state.criticTarget, followed.critic, config.polyakRate),
          actorAverage: polyakAverage(state.actorAverage, followed.actor, config.actorPolyakRate),
        },
        metrics: {
          criticLoss: terms.critic,
          flowLoss: terms.flow,
          completionLoss: terms.completion,
          valueLoss: terms.value,
          loss,
        },
      };
    },
  );

  return {
    init(rng) {
      const networks: SscpNetworks<NdArray> = {
        critic: initGeluCritic(spec, config, rng.child("critic")),
        actor: initSscpActor(spec, config, rng.child("actor")),
      };
      const arrays: Arrays = {
        networks: initTrained(networks),
        criticTarget: copyArrays(networks.critic),
        actorAverage: copyArrays(networks.actor),
      };
      return { updates: 0, arrays };
    },

    async update(state, batch, rng) {
      const noise = drawSscpNoise(batch.action.shape[0], a, rng);
      const step = adamStep(state.updates + 1, { learningRate });
      return finishUpdate(state, await train({ state: state.arrays as Arrays, batch, noise, step }));
    },

    createActor(state, rng) {
      const { frequencies: { data }, time, step, trunk: [first, ...rest] } = (state.arrays as Arrays).actorAverage;
      const [zero, one] = [0, 1].map((c) => {
        const angles = Array.from(data, (w) => 2 * Math.PI * c * w);
        return [...angles.map(Math.cos), ...angles.map(Math.sin)];
      });
      const [t, d] = [createMlp(time, "mish")(zero), createMlp(step, "mish")(one)];
      const inputs = spec.observationDim + a;
      const fixed = { from: inputs, values: t.map((x, i) => x + d[i]) }; // Time 0 and step 1.
      const layers = [arrangeInputs(first, [{ from: 0, count: inputs }, fixed]), ...rest];
      return createNoiseActor({ layers, activation: "mish", skip: 1, out: 1 }, maxAction, rng);
    },

    ...stochasticPolicy<SscpActor, GeluCritic>("sscp", spec, {
      paramsOf: (arrays) => (arrays as Arrays).actorAverage,
      sample: (actor, s, [z]) => tf.mul(clipped(noiseCompletion(actor, s, z)), maxAction),
      criticOf: (arrays) => (arrays as Arrays).criticTarget,
      value: (critic, s, a) => aggregateValues(geluValues(critic, s, tf.div(a, maxAction)), config.nextValue),
    }),
  };
});

// --------------------------------------------------------------------------------------------------------- Presets

const source = "authors' code, README's commands";
const completionWeights: Record<string, number> = {
  "halfcheetah-medium-v2": 0.2,
  "halfcheetah-medium-replay-v2": 0.05,
  "halfcheetah-medium-expert-v2": 0.1,
  "hopper-medium-v2": 0.05,
  "hopper-medium-replay-v2": 0.1,
  "hopper-medium-expert-v2": 0.75,
  "walker2d-medium-v2": 0.5,
  "walker2d-medium-replay-v2": 0.1,
  "walker2d-medium-expert-v2": 0.1,
};

/** SSCP. */
export const sscp: Algorithm<SscpConfig> = {
  name: "sscp",
  module: import.meta.url,
  acts: "one sample",
  title: "SSCP",
  source: "Koirala & Fleming 2025, arXiv 2506.21427",
  ...settings,
  presets: Object.fromEntries(
    Object.entries(completionWeights).map((
      [task, completionWeight],
    ) => [task, { source, config: { completionWeight } }]),
  ),
  create: createSscp,
};
