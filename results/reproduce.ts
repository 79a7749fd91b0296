/**
 * `deno task reproduce`: trains, evaluates and reports.
 *
 * @module
 */

import { join } from "node:path";
import { type Backend, useBackend } from "../algorithms/engine/backend.ts";
import { runCommand } from "../tools/command.ts";
import { datasetFolder } from "../data/catalog.ts";
import { toText } from "../data/show/table.ts";
import { makeFolder } from "../tools/files.ts";
import type { Cell } from "./cells/cell.ts";
import { type Failure, readFailure } from "./cells/failure.ts";
import { putAside } from "./cells/put_aside.ts";
import { type Evaluation, findEvaluation } from "./cells/record.ts";
import { ensureDataset } from "./executors/datasets.ts";
import { jobsAtOnce } from "./executors/jobs.ts";
import { runCells } from "./executors/local.ts";
import { sayDuration } from "../tools/duration.ts";
import { formatSeconds } from "../tools/progress.ts";
import { showProgress } from "./executors/progress.ts";
import { cancelSubmissions, readSubmission, statusLines, submissionStatus, submitCells } from "./executors/slurm.ts";
import type { Estimate } from "./experiments/experiment.ts";
import { codeOf, experimentOf } from "./experiments/mod.ts";
import { onStop } from "../tools/processes.ts";
import { help, type Options, parseOptions, selectionArguments } from "./options.ts";
import { planCells } from "./plan.ts";
import { claimLines } from "./report/claims.ts";
import { type Report, writeReport } from "./report/report.ts";
import { playShipped } from "./shipped/replay.ts";
import { readShipped, replayCell, shippedProfile } from "./shipped/shipped.ts";

/** Playing a shipped run again takes seconds, whatever it took to make; one without a policy is copied as it was recorded. */
const [replayEstimate, copyEstimate]: Estimate[] = [{ seconds: 4, memoryMiB: 500 }, { seconds: 0.01, memoryMiB: 0 }];
const estimateCell = (cell: Cell): Estimate =>
  !cell.shipped ? experimentOf(cell).estimate(cell) : cell.shipped.playable ? replayEstimate : copyEstimate;

/**
 * Cells whose evaluation is there, in the order of the plan, and the others; of these, how the last try failed, and what is wrong
 * with a file that is there.
 */
async function divide(cells: readonly Cell[], root: string) {
  const [finished, waiting, failures, problems]: [Evaluation[], Cell[], Failure[], string[]] = [[], [], [], []];
  for (const cell of cells) {
    const { evaluation, problem } = await findEvaluation(root, cell, experimentOf(cell).study.result);
    if (problem) problems.push(problem);
    if (evaluation) {
      finished.push(evaluation);
      continue;
    }
    waiting.push(cell);
    const failure = await readFailure(root, cell);
    if (failure) failures.push(failure);
  }
  return { finished, waiting, failures, problems };
}

const listed = 300;

/** How many of these cells run at once; says so once where memory is what limits them. */
function jobsOf({ jobs, threads }: Options, cells: readonly Cell[]): number {
  if (jobs !== undefined) return jobs;
  const { jobs: allowed, why } = jobsAtOnce(cells.map((cell) => estimateCell(cell).memoryMiB), threads);
  if (why !== null) console.error(why);
  return allowed;
}

function showPlan(cells: readonly Cell[], jobs: number) {
  const estimates = cells.map(estimateCell);
  const total = estimates.reduce((sum, { seconds }) => sum + seconds, 0);
  const rows = cells.slice(0, listed).map(({ experiment, task, algorithm, seed }, i) => {
    const { seconds, memoryMiB } = estimates[i];
    return [experiment, task, algorithm, `${seed}`, sayDuration(seconds), `${memoryMiB}`];
  });
  const columns = ["experiment", "task", "method", "seed", "time, about", "MiB"];
  const notes = cells.length > listed ? [`... and ${cells.length - listed} more`] : [];
  console.log(toText({ title: "Cells", columns, rows, notes }));
  console.log(
    `${cells.length} cells: about ${sayDuration(total)} on one core, ${sayDuration(total / jobs)} with ${jobs} at once`,
  );
}

function showReport({ answers, sections, page }: Report, folder: string) {
  for (const { name, tables } of sections) {
    if (name === "claims" || name === "compute" || name.startsWith("dataset_")) continue;
    for (const table of Object.values(tables)) console.log(`\n${toText(table)}`);
  }
  console.log(`\nClaims\n${claimLines(answers).join("\n")}`);
  console.log(`\nReport: ${page}\nTables and figures: ${folder}`);
}

/** Cheapest first, so that a stopped run has shown most. */
const byCost = (cells: readonly Cell[]) =>
  cells.map((cell) => ({ cell, ...estimateCell(cell) })).sort((a, b) => a.seconds - b.seconds).map(({ cell }) => cell);

async function runLocally(
  flags: Options,
  waiting: readonly Cell[],
  signal: AbortSignal,
  onFinished: () => Promise<void>,
): Promise<Error[]> {
  const errors: Error[] = [];
  const jobs = jobsOf(flags, waiting);
  let bars: ReturnType<typeof showProgress> | undefined;
  const run = async (part: readonly Cell[]) => {
    if (part.length === 0 || signal.aborted) return;
    if (flags.fresh) await putAside(flags.out, part);
    const shown = bars ??= showProgress(waiting, (cell) => estimateCell(cell).seconds);
    const watcher = {
      ...shown,
      async ended(cell: Cell, outcome: Evaluation | Error) {
        shown.ended(cell, outcome);
        if (outcome instanceof Error) errors.push(outcome);
        else await onFinished();
      },
    };
    const recorded = part.filter((cell) => cell.shipped && !cell.shipped.playable); // Takes no process of its own.
    for (const cell of recorded) {
      watcher.started(cell);
      await watcher.ended(cell, await playShipped(cell, codeOf(cell), flags.out, () => {}).catch((error) => error));
    }
    await runCells(byCost(part.filter((cell) => !recorded.includes(cell))), flags.out, jobs, watcher, signal);
  };
  // Datasets are made beside the cells that need none.
  const [needing, free] = [true, false].map((needs) => waiting.filter((cell) => (cell.dataset !== null) === needs));
  try {
    await Promise.all([ensureDatasets(needing, free.length === 0 ? "shown" : "quiet", signal), run(free)]);
    await run(needing);
  } finally {
    bars?.stop();
  }
  return errors;
}

async function ensureDatasets(cells: readonly Cell[], display: "shown" | "quiet", signal: AbortSignal) {
  const used = new Map(cells.flatMap(({ dataset, task }) => dataset === null ? [] : [[dataset, task]]));
  for (const [path, id] of used) {
    await ensureDataset({ id, path }, display, signal);
  }
}

async function submit(flags: Options, waiting: readonly Cell[], signal: AbortSignal) {
  await ensureDatasets(waiting, "shown", signal);
  const estimates = waiting.map(estimateCell);
  const most = {
    seconds: Math.max(...estimates.map(({ seconds }) => seconds)),
    memoryMiB: Math.max(...estimates.map(({ memoryMiB }) => memoryMiB)),
  };
  const { arrays, reportJob } = await submitCells(waiting, flags.out, flags.profile, most, selectionArguments(flags), {
    ...flags.slurm,
    jobs: flags.jobs,
    ...(flags.fresh ? { whileHeld: () => putAside(flags.out, waiting) } : {}),
  });
  console.log(
    `Submitted ${waiting.length} cells as ${arrays.map(({ job }) => job).join(", ")}, report as ${reportJob}`,
  );
  console.log(`How they stand: deno task reproduce --profile ${flags.profile} --status`);
}

async function showSubmission(flags: Options): Promise<number> {
  const submission = await readSubmission(flags.out, flags.profile);
  if (!submission) {
    throw new Error(`Cannot find submitted cells of profile ${flags.profile}: submit them with --executor slurm first`);
  }
  if (flags.cancel) {
    await cancelSubmissions(flags.out, flags.profile);
    console.log("Cancelled; submit again to go on");
    return 0;
  }
  const status = await submissionStatus(submission, flags.out);
  for (const line of statusLines(status)) console.log(line);
  return status.failed.length > 0 ? 1 : 0;
}

/**
 * The cells that are asked for. In `quick` the runs of `standard` are among them: the shipped ones, to be played again, or all of them,
 * to be trained. What `quick` itself trains takes the place of the shipped run of that seed.
 */
async function plannedCells(flags: Options, backend: Backend): Promise<{ cells: Cell[]; problems: string[] }> {
  const own = planCells(flags.profile, flags, backend, datasetFolder());
  if (flags.profile !== "quick") return { cells: own, problems: [] };
  const { runs, problems } = flags.retrain ? { runs: [], problems: [] } : await readShipped();
  const replayed = runs.flatMap((run) => {
    try {
      return [replayCell(run, flags.profile)];
    } catch (error) { // Its experiment or algorithm is no more.
      problems.push((error as Error).message);
      return [];
    }
  });
  const others = flags.retrain
    ? planCells(shippedProfile, flags, backend, datasetFolder())
    : replayed.filter(({ experiment, task, algorithm, seed }) =>
      (!flags.only || experiment === flags.only) && (!flags.task || task === flags.task) &&
      (!flags.algorithm || algorithm === flags.algorithm) && (!flags.seeds || flags.seeds.includes(seed))
    );
  const isOwn = (cell: Cell) =>
    own.some((other) =>
      (["experiment", "task", "algorithm", "seed"] as const).every((key) => cell[key] === other[key])
    );
  return { cells: [...own, ...others.filter((cell) => !isOwn(cell))], problems };
}

/** A report while cells are running takes at most this share of the time. */
const reportShare = 0.05;

async function main(): Promise<number> {
  const flags = parseOptions(Deno.args);
  if (flags.help) {
    console.log(help);
    return 0;
  }
  if (flags.status || flags.cancel) return await showSubmission(flags);
  const backend = await useBackend(flags.backend);
  const { cells, problems: damaged } = await plannedCells(flags, backend);
  for (const problem of damaged) console.error(`${problem}; its run is left out`);
  if (cells.length === 0) {
    throw new RangeError("Cannot reproduce: no cell matches these flags; --dry-run lists them all");
  }
  if (flags.dryRun) {
    showPlan(cells, jobsOf(flags, cells));
    return 0;
  }
  const start = performance.now();
  await makeFolder(flags.out);

  const stop = new AbortController();
  onStop(() => stop.abort());

  const { waiting: unfinished, finished, problems } = await divide(cells, flags.out);
  for (const problem of problems) console.error(`${problem}; its cell counts as not done`);
  if (finished.length > 0) {
    const then = flags.fresh ? "; they are put aside and trained again" : "";
    console.log(`${finished.length} of ${cells.length} cells are done already${then}`);
  }
  const waiting = flags.fresh ? cells : unfinished;
  const report = async () => {
    const { finished, failures } = await divide(cells, flags.out);
    const source = { root: flags.out, profile: flags.profile, evaluations: finished, failures, planned: cells.length };
    return finished.length === 0 ? null : await writeReport(source);
  };
  let errors: Error[] = [];
  if (!flags.report && waiting.length > 0) {
    if (flags.executor === "slurm") {
      await submit(flags, waiting, stop.signal);
      return 0;
    }
    let nextReport = 0;
    errors = await runLocally(flags, waiting, stop.signal, async () => {
      const now = performance.now();
      if (now < nextReport) return;
      nextReport = Infinity; // Of several cells that end at once, one reports.
      await report().catch(() => {}); // The last one says what is wrong.
      nextReport = performance.now() + (performance.now() - now) / reportShare;
    });
  }
  const written = await report();
  if (written) showReport(written, join(flags.out, flags.profile));
  else console.log("No cell is done yet, so there is nothing to report");
  for (const error of errors) console.error(`\nerror: ${error.message}`);
  const elapsed = formatSeconds((performance.now() - start) / 1000);
  if (stop.signal.aborted) {
    console.error(`Stopped after ${elapsed}; run the same command to go on`);
    return 130;
  }
  const done = (await divide(cells, flags.out)).finished.length;
  console.log(`${done} of ${cells.length} cells, ${elapsed}`);
  return errors.length > 0 || (flags.report && done < cells.length) ? 1 : 0;
}

await runCommand(main);
