/**
 * The part of the report that scores make.
 *
 * @module
 */

import type { Evaluation } from "../cells/record.ts";
import type { RuleScores } from "../scores/groups.ts";
import type { Acting } from "../scores/measures.ts";
import { curvesFigure } from "../scores/curves.ts";
import { aggregateTable, profileFigure } from "../scores/over_tasks.ts";
import { differenceTable, environmentFigure, scoreTable, speedFigure } from "../scores/tables.ts";
import type { Exhibits } from "./experiment.ts";

/**
 * Scores of an experiment, differences, statistics over tasks, and a figure per task.
 *
 * @param leading The way to act from which the others are subtracted.
 * @param counts Whether a way to act counts in statistics over tasks.
 */
export function scoredSection(
  name: string,
  runs: readonly Evaluation[],
  notes: string[],
  leading?: Acting,
  counts: (group: RuleScores) => boolean = () => true,
): Exhibits {
  const exhibits: Exhibits = { tables: { [`${name}_scores`]: scoreTable(runs, notes) }, figures: {} };
  const { tables, figures } = exhibits;
  const differences = leading && differenceTable(runs, leading);
  if (differences && differences.rows.length > 0) tables[`${name}_differences`] = differences;
  const tasks = new Set(runs.map(({ cell }) => cell.task));
  if (tasks.size > 1) {
    tables[`${name}_tasks`] = aggregateTable(runs, counts);
    figures[`${name}_profiles`] = profileFigure(runs, counts);
  }
  for (const task of tasks) {
    figures[`${name}_${task}`] = environmentFigure(runs.filter(({ cell }) => cell.task === task));
  }
  const sampled = runs.some(({ environment }) => environment!.rules.some(({ rule }) => rule.sampling));
  if (sampled) figures.speed = speedFigure(runs);
  const curves = runs.filter(({ curve = [] }) => curve.length > 0);
  if (curves.length > 0) figures[`${name}_curves`] = curvesFigure(curves);
  return exhibits;
}
