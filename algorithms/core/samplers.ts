/**
 * Iterative samplers: the slow way that distillation replaces.
 *
 * All have one signature: what is expected behind a noisy sample, a start, and the noise levels to go through; a sampler that takes
 * more, noise or settings, takes it last. A level is a place on the way from noise to a sample, `x = alpha a + sigma z`, whatever the
 * diffusion: EDM has alpha 1 everywhere. Every level but the last is one network call, but for Heun's method.
 *
 * @module
 */

import type { NoiseLevel } from "./denoiser.ts";
import { type Tensor, tf } from "../engine/tensor.ts";

/** The clean sample expected behind `x [batch, dim]` at a level, `[batch, dim]`. */
export type Denoiser = (x: Tensor, level: NoiseLevel) => Tensor;

/** The noise expected in `x [batch, dim]` at a level, `[batch, dim]`. */
export type NoisePredictor = (x: Tensor, level: NoiseLevel) => Tensor;

/** The clean sample that a noise prediction means, `(x - sigma epsilon) / alpha`. */
export function cleanFromNoise(predict: NoisePredictor): Denoiser {
  return (x, level) => tf.div(tf.sub(x, tf.mul(predict(x, level), level.sigma)), level.alpha);
}

/**
 * DDIM (Song et al. 2021, arXiv 2010.02502, Eq. 12 with eta = 0): deterministic, over any falling levels. It is DPM-Solver++ of order
 * 1 and, where alpha is 1, Euler's method on the probability flow `dx/dsigma = (x - D(x; sigma)) / sigma` (EDM, Eq. 3).
 *
 * @param x Start, `[batch, dim]`, with the spread of the first level.
 * @param levels Falling; the last one is the end (sigma 0 for clean samples).
 */
export function sampleDdim(denoise: Denoiser, x: Tensor, levels: readonly NoiseLevel[]): Tensor {
  for (let i = 0; i + 1 < levels.length; i++) {
    const [now, next] = [levels[i], levels[i + 1]];
    const kept = next.sigma / now.sigma;
    x = tf.add(tf.mul(x, kept), tf.mul(denoise(x, now), next.alpha - kept * now.alpha));
  }
  return x;
}

/** Heun's method on EDM's probability flow (EDM, Algorithm 1), alpha 1: order 2, two calls per level but for the last one to 0. */
export function sampleHeun(denoise: Denoiser, x: Tensor, levels: readonly NoiseLevel[]): Tensor {
  for (let i = 0; i + 1 < levels.length; i++) {
    const [now, next] = [levels[i], levels[i + 1]];
    const slope = tf.div(tf.sub(x, denoise(x, now)), now.sigma);
    const guess = tf.add(x, tf.mul(slope, next.sigma - now.sigma));
    if (next.sigma === 0) return guess;
    const corrected = tf.div(tf.sub(guess, denoise(guess, next)), next.sigma);
    x = tf.add(x, tf.mul(tf.add(slope, corrected), (next.sigma - now.sigma) / 2));
  }
  return x;
}

/**
 * The Gaussian `q(x_next | x, clean)` (Ho et al. 2020, arXiv 2006.11239, Eqs. 6 and 7, between any two levels): its mean
 * `[batch, dim]` and its standard deviation.
 */
export function ancestralStep(
  x: Tensor,
  clean: Tensor,
  now: NoiseLevel,
  next: NoiseLevel,
): { mean: Tensor; sigma: number } {
  const kept = now.alpha / next.alpha; // alpha of now given next.
  const added = now.sigma ** 2 - (kept * next.sigma) ** 2; // sigma^2 of now given next.
  const mean = tf.add(
    tf.mul(clean, next.alpha * added / now.sigma ** 2),
    tf.mul(x, kept * (next.sigma / now.sigma) ** 2),
  );
  return { mean, sigma: Math.sqrt(added) * next.sigma / now.sigma };
}

/**
 * Ancestral sampling (DDPM, Algorithm 2) between any falling levels: each step draws from `q(x_next | x, x_0)` with the expected clean
 * sample for `x_0`; the last one takes its mean.
 *
 * @param noises Unit Gaussians `[batch, dim]`, one per step but the last.
 */
export function sampleAncestral(
  denoise: Denoiser,
  x: Tensor,
  levels: readonly NoiseLevel[],
  noises: readonly Tensor[],
): Tensor {
  for (let i = 0; i + 1 < levels.length; i++) {
    const { mean, sigma } = ancestralStep(x, denoise(x, levels[i]), levels[i], levels[i + 1]);
    x = i + 2 === levels.length ? mean : tf.add(mean, tf.mul(noises[i], sigma));
  }
  return x;
}
