/**
 * Observations of mean 0 and about unit spread, for algorithms that want them so.
 *
 * @module
 */

/** Mean and standard deviation of a dataset's observations, `[observationDim]` each. */
export interface ObservationStatistics {
  /** `[observationDim]` */
  mean: ArrayLike<number>;
  /** `[observationDim]`, of the population; nothing is added to it. */
  standardDeviation: ArrayLike<number>;
}

/**
 * What observations are divided by, `[observationDim]`: the standard deviation plus 0.001 (TD3+BC's authors' code), so that a constant
 * dimension stays finite.
 */
export function observationScale(
  { standardDeviation }: Pick<ObservationStatistics, "standardDeviation">,
): Float32Array {
  return Float32Array.from(standardDeviation, (x) => x + 1e-3);
}

/**
 * Observations `[rows, observationDim]` less their mean, over {@linkcode observationScale}.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { normalizeObservations } from "./normalization.ts";
 * const statistics = { mean: [1], standardDeviation: [0.999] };
 * assertEquals([...normalizeObservations(Float32Array.of(1, 3), statistics)], [0, 2]);
 * ```
 */
export function normalizeObservations(rows: Float32Array, statistics: ObservationStatistics): Float32Array {
  const [mean, scale] = [statistics.mean, observationScale(statistics)];
  return rows.map((x, i) => (x - mean[i % mean.length]) / scale[i % mean.length]);
}
