/**
 * The variance-preserving SDE in continuous time (Song et al. 2021, arXiv 2011.13456), with beta from 0.1 to 20, and
 * DPM-Solvers on its probability flow.
 *
 * @module
 */

import { type Tensor, tf } from "../engine/tensor.ts";

const [betaMin, betaMax] = [0.1, 20];

/** `x_t = alpha x + sigma z`, and `lambda = ln(alpha / sigma)`, all in float64. */
export interface Marginal {
  /** Factor of the clean sample. */
  alpha: number;
  /** Deviation of the noise. */
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

/** `epsilon(x, t)`, the noise expected in `x [batch, dim]` at time `t` in (0, 1]. */
export type NoiseAtTime = (x: Tensor, t: number) => Tensor;

/** Which DPM-Solver. */
export interface DpmSolver {
  /** Order of the error per step. */
  order: 1 | 2 | 3;
  /** `single`: each step calls the network `order` times; `multi`: once, with the results of earlier steps. */
  steps: "single" | "multi";
  /** What is extrapolated: the noise (DPM-Solver), or the clean sample (DPM-Solver++). */
  prediction: "noise" | "clean";
}

/** The times of `nfe` network calls, uniform from 1 to 0.001 (SRPO's), and the end. */
export function dpmTimes(nfe: number): number[] {
  if (!Number.isInteger(nfe) || nfe < 1) {
    throw new RangeError(`Cannot sample: nfe must be a positive integer, current value is ${nfe}`);
  }
  return Array.from({ length: nfe + 1 }, (_, i) => 1 + i / nfe * (1e-3 - 1));
}

/**
 * Samples along the probability flow, with one network call per time but the last.
 *
 * Source: Lu et al. 2022, arXiv 2206.00927 (noise) and 2211.01095 (clean sample); the order of calls and the intermediate
 * times of the authors' code as SRPO's used it. A clean sample at order 1 is DDIM (Song et al. 2020).
 *
 * @param x Start, unit Gaussians `[batch, dim]`.
 * @param times Falling times, such as {@linkcode dpmTimes}.
 */
export function sampleDpm(
  predict: NoiseAtTime,
  x: Tensor,
  times: readonly number[],
  { order, steps, prediction }: DpmSolver,
): Tensor {
  const form = prediction === "clean" ? cleanForm(predict) : noiseForm(predict);
  return steps === "multi" ? multiStep(form, x, times, order) : singleStep(form, x, times, order);
}

/**
 * Ancestral sampling (Ho et al. 2020, arXiv 2006.11239, Algorithm 2) between any falling times: each step draws from
 * `q(x_s | x_t, x_0)` with the predicted clean sample, clipped to `[-clip, clip]`, for `x_0`; the last one takes its mean.
 *
 * @param noises Unit Gaussians `[batch, dim]`: the start, then one per time but the last two.
 */
export function sampleAncestral(
  predict: NoiseAtTime,
  noises: readonly Tensor[],
  times: readonly number[],
  clip: number,
): Tensor {
  let x = noises[0];
  for (let i = 0; i + 1 < times.length; i++) {
    const [now, next] = [vpMarginal(times[i]), vpMarginal(times[i + 1])];
    const clean = tf.div(tf.sub(x, tf.mul(predict(x, times[i]), now.sigma)), now.alpha);
    const kept = now.alpha / next.alpha; // alpha of t given s.
    const added = now.sigma ** 2 - (kept * next.sigma) ** 2; // sigma^2 of t given s.
    const mean = tf.add(
      tf.mul(tf.clipByValue(clean, -clip, clip), next.alpha * added / now.sigma ** 2),
      tf.mul(x, kept * (next.sigma / now.sigma) ** 2),
    );
    const last = i + 2 === times.length;
    x = last ? mean : tf.add(mean, tf.mul(noises[i + 1], Math.sqrt(added) * next.sigma / now.sigma));
  }
  return x;
}

/** A prediction form: what the network says of `x`, and how that moves `x` from one time to another. */
interface Form {
  model(x: Tensor, t: number): Tensor;
  /**
   * `x` moved from `s` to `t` with the model's value and, scaled by the fitting integrals, its first and second derivative in
   * lambda over the step.
   */
  move(x: Tensor, s: number, t: number, value: Tensor, first?: Tensor, second?: Tensor): Tensor;
}

const sum = (terms: (Tensor | undefined)[]) => terms.filter((x) => x !== undefined).reduce((a, b) => tf.add(a, b));
const scaled = (x: Tensor | undefined, factor: number) => x && tf.mul(x, factor);

function cleanForm(predict: NoiseAtTime): Form {
  return {
    model(x, t) {
      const { alpha, sigma } = vpMarginal(t);
      return tf.div(tf.sub(x, tf.mul(predict(x, t), sigma)), alpha);
    },
    move(x, s, t, value, first, second) {
      const [from, to] = [vpMarginal(s), vpMarginal(t)];
      const h = to.lambda - from.lambda;
      const phi1 = Math.expm1(-h);
      const phi2 = phi1 / h + 1;
      const phi3 = phi2 / h - 0.5;
      return sum([
        tf.mul(x, to.sigma / from.sigma),
        scaled(value, -to.alpha * phi1),
        scaled(first, to.alpha * phi2),
        scaled(second, -to.alpha * phi3),
      ]);
    },
  };
}

function noiseForm(predict: NoiseAtTime): Form {
  return {
    model: predict,
    move(x, s, t, value, first, second) {
      const [from, to] = [vpMarginal(s), vpMarginal(t)];
      const h = to.lambda - from.lambda;
      const phi1 = Math.expm1(h);
      const phi2 = phi1 / h - 1;
      const phi3 = phi2 / h - 0.5;
      return sum([
        tf.mul(x, to.alpha / from.alpha),
        scaled(value, -to.sigma * phi1),
        scaled(first, -to.sigma * phi2),
        scaled(second, -to.sigma * phi3),
      ]);
    },
  };
}

const lambdaOf = (t: number) => vpMarginal(t).lambda;

function multiStep(form: Form, x: Tensor, times: readonly number[], order: number): Tensor {
  const values: Tensor[] = []; // The newest first.
  for (let i = 0; i + 1 < times.length; i++) {
    const [s, t] = [times[i], times[i + 1]];
    values.unshift(form.model(x, s));
    const [now, before, earlier] = values;
    const h = lambdaOf(t) - lambdaOf(s);
    if (order === 1 || i === 0) x = form.move(x, s, t, now);
    else {
      const r0 = (lambdaOf(s) - lambdaOf(times[i - 1])) / h;
      const slope = tf.div(tf.sub(now, before), r0);
      if (order === 2 || i === 1) {
        x = secondOrderMulti(form, x, s, t, now, slope);
        continue;
      }
      const r1 = (lambdaOf(times[i - 1]) - lambdaOf(times[i - 2])) / h;
      const change = tf.div(tf.sub(slope, tf.div(tf.sub(before, earlier), r1)), r0 + r1);
      x = form.move(x, s, t, now, tf.add(slope, tf.mul(change, r0)), change);
    }
  }
  return x;
}

/** The authors' second multistep order adds half the slope to the value instead of fitting its integral. */
const secondOrderMulti = (form: Form, x: Tensor, s: number, t: number, value: Tensor, slope: Tensor) =>
  form.move(x, s, t, tf.add(value, tf.mul(slope, 0.5)));

/** How many grid points each step takes: as many of `order` as fit, lower orders for the rest (authors' code). */
function ordersOf(nfe: number, order: number): number[] {
  const repeat = (n: number, k: number): number[] => Array(n).fill(k);
  if (order === 1) return repeat(nfe, 1);
  if (order === 2) return nfe % 2 ? [...repeat((nfe - 1) / 2, 2), 1] : [...repeat(nfe / 2 - 1, 2), 1, 1];
  const k = Math.floor(nfe / 3) + 1;
  if (nfe % 3 === 0) return [...repeat(k - 2, 3), 2, 1];
  return [...repeat(k - 1, 3), nfe % 3];
}

function singleStep(form: Form, x: Tensor, times: readonly number[], order: number): Tensor {
  let at = 0;
  for (const k of ordersOf(times.length - 1, order)) {
    const [s, t] = [times[at], times[at + k]];
    const h = lambdaOf(t) - lambdaOf(s);
    const value = form.model(x, s);
    const ratio = (i: number) => (lambdaOf(times[at + i]) - lambdaOf(s)) / h;
    if (k === 1) x = form.move(x, s, t, value);
    else {
      const r1 = ratio(1);
      const middle = times[at + 1];
      const change = tf.sub(form.model(form.move(x, s, middle, value), middle), value);
      if (k === 2) x = secondOrderMulti(form, x, s, t, value, tf.div(change, r1));
      else {
        const [r2, late] = [ratio(2), times[at + 2]];
        const guess = form.move(x, s, late, value, tf.mul(change, r2 / r1));
        const laterChange = tf.sub(form.model(guess, late), value);
        x = form.move(x, s, t, value, tf.div(laterChange, r2));
      }
    }
    at += k;
  }
  return x;
}
