/**
 * `deno task reproduce`: trains, evaluates and reports.
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import { closest } from "fastest-levenshtein";
import { basename, dirname, join, resolve } from "node:path";
import { backends, useBackend } from "../algorithms/core/backend.ts";
import { algorithms, type Cell, cellFolder, cellLabel } from "./cell.ts";
import { runCells, runScript } from "./executor.ts";
import { makeFolder, readJson } from "./files.ts";
import { resultsFolder } from "./paths.ts";
import { experimentNames, hopperDataset, planCells, profiles } from "./profiles.ts";
import { formatSeconds, showProgress } from "./progress.ts";
import { writeReport } from "./report.ts";
import { toText } from "../data/table.ts";
import type { Evaluation } from "./train.ts";

const help = `Trains, evaluates and reports; a second run goes on where the first one stopped.

Usage: deno task reproduce [options]

  --profile <name>     ${
  Object.entries(profiles).map(([name, p]) => `${name}: ${p.description}`).join(";\n                       ")
}
                       (default: quick)
  --only <experiment>  one of ${experimentNames.join(", ")}; srpo and stitching take an hour each, and quick leaves
                       them out unless named
  --task <id>          one task, such as 25gaussians-far or ${hopperDataset}
  --algorithm <name>   one of ${Object.keys(algorithms).join(", ")}
  --seeds <list>       such as 0,1,2 (default: the profile's)
  --jobs <n>           cells at once (default: the number of cores)
  --backend <name>     one of ${backends.join(", ")} (default: onnx, or ONESTEP_BACKEND)
  --out <folder>       where results go (default: results)
  --fresh              train again what is done already
  --dry-run            list the cells and stop
  --help               this text`;

const options = ["profile", "only", "task", "algorithm", "seeds", "jobs", "backend", "out"] as const;
const switches = ["fresh", "dry-run", "help"] as const;

/** One line that names the nearest known word. */
function unknown(what: string, word: string, known: readonly string[]): RangeError {
  return new RangeError(
    `Cannot reproduce: unknown ${what} "${word}"; did you mean "${closest(word, [...known])}"? Known: ${
      known.join(", ")
    }`,
  );
}

function parse(args: string[]) {
  const flags = parseArgs(args, {
    string: options,
    boolean: switches,
    unknown: (arg: string) => {
      throw unknown("flag", arg, [...options, ...switches].map((name) => `--${name}`));
    },
  });
  if (flags._.length > 0) {
    throw unknown(
      "argument",
      String(flags._[0]),
      [...options, ...switches].map((name) => `--${name}`),
    );
  }
  const known = (what: string, value: string | undefined, list: readonly string[]) => {
    if (value !== undefined && !list.includes(value)) throw unknown(what, value, list);
    return value;
  };
  const profile = known("profile", flags.profile ?? "quick", Object.keys(profiles))!;
  const natural = (name: string, text: string, least: number) => {
    const value = Number(text);
    if (text === "" || !Number.isInteger(value) || value < least) {
      throw new RangeError(
        `Cannot reproduce: --${name} must be an integer of at least ${least}, current value is "${text}"`,
      );
    }
    return value;
  };
  return {
    help: flags.help,
    dryRun: flags["dry-run"],
    fresh: flags.fresh,
    profile,
    only: known("experiment", flags.only, experimentNames),
    task: known("task", flags.task, [
      ...new Set(experimentNames.flatMap((only) => planCells(profile, { only }, "onnx", "").map((cell) => cell.task))),
    ]),
    algorithm: known("algorithm", flags.algorithm, Object.keys(algorithms)),
    seeds: flags.seeds?.split(",").map((seed) => natural("seeds", seed, 0)),
    jobs: flags.jobs === undefined ? navigator.hardwareConcurrency : natural("jobs", flags.jobs, 1),
    backend: flags.backend ?? Deno.env.get("ONESTEP_BACKEND") ?? "onnx",
    out: flags.out === undefined ? resultsFolder : resolve(flags.out),
  };
}

/** Makes a local dataset unless it is there; `quiet` leaves the terminal to others. */
async function ensureDataset(
  path: string,
  out: string,
  display: "shown" | "quiet",
  signal: AbortSignal,
): Promise<void> {
  try {
    await Deno.stat(path);
    return;
  } catch {
    // Made below.
  }
  const id = basename(path, ".hdf5");
  await makeFolder(dirname(path));
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  const shown = display === "shown" && Deno.stdout.isTerminal();
  const write = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`\r${text}\x1b[K`));
  const error = await runScript("make_dataset.ts", [id, path], out, ({ done, total }) => {
    if (shown) {
      write(`Making ${id}: ${done} of ${total} transitions, ${formatSeconds(seconds() * (total / done - 1))} left`);
    }
  }, signal);
  if (shown) write("");
  if (signal.aborted) return;
  if (error) throw new Error(error.startsWith("Cannot") ? error : `Cannot make ${id}: ${error}`);
  if (display === "shown") console.log(`Made ${id} in ${formatSeconds(seconds())}`);
}

async function main(): Promise<number> {
  const flags = parse(Deno.args);
  if (flags.help) {
    console.log(help);
    return 0;
  }
  const backend = await useBackend(flags.backend);
  const cells = planCells(flags.profile, flags, backend, join(flags.out, "datasets"));
  if (cells.length === 0) {
    throw new RangeError("Cannot reproduce: no cell matches these flags; --dry-run lists them all");
  }
  if (flags.dryRun) {
    for (const cell of cells) console.log(`${cellLabel(cell)}  ${cellFolder(flags.out, cell)}`);
    console.log(`${cells.length} cells`);
    return 0;
  }
  const start = performance.now();
  await makeFolder(flags.out);
  if (flags.fresh) {
    for (const cell of cells) await Deno.remove(cellFolder(flags.out, cell), { recursive: true }).catch(() => {});
  }

  const stop = new AbortController();
  let interrupted = 0;
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(name, () => {
      if (interrupted++ > 0) Deno.exit(130);
      stop.abort();
    });
  }

  const heading = `Onestep: profile ${flags.profile}`;
  const folder = join(flags.out, flags.profile);
  await makeFolder(folder);
  const finished: Evaluation[] = [];
  const waiting: Cell[] = [];
  for (const cell of cells) {
    const evaluation = await readJson<Evaluation>(join(cellFolder(flags.out, cell), "evaluation.json"));
    if (evaluation) finished.push({ ...evaluation, cell }); // What is said of the cell may be newer.
    else waiting.push(cell);
  }
  if (finished.length > 0) console.log(`${finished.length} of ${cells.length} cells are done already`);

  const errors: Error[] = [];
  const run = async (part: Cell[], jobs: number) => {
    if (part.length === 0 || stop.signal.aborted) return;
    const bars = showProgress(part);
    const watcher = {
      ...bars,
      ended(cell: Cell, outcome: Evaluation | Error) {
        bars.ended(cell, outcome);
        if (outcome instanceof Error) errors.push(outcome);
      },
    };
    try {
      finished.push(...await runCells(part, flags.out, jobs, watcher, stop.signal));
    } finally {
      bars.stop();
    }
  };
  // Datasets are made beside the cells that need none.
  const [needing, free] = [true, false].map((needs) => waiting.filter((cell) => (cell.dataset !== null) === needs));
  const display = free.length === 0 ? "shown" : "quiet";
  const makeDatasets = async () => {
    for (const path of new Set(needing.map((cell) => cell.dataset!))) {
      await ensureDataset(path, flags.out, display, stop.signal);
    }
  };
  await Promise.all([makeDatasets(), run(free, flags.jobs)]);
  await run(needing, flags.jobs);

  const order = new Map(cells.map((cell, i) => [cellFolder(flags.out, cell), i]));
  finished.sort((a, b) => order.get(cellFolder(flags.out, a.cell))! - order.get(cellFolder(flags.out, b.cell))!);
  if (finished.length > 0) {
    const tables = await writeReport(folder, finished, heading);
    for (const table of tables) console.log(`\n${toText(table)}`);
    console.log(`\nTables and figures: ${folder}`);
  }
  for (const error of errors) console.error(`\nerror: ${error.message}`);
  const elapsed = formatSeconds((performance.now() - start) / 1000);
  if (stop.signal.aborted) {
    console.error(`Stopped after ${elapsed}; run the same command to go on`);
    return 130;
  }
  console.log(`${finished.length} of ${cells.length} cells, ${elapsed}`);
  return errors.length > 0 ? 1 : 0;
}

try {
  Deno.exit(await main());
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : error}`);
  Deno.exit(1);
}
