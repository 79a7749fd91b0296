/**
 * What bandit cells say, as a table and the paper's figure.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import { createRng } from "../../../algorithms/core/rng.ts";
import { type BanditReward, banditRewards, type BanditSet, banditSets } from "../../../data/bandits.ts";
import type { Table } from "../../../data/show/table.ts";
import type { Evaluation } from "../../cells/record.ts";
import type { BanditResult } from "./study.ts";

/** The bandits with the papers' two sets of actions. */
export const banditTasks: readonly string[] = [
  "25gaussians-far",
  "25gaussians-hard",
  "25gaussians-near",
  "swissroll-far",
  "swissroll-near",
];

/** A finished cell of a bandit. */
export type BanditRun = Evaluation<BanditResult>;

const number = (x: number, digits = 2) => x < 1e5 ? x.toFixed(digits) : x.toExponential(0);

/** How close each policy's samples are to the data, and what they earn. */
export function banditTable(evaluations: readonly BanditRun[], notes: string[]): Table {
  const rows = evaluations.map(({ cell, result: b, trainingMs }) => {
    return [
      cell.task,
      cell.title,
      `${cell.seed}`,
      number(b.nearestMean),
      number(b.nearestMax),
      number(b.reward),
      b.modes === null ? "" : number(100 * b.modes, 1),
      number(trainingMs / 1000, 0),
    ];
  });
  return {
    title: "Two-dimensional bandits",
    numbers: ["seed", "distance", "largest", "reward", "near a mode, %", "training, s"],
    columns: ["bandit", "method", "seed", "distance", "largest", "reward", "near a mode, %", "training, s"],
    rows,
    notes: [
      "Distance from a policy sample to the nearest data action (mean, largest) and that action's reward, 1000 samples; " +
      "near a mode: within 1.0 of one of the 25 centres.",
      ...notes,
    ],
  };
}

/** The paper's toy figure: data coloured by reward, samples of the policies in red; trust region above, KL below. */
export function banditFigure(evaluations: readonly BanditRun[]): TopLevelSpec {
  const seen = new Set<string>();
  const panels = ["dtql", "dql_kl"].map((algorithm) => ({
    hconcat: banditTasks.flatMap((task) => {
      const found = evaluations.filter(({ cell }) => cell.task === task && cell.algorithm === algorithm)
        .sort((a, b) => a.cell.seed - b.cell.seed)[0];
      if (!found) return [];
      seen.add(`${found.cell.seed}`);
      return [banditPanel(found)];
    }),
    resolve: { scale: { color: "independent" } },
  })).filter(({ hconcat }) => hconcat.length > 0);
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: "One-step policies on two-dimensional bandits",
      subtitle: [
        "Data actions coloured by their reward; red: 1000 samples of the policy.",
        "Above: trust region (DTQL). Below: score distillation (DQL-KL).",
        `The first seed of each (${[...seen].join(", ")}); the table has all.`,
      ],
    },
    vconcat: panels,
    resolve: { scale: { color: "independent" } },
  } as TopLevelSpec;
}

function banditPanel({ cell: { task, title }, result: { samples } }: BanditRun) {
  const [set, rule] = task.split("-") as [BanditSet, BanditReward];
  const points = banditSets[set](2000, createRng(`bandit/${task}`));
  const rewards = banditRewards(points, rule);
  const data = Array.from(rewards, (reward, i) => ({
    x: Number(points[2 * i].toFixed(2)),
    y: Number(points[2 * i + 1].toFixed(2)),
    reward: Number(reward.toFixed(2)),
  }));
  const policy = Array.from({ length: samples.length / 2 }, (_, i) => ({ x: samples[2 * i], y: samples[2 * i + 1] }));
  const edge = 16;
  const outside = policy.filter(({ x, y }) => Math.max(Math.abs(x), Math.abs(y)) > edge).length / policy.length;
  const scale = { domain: [-edge, edge] };
  const axis = { title: null, values: [-10, 0, 10] };
  const encoding = {
    x: { field: "x", type: "quantitative", scale, axis },
    y: { field: "y", type: "quantitative", scale, axis },
  };
  const warning = outside < 0.2 ? [] : [{
    data: { values: [{ x: 0, y: -14.5, text: `${Math.round(100 * outside)} % of samples outside` }] },
    mark: { type: "text", fontSize: 11, color: "#e6194b" },
    encoding: { ...encoding, text: { field: "text" } },
  }];
  return {
    title: {
      text: `${title}, ${task.replace("-", ", ")}`,
      fontSize: 12,
      fontWeight: "normal",
      anchor: "middle",
      offset: 6,
    },
    width: 190,
    height: 190,
    layer: [
      {
        data: { values: data },
        mark: { type: "circle", size: 9, opacity: 1, fillOpacity: 0.8, clip: true },
        encoding: {
          ...encoding,
          color: { field: "reward", type: "quantitative", scale: { scheme: "viridis" }, legend: null },
        },
      },
      {
        data: { values: policy },
        mark: { type: "circle", size: 9, color: "#e6194b", opacity: 1, fillOpacity: 0.6, clip: true },
        encoding,
      },
      ...warning,
    ],
  };
}
