/**
 * Offline behavior distillation: a few hundred pairs from which a policy learns in a hundred steps.
 *
 * Source: OBD (Lei, Zhang & Tao 2024, arXiv 2410.22728): the problem is Eq. 2, its gradient Eq. 3, the loop Algorithm 1; DBC and PBC are
 * Section 4.1, Av-PBC Eq. 6; scores are in Tables 1 to 3. Where text and authors' code differ it is the code. Weights by state density
 * after SDW-OBD (Lei, Cheng & Tao 2025, arXiv 2512.06692), whose exponent is ours, as its text, and so its equations, was not at hand.
 *
 * Deviation: from Eq. 6, as the code does: squared differences of actions for those of probabilities, at one action of the teacher.
 *
 * Deviation: the rows of an outer step are drawn with replacement, where theirs are the first ten minibatches of a shuffle; what is
 * scored is the last set, theirs the mean over the last five checkpoints'.
 *
 * @module
 */

import type { AgentState, Spec } from "../core/agent.ts";
import { assertSpec } from "../core/checked.ts";
import { assertConfig, type CommonConfig, type Limits, ranges } from "../core/config.ts";
import { drawNormals } from "../core/acting.ts";
import { type NdArray, ndarray } from "../engine/array.ts";
import { compile } from "../engine/compile.ts";
import type { Rng } from "../core/rng.ts";
import { meanSquaredError } from "../core/td.ts";
import { type Tensor, tf, valueAndGrad } from "../engine/tensor.ts";
import { initPolicy, meanAction, sampleAction, type TanhGaussianPolicy } from "./policy.ts";
import { createUnroll, type InnerConfig, type Pairs } from "./unroll.ts";

const objectives = ["dbc", "pbc", "av-pbc"] as const;
const noises = ["fresh", "replayed", "none"] as const;

/** Settings. */
export interface DistillationConfig extends CommonConfig, InnerConfig {
  /**
   * What the trained policy is measured by, on states of the data: the data's actions (`dbc`), a teacher's (`pbc`), or these weighted
   * by their value (`av-pbc`).
   */
  objective: "dbc" | "pbc" | "av-pbc";
  /** Synthetic pairs (N). */
  pairs: number;
  /** Steps that a policy trains on them (T). */
  innerUpdates: number;
  /**
   * Noise of the policy's actions going backwards: drawn anew as the authors do, or that of training, which gives the exact gradient;
   * or none at all, in either direction.
   */
  noise: "fresh" | "replayed" | "none";
  /** Outer gradient descent. */
  learningRate: number;
  /** Momentum of the outer descent. */
  momentum: number;
  /** Largest norm of the outer gradient. */
  clipNorm: number;
  /** Factor of the value in `av-pbc`. */
  valueScale: number;
  /** Exponent of the reciprocal state density (tau): 0 is OBD, 1 the literal reciprocal. */
  densityExponent: number;
  /** The policy's hidden layers. */
  hidden: number;
  /** Hidden layers. */
  depth: number;
}

/** Defaults, from the authors' code (its command line's where its files differ), Av-PBC. */
export const distillationDefaults: DistillationConfig = {
  objective: "av-pbc",
  pairs: 256,
  innerUpdates: 100,
  innerLearningRate: 0.1,
  innerMomentum: 0,
  noise: "fresh",
  learningRate: 0.1,
  momentum: 0.9,
  clipNorm: 2,
  valueScale: 0.02,
  densityExponent: 0,
  hidden: 256,
  depth: 3,
  updates: 50_000,
  batchSize: 2560, // Ten minibatches of 256, whose mean loss is the loss of all.
  candidates: 1,
  rewardTransform: "none",
  normalizeObservations: true,
};

/** What the settings may be. */
export const distillationLimits: Limits<DistillationConfig> = {
  objective: objectives,
  pairs: ranges.count,
  innerUpdates: ranges.wholeNumber,
  innerLearningRate: ranges.positive,
  innerMomentum: ranges.belowOne,
  noise: noises,
  learningRate: ranges.positive,
  momentum: ranges.belowOne,
  clipNorm: ranges.positive,
  valueScale: ranges.finite,
  densityExponent: ranges.notNegative,
  hidden: ranges.count,
  depth: ranges.count,
};

/** States of the data with the actions wanted there. */
export interface OuterBatch<L = NdArray> {
  /** `[batch, observationDim]`, normalized */
  observation: L;
  /** `[batch, actionDim]` */
  action: L;
  /** `[batch, 1]` */
  weight: L;
}

/** Everything that distillation changes. */
export interface DistillationArrays {
  /** The synthetic pairs. */
  pairs: Pairs;
  /** Their momentum. */
  velocity: Pairs;
}

/** `mean(weight (action - wanted)^2)` over rows and dimensions. */
export function outerLoss(action: Tensor, wanted: Tensor, weight: Tensor): Tensor {
  return tf.mean(tf.mul(tf.square(tf.sub(action, wanted)), weight)); // Eq. 6
}

/** Scales two gradients so that their joint norm is at most `most` (PyTorch's rule), in place of both. */
export function clipPairs({ observation, action }: Pairs, most: number): Pairs {
  const square = ({ data }: NdArray) => (data as Float32Array).reduce((sum, x) => sum + x * x, 0);
  const norm = Math.sqrt(square(observation) + square(action));
  const factor = Math.min(1, most / (norm + 1e-6));
  const scale = ({ data, shape }: NdArray) => ndarray((data as Float32Array).map((x) => factor * x), shape);
  return { observation: scale(observation), action: scale(action) };
}

/** A distillation for one task. */
export interface Distillation {
  /** State with the given pairs. */
  start(pairs: Pairs): AgentState;
  /** One outer step: train a fresh policy, measure it on `batch`, and move the pairs against the gradient. */
  update(
    state: AgentState,
    batch: OuterBatch,
    rng: Rng,
  ): Promise<{ state: AgentState; metrics: Record<string, number> }>;
  /** A fresh policy, trained on the pairs. */
  trainPolicy(pairs: Pairs, rng: Rng): Promise<TanhGaussianPolicy<NdArray>>;
  /** Its actions, without noise. */
  act(policy: TanhGaussianPolicy<NdArray>, observation: NdArray): Promise<NdArray>;
}

/**
 * Creates a distillation.
 *
 * @throws {RangeError} If a setting or a size is out of range.
 */
export function createDistillation(
  config: DistillationConfig,
  spec: Pick<Spec, "observationDim" | "actionDim" | "maxAction">,
): Distillation {
  assertSpec("OBD", spec);
  const { observationDim, actionDim, maxAction } = spec;
  assertConfig("create OBD", config, { defaults: distillationDefaults, limits: distillationLimits });

  const unroll = createUnroll<TanhGaussianPolicy>(
    "obd",
    (p, { observation, action }, noise) => meanSquaredError(sampleAction(p, observation, noise, maxAction), action),
    config,
  );
  const measure = compile<{ p: TanhGaussianPolicy<NdArray>; batch: OuterBatch; noise: NdArray }>(
    "obd/outer",
    ({ p, batch, noise }) => {
      const { value, grad } = valueAndGrad(
        (q) => outerLoss(sampleAction(q, batch.observation, noise, maxAction), batch.action, batch.weight),
        p,
      );
      return { loss: value, grad };
    },
  );
  const act = compile<{ p: TanhGaussianPolicy<NdArray>; observation: NdArray }, { action: Tensor }>(
    "obd/act",
    ({ p, observation }) => ({ action: meanAction(p, observation, maxAction) }),
  );
  const drawNoise = (rows: number, rng: Rng) =>
    config.noise === "none"
      ? ndarray(new Float32Array(rows * actionDim), [rows, actionDim])
      : drawNormals(rows, actionDim, rng);
  const drawNoises = (rows: number, rng: Rng) =>
    Array.from({ length: config.innerUpdates }, (_, k) => drawNoise(rows, rng.child(`${k}`)));
  const init = (rng: Rng) => initPolicy(observationDim, actionDim, config, rng);

  return {
    start: (pairs) => ({
      updates: 0,
      arrays: {
        pairs,
        velocity: {
          observation: ndarray(new Float32Array(pairs.observation.data.length), pairs.observation.shape),
          action: ndarray(new Float32Array(pairs.action.data.length), pairs.action.shape),
        },
      },
    }),

    async update(state, batch, rng) {
      const { pairs, velocity } = state.arrays as DistillationArrays;
      const rows = pairs.observation.shape[0];
      const forward = drawNoises(rows, rng.child("forward"));
      const { path, losses } = await unroll.train(init(rng.child("init")), pairs, forward);
      const outerNoise = drawNoise(batch.observation.shape[0], rng.child("outer"));
      const { loss, grad } = await measure({ p: path[path.length - 1], batch, noise: outerNoise });
      const backward = config.noise === "fresh" ? drawNoises(rows, rng.child("backward")) : forward;
      const { pairs: gradient } = await unroll.pullBack(path, pairs, backward, grad); // Eq. 3
      const clipped = clipPairs(gradient, config.clipNorm);
      const descend = (name: keyof Pairs) => {
        const v = (velocity[name].data as Float32Array).map((u, i) => config.momentum * u + clipped[name].data[i]);
        const x = (pairs[name].data as Float32Array).map((x, i) => x - config.learningRate * v[i]);
        return { v: ndarray(v, pairs[name].shape), x: ndarray(x, pairs[name].shape) };
      };
      const [observation, action] = [descend("observation"), descend("action")];
      const arrays: DistillationArrays = {
        pairs: { observation: observation.x, action: action.x },
        velocity: { observation: observation.v, action: action.v },
      };
      return {
        state: { updates: state.updates + 1, arrays },
        metrics: { outerLoss: loss.data[0], innerLoss: losses.at(-1) ?? 0 },
      };
    },

    async trainPolicy(pairs, rng) {
      const rows = pairs.observation.shape[0];
      const { path } = await unroll.train(init(rng.child("init")), pairs, drawNoises(rows, rng.child("noise")));
      return path[path.length - 1];
    },

    act: async (p, observation) => (await act({ p, observation })).action,
  };
}
