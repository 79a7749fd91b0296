/**
 * What bandit cells say, as a table and the paper's figure.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import { createRng } from "../../../algorithms/core/rng.ts";
import { type BanditReward, banditRewards, type BanditSet, banditSets } from "../../../data/bandits.ts";
import { heading } from "../../../data/show/figure.ts";
import { accents } from "../../../data/show/palette.ts";
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

const rows = [["dtql", "DTQL"], ["dql_kl", "DQL-KL"]] as const;
const side = 116;
const edge = 16;

/** The paper's toy figure: data coloured by reward, samples of the policies in red; a row per method, a column per bandit. */
export function banditFigure(evaluations: readonly BanditRun[]): TopLevelSpec {
  const first = (task: string, algorithm: string) =>
    evaluations.filter(({ cell }) => cell.task === task && cell.algorithm === algorithm)
      .toSorted((a, b) => a.cell.seed - b.cell.seed)[0] as BanditRun | undefined;
  const columns = banditTasks.filter((task) => evaluations.some(({ cell }) => cell.task === task));
  const used = rows.filter(([algorithm]) => evaluations.some(({ cell }) => cell.algorithm === algorithm));
  const found = used.flatMap(([algorithm]) => columns.flatMap((task) => first(task, algorithm) ?? []));
  const seeds = [...new Set(found.map(({ cell }) => cell.seed))];
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: heading(
      "One-step policies on two-dimensional bandits",
      `Data actions by their reward; red: 1000 samples of the policy. Trust region (DTQL) keeps to the data, score distillation ` +
        `(DQL-KL) covers or leaves it. Seed ${seeds.join(", ")}; the table has all.`,
      Math.max(330, columns.length * (side + 14)),
    ),
    columns: columns.length,
    concat: used.flatMap(([algorithm, title], row) =>
      columns.map((task, column) =>
        banditPanel(task, first(task, algorithm), {
          above: row === 0 ? task.replace("25g", "25 G").replace("swissroll", "Swiss roll").replace("-", ", ") : null,
          left: column === 0 ? title : null,
          axes: { x: row === used.length - 1, y: column === 0 },
        })
      )
    ),
    spacing: 12,
    align: "all",
    bounds: "flush",
    resolve: { scale: { color: "shared" } },
  } as TopLevelSpec;
}

function banditPanel(
  task: string,
  run: BanditRun | undefined,
  { above, left, axes }: { above: string | null; left: string | null; axes: { x: boolean; y: boolean } },
) {
  const [set, rule] = task.split("-") as [BanditSet, BanditReward];
  const points = banditSets[set](2000, createRng(`bandit/${task}`));
  const rewards = banditRewards(points, rule);
  const [least, most] = [Math.min(...rewards), Math.max(...rewards)];
  const data = Array.from(rewards, (reward, i) => ({
    x: Number(points[2 * i].toFixed(2)),
    y: Number(points[2 * i + 1].toFixed(2)),
    share: Number(((reward - least) / (most - least)).toFixed(2)),
  }));
  const samples = run?.result.samples ?? [];
  const policy = Array.from({ length: samples.length / 2 }, (_, i) => ({ x: samples[2 * i], y: samples[2 * i + 1] }));
  const outside = policy.filter(({ x, y }) => Math.max(Math.abs(x), Math.abs(y)) > edge).length / policy.length;
  const axis = (labels: boolean) => ({ values: [-10, 0, 10], labels, ticks: labels });
  const place = (field: "x" | "y", title: string | null) => ({
    field,
    type: "quantitative",
    title,
    scale: { domain: [-edge, edge] },
    axis: axis(axes[field]),
  });
  const encoding = { x: place("x", null), y: place("y", left) };
  const words = run === undefined
    ? "not run"
    : outside >= 0.2
    ? `${Math.round(100 * outside)} % of samples outside`
    : null;
  return {
    ...(above ? { title: { text: above, fontSize: 10, fontWeight: "normal", anchor: "middle", offset: 4 } } : {}),
    width: side,
    height: side,
    layer: [
      {
        data: { values: data },
        mark: { type: "circle", size: 5, opacity: 1, fillOpacity: 0.8, clip: true },
        encoding: {
          ...encoding,
          color: {
            field: "share",
            type: "quantitative",
            title: ["reward, from", "the bandit's", "least to its", "largest"],
            scale: { scheme: "viridis", domain: [0, 1] },
            legend: { values: [0, 1], labelExpr: "datum.value === 0 ? 'least' : 'largest'", gradientLength: 110 },
          },
        },
      },
      {
        data: { values: policy },
        mark: { type: "circle", size: 5, color: accents.point, opacity: 1, fillOpacity: 0.6, clip: true },
        encoding,
      },
      ...(words === null ? [] : [{
        data: { values: [{ x: 0, y: -14.3, text: words }] },
        mark: { type: "text", fontSize: 8 },
        encoding: { ...encoding, text: { field: "text" } },
      }]),
    ],
  };
}
