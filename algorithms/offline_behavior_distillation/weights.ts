/**
 * Weights by state density.
 *
 * Source: SDW-OBD (Lei, Cheng & Tao 2025, arXiv 2512.06692) weights by the reciprocal density; exponent, clipping and cap are ours.
 *
 * @module
 */

/** Settings of {@linkcode stateDensityWeights}. */
export interface DensityWeightConfig {
  /** Exponent of the reciprocal density (tau); 1 is literal. */
  exponent: number;
  /** Shares of rows whose log density is clipped at either end; none if absent. */
  clip?: readonly [number, number];
  /** Largest weight, relative to a mean of 1, before the weights are brought to that mean again; none if absent. */
  cap?: number;
}

/** Defaults [Ours]: an exponent that keeps more than a third of the rows effective on D4RL's locomotion data. */
export const densityWeightDefaults: DensityWeightConfig = { exponent: 0.05, clip: [0.001, 0.999], cap: 10 };

/**
 * Weights proportional to `density^-exponent`, of mean 1.
 *
 * @param logDensity `[rows]`; values that are not finite count as the smallest finite one.
 */
export function stateDensityWeights(logDensity: ArrayLike<number>, config: DensityWeightConfig): Float64Array {
  const { exponent, clip, cap } = config;
  const finite = Float64Array.from(logDensity).filter(Number.isFinite).sort();
  if (finite.length === 0) throw new RangeError("Cannot weight states: no log density is finite");
  const [low, high] = (clip ?? [0, 1]).map((share) => quantile(finite, share));
  const logs = Float64Array.from(
    logDensity,
    (x) => -exponent * Math.min(Math.max(Number.isFinite(x) ? x : finite[0], low), high),
  );
  const top = logs.reduce((a, b) => Math.max(a, b));
  const weights = logs.map((x) => Math.exp(x - top));
  const toMeanOne = (w: Float64Array) => {
    const mean = w.reduce((a, b) => a + b, 0) / w.length;
    return w.map((x) => x / mean);
  };
  const even = toMeanOne(weights);
  return cap === undefined ? even : toMeanOne(even.map((x) => Math.min(x, cap)));
}

/** `(sum w)^2 / sum w^2`: as many rows of equal weight would vary as much. */
export function effectiveSampleSize(weights: ArrayLike<number>): number {
  const w = Float64Array.from(weights);
  return w.reduce((a, b) => a + b, 0) ** 2 / w.reduce((a, b) => a + b * b, 0);
}

/** Linear interpolation between the order statistics of rising `sorted`. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
}
