/**
 * From finished cells to tables and figures.
 *
 * @module
 */

import { join } from "node:path";
import type { TopLevelSpec } from "vega-lite";
import { createRng } from "../algorithms/core/rng.ts";
import { type BanditReward, banditRewards, type BanditSet, banditSets } from "../data/bandits.ts";
import { normalizedScore } from "../environments/scores.ts";
import { findTask } from "../environments/tasks.ts";
import { algorithms, type SamplingRule } from "./cell.ts";
import { curvesFigure, distillationTable, projectionFigure } from "./distillation_report.ts";
import { writeFigure } from "./figures.ts";
import { writeAtomically } from "./files.ts";
import { bootstrapMean, type Interval, mean } from "./statistics.ts";
import { type Table, toCsv, toMarkdown } from "../data/table.ts";
import { exampleFigure, passesTable, returnsFigure, stitchingTable } from "./stitching_report.ts";
import { toyFigure, toyTable } from "./toy.ts";
import type { Evaluation } from "./train.ts";

const title = (name: string) => algorithms[name as keyof typeof algorithms].title;
const number = (x: number, digits = 2) => x.toFixed(digits);
const range = ({ low, high }: Interval, digits = 1) =>
  low === null || high === null ? "none (n = 1)" : `[${number(low, digits)}, ${number(high, digits)}]`;

/** Writes what the finished cells say into `folder`; returns the tables. */
export async function writeReport(
  folder: string,
  evaluations: readonly Evaluation[],
  heading: string,
): Promise<Table[]> {
  const bandits = evaluations.filter((e) => e.bandit);
  const toys = evaluations.filter((e) => e.toy);
  const environments = evaluations.filter((e) => e.environment);
  const tables: Table[] = [];
  const pictures: string[] = [];
  const add = async (name: string, table: Table, figures: Record<string, TopLevelSpec>) => {
    tables.push(table);
    await writeAtomically(join(folder, `${name}.csv`), toCsv(table));
    for (const [figure, spec] of Object.entries(figures)) {
      await writeFigure(join(folder, figure), spec);
      pictures.push(`![${figure}](${figure}.svg)`, "");
    }
  };
  if (bandits.length > 0) await add("bandits", banditTable(bandits), { bandits: banditFigure(bandits) });
  if (toys.length > 0) await add("toy", toyTable(toys, protocol(toys)), { toy: toyFigure(toys) });
  if (environments.length > 0) {
    const tasks = [...new Set(environments.map(({ cell }) => cell.task))];
    const figures = Object.fromEntries(tasks.map((task) => [
      findTask(task).name,
      environmentFigure(environments.filter(({ cell }) => cell.task === task)),
    ]));
    const speed = environments.some(({ environment }) => environment!.rules.some(({ sampling }) => sampling));
    await add("environments", environmentTable(environments), {
      ...figures,
      ...(speed ? { speed: speedFigure(environments) } : {}),
    });
    const differences = srpoDifferences(environments);
    if (differences.rows.length > 0) await add("srpo_differences", differences, {});
  }
  const stitchings = evaluations.filter((e) => e.stitching);
  if (stitchings.length > 0) {
    await add("stitching", stitchingTable(stitchings, protocol(stitchings)), {
      stitching_returns: returnsFigure(stitchings),
      stitching_example: exampleFigure(stitchings),
    });
    await add("stitching_passes", passesTable(stitchings), {});
  }
  const distillations = evaluations.filter((e) => e.distillation);
  if (distillations.length > 0) {
    await add("distillation", distillationTable(distillations, protocol(distillations)), {
      distillation_curves: curvesFigure(distillations),
      distillation_states: projectionFigure(distillations),
    });
  }
  const text = [`# ${heading}`, "", ...tables.map(toMarkdown), ...pictures].join("\n");
  await writeAtomically(join(folder, "README.md"), text);
  return tables;
}

function protocol(evaluations: readonly Evaluation[]): string[] {
  const sources = [...new Set(evaluations.map((e) => e.cell.overridesSource).filter(Boolean))];
  return [...sources.map((source) => `Settings: ${source}`), "Last checkpoint of every seed; nothing is selected."];
}

function banditTable(evaluations: readonly Evaluation[]): Table {
  const rows = evaluations.map(({ cell, bandit, trainingMs }) => {
    const b = bandit!;
    return [
      cell.task,
      title(cell.algorithm),
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
    columns: ["bandit", "method", "seed", "distance", "largest", "reward", "near a mode, %", "training, s"],
    rows,
    notes: [
      "Distance from a policy sample to the nearest data action (mean, largest) and that action's reward, 1000 samples; " +
      "near a mode: within 1.0 of one of the 25 centres.",
      ...protocol(evaluations),
    ],
  };
}

interface RuleScores {
  task: string;
  algorithm: string;
  method: string;
  acting: string;
  /** Network calls per action, where a policy is sampled. */
  sampling?: SamplingRule;
  /** Per seed, the scores of its episodes. */
  scores: number[][];
  actMs: number[];
  datasetMean: number;
}

const deterministic: readonly string[] = ["srpo", "bc", "iql", "td3_bc", "rebrac"];

function actingName(algorithm: string, candidates: number, sampling?: SamplingRule): string {
  const several = candidates === 1 ? "" : `${sampling?.choice ?? "softmax"} of ${candidates}`;
  if (sampling) return `${sampling.calls} calls, ${sampling.sampler}${several && `, ${several}`}`;
  return several || (deterministic.includes(algorithm) ? "one pass" : "one sample");
}

/** One entry per (task, method, acting rule), over its seeds. */
function groupRules(evaluations: readonly Evaluation[]): RuleScores[] {
  const groups = new Map<string, RuleScores>();
  for (const { cell, environment } of evaluations) {
    for (const { candidates, sampling, acting: said, scores, actMs } of environment!.rules) {
      const acting = said ?? actingName(cell.algorithm, candidates, sampling);
      const method = sampling ? algorithms.behaviour_sampling.title : title(cell.algorithm);
      const key = `${cell.task}/${method}/${acting}`;
      const datasetMean = normalizedScore(cell.task, environment!.datasetMean);
      const { task, algorithm } = cell;
      const group = groups.get(key) ??
        { task, algorithm, method, acting, sampling, scores: [], actMs: [], datasetMean };
      group.scores.push(scores);
      group.actMs.push(actMs);
      groups.set(key, group);
    }
  }
  return [...groups.values()];
}

function environmentTable(evaluations: readonly Evaluation[]): Table {
  const rows = groupRules(evaluations).map(({ task, method, acting, scores, actMs, datasetMean }) => {
    const score = bootstrapMean(scores);
    const gain = bootstrapMean(scores.map((seed) => seed.map((s) => s - datasetMean)));
    return [
      task,
      method,
      acting,
      number(score.mean, 1),
      range(score),
      `${score.n} x ${scores[0].length}`,
      number(datasetMean, 1),
      number(gain.mean, 1),
      range(gain),
      number(mean(actMs), 3),
    ];
  });
  return {
    title: "Local data",
    columns: [
      "dataset",
      "method",
      "acting",
      "score",
      "95 %",
      "seeds x episodes",
      "data",
      "gain",
      "95 %",
      "ms per action",
    ],
    rows,
    notes: [
      "D4RL normalized score in d4rl physics; local data, so not comparable with published tables. Intervals: bootstrap " +
      "over seeds, then episodes. Data: the mean score of the dataset's own episodes; gain: score minus that.",
      ...protocol(evaluations),
    ],
  };
}

/** SRPO's score minus that of every other way to act on the same task, seed by seed and start state by start state. */
function srpoDifferences(evaluations: readonly Evaluation[]): Table {
  const groups = groupRules(evaluations);
  const rows = groups.filter((g) => g.algorithm === "srpo" && !g.sampling).flatMap((own) =>
    groups.filter((g) => g !== own && g.task === own.task && g.scores.length === own.scores.length)
      .filter((other) => other.scores[0].length === own.scores[0].length)
      .map((other) => {
        const pairs = own.scores.map((seed, i) => seed.map((score, k) => score - other.scores[i][k]));
        const difference = bootstrapMean(pairs);
        return [
          own.task,
          `${other.method}, ${other.acting}`,
          number(difference.mean, 1),
          range(difference),
          number(mean(other.actMs) / mean(own.actMs), 1),
        ];
      })
  );
  return {
    title: "SRPO against the others",
    columns: ["dataset", "SRPO minus", "score", "95 %", "times its time per action"],
    rows,
    notes: ["Paired by seed and start state; intervals: bootstrap over seeds, then episodes. Batch 1."],
  };
}

const columns = ["25gaussians-far", "25gaussians-hard", "25gaussians-near", "swissroll-far", "swissroll-near"];

/** The paper's toy figure: data coloured by reward, samples of the policies in red; trust region above, KL below. */
export function banditFigure(evaluations: readonly Evaluation[]): TopLevelSpec {
  const seen = new Set<string>();
  const panels = ["dtql", "dql_kl"].map((algorithm) => ({
    hconcat: columns.flatMap((task) => {
      const found = evaluations.filter(({ cell }) => cell.task === task && cell.algorithm === algorithm)
        .sort((a, b) => a.cell.seed - b.cell.seed)[0];
      if (!found) return [];
      seen.add(`${found.cell.seed}`);
      return [banditPanel(task, algorithm, found)];
    }),
    resolve: { scale: { color: "independent" } },
  })).filter(({ hconcat }) => hconcat.length > 0);
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: "One-step policies on two-dimensional bandits",
      subtitle: [
        "Data actions coloured by their reward; red: 1000 samples of the policy. Above: trust region (DTQL). Below: score distillation (DQL-KL).",
        `The first seed of each (${[...seen].join(", ")}); the table has all.`,
      ],
    },
    vconcat: panels,
    resolve: { scale: { color: "independent" } },
  } as TopLevelSpec;
}

function banditPanel(task: string, algorithm: string, { bandit }: Evaluation) {
  const [set, rule] = task.split("-") as [BanditSet, BanditReward];
  const points = banditSets[set](2000, createRng(`bandit/${task}`));
  const rewards = banditRewards(points, rule);
  const data = Array.from(rewards, (reward, i) => ({
    x: Number(points[2 * i].toFixed(2)),
    y: Number(points[2 * i + 1].toFixed(2)),
    reward: Number(reward.toFixed(2)),
  }));
  const samples = bandit!.samples;
  const policy = Array.from({ length: samples.length / 2 }, (_, i) => ({ x: samples[2 * i], y: samples[2 * i + 1] }));
  const edge = 16;
  const outside = policy.filter(({ x, y }) => Math.max(Math.abs(x), Math.abs(y)) > edge).length / policy.length;
  const warning = outside < 0.2 ? [] : [{
    data: { values: [{ x: 0, y: -14.5, text: `${Math.round(100 * outside)} % of samples outside` }] },
    mark: { type: "text", fontSize: 11, color: "#e6194b" },
    encoding: {
      x: { field: "x", type: "quantitative" },
      y: { field: "y", type: "quantitative" },
      text: { field: "text" },
    },
  }];
  const scale = { domain: [-edge, edge] };
  const axis = { title: null, values: [-10, 0, 10] };
  const encoding = {
    x: { field: "x", type: "quantitative", scale, axis },
    y: { field: "y", type: "quantitative", scale, axis },
  };
  return {
    title: {
      text: `${title(algorithm)}, ${task.replace("-", ", ")}`,
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
        mark: { type: "circle", size: 9, opacity: 0.8, clip: true },
        encoding: {
          ...encoding,
          color: { field: "reward", type: "quantitative", scale: { scheme: "viridis" }, legend: null },
        },
      },
      {
        data: { values: policy },
        mark: { type: "circle", size: 9, color: "#e6194b", opacity: 0.6, clip: true },
        encoding,
      },
      ...warning,
    ],
  };
}

/** Scores with intervals per method and acting rule, each seed's mean as a dot, the dataset's mean as a line. */
export function environmentFigure(evaluations: readonly Evaluation[]): TopLevelSpec {
  const groups = groupRules(evaluations);
  const label = (g: RuleScores) => `${g.method}, ${g.acting}`;
  const summary = groups.map((g) => ({ method: label(g), ...bootstrapMean(g.scores) }));
  const seeds = groups.flatMap((g) => g.scores.map((scores) => ({ method: label(g), score: mean(scores) })));
  const y = { field: "method", type: "nominal", title: null, sort: null, axis: { labelLimit: 260 } };
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
        mark: { type: "circle", size: 45, color: "#08306b", opacity: 0.9 },
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
      const several = g.sampling && g.sampling.candidates > 1 ? ", best of N" : "";
      const short = g.sampling
        ? `${g.sampling.calls}${several && ` x ${g.sampling.candidates}`}`
        : `${g.method}${g.acting.startsWith("one") ? "" : `, ${g.acting}`}`;
      return {
        method: `${g.method}${several}`,
        kind: g.sampling ? "iterative" : "own",
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
