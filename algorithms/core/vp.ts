/**
 * Variance-preserving diffusion in discrete time (Ho et al. 2020, arXiv 2006.11239; schedule of Xiao et al. 2022, as in
 * Diffusion-QL).
 *
 * @module
 */

import type { NoiseLevel } from "./denoiser.ts";

/** Tables of a discrete schedule, index `t` = 0 (nearly clean) to T - 1 (nearly noise). */
export interface VpSchedule {
  /** Variance added by each step. */
  beta: number[];
  /** `prod (1 - beta)` up to and including t. */
  alphaBar: number[];
  /** Mean of `q(x_{t-1} | x_t, x_0) = clean x_0 + noisy x_t`, and its variance (0 at t = 0). */
  posterior: { clean: number; noisy: number; variance: number }[];
}

/**
 * The "vp" schedule, `beta_t = 1 - exp(-bMin / T - (bMax - bMin) (2t - 1) / (2 T^2))` for t = 1..T, with beta in
 * [0.1, 10] (authors' code of Diffusion-QL).
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { vpSchedule } from "./vp.ts";
 * assert(Math.abs(vpSchedule(5).beta[0] - 0.19587456) < 1e-8);
 * ```
 */
export function vpSchedule(steps: number, betaMin = 0.1, betaMax = 10): VpSchedule {
  if (!Number.isInteger(steps) || steps < 1) {
    throw new RangeError(`Cannot create VP schedule: steps must be a positive integer, current value is ${steps}`);
  }
  return tabulate(Array.from(
    { length: steps },
    (_, i) => 1 - Math.exp(-betaMin / steps - (betaMax - betaMin) * (2 * i + 1) / (2 * steps ** 2)),
  ));
}

/**
 * The cosine schedule (Nichol & Dhariwal 2021, arXiv 2102.09672, Eq. 17): alphaBar falls as
 * `cos^2((t / T + 0.008) / 1.008 pi / 2)`, beta is at most 0.999.
 */
export function cosineSchedule(steps: number): VpSchedule {
  const level = (t: number) => Math.cos((t / steps + 0.008) / 1.008 * Math.PI / 2) ** 2;
  return tabulate(Array.from({ length: steps }, (_, t) => Math.min(1 - level(t + 1) / level(t), 0.999)));
}

/** The levels of network calls at some falling times of a schedule, and the clean end. */
export function scheduleLevels({ alphaBar }: VpSchedule, times: readonly number[]): NoiseLevel[] {
  const noisy = times.map((time) => ({ time, alpha: Math.sqrt(alphaBar[time]), sigma: Math.sqrt(1 - alphaBar[time]) }));
  return [...noisy, { time: 0, alpha: 1, sigma: 0 }];
}

function tabulate(beta: number[]): VpSchedule {
  let product = 1;
  const alphaBar = beta.map((b) => product *= 1 - b);
  const posterior = beta.map((b, t) => {
    const before = t === 0 ? 1 : alphaBar[t - 1];
    return {
      clean: b * Math.sqrt(before) / (1 - alphaBar[t]),
      noisy: (1 - before) * Math.sqrt(1 - b) / (1 - alphaBar[t]),
      variance: b * (1 - before) / (1 - alphaBar[t]),
    };
  });
  return { beta, alphaBar, posterior };
}
