/**
 * Diffusion models to sample outside of the training engine: one network file, and the noise levels of a chain of any length.
 *
 * This module needs no tensors, so that a browser can take it without TF.js.
 *
 * @module
 */

/** A place on the way from noise to an action: `x = alpha a + sigma z`. */
export interface NoiseLevel {
  /** What the network is told. */
  time: number;
  /** Factor of the clean action. */
  alpha: number;
  /** Standard deviation of the noise. */
  sigma: number;
}

/** A diffusion model of actions, to deploy. */
export interface ExportedDenoiser {
  /**
   * An ONNX file: `clean [1, A]`, the action expected behind a noisy one, from `observation [1, S]`, `sample [1, A]` and
   * `level [1, 3]`, a level's time, alpha and sigma.
   */
  bytes: Uint8Array;
  /** Noise levels of a chain of `nfe` network calls, from pure noise to the end: one more than calls. */
  levels(nfe: number): NoiseLevel[];
  /** The largest number of calls that the model is made for. */
  mostNfe: number;
}

/**
 * DDIM (Song et al. 2021, arXiv 2010.02502, eta = 0), which is DPM-Solver++ of order 1, and Euler's method where alpha is 1: one
 * network call per level but the last.
 *
 * @param start Unit Gaussians, `[A]`.
 * @param clean The clean action expected behind a sample at a level.
 */
export async function sampleActionChain(
  clean: (sample: Float32Array, level: NoiseLevel) => Promise<Float32Array>,
  start: Float32Array,
  levels: readonly NoiseLevel[],
): Promise<Float32Array> {
  let x = start.map((z) => levels[0].sigma * z);
  for (let i = 0; i + 1 < levels.length; i++) {
    const [now, next] = [levels[i], levels[i + 1]];
    const expected = await clean(x, now);
    const kept = next.sigma / now.sigma;
    x = x.map((value, d) => kept * value + (next.alpha - kept * now.alpha) * expected[d]);
  }
  return x;
}
