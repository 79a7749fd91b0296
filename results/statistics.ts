/**
 * Statistics of results: the unit of replication is the training seed, episodes nest inside it.
 *
 * @module
 */

import { createRng } from "../algorithms/core/rng.ts";

/** A mean with a 95 % interval; null where one seed allows none. */
export interface Interval {
  mean: number;
  low: number | null;
  high: number | null;
  /** Training seeds. */
  n: number;
}

/** Arithmetic mean. */
export function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

/**
 * Mean over seeds of the mean over episodes, with a percentile bootstrap interval that resamples seeds, then episodes
 * within each (Patterson et al. 2024, JMLR 25(318)).
 *
 * @param scores One list of episode scores per training seed.
 * @param resamples Bootstrap resamples, from a fixed seed.
 */
export function bootstrapMean(scores: readonly (readonly number[])[], resamples = 10_000): Interval {
  const total = mean(scores.map(mean));
  if (scores.length < 2) return { mean: total, low: null, high: null, n: scores.length };
  const rng = createRng("bootstrap");
  const draws = Float64Array.from({ length: resamples }, () => {
    let sum = 0;
    for (let i = 0; i < scores.length; i++) {
      const episodes = scores[rng.integer(scores.length)];
      let inner = 0;
      for (let k = 0; k < episodes.length; k++) inner += episodes[rng.integer(episodes.length)];
      sum += inner / episodes.length;
    }
    return sum / scores.length;
  }).sort();
  const at = (q: number) => draws[Math.round(q * (resamples - 1))];
  return { mean: total, low: at(0.025), high: at(0.975), n: scores.length };
}
