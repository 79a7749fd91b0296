/**
 * What claims measure: differences of scores, ratios of times.
 *
 * @module
 */

import type { Evaluation } from "../cells/record.ts";
import { differencesOf, groupRules, type RuleTimes } from "./groups.ts";
import { mean } from "./mean.ts";
import { bootstrapMean, type Interval } from "./statistics.ts";

/** What the cells say on one task. */
export interface Measured {
  task: string;
  ours: Interval;
  /** Of each seed, so that several tasks can be taken together. */
  seeds: number[];
}

/** What numbers of episodes, or of nothing smaller, say on a task, seed by seed. */
export const measured = (task: string, scores: readonly (readonly number[])[]): Measured => ({
  task,
  ours: bootstrapMean(scores),
  seeds: scores.map(mean),
});

/** A way to act, by its algorithm and its rule's id. */
export interface Acting {
  algorithm: string;
  rule: string;
}

/** Whether a group is of a way to act. */
export const actsAs = ({ algorithm, rule }: Acting) => (group: RuleTimes): boolean =>
  group.algorithm === algorithm && group.rule.id === rule;

/** What `compare` says of each group of `a`, with that of `b` on the same task. */
function compareOn<G extends RuleTimes>(
  groups: readonly G[],
  a: Acting,
  b: Acting,
  compare: (a: G, b: G) => number[][] | null,
): Measured[] {
  return groups.filter(actsAs(a)).flatMap((own) => {
    const other = groups.filter(({ task }) => task === own.task).find(actsAs(b));
    const scores = other ? compare(own, other) : null;
    return scores ? [measured(own.task, scores)] : [];
  });
}

/** Score of `a` minus that of `b`, paired by seed and start state. */
export const scoreDifference = (runs: readonly Evaluation[], a: Acting, b: Acting): Measured[] =>
  compareOn(groupRules(runs), a, b, differencesOf);

/** Time per action of `b` over that of `a`, seed by seed. */
export const timesFaster = (groups: readonly RuleTimes[], a: Acting, b: Acting): Measured[] =>
  compareOn(groups, a, b, (own, other) => {
    const common = own.seeds.filter((seed) => other.seeds.includes(seed));
    const at = (group: RuleTimes, seed: number) => group.actMs[group.seeds.indexOf(seed)];
    return common.length === 0 ? null : common.map((seed) => [at(other, seed) / at(own, seed)]);
  });

/** Score of `a` minus the mean of the dataset's own episodes. */
export const gainOverData = (runs: readonly Evaluation[], a: Acting): Measured[] =>
  groupRules(runs).filter(actsAs(a)).map(({ task, scores, datasetMean }) =>
    measured(task, scores.map((seed) => seed.map((score) => score - datasetMean)))
  );

/** A number of each cell, over seeds, task by task. */
export const overSeeds = <R>(runs: readonly Evaluation<R>[], number: (run: Evaluation<R>) => number): Measured[] =>
  [...Map.groupBy(runs, ({ cell }) => cell.task)].map(([task, seeds]) =>
    measured(task, seeds.map((run) => [number(run)]))
  );
