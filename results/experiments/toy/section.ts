/**
 * The toy study as a table and the paper's figure.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import { createRng } from "../../../algorithms/core/rng.ts";
import { banditSets } from "../../../data/bandits.ts";
import { heading } from "../../../data/show/figure.ts";
import { inks, methodColor } from "../../../data/show/palette.ts";
import type { Table } from "../../../data/show/table.ts";
import type { Evaluation } from "../../cells/record.ts";
import { type ToyResult, toySets, type ToySweep, toyTargets, toyWeights } from "./study.ts";

/** A finished cell of the toy study. */
export type ToyRun = Evaluation<ToyResult>;

/** One row per set and score. */
export function toyTable(evaluations: readonly ToyRun[], notes: string[]): Table {
  return {
    title: "SRPO's toy study",
    numbers: ["seed", "at the nearest mode, %", "denser than the target, %", "largest loss of log density"],
    columns: [
      "data",
      "score",
      "seed",
      "at the nearest mode, %",
      "denser than the target, %",
      "largest loss of log density",
    ],
    rows: evaluations.flatMap(({ cell, result }) =>
      (["exact", "learned"] as const).map((score) => [
        cell.task,
        score,
        `${cell.seed}`,
        (100 * result[score].nearest).toFixed(1),
        (100 * result[score].denser).toFixed(1),
        result[score].largestLoss.toFixed(2),
      ])
    ),
    notes: [
      "49 targets of the value -|a - target|^2, at 1 / beta = 1: actions that end at the mode nearest to their target (any of " +
      "several equally near), and whose density is at least the target's.",
      ...notes,
    ],
  };
}

/** Per set: data, samples of the learned model, and the paths of 49 actions as 1 / beta grows from 0 to 1. */
export function toyFigure(evaluations: readonly ToyRun[]): TopLevelSpec {
  const shownSets = toySets.filter((set) => evaluations.some(({ cell }) => cell.task === set));
  const axis = (labels: boolean) => ({ values: [-4, 0, 4], labels, ticks: labels });
  const place = (field: "x" | "y", title: string | null, labels: boolean) => ({
    field,
    type: "quantitative",
    title,
    scale: { domain: [-5, 5] },
    axis: axis(labels),
  });
  const encoding = { x: { field: "x", type: "quantitative" }, y: { field: "y", type: "quantitative" } };
  const pointsOf = (xs: ArrayLike<number>) =>
    Array.from({ length: xs.length / 2 }, (_, i) => ({
      x: Number(xs[2 * i].toFixed(2)),
      y: Number(xs[2 * i + 1].toFixed(2)),
    }));
  const cloud = (values: unknown, color: string) => ({
    data: { values },
    mark: { type: "circle", size: 3.5, opacity: 1, fillOpacity: 0.5, color, clip: true },
    encoding,
  });
  const titles = ["the data", "samples of the learned model", "actions, learned score", "actions, exact score"];
  const panel = (set: string, row: number, column: number, layer: unknown[]) => ({
    ...(row === 0
      ? { title: { text: titles[column], fontSize: 10, fontWeight: "normal", anchor: "middle", offset: 4 } }
      : {}),
    width: 140,
    height: 140,
    encoding: {
      x: place("x", null, row === shownSets.length - 1),
      y: place("y", column === 0 ? set : null, column === 0),
    },
    layer,
  });
  const paths = (sweep: ToySweep) => {
    const values = sweep.actions.flatMap((actions, k) =>
      toyTargets.map((_, i) => ({ x: actions[2 * i], y: actions[2 * i + 1], target: i, weight: toyWeights[k] }))
    );
    return [
      {
        data: { values },
        mark: { type: "line", strokeWidth: 0.8, color: inks.frame[0], clip: true },
        encoding: { ...encoding, detail: { field: "target" }, order: { field: "weight" } },
      },
      {
        data: { values },
        mark: { type: "circle", size: 9, opacity: 1, clip: true },
        encoding: {
          ...encoding,
          color: {
            field: "weight",
            type: "quantitative",
            title: "1 / beta",
            scale: { scheme: "plasma", domain: [0, 1] },
            legend: { gradientLength: 110 },
          },
        },
      },
    ];
  };
  const panels = shownSets.flatMap((set, row) => {
    const { result } = evaluations.find(({ cell }) => cell.task === set)!;
    const data = pointsOf(banditSets[set](2000, createRng(`toy/${set}`)));
    return [
      [cloud(data, methodColor("SRPO"))],
      [cloud(pointsOf(result.samples), methodColor("SRPO"))],
      [cloud(data, inks.cloud[0]), ...paths(result.learned)],
      [cloud(data, inks.cloud[0]), ...paths(result.exact)],
    ].map((layer, column) => panel(set.replace("8g", "8 G"), row, column, layer));
  });
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: heading(
      "SRPO's toy study: from the value's optimum towards the data",
      "49 actions, each from the optimum of its value (1 / beta = 0) as the score's weight grows to 1.",
      620,
    ),
    columns: titles.length,
    concat: panels,
    spacing: 12,
    align: "all",
    bounds: "flush",
    resolve: { scale: { color: "shared" } },
  } as TopLevelSpec;
}
