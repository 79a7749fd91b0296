/**
 * A Gaussian with full covariance: the density that a learned one must beat.
 *
 * @module
 */

/** Mean `[dim]` and lower Cholesky factor of the covariance, `[dim, dim]` row-major. */
export interface Gaussian {
  /** `[dim]` */
  mean: Float64Array;
  /** Lower Cholesky factor of the covariance, `[dim, dim]`, row-major. */
  factor: Float64Array;
}

/**
 * Maximum likelihood for rows `[count, dim]`.
 *
 * @throws {RangeError} If the covariance is singular.
 */
export function fitGaussian(rows: ArrayLike<number>, count: number): Gaussian {
  const dim = rows.length / count;
  const mean = new Float64Array(dim);
  for (let i = 0; i < rows.length; i++) mean[i % dim] += rows[i] / count;
  const covariance = new Float64Array(dim * dim);
  for (let i = 0; i < count; i++) {
    for (let a = 0; a < dim; a++) {
      const x = (rows[i * dim + a] - mean[a]) / count;
      for (let b = 0; b <= a; b++) covariance[a * dim + b] += x * (rows[i * dim + b] - mean[b]);
    }
  }
  const factor = new Float64Array(dim * dim);
  for (let a = 0; a < dim; a++) {
    for (let b = 0; b <= a; b++) {
      let rest = covariance[a * dim + b];
      for (let k = 0; k < b; k++) rest -= factor[a * dim + k] * factor[b * dim + k];
      if (a === b && !(rest > 0)) {
        throw new RangeError(`Cannot fit Gaussian: dimension ${a} must not be a linear function of those before it`);
      }
      factor[a * dim + b] = a === b ? Math.sqrt(rest) : rest / factor[b * dim + b];
    }
  }
  return { mean, factor };
}

/**
 * Mean log density of rows `[count, dim]`, in nats.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { fitGaussian, gaussianLogLikelihood } from "./gaussian.ts";
 * const normal = fitGaussian([-1, 1], 2); // Mean 0, variance 1.
 * assert(Math.abs(gaussianLogLikelihood(normal, [0], 1) + Math.log(2 * Math.PI) / 2) < 1e-12);
 * ```
 */
export function gaussianLogLikelihood({ mean, factor }: Gaussian, rows: ArrayLike<number>, count: number): number {
  const dim = mean.length;
  const z = new Float64Array(dim);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    for (let a = 0; a < dim; a++) {
      let rest = rows[i * dim + a] - mean[a];
      for (let k = 0; k < a; k++) rest -= factor[a * dim + k] * z[k];
      z[a] = rest / factor[a * dim + a];
      sum -= z[a] ** 2 / 2 + Math.log(factor[a * dim + a]) + Math.log(2 * Math.PI) / 2;
    }
  }
  return sum / count;
}
