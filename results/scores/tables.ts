/**
 * Scores as tables and figures.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import type { Table } from "../../data/show/table.ts";
import type { Evaluation } from "../cells/record.ts";
import { differencesOf, groupRules, type RuleScores } from "./groups.ts";
import { mean } from "./mean.ts";
import { type Acting, actsAs } from "./measures.ts";
import { bootstrapMean, type Interval } from "./statistics.ts";

const number = (x: number, digits = 1) => x.toFixed(digits);

/** An interval as text. */
export const range = ({ low, high }: Interval, digits = 1) =>
  low === null || high === null ? "none (n = 1)" : `[${number(low, digits)}, ${number(high, digits)}]`;

const shift = ({ mean, low, high, n }: Interval, by: number): Interval => ({
  mean: mean + by,
  low: low === null ? null : low + by,
  high: high === null ? null : high + by,
  n,
});

/** Scores of every way to act, their gain over the data, and their time. */
export function scoreTable(evaluations: readonly Evaluation[], notes: string[]): Table {
  const rows = groupRules(evaluations).map(({ task, method, acting, scores, actMs, datasetMean }) => {
    const score = bootstrapMean(scores);
    const gain = shift(score, -datasetMean);
    return [
      task,
      method,
      acting,
      number(score.mean),
      range(score),
      `${score.n} x ${scores[0].length}`,
      number(datasetMean),
      number(gain.mean),
      range(gain),
      number(mean(actMs), 3),
    ];
  });
  return {
    title: "Scores",
    numbers: ["score", "data", "gain", "ms per action"],
    columns: [
      "dataset",
      "method",
      "acting",
      "score",
      "95 %",
      "seeds x episodes",
      "data",
      "gain",
      "gain's 95 %",
      "ms per action",
    ],
    rows,
    notes: [
      "D4RL normalized score in d4rl physics. Intervals: bootstrap over seeds, then episodes; with fewer than five seeds take " +
      "them as exploratory. Data: the mean score of the dataset's own episodes; gain: score minus that. Datasets named -local " +
      "were made here, so their scores are not comparable with published tables.",
      ...notes,
    ],
  };
}

/** The score of one way to act minus that of every other on the same task, and their times. */
export function differenceTable(
  evaluations: readonly Evaluation[],
  leading: Acting,
): Table {
  const groups = groupRules(evaluations);
  const rows = groups.filter(actsAs(leading)).flatMap((own) =>
    groups.filter((g) => g !== own && g.experiment === own.experiment && g.task === own.task).flatMap((other) => {
      const pairs = differencesOf(own, other);
      if (pairs === null) return [];
      const difference = bootstrapMean(pairs);
      return [[
        own.task,
        `${own.method}, ${own.acting}`,
        `${other.method}, ${other.acting}`,
        number(difference.mean),
        range(difference),
        `${pairs.length} x ${pairs[0].length}`,
        number(mean(other.actMs) / mean(own.actMs)),
      ]];
    })
  );
  return {
    title: "Paired differences",
    numbers: ["score", "times its time per action"],
    columns: ["dataset", "method", "minus", "score", "95 %", "seeds x episodes", "times its time per action"],
    rows,
    notes: ["Paired by seed and start state; intervals: bootstrap over seeds, then episodes. Times at batch 1."],
  };
}

/** Scores with intervals per method and acting rule, each seed's mean as a dot, the dataset's mean as a line. */
export function environmentFigure(evaluations: readonly Evaluation[]): TopLevelSpec {
  const groups = groupRules(evaluations);
  const label = (g: RuleScores) => `${g.method}, ${g.acting}`;
  const summary = groups.map((g) => ({ method: label(g), ...bootstrapMean(g.scores) }));
  const seeds = groups.flatMap((g) => g.scores.map((scores) => ({ method: label(g), score: mean(scores) })));
  const y = { field: "method", type: "nominal", title: null, sort: null, axis: { labelLimit: 600 } };
  const scale = { domain: [Math.min(0, ...seeds.map((s) => s.score)), Math.max(40, ...seeds.map((s) => s.score))] };
  const { n } = summary[0];
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: groups[0].task,
      subtitle:
        `Bars: mean over ${n} seeds and its 95 % interval; dots: seeds; dashed: the dataset's mean. Local data.`,
    },
    width: 520,
    height: { step: 36 },
    layer: [
      {
        data: { values: summary },
        mark: { type: "bar", color: "#9ecae1", height: 20 },
        encoding: { y, x: { field: "mean", type: "quantitative", title: "D4RL normalized score", scale } },
      },
      {
        data: { values: summary.filter((s) => s.low !== null) },
        mark: { type: "rule", size: 2, color: "#08519c" },
        encoding: { y, x: { field: "low", type: "quantitative" }, x2: { field: "high" } },
      },
      {
        data: { values: seeds },
        mark: { type: "circle", size: 45, color: "#08306b", opacity: 1, fillOpacity: 0.9 },
        encoding: { y, x: { field: "score", type: "quantitative" } },
      },
      {
        data: { values: [{ mean: groups[0].datasetMean }] },
        mark: { type: "rule", strokeDash: [5, 4], color: "#d94801", size: 2 },
        encoding: { x: { field: "mean", type: "quantitative" } },
      },
    ],
  } as TopLevelSpec;
}

/** Score against milliseconds per action: one-step policies, and iterative sampling at each number of calls as a line. */
export function speedFigure(evaluations: readonly Evaluation[]): TopLevelSpec {
  const tasks = [...new Set(evaluations.map(({ cell }) => cell.task))];
  const panels = tasks.map((task) => {
    const groups = groupRules(evaluations.filter(({ cell }) => cell.task === task));
    const values = groups.map((g) => {
      const { mean: score, low, high } = bootstrapMean(g.scores);
      const { sampling } = g.rule;
      const several = sampling && sampling.candidates > 1 ? ", best of N" : "";
      const short = sampling
        ? `${sampling.calls}${several && ` x ${sampling.candidates}`}`
        : `${g.method}${g.rule.id === "own" ? "" : `, ${g.acting}`}`;
      return {
        method: `${g.method}${several}`,
        kind: sampling ? "iterative" : "own",
        label: short,
        ms: mean(g.actMs),
        score,
        low: low ?? score,
        high: high ?? score,
      };
    });
    const x = { field: "ms", type: "quantitative", title: "milliseconds per action", scale: { type: "log" } };
    const y = { field: "score", type: "quantitative", title: "D4RL normalized score" };
    const color = {
      field: "method",
      type: "nominal",
      title: null,
      legend: { labelLimit: 300, orient: "bottom", columns: 4 },
    };
    return {
      title: { text: task, fontSize: 12, fontWeight: "normal" },
      width: 420,
      height: 300,
      data: { values },
      layer: [
        {
          transform: [{ filter: "datum.kind === 'iterative'" }],
          mark: { type: "line", strokeWidth: 1.5 },
          encoding: { x, y, color },
        },
        {
          mark: { type: "rule", strokeWidth: 1, opacity: 0.6 },
          encoding: { x, y: { field: "low", type: "quantitative" }, y2: { field: "high" }, color },
        },
        { mark: { type: "circle", size: 60, opacity: 1 }, encoding: { x, y, color } },
        {
          mark: { type: "text", dx: 6, dy: -7, align: "left", fontSize: 10 },
          encoding: { x, y, text: { field: "label" } },
        },
      ],
    };
  });
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: "Score against time per action",
      subtitle:
        "Batch 1, one machine. Lines: the same behaviour network at each number of calls. Bars: 95 % intervals. Local data.",
    },
    hconcat: panels,
    resolve: { scale: { color: "shared", x: "shared" } },
  } as TopLevelSpec;
}
