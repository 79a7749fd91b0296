/**
 * What stitching cells say, as tables and figures.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import { heading } from "../../../data/show/figure.ts";
import { accents, methodColor } from "../../../data/show/palette.ts";
import type { Table } from "../../../data/show/table.ts";
import { findTask } from "../../../environments/tasks.ts";
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
    const { parameters, returns, kept, trueReturns, publishedSize, actorMs } = result;
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
      actorMs.toFixed(4),
      thousands(Math.round(ms / actorMs)),
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
      "its actor",
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
      "its actor",
      "times faster than the planner",
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
    title: heading(
      "Returns of trajectories before and after stitching",
      "Share of trajectories, all seeds together. Rewards of generated and stitched steps are the models'.",
      tasks.length > 1 ? 640 : 440,
    ),
    hconcat: tasks.map((task) => ({
      title: { text: task, fontSize: 11, fontWeight: "normal", offset: 4 },
      width: tasks.length > 1 ? 285 : 400,
      height: 200,
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
        y: { field: "density", type: "quantitative", title: "density", axis: { format: "~e", tickCount: 4 } },
        color: {
          field: "set",
          type: "nominal",
          title: null,
          sort: order,
          scale: { domain: order, range: [accents.before, methodColor("DBC"), methodColor("SRPO"), accents.after] },
          legend: { orient: "bottom", columns: 2 },
        },
        strokeDash: { field: "set", type: "nominal", title: null, sort: order },
      },
    })),
  } as TopLevelSpec;
}

/** The trajectory whose return grew most, before and after: the height of its torso over time. */
export function exampleFigure(evaluations: readonly StitchingRun[]): TopLevelSpec {
  const tasks = [...new Set(evaluations.map(({ cell }) => cell.task))];
  const panel = (task: string) => {
    const { example } = evaluations.find(({ cell }) => cell.task === task)!.result;
    const seconds = secondsPerStep(task);
    const values = Object.entries(example).flatMap(([when, points]) =>
      points.map(([height], step) => ({ when, time: step * seconds, height }))
    );
    const ends = Object.entries(example).map(([when, points]) => ({
      when,
      time: (points.length - 1) * seconds,
      height: points.at(-1)![0],
      text: `${when}, ${((points.length - 1) * seconds).toFixed(1)} s`,
    }));
    const longest = Math.max(...ends.map(({ time }) => time));
    const x = {
      field: "time",
      type: "quantitative",
      title: "time, s",
      scale: { domain: [0, longest * 1.3 || 1], nice: false },
    };
    const y = { field: "height", type: "quantitative", title: "height of the torso, m", scale: { zero: false } };
    const color = {
      field: "when",
      type: "nominal",
      scale: { domain: ["before", "after"], range: [accents.before, accents.after] },
      legend: null,
    };
    return {
      title: { text: task, fontSize: 11, fontWeight: "normal", offset: 4 },
      width: tasks.length > 1 ? 285 : 400,
      height: 200,
      layer: [
        { data: { values }, mark: { type: "line", strokeWidth: 1.6 }, encoding: { x, y, color } },
        { data: { values: ends }, mark: { type: "circle", size: 45, opacity: 1 }, encoding: { x, y, color } },
        {
          data: { values: ends },
          mark: { type: "text", align: "left", dx: 7 },
          encoding: { x, y, text: { field: "text" } },
        },
      ],
    };
  };
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: heading(
      "A stitched trajectory",
      "The one whose return grew most over all passes, before and after; dots: where it ends.",
      tasks.length > 1 ? 640 : 440,
    ),
    hconcat: tasks.map(panel),
    spacing: 24,
  } as TopLevelSpec;
}

/** What a step of a robot's control lasts. */
function secondsPerStep(id: string): number {
  const task = findTask(id);
  if ("load" in task) throw new TypeError(`Cannot draw a trajectory of "${id}": its model must be one of this package`);
  return task.frameSkip * Number(task.xml("d4rl").match(/timestep="([^"]+)"/)![1]);
}
