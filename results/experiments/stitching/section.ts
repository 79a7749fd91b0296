/**
 * What stitching cells say, as tables and figures.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import type { Table } from "../../../data/show/table.ts";
import type { Evaluation } from "../../cells/record.ts";
import { mean } from "../../scores/mean.ts";
import type { StitchingResult } from "./study.ts";

/** A finished cell of trajectory stitching. */
export type StitchingRun = Evaluation<StitchingResult>;

const thousands = (n: number) => n.toLocaleString("en-US");

const sets = {
  data: "the data",
  generated: "generated",
  stitched: "stitched",
  both: "generated and stitched",
} as const;

/** Sizes and times of planner and policy, and returns of what was generated and stitched. */
export function stitchingTable(evaluations: readonly StitchingRun[], notes: string[]): Table {
  const rows = evaluations.flatMap(({ cell, environment, result }) => {
    const { parameters, returns, kept, trueReturns, publishedSize } = result;
    const [planner, ...policies] = environment!.rules.map(({ actMs }) => actMs);
    const policy = mean(policies);
    const average = (xs: number[]) => xs.length === 0 ? "" : mean(xs).toFixed(0);
    const sizes = (size: number, ms: number) => [
      thousands(size),
      thousands(parameters.policy),
      (size / parameters.policy).toFixed(1),
      ms.toFixed(1),
      policy.toFixed(3),
      thousands(Math.round(ms / policy)),
    ];
    const published = publishedSize
      ? [[
        `${cell.task}, planner of the published size`,
        "untrained",
        ...sizes(publishedSize.parameters, publishedSize.actMs),
        "",
        "",
        "",
        "",
        "",
        "",
      ]]
      : [];
    return [[
      cell.task,
      `${cell.seed}`,
      ...sizes(parameters.planner, planner),
      average(returns.data),
      average(returns.generated),
      average(trueReturns),
      `${kept} of ${returns.generated.length}`,
      average(returns.stitched),
      average(returns.both),
    ], ...published];
  });
  return {
    title: "Trajectory stitching: planner and policy",
    numbers: [
      "times smaller",
      "planner, ms per action",
      "policy",
      "return of the data",
      "generated, by the model",
      "by the environment",
      "stitched",
      "generated and stitched",
    ],
    columns: [
      "dataset",
      "seed",
      "planner's parameters",
      "policy's",
      "times smaller",
      "planner, ms per action",
      "policy",
      "times faster",
      "return of the data",
      "generated, by the model",
      "by the environment",
      "kept",
      "stitched",
      "generated and stitched",
    ],
    rows,
    notes: [
      "A reconstruction: the paper's text was not at hand. Mean returns over trajectories; those of stitched steps are the reward " +
      "model's. Generation is state-only: it never sees the environment's reward, which is here for comparison. Kept are generated " +
      "trajectories whose return by the model is above a quantile of the data's (ours, by default 0.8); they are a share of the last " +
      "policy's minibatches, half if all are kept (ours). The planner of the published size has Decision Diffuser's settings, 200 guided denoising steps per action; it " +
      "was trained for two steps.",
      ...notes,
    ],
  };
}

/** What each pass did. */
export function passesTable(evaluations: readonly StitchingRun[]): Table {
  const rows = evaluations.flatMap(({ cell, result }) =>
    (["stitched", "both"] as const).flatMap((set) =>
      result.passes[set].map(({ stitches, accepted, meanReturn }, i) => [
        cell.task,
        `${cell.seed}`,
        sets[set],
        `${i + 1}`,
        thousands(stitches),
        thousands(accepted),
        `${thousands(result.returns[set].length)}`,
        meanReturn.toFixed(1),
      ])
    )
  );
  return {
    title: "Trajectory stitching: passes",
    numbers: ["seed", "pass", "mean return"],
    columns: ["dataset", "seed", "set", "pass", "stitches", "accepted", "trajectories", "mean return"],
    rows,
    notes: ["A trajectory is rewritten if that raises its return by more than a tenth."],
  };
}

/** Shares of trajectories by return, before and after. */
export function returnsFigure(evaluations: readonly StitchingRun[]): TopLevelSpec {
  const tasks = [...new Set(evaluations.map(({ cell }) => cell.task))];
  const order = Object.values(sets);
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: "Returns of trajectories before and after stitching",
      subtitle: "Share of trajectories, all seeds together. Rewards of generated and stitched steps are the models'.",
    },
    hconcat: tasks.map((task) => ({
      title: { text: task, fontSize: 12, fontWeight: "normal" },
      width: 360,
      height: 240,
      data: {
        values: evaluations.filter(({ cell }) => cell.task === task).flatMap(({ result }) =>
          Object.entries(sets).flatMap(([set, name]) =>
            result.returns[set as keyof typeof sets].map((x) => ({ set: name, return: x }))
          )
        ),
      },
      transform: [{ density: "return", groupby: ["set"], steps: 120, as: ["return", "density"] }],
      mark: { type: "line", strokeWidth: 2 },
      encoding: {
        x: { field: "return", type: "quantitative", title: "return" },
        y: { field: "density", type: "quantitative", title: "density", axis: { format: ".1e" } },
        color: {
          field: "set",
          type: "nominal",
          title: null,
          sort: order,
          legend: { orient: "bottom", labelLimit: 260 },
        },
        strokeDash: { field: "set", type: "nominal", title: null, sort: order },
      },
    })),
  } as TopLevelSpec;
}

/** The trajectory whose return grew most, before and after, in the first two dimensions of its states. */
export function exampleFigure(evaluations: readonly StitchingRun[]): TopLevelSpec {
  const tasks = [...new Set(evaluations.map(({ cell }) => cell.task))];
  const panel = (task: string) => {
    const { example } = evaluations.find(({ cell }) => cell.task === task)!.result;
    const values = Object.entries(example).flatMap(([when, points]) =>
      points.map(([x, y], step) => ({ when, step, x, y }))
    );
    const scale = { zero: false };
    return {
      title: { text: task, fontSize: 12, fontWeight: "normal" },
      width: 360,
      height: 260,
      data: { values },
      layer: [
        {
          mark: { type: "line", strokeWidth: 1.2, opacity: 0.8 },
          encoding: { order: { field: "step", type: "quantitative" } },
        },
        {
          transform: [{ filter: "datum.step === 0" }],
          mark: { type: "point", filled: true, size: 70 },
        },
      ],
      encoding: {
        x: { field: "x", type: "quantitative", title: "first dimension of the state", scale },
        y: { field: "y", type: "quantitative", title: "second", scale },
        color: {
          field: "when",
          type: "nominal",
          title: null,
          sort: ["before", "after"],
          scale: { domain: ["before", "after"], range: ["#9aa5b1", "#d94801"] },
          legend: { orient: "bottom" },
        },
      },
    };
  };
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: "A stitched trajectory",
      subtitle:
        "The one whose return grew most over all passes, in the first two dimensions of its states; dots: starts.",
    },
    hconcat: tasks.map(panel),
  } as TopLevelSpec;
}
