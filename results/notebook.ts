/**
 * Runs and claims that show themselves, and running from a notebook.
 *
 * @module
 */

import { join } from "node:path";
import type { TopLevelSpec } from "vega-lite";
import { curveText, jupyterDisplay, showFigure, type Shown, shown, showTable } from "../data/show/display.ts";
import { type Table, toText } from "../data/show/table.ts";
import { fromFileUrl, resultsFolder } from "../tools/paths.ts";
import { childEnvironment } from "../tools/processes.ts";
import { readRecord } from "../tools/records.ts";
import { readMetrics } from "./cells/metrics.ts";
import { cellShape, type Evaluation, readEvaluation } from "./cells/record.ts";
import { lines } from "./executors/local.ts";
import type { Experiment } from "./experiments/experiment.ts";
import { type Answer, claimsTable } from "./report/claims.ts";
import { groupRules } from "./scores/groups.ts";
import { mean } from "./scores/mean.ts";

/** The checklist of claims. */
export const showClaims = (answers: readonly Answer[]): Shown => showTable(claimsTable(answers));

/** Every finished run below a results folder, or those of one experiment. */
export async function loadEvaluations<R = unknown>(
  root: string = resultsFolder,
  experiment?: Experiment<R>,
): Promise<Evaluation<R>[]> {
  const found: Evaluation<R>[] = [];
  const visit = async (folder: string) => {
    let entries: Deno.DirEntry[];
    try {
      entries = [...Deno.readDirSync(folder)];
    } catch {
      return; // No run yet.
    }
    for (const { name, isDirectory } of entries) {
      if (isDirectory) await visit(join(folder, name));
      else if (name === "evaluation.json") {
        const evaluation = await readEvaluation<R>(folder, experiment?.study.result).catch((error: Error) => {
          console.error(`${error.message}; it is passed over`);
          return null;
        });
        if (evaluation && (!experiment || evaluation.cell.experiment === experiment.name)) found.push(evaluation);
      }
    }
  };
  await visit(join(root, "runs"));
  return found;
}

/**
 * A run by its folder: what it is, its learning curves, its scores.
 *
 * @throws {Error} If the folder holds no run.
 */
export async function showRun(folder: string): Promise<Shown> {
  const run = await readRecord<Pick<Evaluation, "cell">>(join(folder, "run.json"), { cell: cellShape });
  if (!run) {
    throw new Error(
      `Cannot show "${folder}": it must hold a run.json; each row of the report's cells names such a folder`,
    );
  }
  const metrics = await readMetrics(folder);
  const evaluation = await readEvaluation(folder);
  const { task, algorithm, seed, overridesSource } = run.cell;
  const table: Table = {
    title: `${algorithm} on ${task}, seed ${seed}`,
    columns: ["what", "value"],
    rows: [
      ["settings", overridesSource],
      ["updates", `${metrics.at(-1)?.update ?? 0}`],
      ["state", evaluation ? `done, ${(evaluation.trainingMs / 1000).toFixed(0)} s of training` : "in training"],
      ...(evaluation ? numbersOf(evaluation) : []),
    ],
    notes: [],
  };
  const names = [...new Set(metrics.flatMap(Object.keys))].filter((name) => name !== "update");
  const curve = (name: string) => curveText(metrics.flatMap((record) => record[name] ?? [])); // Phases have their own.
  const width = Math.max(0, ...names.map((name) => name.length));
  const text = () => [toText(table), ...names.map((name) => `${name.padEnd(width)} ${curve(name)}`)].join("\n");
  const figure = await showFigure(curvesFigure(metrics, names));
  return shown(text, async () => names.length === 0 ? {} : { ...await figure[jupyterDisplay](), "text/plain": text() });
}

/** Mean scores of the ways to act, and the numbers of the study's own result. */
function numbersOf(evaluation: Evaluation): [string, string][] {
  const scores = groupRules([evaluation]).map(({ acting, scores }): [string, string] => [
    `score, ${acting}`,
    `${mean(scores[0]).toFixed(1)} over ${scores[0].length} episodes`,
  ]);
  const own = Object.entries(evaluation.result ?? {}).filter(([, value]) => typeof value === "number");
  return [...scores, ...own.map(([name, value]): [string, string] => [name, value.toFixed(2)])];
}

function curvesFigure(metrics: readonly Record<string, number>[], names: readonly string[]): TopLevelSpec {
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: "Learning curves",
    data: {
      values: metrics.flatMap(({ update, ...values }) =>
        names.filter((name) => name in values).map((name) => ({ update, name, value: values[name] }))
      ),
    },
    facet: { field: "name", type: "nominal", title: null, sort: null },
    columns: 3,
    resolve: { scale: { y: "independent" } },
    spec: {
      width: 200,
      height: 110,
      mark: { type: "line", strokeWidth: 1.5 },
      encoding: {
        x: { field: "update", type: "quantitative" },
        y: { field: "value", type: "quantitative", title: null, scale: { zero: false } },
      },
    },
  } as TopLevelSpec;
}

/**
 * Runs `deno task reproduce` in a process of its own and prints what it says, so that stopping a notebook's kernel loses nothing:
 * the same call goes on.
 *
 * @throws {Error} If it fails; the message is its last line.
 */
export async function reproduce(...args: string[]): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "tools/task.ts", "reproduce", ...args],
    env: childEnvironment(),
    cwd: fromFileUrl(new URL("../", import.meta.url)),
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const problems = new Response(child.stderr).text();
  for await (const line of lines(child.stdout)) if (/^\[\d+\/\d+\]|^Made|cells/.test(line)) console.log(line);
  const { success } = await child.status;
  if (!success) throw new Error((await problems).trim().split("\n").at(-1));
}
