/**
 * Weights by state density.
 *
 * Source: SDW-OBD (Lei, Cheng & Tao 2025, arXiv 2512.06692) weights by the reciprocal density, as its abstract says; its equations were not
 * at hand. Exponent, clipping and cap are ours.
 *
 * @module
 */

/** Settings of {@linkcode stateDensityWeights}. */
export interface DensityWeightConfig {
  /** Exponent of the reciprocal density (tau); 1 is literal. */
  exponent: number;
  /** Shares of rows whose log density is clipped at either end; none if absent. */
  clip?: readonly [number, number];
  /** Largest weight, relative to the mean of 1; at least 1. None if absent. */
  cap?: number;
}

/** Defaults [Ours]: an exponent that keeps more than a third of the rows effective on D4RL's locomotion data. */
export const densityWeightDefaults: DensityWeightConfig = { exponent: 0.05, clip: [0.001, 0.999], cap: 10 };

/** Log densities, those that are not finite as the smallest finite one, and the finite ones ascending. */
function finiteLogs(logDensity: ArrayLike<number>): { logs: Float64Array; sorted: Float64Array } {
  const sorted = Float64Array.from(logDensity).filter(Number.isFinite).sort();
  if (sorted.length === 0) throw new RangeError("Cannot weight states: no log density is finite");
  return { logs: Float64Array.from(logDensity, (x) => Number.isFinite(x) ? x : sorted[0]), sorted };
}

/**
 * Weights proportional to `density^-exponent`, of mean 1.
 *
 * @param logDensity `[rows]`; values that are not finite count as the smallest finite one.
 * @throws {RangeError} If no value is finite, or the cap is below 1.
 */
export function stateDensityWeights(logDensity: ArrayLike<number>, config: DensityWeightConfig): Float64Array {
  const { exponent, clip, cap } = config;
  const { logs, sorted } = finiteLogs(logDensity);
  const [low, high] = (clip ?? [0, 1]).map((share) => quantile(sorted, share));
  const scaled = logs.map((x) => -exponent * Math.min(Math.max(x, low), high));
  const top = scaled.reduce((a, b) => Math.max(a, b));
  return capWeights(scaled.map((x) => Math.exp(x - top)), cap);
}

/**
 * Weights by how rare a state is among the others, not by how much rarer: `1 / (u + 1 / contrast)` with u from 0 (the rarest) to 1,
 * of mean 1. The rarest weighs `contrast + 1` times the commonest. [Ours]
 *
 * @param logDensity `[rows]`; equal values have equal weights.
 */
export function stateRankWeights(logDensity: ArrayLike<number>, contrast = 9): Float64Array {
  const { logs } = finiteLogs(logDensity);
  const order = Float64Array.from(logs.keys()).sort((i, j) => logs[i] - logs[j]);
  const share = new Float64Array(logs.length);
  for (let from = 0; from < order.length;) {
    let to = from;
    while (to + 1 < order.length && logs[order[to + 1]] === logs[order[from]]) to++;
    for (let i = from; i <= to; i++) share[order[i]] = (from + to) / 2 / Math.max(order.length - 1, 1);
    from = to + 1;
  }
  return capWeights(share.map((u) => 1 / (u + 1 / contrast)));
}

/**
 * Weights `m / (d + m)` of mean 1, with m the median density: the reciprocal density where states are common, bounded where they are
 * rare. [Ours]
 */
export function boundedDensityWeights(logDensity: ArrayLike<number>): Float64Array {
  const { logs, sorted } = finiteLogs(logDensity);
  const middle = quantile(sorted, 0.5);
  return capWeights(logs.map((x) => 1 / (1 + Math.exp(x - middle))));
}

/**
 * Weights scaled to a mean of 1 with none above `cap`: the largest are cut, the others grow in proportion until both hold. So at
 * least `1 / cap` of the rows are effective.
 */
function capWeights(weights: Float64Array, cap = Infinity): Float64Array {
  if (!(cap >= 1)) throw new RangeError(`Cannot weight states: cap must be at least 1, current value is ${cap}`);
  const n = weights.length;
  const rising = weights.toSorted();
  const sums = rising.slice(); // Of each weight and those below it: from below, so that no digit is lost.
  for (let i = 1; i < n; i++) sums[i] += sums[i - 1];
  let kept = n; // How many of the smallest are not cut.
  let scale = n / sums[n - 1];
  while (kept > 1 && scale * rising[kept - 1] > cap) scale = (n - cap * (n - --kept)) / sums[kept - 1];
  return weights.map((w) => Math.min(scale * w, cap));
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
