import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { createRng } from "../../../algorithms/core/rng.ts";
import { differencesOf, type RuleScores } from "../../../results/scores/groups.ts";
import {
  aggregateNames,
  aggregateScores,
  bootstrapMean,
  drawResamples,
  interquartileMean,
  type Interval,
  pairedDifferences,
  performanceProfile,
  probabilityOfImprovement,
  quantile,
  type TaskScores,
} from "../../../results/scores/statistics.ts";
import golden from "../../golden/statistics_golden.json" with { type: "json" };

interface Estimate {
  value: number;
  low: number;
  high: number;
}

/** From `[run][task]`, as rliable has it. */
const byTask = (runs: number[][]): TaskScores =>
  Object.fromEntries(runs[0].map((_, task) => [`task ${task}`, runs.map((run) => run[task])]));

const scores = byTask(golden.scores);
const runs = golden.scores.length;
const resamples = golden.resamples.map((resample) =>
  Uint32Array.from(golden.scores[0].flatMap((_, task) => resample.map((run) => task * runs + run[task])))
);

const near = (got: Interval, { value, low, high }: Estimate) => {
  assertAlmostEquals(got.mean, value, 1e-12 * Math.max(1, Math.abs(value)));
  assertAlmostEquals(got.low!, low, 1e-12 * Math.max(1, Math.abs(low)));
  assertAlmostEquals(got.high!, high, 1e-12 * Math.max(1, Math.abs(high)));
};

Deno.test("aggregateScores() agrees with SciPy and NumPy to 1e-12 on the same resamples", () => {
  const got = aggregateScores(scores, resamples);
  for (const name of aggregateNames) near(got[name], golden.aggregates[name]);
});

Deno.test("performanceProfile() agrees with NumPy on the same resamples", () =>
  performanceProfile(scores, golden.thresholds, resamples).forEach((got, i) => near(got, golden.profile[i])));

Deno.test("probabilityOfImprovement() is SciPy's Mann-Whitney U over its number of pairs", () => {
  const got = probabilityOfImprovement(scores, byTask(golden.other));
  assertAlmostEquals(got.mean, golden.improvement, 1e-12);
  assert(got.low! <= got.mean && got.mean <= got.high!);
});

Deno.test("probabilityOfImprovement() of a method over itself is a half", () =>
  assertEquals(probabilityOfImprovement({ a: [1, 1] }, { a: [1, 1] }).mean, 0.5));

Deno.test("probabilityOfImprovement() refuses methods without a common task", () => {
  assertThrows(
    () => probabilityOfImprovement({ a: [1] }, { b: [1] }),
    RangeError,
    "there must be a task that both have",
  );
});

Deno.test("interquartileMean() cuts a quarter off each end, rounded down", () => {
  assertEquals(interquartileMean(Float64Array.of(100, 3, 1, 2, -50)), 2); // One of five at each end.
  assertEquals(interquartileMean(Float64Array.of(9, 1, 5)), 5); // None of three.
});

Deno.test("quantile() is linear between neighbours", () => {
  assertEquals(quantile(Float64Array.of(0, 10), 0.25), 2.5);
  assertEquals(quantile(Float64Array.of(7), 0.975), 7);
});

Deno.test("aggregateScores() gives no interval where a task has one seed", () => {
  const { mean } = aggregateScores({ a: [1], b: [3] });
  assertEquals(mean, { mean: 2, low: null, high: null, n: 1 });
});

Deno.test("aggregateScores() refuses no task and a task without seeds", () => {
  assertThrows(() => aggregateScores({}), RangeError, "at least one task");
  assertThrows(() => aggregateScores({ a: [1, 2], b: [] }), RangeError, "b must have a seed");
});

Deno.test("drawResamples() stays within each task and is the same for the same seed", () => {
  const uneven = { a: [1, 2], b: [3, 4, 5] };
  const rows = drawResamples(uneven, 500, createRng(0));
  for (const row of rows) {
    assert(row.slice(0, 2).every((i) => i < 2));
    assert(row.slice(2).every((i) => i >= 2 && i < 5));
  }
  assertEquals(rows, drawResamples(uneven, 500, createRng(0)));
  assertEquals(new Set(rows.flatMap((row) => [...row])).size, 5);
});

Deno.test("bootstrapMean() is wide where seeds differ and narrow where only episodes do", () => {
  const rng = createRng("spread");
  const seedsDiffer = [0, 50, 100].map((m) => Array.from(rng.fillNormal(new Float64Array(10)), (e) => m + e));
  const episodesDiffer = [50, 50, 50].map((m) => Array.from(rng.fillNormal(new Float64Array(10)), (e) => m + e));
  const width = ({ low, high }: Interval) => high! - low!;
  assert(width(bootstrapMean(seedsDiffer)) > 50);
  assert(width(bootstrapMean(episodesDiffer)) < 3);
});

Deno.test("bootstrapMean() covers the truth in about 95 of 100 experiments with many seeds", () => {
  const rng = createRng("coverage");
  let covered = 0;
  for (let trial = 0; trial < 200; trial++) {
    const seeds = Array.from({ length: 20 }, () => [rng.fillNormal(new Float64Array(1))[0]]);
    const { low, high } = bootstrapMean(seeds, 500);
    if (low! <= 0 && 0 <= high!) covered++;
  }
  assert(covered >= 176 && covered <= 198, `${covered} of 200`); // 190 expected; percentile intervals run a little short.
});

Deno.test("differencesOf() pairs start states and averages several policies of a seed, each of which played all", () => {
  const group = (seeds: number[], scores: number[][], starts = 2) => ({ seeds, scores, starts }) as RuleScores;
  const policies = group([0, 1], [[1, 2, 3, 6], [5, 5, 5, 5]]); // Two of each seed, two start states.
  assertEquals(differencesOf(policies, group([1, 0], [[1, 2], [0, 1]])), [[2, 3], [4, 3]]);
  assertEquals(differencesOf(group([0], [[0, 1]]), policies), [[-2, -3]]);
  assertEquals(differencesOf(policies, group([0], [[1, 2, 3, 5]])), [[0, 0, 0, 1]]);
  assertEquals(differencesOf(policies, group([0], [[1, 2, 3, 5]], 4)), null);
  assertEquals(differencesOf(policies, group([7], [[1, 2]])), null);
});

Deno.test("pairedDifferences() pairs seeds and episodes, and refuses what does not match", () => {
  assertEquals(pairedDifferences([[1, 2], [3, 4]], [[0, 2], [1, 1]]), [[1, 0], [2, 3]]);
  assertThrows(() => pairedDifferences([[1, 2]], [[1]]), TypeError, "[2] and [1]");
});

Deno.test("bootstrapMean() covers the mean of normal seeds as often as it should, and has no interval for one seed", () => {
  const scores = Array.from({ length: 8 }, (_, i) => [i, i + 1, i + 2]);
  const { mean, low, high, n } = bootstrapMean(scores);
  assertEquals([mean, n], [4.5, 8]);
  // Seeds 0..7 have deviation 2.29; the mean of 8, with the episodes' own spread, about 0.83: 1.96 of it each side.
  assertAlmostEquals(low!, 4.5 - 1.64, 0.25);
  assertAlmostEquals(high!, 4.5 + 1.64, 0.25);
  assertEquals(bootstrapMean([[1, 2]]), { mean: 1.5, low: null, high: null, n: 1 });
  assertEquals(bootstrapMean(scores), bootstrapMean(scores));
});
