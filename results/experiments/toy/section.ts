/**
 * The toy study as a table and the paper's figure.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import { createRng } from "../../../algorithms/core/rng.ts";
import { banditSets } from "../../../data/bandits.ts";
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
  const scale = { domain: [-5, 5] };
  const axis = { title: null, values: [-4, 0, 4] };
  const encoding = {
    x: { field: "x", type: "quantitative", scale, axis },
    y: { field: "y", type: "quantitative", scale, axis },
  };
  const pointsOf = (xs: ArrayLike<number>) =>
    Array.from({ length: xs.length / 2 }, (_, i) => ({
      x: Number(xs[2 * i].toFixed(2)),
      y: Number(xs[2 * i + 1].toFixed(2)),
    }));
  const cloud = (values: unknown, color: string) => ({
    data: { values },
    mark: { type: "circle", size: 6, opacity: 1, fillOpacity: 0.5, color, clip: true },
    encoding,
  });
  const panel = (title: string, layer: unknown[]) => ({
    title: { text: title, fontSize: 12, fontWeight: "normal" },
    width: 210,
    height: 210,
    layer,
  });
  const paths = (sweep: ToySweep) => {
    const values = sweep.actions.flatMap((actions, k) =>
      toyTargets.map((_, i) => ({ x: actions[2 * i], y: actions[2 * i + 1], target: i, weight: toyWeights[k] }))
    );
    return [
      {
        data: { values },
        mark: { type: "line", strokeWidth: 1.2, color: "#333", clip: true },
        encoding: { ...encoding, detail: { field: "target" }, order: { field: "weight" } },
      },
      {
        data: { values },
        mark: { type: "circle", size: 14, opacity: 1, clip: true },
        encoding: {
          ...encoding,
          color: { field: "weight", type: "quantitative", title: "1 / beta", scale: { scheme: "plasma" } },
        },
      },
    ];
  };
  const rows = toySets.flatMap((set) => {
    const found = evaluations.find(({ cell }) => cell.task === set);
    if (!found) return [];
    const data = pointsOf(banditSets[set](2000, createRng(`toy/${set}`)));
    return [{
      hconcat: [
        panel(`${set}: data`, [cloud(data, "#3182bd")]),
        panel("Samples of the learned model", [cloud(pointsOf(found.result.samples), "#3182bd")]),
        panel("Actions, learned score", [cloud(data, "#c6dbef"), ...paths(found.result.learned)]),
        panel("Actions, exact score", [cloud(data, "#c6dbef"), ...paths(found.result.exact)]),
      ],
    }];
  });
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: "SRPO's toy study: from the value's optimum towards the data",
      subtitle: "49 actions, each from the optimum of its value (1 / beta = 0) as the score's weight grows to 1.",
    },
    vconcat: rows,
  } as TopLevelSpec;
}
