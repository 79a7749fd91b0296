/**
 * Ways to act, as finished cells tried them, over their seeds.
 *
 * @module
 */

import { normalizedScore } from "../../environments/scores.ts";
import type { Evaluation, Rule, RuleResult } from "../cells/record.ts";
import { mean } from "./mean.ts";
import { pairedDifferences } from "./statistics.ts";

/** One way to act, over seeds. */
export interface RuleTimes {
  experiment: string;
  task: string;
  algorithm: string;
  rule: Rule;
  /** The algorithm in words, or what samples its diffusion model. */
  method: string;
  /** The way to act in words. */
  acting: string;
  /** Training seeds, ascending; what follows is in their order. */
  seeds: number[];
  /** Per seed, milliseconds per action at batch 1. */
  actMs: number[];
}

/** One way to act, over seeds, with its scores. */
export interface RuleScores extends RuleTimes {
  /** Per seed, the normalized scores of its episodes: all start states by its first policy, then all by the next. */
  scores: number[][];
  /** Start states, the same for all seeds. */
  starts: number;
  /** Normalized score of the dataset's episodes on average. */
  datasetMean: number;
}

/** A way to act in words, its method first. */
export const wayLabel = ({ method, acting }: Pick<RuleTimes, "method" | "acting">): string => `${method}, ${acting}`;

/** What is said of a way to act by one seed. */
type RuleMeasure = Pick<RuleResult, "rule" | "actMs">;

/**
 * What `rulesOf` says of each cell, over seeds: one list per (experiment, task, method, way to act), in the order in which they
 * are met.
 */
export function groupTimes<R, M extends RuleMeasure>(
  evaluations: readonly Evaluation<R>[],
  rulesOf: (evaluation: Evaluation<R>) => readonly M[],
): { times: RuleTimes; measured: { evaluation: Evaluation<R>; measure: M }[] }[] {
  const groups = new Map<string, { times: RuleTimes; measured: { evaluation: Evaluation<R>; measure: M }[] }>();
  for (const evaluation of [...evaluations].sort((a, b) => a.cell.seed - b.cell.seed)) {
    const { experiment, task, algorithm, title, sampled, seed } = evaluation.cell;
    for (const measure of rulesOf(evaluation)) {
      const { rule, actMs } = measure;
      const key = JSON.stringify([experiment, task, algorithm, rule.id, rule.setting, rule.label]);
      let group = groups.get(key);
      if (!group) {
        const method = rule.sampling ? sampled!.title : title;
        const times = { experiment, task, algorithm, rule, method, acting: rule.label, seeds: [], actMs: [] };
        groups.set(key, group = { times, measured: [] });
      }
      group.times.seeds.push(seed);
      group.times.actMs.push(actMs);
      group.measured.push({ evaluation, measure });
    }
  }
  return [...groups.values()];
}

/** One entry per (experiment, task, method, way to act), in the order in which they are met. */
export function groupRules(evaluations: readonly Evaluation[]): RuleScores[] {
  return groupTimes(evaluations, ({ environment }) => environment?.rules ?? []).map(({ times, measured }) => {
    const [{ evaluation: { cell, environment } }] = measured;
    return {
      ...times,
      scores: measured.map(({ measure }) => measure.scores),
      starts: cell.evaluation.episodes,
      datasetMean: normalizedScore(cell.task, environment!.datasetMean),
    };
  });
}

/**
 * Scores of `a` minus those of `b`, start state by start state, over the seeds that both have; null if they have none in common or
 * played different starts. Several policies of a seed are averaged where the other has another number of them.
 */
export function differencesOf(a: RuleScores, b: RuleScores): number[][] | null {
  const common = a.seeds.filter((seed) => b.seeds.includes(seed));
  const of = (group: RuleScores) => common.map((seed) => group.scores[group.seeds.indexOf(seed)]);
  const [x, y] = [of(a), of(b)];
  if (common.length === 0 || a.starts !== b.starts) return null;
  if (x.every((seed, i) => seed.length === y[i].length)) return pairedDifferences(x, y);
  const averaged = (scores: number[][]) =>
    scores.map((seed) =>
      Array.from({ length: a.starts }, (_, start) => mean(seed.filter((_, k) => k % a.starts === start)))
    );
  return pairedDifferences(averaged(x), averaged(y));
}
