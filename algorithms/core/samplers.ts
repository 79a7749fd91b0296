/**
 * Iterative samplers: the slow way that distillation replaces.
 *
 * Continuous-time samplers take a clean-sample denoiser and a list of noise levels; discrete ones take a noise-predicting
 * network and a schedule. Each network call is one pass, so `nfe` is what the function calls.
 *
 * @module
 */

import { type Tensor, tf } from "../engine/tensor.ts";
import type { VpSchedule } from "./vp.ts";

/** `D(x; sigma)`, the clean sample expected behind `x [batch, dim]` at noise level `sigma [batch, 1]`. */
export type Denoiser = (x: Tensor, sigma: Tensor) => Tensor;

/** `epsilon(x, t)`, the noise expected in `x [batch, dim]` at discrete time `t`. */
export type NoisePredictor = (x: Tensor, t: number) => Tensor;

const level = (x: Tensor, sigma: number) => tf.fill([x.shape[0], 1], sigma);

/**
 * Euler's method on the probability-flow ODE `dx/dsigma = (x - D(x; sigma)) / sigma` (EDM, Eq. 3): order 1, one pass per
 * noise level.
 *
 * @param x Start, `[batch, dim]`, with spread `sigmas[0]`.
 * @param sigmas Falling noise levels, the last one the end (0 for clean samples).
 */
export function sampleEuler(denoise: Denoiser, x: Tensor, sigmas: readonly number[]): Tensor {
  for (let i = 0; i < sigmas.length - 1; i++) {
    const slope = tf.div(tf.sub(x, denoise(x, level(x, sigmas[i]))), sigmas[i]);
    x = tf.add(x, tf.mul(slope, sigmas[i + 1] - sigmas[i]));
  }
  return x;
}

/** Heun's method on the same ODE (EDM, Algorithm 1): order 2, two passes per level but for the last one to 0. */
export function sampleHeun(denoise: Denoiser, x: Tensor, sigmas: readonly number[]): Tensor {
  for (let i = 0; i < sigmas.length - 1; i++) {
    const [now, next] = [sigmas[i], sigmas[i + 1]];
    const slope = tf.div(tf.sub(x, denoise(x, level(x, now))), now);
    const guess = tf.add(x, tf.mul(slope, next - now));
    if (next === 0) return guess;
    const corrected = tf.div(tf.sub(guess, denoise(guess, level(x, next))), next);
    x = tf.add(x, tf.mul(tf.add(slope, corrected), (next - now) / 2));
  }
  return x;
}

const cleanFrom = (predict: NoisePredictor, x: Tensor, t: number, { alphaBar }: VpSchedule, clip: number) => {
  const epsilon = predict(x, t);
  const clean = tf.sub(tf.mul(x, 1 / Math.sqrt(alphaBar[t])), tf.mul(epsilon, Math.sqrt(1 / alphaBar[t] - 1)));
  return clip === Infinity ? clean : tf.clipByValue(clean, -clip, clip);
};

/**
 * One ancestral step of DDPM (Ho et al. 2020, Algorithm 2) with a clipped clean sample: `x_t -> x_{t-1}`.
 *
 * @param noise Unit Gaussians, `[batch, dim]`; unused at t = 0.
 */
export function ddpmStep(
  predict: NoisePredictor,
  x: Tensor,
  t: number,
  noise: Tensor,
  schedule: VpSchedule,
  clip: number,
): Tensor {
  const { clean, noisy, variance } = schedule.posterior[t];
  const mean = tf.add(tf.mul(cleanFrom(predict, x, t, schedule, clip), clean), tf.mul(x, noisy));
  return t === 0 ? mean : tf.add(mean, tf.mul(noise, Math.sqrt(variance)));
}

/**
 * Ancestral sampling through all steps of the schedule; the result is clipped.
 *
 * @param noises `[batch, dim]` for t = T - 1 down to 1; a further one, for t = 0, is ignored.
 */
export function sampleDdpm(
  predict: NoisePredictor,
  x: Tensor,
  noises: readonly Tensor[],
  schedule: VpSchedule,
  clip: number,
): Tensor {
  const steps = schedule.beta.length;
  for (let t = steps - 1; t >= 0; t--) x = ddpmStep(predict, x, t, noises[steps - 1 - t] ?? x, schedule, clip);
  return clip === Infinity ? x : tf.clipByValue(x, -clip, clip);
}

/**
 * DDIM (Song et al. 2021, arXiv 2010.02502, Eq. 12 with eta = 0): deterministic, over any falling subset of times.
 *
 * @param times Falling discrete times; the step after the last one goes to the clean sample.
 */
export function sampleDdim(
  predict: NoisePredictor,
  x: Tensor,
  times: readonly number[],
  schedule: VpSchedule,
  clip: number,
): Tensor {
  const { alphaBar } = schedule;
  times.forEach((t, i) => {
    const clean = cleanFrom(predict, x, t, schedule, clip);
    const epsilon = tf.mul(tf.sub(x, tf.mul(clean, Math.sqrt(alphaBar[t]))), 1 / Math.sqrt(1 - alphaBar[t]));
    const next = i + 1 < times.length ? alphaBar[times[i + 1]] : 1;
    x = tf.add(tf.mul(clean, Math.sqrt(next)), tf.mul(epsilon, Math.sqrt(1 - next)));
  });
  return x;
}
