/**
 * The empirical-CDF normalizer of Decision Diffuser (Ajay et al. 2023, arXiv 2211.15657, authors' code).
 *
 * @module
 */

/** A rising piecewise linear map from a dimension's values to the share of samples at or below them. */
export interface Cdf {
  /** Distinct values, ascending. */
  values: Float64Array;
  /** Share of the data up to each. */
  shares: Float64Array;
}

/** Points kept of a dimension with more distinct values. Ours: the authors keep all; a share moves by at most 1 / 4096. */
const mostPoints = 4096;

/**
 * Fits one dimension's samples. A dimension that is constant passes unchanged.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fitCdf, normalize } from "./cdf_normalizer.ts";
 * const cdf = fitCdf([1, 2, 2, 5]);
 * assertEquals([1, 2, 3.5, 0, 9].map((x) => normalize(cdf, x)), [-0.5, 0.5, 0.75, -0.5, 1]);
 * ```
 */
export function fitCdf(samples: ArrayLike<number>): Cdf {
  const sorted = Float64Array.from(samples).sort();
  const last = Float64Array.from(sorted.keys()).filter((i) => sorted[i] !== sorted[i + 1]); // Of equal ones.
  const kept = last.length <= mostPoints
    ? last
    : Float64Array.from({ length: mostPoints }, (_, k) => last[Math.round(k * (last.length - 1) / (mostPoints - 1))]);
  return { values: kept.map((i) => sorted[i]), shares: kept.map((i) => (i + 1) / sorted.length) };
}

/** A value as `2 share - 1`, in [-1, 1]; values between samples are interpolated, values beyond clipped. */
export function normalize({ values, shares }: Cdf, x: number): number {
  return values.length < 2 ? x : 2 * interpolate(values, shares, x) - 1;
}

/** The value of a normalized one. */
export function denormalize({ values, shares }: Cdf, y: number): number {
  return values.length < 2 ? y : interpolate(shares, values, (y + 1) / 2);
}

/** The piecewise linear function through `(xs, ys)` at `x`, constant beyond its ends; `xs` rise. */
function interpolate(xs: Float64Array, ys: Float64Array, x: number): number {
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

/** Rows `[n, dim]` with each dimension mapped by `map` through its own {@linkcode Cdf}. */
export function mapRows(
  map: typeof normalize,
  cdfs: readonly Cdf[],
  rows: ArrayLike<number>,
): Float32Array {
  return Float32Array.from(rows, (x, i) => map(cdfs[i % cdfs.length], x));
}
