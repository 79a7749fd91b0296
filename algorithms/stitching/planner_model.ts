/**
 * The planner's settings, networks, losses and denoising step.
 *
 * Source: as the planner's, see there.
 *
 * @module
 */

import { column, type NdArray, ndarray, scalar } from "../engine/array.ts";
import { type Limits, ranges } from "../core/config.ts";
import { type Linear, mlp, relu } from "../core/nn.ts";
import type { Trained } from "../core/optim.ts";
import type { Rng } from "../core/rng.ts";
import { meanSquaredError } from "../core/td.ts";
import { type Tensor, tf } from "../engine/tensor.ts";
import type { VpSchedule } from "../core/vp.ts";
import { type TemporalUnet, temporalUnetNoise } from "./temporal_unet.ts";
import type { WindowBatch, WindowConfig } from "./windows.ts";

/** Settings of the planner. */
export interface PlannerConfig extends WindowConfig {
  /** Gradient steps. */
  updates: number;
  /** Rows per minibatch. */
  batchSize: number;
  /** Adam's step size. */
  learningRate: number;
  /** Steps of the past that a plan goes on from, the present one included (C). */
  context: number;
  /** Width of the network's first level, and those of all levels in units of it. */
  width: number;
  /** Width of each level over that of the first. */
  multipliers: readonly number[];
  /** Width of the inverse dynamics. */
  inverseHidden: number;
  /** Denoising steps (T). */
  diffusionSteps: number;
  /** Share of training windows whose return is left out. */
  conditionDropout: number;
  /** Weight of the conditional noise (w): 1 is conditional, more is stronger. */
  guidance: number;
  /** Wanted return, in units of `returnsScale`. */
  targetReturn: number;
  /** Factor of all noise in sampling. */
  temperature: number;
}

/** Defaults: the networks and settings of Decision Diffuser's authors' code, its paper's context. */
export const plannerDefaults: PlannerConfig = {
  updates: 1_000_000,
  batchSize: 64, // Two micro-batches of 32.
  learningRate: 2e-4,
  horizon: 100,
  context: 20,
  width: 128,
  multipliers: [1, 4, 8],
  inverseHidden: 256,
  diffusionSteps: 200,
  conditionDropout: 0.25,
  guidance: 1.2,
  targetReturn: 0.9,
  temperature: 0.5,
  discount: 0.99,
  returnsScale: 400,
  terminationPenalty: -100,
};

/** What the settings may be. */
export const plannerLimits: Limits<PlannerConfig> = {
  learningRate: ranges.positive,
  horizon: ranges.count,
  context: ranges.count,
  width: ranges.count,
  inverseHidden: ranges.count,
  diffusionSteps: ranges.count,
  conditionDropout: ranges.belowOne,
  guidance: ranges.finite,
  targetReturn: ranges.finite,
  temperature: ranges.notNegative,
  discount: ranges.share,
  returnsScale: ranges.positive,
  terminationPenalty: ranges.finite,
};

/** The networks. */
export interface PlannerNetworks<L = Tensor> {
  /** Predicts the noise of windows. */
  unet: TemporalUnet<L>;
  /** From two successive observations to the action between them, all normalized. */
  inverse: Linear<L>[];
}

/** Everything that training changes. */
export interface PlannerArrays {
  /** Networks in training. */
  networks: Trained<PlannerNetworks<NdArray>>;
  /** The average that acts. */
  average: PlannerNetworks<NdArray>;
}

/** Noise of one update. */
export interface PlannerNoise<L = NdArray> {
  /** Diffusion step, `[batch, 1]`, and `sqrt(alphaBar)`, `sqrt(1 - alphaBar)` of it, `[batch, 1, 1]`. */
  step: L;
  /** Factor of the clean window. */
  clean: L;
  /** Factor of the noise or of the noisy window. */
  noisy: L;
  /** `[batch, horizon, channels]` */
  epsilon: L;
  /** 1 where a window's entry is to be found, 0 where it is known; `[batch, horizon, channels]`. */
  unknown: L;
  /** 1 where the return counts, `[batch, 1]`. */
  keep: L;
}

/** 1 for every entry that is unknown with `context` steps given: their observations are known, and all rewards but the last. */
export function unknownEntries(context: number, horizon: number, channels: number): Float32Array {
  return new Float32Array(horizon * channels).map((_, i) => {
    const [t, channel] = [Math.floor(i / channels), i % channels];
    return t < context && !(t === context - 1 && channel === channels - 1) ? 0 : 1;
  });
}

/** Draws {@linkcode PlannerNoise}. */
export function drawPlannerNoise(
  [batch, horizon, channels]: readonly number[],
  config: Pick<PlannerConfig, "context" | "conditionDropout">,
  schedule: VpSchedule,
  rng: Rng,
): PlannerNoise {
  const steps = Array.from({ length: batch }, () => rng.integer(schedule.beta.length));
  const unknown = new Float32Array(batch * horizon * channels);
  for (let b = 0; b < batch; b++) {
    unknown.set(unknownEntries(1 + rng.integer(config.context), horizon, channels), b * horizon * channels);
  }
  const levels = (f: (alphaBar: number) => number) =>
    ndarray(steps.map((t) => Math.sqrt(f(schedule.alphaBar[t]))), [batch, 1, 1]);
  return {
    step: column(Float32Array.from(steps)),
    clean: levels((x) => x),
    noisy: levels((x) => 1 - x),
    epsilon: ndarray(rng.fillNormal(new Float32Array(unknown.length)), [batch, horizon, channels]),
    unknown: ndarray(unknown, [batch, horizon, channels]),
    keep: column(Float32Array.from({ length: batch }, () => Number(rng.uniform() >= config.conditionDropout))),
  };
}

/** Noise prediction error over all entries, those known counting 0. */
export function plannerLoss(p: TemporalUnet, batch: WindowBatch<Tensor>, noise: PlannerNoise<Tensor>): Tensor {
  const { window, returns } = batch;
  const noised = tf.add(tf.mul(window, noise.clean), tf.mul(noise.epsilon, noise.noisy));
  const x = tf.add(window, tf.mul(noise.unknown, tf.sub(noised, window))); // Known entries stay clean.
  const found = temporalUnetNoise(p, x, noise.step, returns, noise.keep);
  return tf.mean(tf.mul(noise.unknown, tf.square(tf.sub(found, noise.epsilon))));
}

/** The action between successive observations, `[n, S]` each, normalized. */
export function inverseAction(p: Linear[], observation: Tensor, nextObservation: Tensor): Tensor {
  return mlp(p, tf.concat([observation, nextObservation], 1), relu);
}

/** Mean squared error of the actions between all steps of the windows. */
export function inverseLoss(p: Linear[], { window, action }: WindowBatch<Tensor>): Tensor {
  const [batch, horizon, channels] = window.shape;
  const [s, a] = [channels - 1, action.shape[2]!];
  const pairs = batch * (horizon - 1);
  const steps = (from: number) => tf.reshape(tf.slice(window, [0, from, 0], [batch, horizon - 1, s]), [pairs, s]);
  const taken = tf.reshape(tf.slice(action, [0, 0, 0], [batch, horizon - 1, a]), [pairs, a]);
  return meanSquaredError(inverseAction(p, steps(0), steps(1)), taken);
}

/** Factors of one reverse step, scalars; see {@linkcode reverseStep}. */
export interface ReverseFactors<L = NdArray> {
  /** `1 / sqrt(alphaBar)` and `sqrt(1 / alphaBar - 1)`: from the noisy window and its noise to the clean one. */
  rescale: L;
  /** Factor of the predicted noise. */
  remove: L;
  /** The posterior mean's weights of the clean and the noisy window, and its standard deviation times the temperature. */
  clean: L;
  /** Factor of the noise or of the noisy window. */
  noisy: L;
  /** Factor of the noise that is added. */
  sigma: L;
  /** Weight of the condition. */
  guidance: L;
}

/** Factors of step `t`. */
export function reverseFactors(
  { alphaBar, posterior }: VpSchedule,
  t: number,
  { guidance, temperature }: Pick<PlannerConfig, "guidance" | "temperature">,
): ReverseFactors {
  const { clean, noisy, variance } = posterior[t];
  return {
    rescale: scalar(Math.sqrt(1 / alphaBar[t])),
    remove: scalar(Math.sqrt(1 / alphaBar[t] - 1)),
    clean: scalar(clean),
    noisy: scalar(noisy),
    sigma: scalar(t > 0 ? temperature * Math.sqrt(variance) : 0),
    guidance: scalar(guidance),
  };
}

/**
 * One guided step of denoising: `noise = unconditional + guidance (conditional - unconditional)` (Ho & Salimans 2022,
 * arXiv 2207.12598), then the posterior given the clean window that it implies, clipped to [-1, 1].
 *
 * @param z Unit Gaussians shaped like `x`.
 */
export function reverseStep(
  x: Tensor,
  conditional: Tensor,
  unconditional: Tensor,
  z: Tensor,
  f: ReverseFactors<Tensor>,
): Tensor {
  const noise = tf.add(unconditional, tf.mul(tf.sub(conditional, unconditional), f.guidance));
  const clean = tf.clipByValue(tf.sub(tf.mul(x, f.rescale), tf.mul(noise, f.remove)), -1, 1);
  return tf.add(tf.add(tf.mul(clean, f.clean), tf.mul(x, f.noisy)), tf.mul(z, f.sigma));
}
