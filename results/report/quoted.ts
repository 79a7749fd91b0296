/**
 * Numbers that the papers print, beside ours; they stand in `quoted.json`, each table with its source and how it was verified.
 *
 * @module
 */

import type { Table } from "../../data/show/table.ts";
import type { Evaluation } from "../cells/record.ts";
import { type Mark, type Paper, papers } from "../experiments/papers.ts";
import { groupRules, wayLabel } from "../scores/groups.ts";
import { bootstrapMean } from "../scores/statistics.ts";
import { digits, intervalText } from "./claims.ts";
import tables from "./quoted.json" with { type: "json" };

/** Numbers that a paper prints, by task; columns are our algorithms' names or the paper's. */
export interface QuotedTable {
  id: string;
  paper: Paper;
  source: string;
  mark: Mark;
  columns: string[];
  rows: Record<string, (number | null)[]>;
  /** Id of the rule by which its policies act; all of an algorithm's if it is not said. */
  rule?: string;
  /** The paper's own plus-minus. */
  errors?: Record<string, (number | null)[]>;
  /** What the plus-minus is. */
  deviation?: string;
}

/** All quoted tables. */
export const quotedTables = tables as unknown as readonly QuotedTable[];

/** Our scores beside those that a paper prints, on its own datasets; unverified numbers are left out. */
export function quotedComparison(evaluations: readonly Evaluation[], of: Paper): Table {
  const groups = groupRules(evaluations.filter(({ cell }) => !cell.evaluation.setting && !cell.task.endsWith("-local")))
    .filter(({ rule }) => !rule.sampling);
  const rows = quotedTables.filter(({ mark, paper }) => mark !== "unverified" && paper === of).flatMap((
    { columns, rows, rule, errors, deviation, source },
  ) =>
    columns.flatMap((column, i) =>
      Object.entries(rows).flatMap(([task, values]) => {
        const quoted = values[i];
        if (quoted === null) return [];
        const own = groups.filter((group) =>
          group.algorithm === column && group.task === task && (rule === undefined || group.rule.id === rule)
        );
        return own.map((group) => {
          const ours = bootstrapMean(group.scores);
          const error = errors?.[task][i];
          return [
            task,
            wayLabel(group),
            digits(ours.mean),
            intervalText(ours),
            `${ours.n}`,
            `${quoted}${error === undefined || error === null ? "" : ` ± ${error}`}`,
            digits(ours.mean - quoted),
            `${source}${error === undefined || error === null ? "" : `; ±: ${deviation}`}`,
          ];
        });
      })
    )
  );
  return {
    title: `Beside the paper's numbers: ${papers[of].title}`,
    numbers: ["ours", "seeds", "difference"],
    columns: ["dataset", "method", "ours", "95 %", "seeds", "quoted", "difference", "source"],
    rows,
    notes: [
      "Ours: last checkpoint, all seeds. Quoted numbers are as printed; their plus-minus is the papers' own, each of another kind.",
    ],
  };
}
