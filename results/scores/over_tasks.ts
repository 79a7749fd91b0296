/**
 * Methods over tasks: interquartile mean and its kin, performance profiles, probability of improvement.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import { heading } from "../../data/show/figure.ts";
import { methodScale } from "../../data/show/palette.ts";
import type { Table } from "../../data/show/table.ts";
import type { Evaluation } from "../cells/record.ts";
import { groupRules, type RuleScores, wayLabel } from "./groups.ts";
import { mean } from "./mean.ts";
import {
  type Aggregate,
  aggregateNames,
  aggregateScores,
  performanceProfile,
  probabilityOfImprovement,
  type TaskScores,
} from "./statistics.ts";
import { range } from "./tables.ts";

interface MethodScores {
  /** The algorithm in words, and how it acts. */
  kind: string;
  acting: string;
  method: string;
  scores: TaskScores;
}

const headings: Record<Aggregate, string> = {
  mean: "mean",
  median: "median of tasks",
  interquartileMean: "IQM",
  optimalityGap: "optimality gap",
};

/** Scores per task of every way to act that `counts` and was tried on all tasks of its experiment. */
function methodsOf(evaluations: readonly Evaluation[], counts: (group: RuleScores) => boolean): MethodScores[] {
  const methods = new Map<string, RuleScores[]>();
  for (const group of groupRules(evaluations).filter(counts)) {
    const name = wayLabel(group);
    methods.set(name, [...methods.get(name) ?? [], group]);
  }
  const tasks = Math.max(0, ...[...methods.values()].map((groups) => groups.length));
  return [...methods].filter(([, groups]) => groups.length === tasks).map(([method, groups]) => ({
    kind: groups[0].method,
    acting: groups[0].acting,
    method,
    scores: Object.fromEntries(groups.map(({ task, scores }) => [task, scores.map(mean)])),
  }));
}

/** One row per method that `counts`: statistics over tasks with their intervals, and the chance to beat the first method. */
export function aggregateTable(evaluations: readonly Evaluation[], counts: (group: RuleScores) => boolean): Table {
  const methods = methodsOf(evaluations, counts);
  const [first] = methods;
  const tasks = Object.keys(first?.scores ?? {});
  return {
    title: "Over tasks",
    numbers: [...aggregateNames.map((name) => headings[name]), `beats ${first?.method ?? ""}`],
    columns: [
      "method",
      ...aggregateNames.flatMap((name) => [headings[name], `95 % of ${headings[name]}`]),
      `beats ${first?.method ?? ""}`,
      "95 % of beats",
      "tasks x seeds",
    ],
    rows: methods.map(({ method, scores }) => {
      const statistics = aggregateScores(scores);
      const improvement = probabilityOfImprovement(scores, first.scores);
      const { n } = improvement;
      return [
        method,
        ...aggregateNames.flatMap((name) => [statistics[name].mean.toFixed(1), range(statistics[name])]),
        ...(method === first.method ? ["", ""] : [improvement.mean.toFixed(2), range(improvement, 2)]),
        `${tasks.length} x ${n}`,
      ];
    }),
    notes: [
      `Tasks: ${
        tasks.join(", ")
      }. IQM: mean of the middle half of all runs; optimality gap: what runs lack to score 100 on average; ` +
      "beats: the chance that a run scores above one of the first method, averaged over tasks. Intervals: percentile bootstrap " +
      "that resamples seeds within each task, 50,000 times (2000 for beats), from a fixed seed.",
    ],
  };
}

/** Share of runs above each score, with bands, of the methods that `counts`. */
export function profileFigure(
  evaluations: readonly Evaluation[],
  counts: (group: RuleScores) => boolean,
): TopLevelSpec {
  const methods = methodsOf(evaluations, counts);
  const all = methods.flatMap(({ scores }) => Object.values(scores).flat());
  const [least, most] = [Math.min(0, ...all), Math.max(...all)];
  const thresholds = Array.from({ length: 101 }, (_, i) => least + (most - least) * i / 100);
  const values = methods.flatMap(({ method, kind, acting, scores }) =>
    performanceProfile(scores, thresholds).map(({ mean, low, high }, i) => ({
      method,
      kind,
      acting,
      score: Number(thresholds[i].toFixed(2)),
      share: mean,
      low: low ?? mean,
      high: high ?? mean,
    }))
  );
  const x = { field: "score", type: "quantitative", title: "D4RL normalized score" };
  const scale = methodScale(methods.map(({ kind }) => kind));
  const color = { field: "kind", type: "nominal", title: null, scale, legend: { orient: "right" } };
  const strokeDash = { field: "acting", type: "nominal", title: null, legend: { orient: "right" } };
  const detail = { field: "method" };
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: heading(
      "Performance profiles",
      "Share of runs (task and seed) that score above; bands: pointwise 95 % bootstrap.",
      600,
    ),
    width: 400,
    height: 240,
    data: { values },
    layer: [
      {
        mark: { type: "area", opacity: 0.15, interpolate: "step-after" },
        encoding: { x, y: { field: "low", type: "quantitative" }, y2: { field: "high" }, color, detail },
      },
      {
        mark: { type: "line", interpolate: "step-after", strokeWidth: 1.5 },
        encoding: { x, y: { field: "share", type: "quantitative", title: "share of runs above" }, color, strokeDash },
      },
    ],
  } as TopLevelSpec;
}
