/**
 * The variance-preserving SDE in continuous time (Song et al. 2021, arXiv 2011.13456), with beta from 0.1 to 20.
 *
 * @module
 */

import type { NoiseLevel } from "./denoiser.ts";

const [betaMin, betaMax] = [0.1, 20];

/** `x_t = alpha x + sigma z`, and `lambda = ln(alpha / sigma)`, all in float64. */
export interface Marginal {
  /** Factor of the clean sample. */
  alpha: number;
  /** Standard deviation of the noise. */
  sigma: number;
  /** Logarithm of alpha over sigma. */
  lambda: number;
}

/**
 * The marginal at time `t` in (0, 1].
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { vpMarginal } from "./vp_sde.ts";
 * assert(Math.abs(vpMarginal(0.5).alpha - 0.2811828808) < 1e-10);
 * ```
 */
export function vpMarginal(t: number): Marginal {
  const logAlpha = -t * t * (betaMax - betaMin) / 4 - t * betaMin / 2;
  const alpha = Math.exp(logAlpha);
  const sigma = Math.sqrt(-Math.expm1(2 * logAlpha));
  return { alpha, sigma, lambda: Math.log(alpha / sigma) };
}

/** The time whose `lambda` is given. */
export function vpTime(lambda: number): number {
  const tau = 2 * (betaMax - betaMin) * Math.log1p(Math.exp(-2 * lambda));
  return tau / ((Math.sqrt(betaMin ** 2 + tau) + betaMin) * (betaMax - betaMin));
}

/** The level at time `t`. */
export function levelAt(t: number): NoiseLevel {
  const { alpha, sigma } = vpMarginal(t);
  return { time: t, alpha, sigma };
}

/** The levels of `nfe` network calls, at times uniform from 1 to 0.001 (SRPO's), and the end. */
export function vpLevels(nfe: number): NoiseLevel[] {
  if (!Number.isInteger(nfe) || nfe < 1) {
    throw new RangeError(`Cannot sample: nfe must be a positive integer, current value is ${nfe}`);
  }
  return Array.from({ length: nfe + 1 }, (_, i) => levelAt(1 + i / nfe * (1e-3 - 1)));
}
