/**
 * Comparing runs: scores over seeds, paired differences, the chance that one beats the other, and what their settings differ in.
 *
 * @module
 */

import { basename, join } from "node:path";
import { jupyterDisplay, pictureHtml, type Shown, shown, showTable } from "../../data/show/display.ts";
import { renderFigure } from "../../data/show/figure.ts";
import { type Table, toText } from "../../data/show/table.ts";
import * as registry from "../../algorithms/registry.ts";
import type { AnyAlgorithm } from "../../algorithms/core/agent.ts";
import { mean } from "../scores/mean.ts";
import { bootstrapMean, type Interval, pairedDifferences, probabilityOfImprovement } from "../scores/statistics.ts";
import { createCurve, type CurveRun, readScores } from "./scores.ts";
import { readRunFile } from "./policy_folder.ts";
import type { Run } from "./train.ts";

/** A run with its last scores. */
interface ScoredRun extends CurveRun {
  task: string;
  /** Same for runs that differ in their seed alone. */
  key: string;
  config: Readonly<Record<string, unknown>>;
  /** Last scores, by start state. */
  scores: number[];
  updates: number;
  candidates: number;
}

/** Runs that differ in their seed alone. */
interface Group {
  label: string;
  task: string;
  config: ScoredRun["config"];
  updates: number;
  candidates: number;
  /** By seed, ascending. */
  runs: ScoredRun[];
}

/** What a comparison says. */
export interface Comparison extends Shown {
  /** Scores of every group, differences of every pair, settings that differ; a table each. */
  readonly tables: readonly Table[];
}

/** Every run below a folder, itself included. */
async function findRuns(folder: string): Promise<string[]> {
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(folder)];
  } catch (error) {
    throw new Error(`Cannot compare "${folder}": it must be a folder of runs; ${(error as Error).message}`);
  }
  if (entries.some(({ name }) => name === "run.json")) return [folder];
  const below = await Promise.all(
    entries.filter(({ isDirectory }) => isDirectory).map(({ name }) => findRuns(join(folder, name))),
  );
  return below.flat().sort();
}

async function readRun(folder: string): Promise<ScoredRun> {
  const { policy } = await readRunFile(folder);
  const points = await readScores(folder);
  const last = points.at(-1);
  const failed = (why: string) => new Error(`Cannot compare "${folder}": ${why}`);
  if (!last) throw failed("it has no scores; train it with --evaluate-every, or evaluateEvery");
  if (policy.task === null) throw failed("its data named no task, so scores of others are of another");
  const algorithm = (registry as Readonly<Record<string, AnyAlgorithm>>)[policy.algorithm];
  return {
    title: policy.module === null ? algorithm?.title ?? policy.algorithm : policy.algorithm,
    task: policy.task,
    seed: policy.seed,
    key: `${policy.task}/${policy.algorithm}/${policy.identity.hash}`,
    config: { ...policy.config } as unknown as Record<string, unknown>,
    points,
    scores: last.scores,
    updates: last.update,
    candidates: last.candidates,
  };
}

function ofRun({ algorithm, task, seed, config, state, curve }: Run): ScoredRun {
  const { points } = curve;
  const last = points.at(-1);
  if (!last || task === null) {
    throw new Error(
      `Cannot compare ${algorithm.name}, seed ${seed}: it must have scores; train it with evaluateEvery, on data of a known task`,
    );
  }
  return {
    title: algorithm.title,
    task,
    seed,
    key: `${task}/${algorithm.name}/${JSON.stringify(config)}`,
    config: { ...config } as unknown as Record<string, unknown>,
    points,
    scores: last.scores,
    updates: state.updates,
    candidates: last.candidates,
  };
}

const shownValue = (value: unknown) => typeof value === "string" ? value : JSON.stringify(value) ?? "none";

/** Settings in which configurations of one algorithm differ. */
function differingKeys(configs: readonly ScoredRun["config"][]): string[] {
  const keys = [...new Set(configs.flatMap((config) => Object.keys(config)))];
  return keys.filter((key) => new Set(configs.map((config) => JSON.stringify(config[key]))).size > 1);
}

function groupRuns(runs: readonly ScoredRun[]): Group[] {
  const groups = [...Map.groupBy(runs, ({ key }) => key).values()].map((members) => {
    const sorted = members.toSorted((a, b) => a.seed - b.seed);
    const twice = sorted.find(({ seed }, i) => seed === sorted[i + 1]?.seed);
    if (twice) {
      throw new RangeError(
        `Cannot compare: each run must be given once, ${twice.title} on ${twice.task} has seed ${twice.seed} twice`,
      );
    }
    return sorted;
  });
  return groups.map((members) => {
    const [{ title, task, config, updates, candidates }] = members;
    const alike = groups.filter(([other]) => other.title === title && other.task === task);
    const differing = differingKeys(alike.map(([other]) => other.config));
    const setting = differing.slice(0, 3).map((key) => `${key} ${shownValue(config[key])}`).join(", ");
    return { label: setting ? `${title}, ${setting}` : title, task, config, updates, candidates, runs: members };
  });
}

const interval = ({ low, high }: Interval) =>
  low === null || high === null ? "" : `[${low.toFixed(1)}, ${high.toFixed(1)}]`;
const share = ({ mean, low, high }: Interval) =>
  `${mean.toFixed(2)}${low === null || high === null ? "" : ` [${low.toFixed(2)}, ${high.toFixed(2)}]`}`;

function scoresTable(groups: readonly Group[]): Table {
  return {
    title: "Scores",
    columns: ["task", "run", "score", "95 %", "seeds", "episodes", "updates"],
    rows: groups.map(({ task, label, runs, updates }) => {
      const all = bootstrapMean(runs.map(({ scores }) => scores));
      return [
        task,
        label,
        all.mean.toFixed(1),
        interval(all),
        runs.map(({ seed }) => seed).join(" "),
        `${runs[0].scores.length}`,
        `${updates}`,
      ];
    }),
    notes: [
      "D4RL's normalized scores of the last updates; intervals: bootstrap over seeds, then episodes; one seed has none.",
    ],
  };
}

function differencesTable(groups: readonly Group[]): Table {
  const rows = groups.flatMap((a, i) =>
    groups.slice(i + 1).filter((b) => b.task === a.task).map((b) => {
      const common = a.runs.map(({ seed }) => seed).filter((seed) => b.runs.some((run) => run.seed === seed));
      const of = (group: Group) => common.map((seed) => group.runs.find((run) => run.seed === seed)!.scores);
      const [x, y] = [of(a), of(b)];
      const fits = common.length > 0 && x.every((scores, k) => scores.length === y[k].length);
      const difference = fits ? bootstrapMean(pairedDifferences(x, y)) : null;
      const means = (group: Group) => ({ [a.task]: group.runs.map(({ scores }) => mean(scores)) });
      return [
        a.task,
        `${a.label} minus ${b.label}`,
        difference ? difference.mean.toFixed(1) : "not paired: no common seeds with the same episodes",
        difference ? interval(difference) : "",
        common.join(" "),
        share(probabilityOfImprovement(means(a), means(b))),
      ];
    })
  );
  return {
    title: "Differences",
    columns: ["task", "runs", "difference", "95 %", "paired seeds", "P(first better)"],
    rows,
    notes: [
      "Differences are paired by seed and start state. P(first better): the chance that a run of the first beats one of the second, over " +
      "their seeds' means (Mann & Whitney), a tie counting half.",
    ],
  };
}

function settingsTable(groups: readonly Group[]): Table {
  const extra = groups.map(({ config, candidates }) => ({ ...config, "candidates per action": candidates }));
  const keys = differingKeys(extra);
  return {
    title: "Settings that differ",
    columns: ["setting", ...groups.map(({ label, task }) => `${label}, ${task}`)],
    rows: keys.map((
      key,
    ) => [key, ...extra.map((config) => key in config ? shownValue((config as Record<string, unknown>)[key]) : "")]),
    notes: ["Empty: not a setting of that algorithm."],
  };
}

/**
 * Compares runs.
 *
 * @param runs Folders of runs, folders of such folders, or what `train()` returned; at least two runs.
 * @throws {Error} If a folder holds no run, a run has no scores, or a run is given twice.
 */
export async function compare(...runs: readonly (string | Run)[]): Promise<Comparison> {
  const found: ScoredRun[] = [];
  for (const run of runs) {
    if (typeof run !== "string") found.push(ofRun(run));
    else {
      const folders = await findRuns(run);
      if (folders.length === 0) {
        throw new Error(`Cannot compare "${basename(run)}": it must hold runs, current are none`);
      }
      for (const folder of folders) found.push(await readRun(folder));
    }
  }
  if (found.length < 2) {
    throw new RangeError(`Cannot compare: there must be at least two runs, current are ${found.length}`);
  }
  const groups = groupRuns(found);
  const curve = createCurve(groups.flatMap(({ label, runs }) => runs.map((run) => ({ ...run, title: label }))));
  const tables = [scoresTable(groups), differencesTable(groups), settingsTable(groups)].filter(({ rows }) =>
    rows.length > 0
  );
  const text = () => tables.map(toText).join("\n\n");
  return {
    tables,
    ...shown(text, async () => {
      const figure = await renderFigure(curve.figure);
      const shownTables = await Promise.all(tables.map((table) => showTable(table)[jupyterDisplay]()));
      const html = [pictureHtml(figure, "Scores over updates"), ...shownTables.map((bundle) => bundle["text/html"])];
      return { "text/html": html.join("\n"), "image/png": figure.png.toBase64() };
    }),
  };
}
