/**
 * EDM diffusion: preconditioning, noise levels, loss (Karras et al. 2022, arXiv 2206.00364), in the form of DTQL.
 *
 * @module
 */

import type { NoiseLevel } from "./denoiser.ts";
import type { Rng } from "./rng.ts";
import type { Denoiser } from "./samplers.ts";
import { type Tensor, tf } from "../engine/tensor.ts";

/** Range of noise levels and spread of the data. */
export interface EdmConfig {
  /** Least noise level. */
  sigmaMin: number;
  /** Largest noise level. */
  sigmaMax: number;
  /** Standard deviation of the data. */
  sigmaData: number;
}

/** Defaults of the DTQL authors' code: sigma in [0.002, 80], sigmaData 0.5. */
export const edmDefaults: EdmConfig = { sigmaMin: 0.002, sigmaMax: 80, sigmaData: 0.5 };

/** A raw network `F(c_in x, c_noise)`, `[batch, dim]` and `[batch, 1]` to `[batch, dim]`. */
export type RawNetwork = (input: Tensor, noiseLevel: Tensor) => Tensor;

/** Preconditioning of EDM, Table 1: each `[batch, 1]` for `sigma [batch, 1]`. */
export function edmScalings(
  sigma: Tensor,
  { sigmaData }: EdmConfig,
): { skip: Tensor; out: Tensor; in: Tensor; noise: Tensor; root: Tensor } {
  const total = tf.add(tf.square(sigma), sigmaData ** 2);
  const root = tf.sqrt(total);
  return {
    skip: tf.div(sigmaData ** 2, total),
    out: tf.div(tf.mul(sigma, sigmaData), root),
    in: tf.div(1, root),
    noise: tf.mul(tf.log(sigma), 1 / 4),
    root,
  };
}

/**
 * The denoiser `D(x; sigma) = c_skip x + c_out F(c_in x, c_noise)` of EDM, Eq. 7, clipped to `[-clip, clip]`.
 *
 * @param clip Bound of the clean sample; Infinity for none.
 */
export function edmDenoiser(
  network: RawNetwork,
  config: EdmConfig,
  clip: number,
): (x: Tensor, sigma: Tensor) => Tensor {
  return (x, sigma) => {
    const c = edmScalings(sigma, config);
    const denoised = tf.add(tf.mul(network(tf.mul(x, c.in), c.noise), c.out), tf.mul(x, c.skip));
    return clip === Infinity ? denoised : tf.clipByValue(denoised, -clip, clip);
  };
}

/** {@linkcode edmDenoiser} at one noise level for all rows, as samplers call it. */
export function edmDenoiserAt(network: RawNetwork, config: EdmConfig, clip: number): Denoiser {
  const denoise = edmDenoiser(network, config, clip);
  return (x, { sigma }) => denoise(x, tf.fill([x.shape[0], 1], sigma));
}

/**
 * Denoising loss `mean(((D(x + sigma epsilon) - x) / c_out)^2)`, EDM's weight 1 / c_out^2, over batch and dimensions.
 *
 * The residual is formed as `F - target`, the clip moved onto it: the same value, without dividing a float32
 * difference by a small `c_out`.
 *
 * @param network The raw network F.
 * @param x Clean samples, `[batch, dim]`; gradients flow through all three uses.
 * @param sigma Noise levels, `[batch, 1]`.
 * @param epsilon Unit Gaussians, `[batch, dim]`.
 * @param clip Bound of the clean sample; Infinity for none.
 */
export function edmLoss(
  network: RawNetwork,
  x: Tensor,
  sigma: Tensor,
  epsilon: Tensor,
  config: EdmConfig,
  clip: number,
): Tensor {
  const c = edmScalings(sigma, config);
  const noisy = tf.add(x, tf.mul(sigma, epsilon));
  const output = network(tf.mul(noisy, c.in), c.noise);
  // (x - c_skip noisy) / c_out, with the cancellation done by hand.
  const pull = tf.mul(x, tf.div(sigma, tf.mul(c.root, config.sigmaData)));
  const target = tf.sub(pull, tf.mul(epsilon, tf.div(config.sigmaData, c.root)));
  let residual = tf.sub(output, target);
  if (clip !== Infinity) {
    const scale = tf.div(1, c.out);
    const [low, high] = [-clip, clip].map((bound) => tf.mul(tf.sub(bound, x), scale));
    residual = tf.minimum(tf.maximum(residual, low), high);
  }
  return tf.mean(tf.square(residual));
}

/**
 * Noise levels from uniforms by DTQL's truncated log-logistic law (location ln sigmaData, scale 1/2), for which
 * `sigma = sigmaData sqrt(u / (1 - u))`.
 *
 * @param uniforms Numbers in [0, 1], read in float64.
 * @returns Noise levels in `[sigmaMin, sigmaMax]`, float32, as many.
 */
export function sigmasFromUniforms(
  uniforms: ArrayLike<number>,
  { sigmaMin, sigmaMax, sigmaData }: EdmConfig,
): Float32Array {
  const cdf = (sigma: number) => 1 / (1 + (sigmaData / sigma) ** 2);
  const [low, high] = [cdf(sigmaMin), cdf(sigmaMax)];
  const out = new Float32Array(uniforms.length);
  for (let i = 0; i < out.length; i++) {
    const u = low + uniforms[i] * (high - low);
    out[i] = sigmaData * Math.sqrt(u / (1 - u));
  }
  return out;
}

/** Draws noise levels, `n` of them; see {@linkcode sigmasFromUniforms}. */
export function drawSigmas(n: number, config: EdmConfig, rng: Rng): Float32Array {
  return sigmasFromUniforms(rng.fillUniform(new Float64Array(n)), config);
}

/** The noise levels of `nfe` network calls (EDM, Eq. 5 with rho = 7), sigma falling from sigmaMax to sigmaMin, and the end, 0. */
export function edmLevels(nfe: number, { sigmaMin, sigmaMax }: EdmConfig): NoiseLevel[] {
  const root = (x: number) => x ** (1 / 7);
  const at = (i: number) => (root(sigmaMax) + i / Math.max(nfe - 1, 1) * (root(sigmaMin) - root(sigmaMax))) ** 7;
  return [...Array.from({ length: nfe }, (_, i) => at(i)), 0].map((sigma) => ({ time: sigma, alpha: 1, sigma }));
}
