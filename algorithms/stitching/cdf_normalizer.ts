/**
 * The empirical-CDF normalizer of Decision Diffuser (Ajay et al. 2023, arXiv 2211.15657, authors' code).
 *
 * @module
 */

/** Maps one dimension to [-1, 1] by the share of samples at or below a value, and back. */
export interface CdfNormalizer {
  normalize(x: number): number;
  denormalize(y: number): number;
}

/**
 * Fits the normalizer to one dimension's samples; values between samples are interpolated, values beyond are clipped. A constant
 * dimension passes unchanged.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fitCdfNormalizer } from "./cdf_normalizer.ts";
 * const { normalize } = fitCdfNormalizer([1, 2, 2, 5]);
 * assertEquals([1, 2, 3.5, 0, 9].map(normalize), [-0.5, 0.5, 0.75, -0.5, 1]);
 * ```
 */
export function fitCdfNormalizer(samples: ArrayLike<number>): CdfNormalizer {
  const sorted = Float64Array.from(samples).sort();
  const values: number[] = [];
  const shares: number[] = [];
  sorted.forEach((x, i) => {
    if (i + 1 < sorted.length && sorted[i + 1] === x) return; // The last of equal ones counts them all.
    values.push(x);
    shares.push((i + 1) / sorted.length);
  });
  if (values.length < 2) return { normalize: (x) => x, denormalize: (y) => y };
  return {
    normalize: (x) => 2 * interpolate(values, shares, x) - 1,
    denormalize: (y) => interpolate(shares, values, (y + 1) / 2),
  };
}

/** The piecewise linear function through `(xs, ys)` at `x`, constant beyond its ends; `xs` rise. */
function interpolate(xs: readonly number[], ys: readonly number[], x: number): number {
  if (x <= xs[0]) return ys[0];
  if (x >= xs[xs.length - 1]) return ys[ys.length - 1];
  let [low, high] = [0, xs.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle;
    else high = middle;
  }
  return ys[low] + (ys[high] - ys[low]) * (x - xs[low]) / (xs[high] - xs[low]);
}
