/**
 * State quality and state diversity as a table and a figure.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import { heading } from "../../../data/show/figure.ts";
import { placeLabels } from "../../../data/show/labels.ts";
import { methodColor } from "../../../data/show/palette.ts";
import type { Table } from "../../../data/show/table.ts";
import type { Evaluation } from "../../cells/record.ts";
import { mean } from "../../scores/mean.ts";
import { bootstrapMean } from "../../scores/statistics.ts";
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
    result.map((point, i) => {
      const { scores } = environment!.rules[i];
      return { task: cell.task, ...point, scores, score: mean(scores) };
    })
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
      interval: bootstrapMean(group.map((p) => p.scores)),
      seeds: group.length,
    };
  });
}

/** Score against training loss for both sets; numbers are updates. */
export function diagnosisFigure(evaluations: readonly DiagnosisRun[]): TopLevelSpec {
  const points = averagedPoints(evaluations).map((p) => ({
    ...p,
    from: stateSets[p.states],
    label: p.updates >= 1000 ? `${p.updates / 1000}k` : `${p.updates}`,
    low: p.interval.low ?? p.score,
    high: p.interval.high ?? p.score,
  }));
  const tasks = [...new Set(points.map(({ task }) => task))];
  const [width, height] = [tasks.length > 1 ? 285 : 400, 230];
  const names = Object.values(stateSets);
  const panel = (task: string) => {
    const values = points.filter((p) => p.task === task);
    const losses = values.map(({ trainingLoss }) => Math.log10(trainingLoss));
    const [large, small] = [Math.max(...losses) + 0.08, Math.min(...losses) - 0.2];
    const ends = values.flatMap(({ low, high }) => [low, high]);
    const bottom = Math.min(0, ...ends);
    const top = bottom + (Math.max(...ends) - bottom || 1) * 1.08;
    const down = (score: number) => (top - score) / (top - bottom) * height;
    const places = placeLabels(
      values.map((p) => ({
        x: (large - Math.log10(p.trainingLoss)) / (large - small) * width,
        y: down(p.score),
        label: p.label,
        bar: [down(p.high), down(p.low)] as const,
      })),
      width,
      height,
      9,
    );
    const labels = values.map((p, i) => ({
      ...p,
      trainingLoss: 10 ** (large - places[i].x / width * (large - small)),
      score: top - places[i].y / height * (top - bottom),
    }));
    const x = {
      field: "trainingLoss",
      type: "quantitative",
      title: "training loss, mean square (falls to the right)",
      scale: { type: "log", domain: [10 ** small, 10 ** large], nice: false, reverse: true },
      axis: { values: [1, 0.1, 0.01, 0.001, 0.0001], format: "~g" },
    };
    const y = {
      field: "score",
      type: "quantitative",
      title: "D4RL normalized score",
      scale: { domain: [bottom, top], nice: false },
    };
    const color = {
      field: "from",
      type: "nominal",
      title: "cloned from",
      scale: { domain: names, range: [methodColor("SRPO"), methodColor("Diffusion-QL")] },
      legend: { orient: "bottom" },
    };
    const shape = {
      field: "from",
      type: "nominal",
      title: "cloned from",
      scale: { domain: names, range: ["circle", "square"] },
    };
    return {
      title: { text: task, fontSize: 11, fontWeight: "normal", offset: 4 },
      width,
      height,
      layer: [
        { mark: { type: "line", strokeWidth: 1.4 }, encoding: { x, y, color, order: { field: "updates" } } },
        {
          mark: { type: "rule", strokeWidth: 1.4, opacity: 0.5 },
          encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color },
        },
        { mark: { type: "point", filled: true, size: 42, opacity: 1 }, encoding: { x, y, color, shape } },
        {
          data: { values: labels },
          mark: { type: "text", fontSize: 9 },
          encoding: { x, y, text: { field: "label" } },
        },
      ],
      data: { values },
    };
  };
  const most = Math.max(...points.map(({ seeds }) => seeds));
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: heading(
      "State quality against state diversity",
      "Policies cloned from as many states, labelled by one expert, after as many updates as said; " +
        (most > 1 ? "means over seeds, bars: 95 % intervals." : "one seed, so without intervals."),
      tasks.length > 1 ? 640 : 440,
    ),
    hconcat: tasks.map(panel),
    spacing: 24,
  } as TopLevelSpec;
}
