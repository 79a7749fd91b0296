/**
 * State quality and state diversity as a table and a figure.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import type { Table } from "../../../data/show/table.ts";
import type { Evaluation } from "../../cells/record.ts";
import { mean } from "../../scores/mean.ts";
import { besidePath, type DiagnosisPoint, setSize, stateSets } from "./study.ts";

/** A finished cell of the diagnosis. */
export type DiagnosisRun = Evaluation<DiagnosisPoint[]>;

/**
 * Score of the policies cloned from diverse states minus that of those from the expert's, at the largest or smallest training loss
 * that both reached; between points, scores are linear in the loss's logarithm.
 */
export function scoreGapAtLoss({ result, environment }: DiagnosisRun, loss: "largest" | "smallest"): number {
  const curve = (states: DiagnosisPoint["states"]) =>
    result.map((point, i) => ({
      ...point,
      at: Math.log(point.trainingLoss),
      score: mean(environment!.rules[i].scores),
    }))
      .filter((point) => point.states === states).sort((a, b) => a.at - b.at);
  const [diverse, expert] = [curve("diverse"), curve("expert")];
  const at = loss === "largest"
    ? Math.min(diverse[diverse.length - 1].at, expert[expert.length - 1].at)
    : Math.max(diverse[0].at, expert[0].at);
  const scoreAt = (points: typeof diverse) => {
    const k = Math.min(Math.max(points.findIndex((point) => point.at >= at), 1), points.length - 1);
    const [a, b] = [points[k - 1], points[k]];
    return a.score + (b.score - a.score) * (at - a.at) / (b.at - a.at);
  };
  return scoreAt(diverse) - scoreAt(expert);
}

/** Every point, means over seeds. */
export function diagnosisTable(evaluations: readonly DiagnosisRun[], notes: string[]): Table {
  return {
    title: "State quality and state diversity",
    numbers: ["updates", "training loss", "pivotal error", "surrounding error", "score", "seeds"],
    columns: [
      "dataset",
      "cloned from",
      "updates",
      "training loss",
      "pivotal error",
      "surrounding error",
      "score",
      "seeds",
    ],
    rows: averagedPoints(evaluations).map((p) => [
      p.task,
      stateSets[p.states],
      `${p.updates}`,
      p.trainingLoss.toFixed(4),
      p.pivotalError.toFixed(4),
      p.surroundingError.toFixed(4),
      p.score.toFixed(1),
      `${p.seeds}`,
    ]),
    notes: [
      `Two sets of ${setSize} states, all labelled by the expert: those that it visits (with its dataset's action noise), and random ones ` +
      `of the dataset. Errors: mean squares against the expert's actions on its path (pivotal) and beside it (surrounding: its states ` +
      `with noise of ${besidePath} deviations). The protocol is ours.`,
      ...notes,
    ],
  };
}

function averagedPoints(evaluations: readonly DiagnosisRun[]) {
  const all = evaluations.flatMap(({ cell, result, environment }) =>
    result.map((point, i) => ({ task: cell.task, ...point, score: mean(environment!.rules[i].scores) }))
  );
  const groups = Map.groupBy(all, ({ task, states, updates }) => `${task}/${states}/${updates}`);
  return [...groups.values()].map((group) => {
    const of = (field: "trainingLoss" | "pivotalError" | "surroundingError" | "score") =>
      mean(group.map((p) => p[field]));
    return {
      ...group[0],
      trainingLoss: of("trainingLoss"),
      pivotalError: of("pivotalError"),
      surroundingError: of("surroundingError"),
      score: of("score"),
      seeds: group.length,
    };
  });
}

/** Score against training loss for both sets. */
export function diagnosisFigure(evaluations: readonly DiagnosisRun[]): TopLevelSpec {
  const points = averagedPoints(evaluations).map((p) => ({ ...p, from: stateSets[p.states] }));
  const x = {
    field: "trainingLoss",
    type: "quantitative",
    title: "training loss (falls to the right)",
    scale: { type: "log", reverse: true },
  };
  const color = { field: "from", type: "nominal", title: "cloned from", legend: { orient: "bottom", labelLimit: 300 } };
  const y = { field: "score", type: "quantitative", title: "D4RL normalized score" };
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: "State quality against state diversity",
      subtitle:
        "Policies cloned from as many states, labelled by one expert, after more and more updates; means over seeds.",
    },
    hconcat: [...new Set(points.map(({ task }) => task))].map((task) => ({
      title: { text: task, fontSize: 12, fontWeight: "normal" },
      width: 360,
      height: 240,
      data: { values: points.filter((p) => p.task === task) },
      layer: [
        { mark: { type: "line", strokeWidth: 1.5 }, encoding: { x, y, color, order: { field: "updates" } } },
        { mark: { type: "circle", size: 50, opacity: 1 }, encoding: { x, y, color } },
        {
          mark: { type: "text", dx: 6, dy: -7, align: "left", fontSize: 10 },
          encoding: { x, y, text: { field: "updates" } },
        },
      ],
    })),
  } as TopLevelSpec;
}
