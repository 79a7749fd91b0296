/**
 * Statistics of results: the unit of replication is the training seed, episodes nest inside it.
 *
 * Over tasks: interquartile mean, optimality gap, performance profiles and probability of improvement, as in Agarwal et al.
 * 2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (arXiv 2108.13264); nesting: Patterson et al.
 * 2024, JMLR 25(318). All resampling starts from a fixed seed.
 *
 * @module
 */

import { createRng, type Rng } from "../../algorithms/core/rng.ts";
import { mean } from "./mean.ts";

/** An estimate with a 95 % interval; null where one seed allows none. */
export interface Interval {
  /** The estimate. */
  mean: number;
  /** Lower end of the interval. */
  low: number | null;
  /** Upper end of the interval. */
  high: number | null;
  /** Training seeds; the fewest of any task. */
  n: number;
}

/** One score per training seed (its mean over episodes), by task. Named, so that seeds and tasks cannot change places. */
export type TaskScores = Readonly<Record<string, readonly number[]>>;

/** The `q` quantile of ascending values, linear between neighbours (NumPy's and R's default, type 7). */
export function quantile(sorted: Float64Array, q: number): number {
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  return sorted[below] + (at - below) * (sorted[Math.min(below + 1, sorted.length - 1)] - sorted[below]);
}

/** Draws of a bootstrap above which it makes do with fewer resamples: of thousands of runs these still fix the interval. */
const mostDraws = 2.5e6;

/** How many resamples of `values` numbers to take where `wanted` are enough for few. */
const affordable = (wanted: number, values: number) => Math.min(wanted, Math.max(1000, Math.floor(mostDraws / values)));

/** Percentile interval of bootstrap estimates around the estimate itself. */
function percentileInterval(estimate: number, draws: Float64Array, n: number): Interval {
  draws.sort();
  return { mean: estimate, low: quantile(draws, 0.025), high: quantile(draws, 0.975), n };
}

/**
 * Mean over seeds of the mean over episodes, with a percentile bootstrap interval that resamples seeds, then episodes
 * within each.
 *
 * @param scores One list of episode scores per training seed.
 * @param wanted Bootstrap resamples; fewer, but at least 1000, above 250 episodes.
 */
export function bootstrapMean(scores: readonly (readonly number[])[], wanted = 10_000): Interval {
  const total = mean(scores.map(mean));
  if (scores.length < 2) return { mean: total, low: null, high: null, n: scores.length };
  const resamples = affordable(wanted, scores.reduce((sum, { length }) => sum + length, 0));
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
  });
  return percentileInterval(total, draws, scores.length);
}

/** Mean of the middle half: a quarter of the values, rounded down, is cut off at each end. Sorts `values`. */
export function interquartileMean(values: Float64Array): number {
  values.sort();
  const cut = Math.floor(values.length / 4);
  return mean(values.subarray(cut, values.length - cut));
}

/** How far scores fall short of `target` on average; more than the target does not count. */
export function optimalityGap(values: Float64Array, target = 100): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += Math.min(values[i], target);
  return target - sum / values.length;
}

/** Statistics over tasks, of `values` task after task; `ends` says where each ends. May sort `values`. */
const aggregates = {
  mean: (values: Float64Array, ends: readonly number[]) => mean(taskMeans(values, ends)),
  median: (values: Float64Array, ends: readonly number[]) => quantile(taskMeans(values, ends).sort(), 0.5),
  interquartileMean: (values: Float64Array) => interquartileMean(values),
  optimalityGap: (values: Float64Array) => optimalityGap(values),
};

/** A statistic over tasks. */
export type Aggregate = "mean" | "median" | "interquartileMean" | "optimalityGap";

/** All statistics over tasks. */
export const aggregateNames: readonly Aggregate[] = Object.keys(aggregates) as Aggregate[];

function taskMeans(values: Float64Array, ends: readonly number[]): Float64Array {
  return Float64Array.from(ends, (end, task) => mean(values.subarray(task === 0 ? 0 : ends[task - 1], end)));
}

/** Scores task after task, and where each task ends. */
function flatten(scores: TaskScores): { values: Float64Array; ends: number[] } {
  const tasks = Object.entries(scores);
  if (tasks.length === 0) {
    throw new RangeError("Cannot aggregate scores: there must be at least one task, current is 0");
  }
  const ends: number[] = [];
  for (const [task, seeds] of tasks) {
    if (seeds.length === 0) throw new RangeError(`Cannot aggregate scores: ${task} must have a seed, current is 0`);
    ends.push((ends.at(-1) ?? 0) + seeds.length);
  }
  return { values: Float64Array.from(tasks.flatMap(([, seeds]) => seeds)), ends };
}

/**
 * Stratified resamples: for each task, as many of its seeds as it has, with replacement.
 *
 * @returns `count` rows of positions in the scores laid task after task.
 */
export function drawResamples(scores: TaskScores, count: number, rng: Rng): Uint32Array[] {
  const { values, ends } = flatten(scores);
  return Array.from({ length: count }, () => {
    const row = new Uint32Array(values.length);
    let start = 0;
    for (const end of ends) {
      for (let i = start; i < end; i++) row[i] = start + rng.integer(end - start);
      start = end;
    }
    return row;
  });
}

/** An interval of `estimate` over resamples of scores; one seed of any task allows none. */
function bootstrap(
  scores: TaskScores,
  resamples: readonly Uint32Array[],
  estimate: (values: Float64Array, ends: readonly number[]) => number,
): Interval {
  const { values, ends } = flatten(scores);
  const n = Math.min(...Object.values(scores).map((seeds) => seeds.length));
  const total = estimate(values.slice(), ends);
  if (n < 2) return { mean: total, low: null, high: null, n };
  const drawn = new Float64Array(values.length);
  const draws = Float64Array.from(resamples, (row) => {
    for (let i = 0; i < row.length; i++) drawn[i] = values[row[i]];
    return estimate(drawn, ends);
  });
  return percentileInterval(total, draws, n);
}

const countRuns = (scores: TaskScores) => Object.values(scores).reduce((sum, { length }) => sum + length, 0);

/**
 * Each statistic over tasks, with its stratified percentile bootstrap interval.
 *
 * @param resamples By default as many as rliable's, 50,000; fewer above 50 runs.
 */
export function aggregateScores(
  scores: TaskScores,
  resamples: readonly Uint32Array[] = drawResamples(
    scores,
    affordable(50_000, countRuns(scores)),
    createRng("aggregate"),
  ),
): Record<Aggregate, Interval> {
  return Object.fromEntries(
    aggregateNames.map((name) => [name, bootstrap(scores, resamples, aggregates[name])]),
  ) as Record<Aggregate, Interval>;
}

/**
 * Performance profile: the share of runs that score above each threshold, with pointwise bands.
 *
 * @param resamples By default as many as rliable's, 2000.
 */
export function performanceProfile(
  scores: TaskScores,
  thresholds: readonly number[],
  resamples: readonly Uint32Array[] = drawResamples(scores, 2000, createRng("profile")),
): Interval[] {
  const { values } = flatten(scores);
  const n = Math.min(...Object.values(scores).map((seeds) => seeds.length));
  const shares = (sorted: Float64Array) =>
    thresholds.map((threshold) => 1 - countUpTo(sorted, threshold) / sorted.length);
  const estimates = shares(values.toSorted());
  if (n < 2) return estimates.map((mean) => ({ mean, low: null, high: null, n }));
  const draws = thresholds.map(() => new Float64Array(resamples.length));
  const drawn = new Float64Array(values.length);
  for (const [r, row] of resamples.entries()) {
    for (let i = 0; i < row.length; i++) drawn[i] = values[row[i]];
    shares(drawn.sort()).forEach((share, t) => draws[t][r] = share);
  }
  return estimates.map((mean, t) => percentileInterval(mean, draws[t], n));
}

/** How many of ascending values come before the first that `stops` the search. */
function countBefore(sorted: Float64Array, stops: (value: number) => boolean): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (stops(sorted[middle])) to = middle;
    else from = middle + 1;
  }
  return from;
}

const countUpTo = (sorted: Float64Array, limit: number) => countBefore(sorted, (value) => value > limit);
const countBelow = (sorted: Float64Array, limit: number) => countBefore(sorted, (value) => value >= limit);

/**
 * Probability of improvement of X over Y: the mean over tasks of the chance that a run of X beats one of Y, a tie counting
 * half (Mann & Whitney's U over all pairs).
 *
 * @throws {RangeError} If the two have no task in common.
 */
export function probabilityOfImprovement(x: TaskScores, y: TaskScores, resamples = 2000): Interval {
  const tasks = Object.keys(x).filter((task) => task in y);
  if (tasks.length === 0) {
    throw new RangeError("Cannot compare scores: there must be a task that both have, current is none");
  }
  const joined = Object.fromEntries(
    tasks.flatMap((task) => [[`x/${task}`, x[task]], [`y/${task}`, y[task]]]),
  ); // Both sides are resampled.
  return bootstrap(joined, drawResamples(joined, resamples, createRng("improvement")), (values, ends) => {
    let sum = 0;
    for (let task = 0; task < ends.length; task += 2) {
      const start = task === 0 ? 0 : ends[task - 1];
      const others = values.slice(ends[task], ends[task + 1]).sort();
      let wins = 0;
      for (let i = start; i < ends[task]; i++) {
        wins += (countUpTo(others, values[i]) + countBelow(others, values[i])) / 2;
      }
      sum += wins / ((ends[task] - start) * (ends[task + 1] - ends[task]));
    }
    return sum / (ends.length / 2);
  });
}

/** Scores of X minus those of Y, seed by seed and start state by start state. */
export function pairedDifferences(
  x: readonly (readonly number[])[],
  y: readonly (readonly number[])[],
): number[][] {
  const shape = (scores: readonly (readonly number[])[]) => scores.map((seed) => seed.length).join(", ");
  if (shape(x) !== shape(y)) {
    throw new TypeError(
      `Cannot pair scores: both must have the same episodes per seed, current are [${shape(x)}] and [${shape(y)}]`,
    );
  }
  return x.map((seed, i) => seed.map((score, k) => score - y[i][k]));
}
