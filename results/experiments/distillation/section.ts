/**
 * What distillation cells say, as tables and figures.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import { heading } from "../../../data/show/figure.ts";
import { accents, inks, methodColor, methodScale } from "../../../data/show/palette.ts";
import type { Table } from "../../../data/show/table.ts";
import type { Evaluation } from "../../cells/record.ts";
import { groupRules } from "../../scores/groups.ts";
import { bootstrapMean } from "../../scores/statistics.ts";
import { ofLocal } from "../../scores/tables.ts";
import type { DistillationResult } from "./result.ts";

/** A finished cell of distillation. */
export type DistillationRun = Evaluation<DistillationResult>;

const panelTitle = (text: string) => ({ text, fontSize: 11, fontWeight: "normal", offset: 4 });
const panelWidth = (tasks: readonly string[]) => tasks.length > 1 ? 285 : 400;
const widthOf = (tasks: readonly string[]) => tasks.length > 1 ? 640 : 440;
/** From none to much. */
const sequence = ["BC", "SRPO", "DTQL", "Diffusion-QL", "ReBRAC"].map(methodColor);
const methodEncoding = (methods: readonly string[]) => ({
  field: "method",
  type: "nominal",
  title: null,
  scale: methodScale(methods),
  legend: { orient: "bottom" },
});

/** Settings of each distillation, its loss, and its time. */
export function distillationTable(evaluations: readonly DistillationRun[], notes: string[]): Table {
  return {
    title: "Offline behavior distillation",
    numbers: [
      "seed",
      "pairs",
      "effective rows, %",
      "log density",
      "Gaussian's",
      "first loss",
      "last loss",
      "distilling, s",
    ],
    columns: [
      "dataset",
      "method",
      "seed",
      "pairs",
      "weights",
      "effective rows, %",
      "log density",
      "Gaussian's",
      "first loss",
      "last loss",
      "distilling, s",
    ],
    rows: evaluations.map((e) => {
      const { pairs, weighting, effectiveShare, heldOut, curve } = e.result;
      return [
        e.cell.task,
        e.cell.title,
        `${e.cell.seed}`,
        `${pairs}`,
        weighting,
        (100 * effectiveShare).toFixed(effectiveShare < 0.1 ? 1 : 0),
        heldOut?.flow.toFixed(2) ?? "",
        heldOut?.gaussian.toFixed(2) ?? "",
        curve[0]?.[1].toFixed(4) ?? "",
        curve.at(-1)?.[1].toFixed(4) ?? "",
        (e.trainingMs / 1000).toFixed(0),
      ];
    }),
    notes: [
      "Losses are each method's own, on states of the data; log density: mean over held-out normalized states, in nats, of the flow that " +
      "weights and of a Gaussian with full covariance. SDW-OBD's exponent of the reciprocal density, its clipping and cap are " +
      "ours: the paper's text was not at hand.",
      ...notes,
    ],
  };
}

/** Outer loss over updates, one line per seed. */
export function curvesFigure(evaluations: readonly DistillationRun[]): TopLevelSpec {
  const tasks = [...new Set(evaluations.map(({ cell }) => cell.task))];
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: heading("Distillation", "Outer loss relative to its first value, one line per seed.", widthOf(tasks)),
    hconcat: tasks.map((task) => ({
      title: panelTitle(task),
      width: panelWidth(tasks),
      height: 200,
      data: {
        values: evaluations.filter(({ cell }) => cell.task === task).flatMap((e) =>
          e.result.curve.map(([update, loss]) => ({
            method: e.cell.title,
            seed: e.cell.seed,
            update,
            loss: loss / e.result.curve[0][1],
          }))
        ),
      },
      mark: { type: "line", strokeWidth: 1.5, opacity: 0.8 },
      encoding: {
        x: { field: "update", type: "quantitative", title: "outer update" },
        y: { field: "loss", type: "quantitative", title: "loss, relative", scale: { zero: true } },
        color: methodEncoding(evaluations.map(({ cell }) => cell.title)),
        detail: { field: "seed" },
      },
    })),
  } as TopLevelSpec;
}

/** Distilled states over the data's, first seed of each method. */
export function projectionFigure(evaluations: readonly DistillationRun[]): TopLevelSpec {
  const first = evaluations.filter((e) =>
    !evaluations.some(({ cell }) =>
      cell.task === e.cell.task && cell.algorithm === e.cell.algorithm && cell.seed < e.cell.seed
    )
  );
  const tasks = [...new Set(first.map(({ cell }) => cell.task))];
  const panel = (e: DistillationRun) => {
    const { data, before, after } = e.result.projection;
    const points = (kind: string, values: [number, number][]) => values.map(([x, y]) => ({ kind, x, y }));
    return {
      title: panelTitle(`${e.cell.title}, ${e.cell.task}`),
      width: 190,
      height: 160,
      data: { values: [...points("data", data), ...points("start", before), ...points("distilled", after)] },
      mark: { type: "circle", size: 9, opacity: 1, fillOpacity: 0.75, clip: true },
      encoding: {
        x: { field: "x", type: "quantitative", title: "first component" },
        y: { field: "y", type: "quantitative", title: "second component" },
        color: {
          field: "kind",
          type: "nominal",
          title: null,
          scale: { domain: ["data", "start", "distilled"], range: [inks.cloud[0], methodColor("SRPO"), accents.after] },
          legend: { orient: "bottom" },
        },
      },
    };
  };
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: heading(
      "Distilled states",
      "Normalized states in the data's first two principal components; the pairs that distillation started from, and ended at.",
      640,
    ),
    vconcat: tasks.map((task) => ({ columns: 3, concat: first.filter(({ cell }) => cell.task === task).map(panel) })),
  } as TopLevelSpec;
}

/** Score of policies trained on the pairs against how many there are, with intervals; random pairs and the whole data beside it. */
export function sizesFigure(evaluations: readonly DistillationRun[]): TopLevelSpec {
  const values = groupRules(evaluations).flatMap((g) => {
    const { id, setting: pairs } = g.rule;
    const method = ({ distilled: g.method, random: "random pairs", whole: "BC of the whole data" } as const)[id];
    if (method === undefined) return [];
    const { mean, low, high } = bootstrapMean(g.scores);
    return [{ task: g.task, method, pairs: pairs!, score: mean, low: low ?? mean, high: high ?? mean }];
  }).filter((v, i, all) =>
    all.findIndex((o) => o.task === v.task && o.method === v.method && o.pairs === v.pairs) === i
  );
  const x = { field: "pairs", type: "quantitative", title: "pairs", scale: { type: "log", base: 2 } };
  const y = { field: "score", type: "quantitative", title: "D4RL normalized score" };
  const color = methodEncoding(values.map(({ method }) => method));
  const tasks = [...new Set(values.map(({ task }) => task))];
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: heading(
      "Score against the number of pairs",
      `Policies trained on the pairs; bars: 95 % intervals over seeds, then episodes.${ofLocal(tasks)}`,
      widthOf(tasks),
    ),
    hconcat: tasks.map((task) => ({
      title: panelTitle(task),
      width: panelWidth(tasks),
      height: 220,
      data: { values: values.filter((v) => v.task === task) },
      layer: [
        { mark: { type: "line", strokeWidth: 1.5 }, encoding: { x, y, color } },
        { mark: { type: "circle", size: 50, opacity: 1 }, encoding: { x, y, color } },
        { mark: "rule", encoding: { x, y: { field: "low", type: "quantitative" }, y2: { field: "high" }, color } },
      ],
    })),
  } as TopLevelSpec;
}

/** Score of policies trained on the pairs, and their errors by how rare a state is, at each exponent of the reciprocal density. */
export function exponentsFigure(evaluations: readonly DistillationRun[]): TopLevelSpec {
  const numberOf = (weighting: string) => Number(weighting.split(" ")[1] ?? NaN);
  const order = [...new Set(evaluations.map(({ result }) => result.weighting))].sort((a, b) =>
    Number(b === "none") - Number(a === "none") || (numberOf(a) || Infinity) - (numberOf(b) || Infinity) ||
    (a < b ? -1 : 1)
  );
  const scores = groupRules(evaluations).flatMap((g) => {
    const { id, setting: weights } = g.rule;
    const acting = ({
      distilled: "one by one",
      ensemble: "together",
      disturbed: "one by one, after random steps",
      random: "random pairs",
    } as const)[id];
    if (acting === undefined || id === "random" && weights !== "none") return [];
    const { mean, low, high } = bootstrapMean(g.scores);
    return [{
      task: g.task,
      weights,
      acting,
      score: mean,
      low: low ?? mean,
      high: high ?? mean,
    }];
  });
  const errors = evaluations.flatMap(({ cell: { task, seed }, result }) =>
    (result.densityErrors ?? []).map((error, i) => ({
      task,
      seed,
      weights: result.weighting,
      tenth: i + 1,
      error,
    }))
  );
  const tasks = [...new Set(evaluations.map(({ cell }) => cell.task))];
  const scale = { domain: order, range: order.map((_, i) => sequence[i % sequence.length]) };
  const color = { field: "weights", type: "nominal", title: "weights", scale, legend: { orient: "bottom" } };
  const x = {
    field: "weights",
    type: "ordinal",
    title: null,
    sort: order,
    axis: { labelAngle: 0, labelExpr: "split(datum.label, ' ')" },
  };
  const shape = { field: "acting", type: "nominal", title: null, legend: { orient: "bottom", labelLimit: 200 } };
  const y = (field: string, title: string) => ({ field, type: "quantitative", title });
  const panels = (task: string) => [
    {
      title: panelTitle(task),
      width: 240,
      height: 200,
      data: { values: scores.filter((v) => v.task === task) },
      layer: [
        { mark: "rule", encoding: { x, y: y("low", "D4RL normalized score"), y2: { field: "high" } } },
        {
          mark: { type: "point", filled: true, size: 70, opacity: 1 },
          encoding: { x, y: y("score", "D4RL normalized score"), shape },
        },
      ],
    },
    {
      title: panelTitle("Error against the teacher's actions"),
      width: 300,
      height: 200,
      data: { values: errors.filter((v) => v.task === task) },
      mark: { type: "line", strokeWidth: 1.5, opacity: 0.8 },
      encoding: {
        x: {
          field: "tenth",
          type: "ordinal",
          title: "tenth of the data's states, the rarest first",
          axis: { labelAngle: 0 },
        },
        y: y("error", "mean square"),
        color,
        detail: { field: "seed" },
      },
    },
  ];
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: heading(
      "What weighting by reciprocal state density does",
      "Scores with 95 % intervals over seeds, then episodes; errors of the policies together, one line per seed." +
        ofLocal(tasks),
      640,
    ),
    vconcat: tasks.map((task) => ({
      hconcat: panels(task),
      resolve: { scale: { color: "independent", shape: "independent" } },
    })),
  } as TopLevelSpec;
}
