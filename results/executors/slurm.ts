/**
 * The Slurm executor: cells as array jobs, and the report after them. It needs Slurm's commands and a folder that all nodes share.
 *
 * @module
 */

import { join } from "node:path";
import { makeFolder, readJson, writeAtomically } from "../../tools/files.ts";
import { lockFlags, permissionFlags } from "../../tools/flags.ts";
import { workspaceFolder } from "../../tools/paths.ts";
import { type Cell, cellFolder, cellLabel } from "../cells/cell.ts";
import type { Evaluation } from "../cells/record.ts";
import type { Estimate } from "../experiments/experiment.ts";

/** What is asked of the cluster; what is left out is the cluster's default or an estimate. */
export interface SlurmOptions {
  partition?: string;
  /** As `sbatch --time` takes it. */
  time?: string;
  /** As `sbatch --mem` takes it. */
  memory?: string;
  /** Cells at once. */
  jobs?: number;
}

/** Cells that were handed to Slurm together. */
export interface Submission {
  /** Array jobs and the positions in `cells` that each one covers. */
  arrays: { job: string; start: number; count: number }[];
  reportJob: string;
  cells: Cell[];
}

/** How submitted cells stand. */
export interface SubmissionStatus {
  done: number;
  running: number;
  waiting: number;
  failed: { cell: Cell; why: string }[];
}

/** Tasks of an array job; Slurm's default limit is 1001. */
const longestArray = 1000;
/** Times that a cell is started again by itself after it was killed or ran into its time limit. */
const mostRestarts = 5;
/** Seconds before its time limit at which a job ends itself, to go on in another. */
const noticeSeconds = 60;

const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

async function slurm(command: string, args: readonly string[]): Promise<string> {
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(command, { args: [...args], stdout: "piped", stderr: "piped" }).output();
  } catch (cause) {
    throw new Error(`Cannot run ${command}: it must be on the PATH; run on a node that can submit to Slurm`, { cause });
  }
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  if (!output.success) throw new Error(`Cannot run ${command}: ${text(output.stderr) || text(output.stdout)}`);
  return text(output.stdout);
}

const folderOf = (root: string, profile: string) => join(root, "slurm", profile);
const submissionPath = (root: string, profile: string) => join(folderOf(root, profile), "submission.json");

/**
 * The script of an array job. A cell that is killed, or whose time is up, is queued again and goes on from its checkpoint; one
 * that ends with an error is not, and neither is one that was cancelled.
 */
function arrayScript(cells: string, root: string, backend: string): string {
  const flags = [...lockFlags(backend), ...permissionFlags({ write: [root], native: "runtime" }, root)].map(quote).join(
    " ",
  );
  const script = join(workspaceFolder, "results/executors/run_cell.ts");
  return `#!/bin/bash
again() {
  [ "\${SLURM_RESTART_COUNT:-0}" -lt ${mostRestarts} ] || return
  [ "$(squeue -h -j "$SLURM_JOB_ID" -o %T)" = RUNNING ] || return
  scontrol requeue "$SLURM_JOB_ID"
}
trap 'kill -TERM $cell; wait $cell; again; exit 143' TERM
export DENO_NO_UPDATE_CHECK=1 ORT_DISABLE_TELEMETRY=1
cd ${quote(root)}
${quote(Deno.execPath())} run --quiet ${flags} ${quote(script)} ${quote(root)} ${quote(cells)} "$SLURM_ARRAY_TASK_ID" &
cell=$!
wait $cell
code=$?
[ $code -gt 128 ] && again
exit $code
`;
}

/**
 * Hands cells to Slurm, and a job that writes the report when they have ended.
 *
 * @param reportArguments What `reproduce` needs to report on these cells.
 * @throws {Error} If Slurm's commands are missing or refuse; or if cells of this profile are still in the queue.
 */
export async function submitCells(
  cells: readonly Cell[],
  root: string,
  profile: string,
  estimate: Estimate,
  reportArguments: readonly string[],
  { partition, time, memory, jobs }: SlurmOptions,
): Promise<Submission> {
  const old = await readSubmission(root, profile);
  if (old && (await queuedTasks(old)).size > 0) {
    throw new Error(
      `Cannot submit profile ${profile}: an earlier submission is still in the queue; see --status, or end it with --cancel`,
    );
  }
  const folder = folderOf(root, profile);
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await makeFolder(folder);
  const common = ["--parsable", "--open-mode=append", ...(partition ? [`--partition=${partition}`] : [])];
  const minutes = Math.max(30, Math.ceil(3 * estimate.seconds / 60));
  const own = [
    `--time=${time ?? minutes}`,
    `--mem=${memory ?? `${Math.ceil(1.5 * estimate.memoryMiB)}M`}`,
    `--cpus-per-task=${cells[0].threads ?? 1}`,
    "--requeue",
    `--signal=B:TERM@${noticeSeconds}`,
    `--job-name=onestep-${profile}`,
  ];
  const arrays: Submission["arrays"] = [];
  for (let start = 0; start < cells.length; start += longestArray) {
    const part = cells.slice(start, start + longestArray);
    const [list, script] = [`cells_${start}.json`, `cells_${start}.sh`].map((name) => join(folder, name));
    await writeAtomically(list, JSON.stringify(part));
    await writeAtomically(script, arrayScript(list, root, part[0].backend));
    const array = `--array=0-${part.length - 1}${jobs ? `%${jobs}` : ""}`;
    const log = `--output=${join(folder, `cells_${start}_%a.log`)}`;
    arrays.push({ job: await slurm("sbatch", [...common, ...own, array, log, script]), start, count: part.length });
  }
  const script = join(folder, "report.sh");
  const line = [Deno.execPath(), "task", "reproduce", "--report", ...reportArguments].map(quote).join(" ");
  await writeAtomically(script, `#!/bin/bash\nexport DENO_NO_UPDATE_CHECK=1\ncd ${quote(workspaceFolder)}\n${line}\n`);
  const reportJob = await slurm("sbatch", [
    ...common,
    `--dependency=afterany:${arrays.map(({ job }) => job).join(":")}`,
    "--mem=2G",
    `--job-name=onestep-${profile}-report`,
    `--output=${join(folder, "report.log")}`,
    script,
  ]);
  const submission: Submission = { arrays, reportJob, cells: [...cells] };
  await writeAtomically(submissionPath(root, profile), JSON.stringify(submission));
  return submission;
}

/** The last submission of a profile; null if there is none. */
export async function readSubmission(root: string, profile: string): Promise<Submission | null> {
  return await readJson<Submission>(submissionPath(root, profile));
}

/** States of a submission's tasks that Slurm still has, by position in `cells`. */
async function queuedTasks({ arrays }: Submission): Promise<Map<number, string>> {
  const tasks = new Map<number, string>();
  for (const { job, start } of arrays) {
    let lines: string;
    try {
      lines = await slurm("squeue", ["-h", "-r", "-j", job, "-o", "%K %T"]);
    } catch (error) {
      if (/Invalid job id/.test((error as Error).message)) continue; // Slurm forgets what ended long ago.
      throw error;
    }
    for (const line of lines.split("\n").filter(Boolean)) {
      const [index, state] = line.split(" ");
      if (/^\d+$/.test(index)) tasks.set(start + Number(index), state);
    }
  }
  return tasks;
}

/** How a submission's cells stand. */
export async function submissionStatus(
  submission: Submission,
  root: string,
  profile: string,
): Promise<SubmissionStatus> {
  const queued = await queuedTasks(submission);
  const status: SubmissionStatus = { done: 0, running: 0, waiting: 0, failed: [] };
  for (const [i, cell] of submission.cells.entries()) {
    const state = queued.get(i);
    if (await readJson<Evaluation>(join(cellFolder(root, cell), "evaluation.json"))) status.done++;
    else if (state === "RUNNING" || state === "COMPLETING") status.running++;
    else if (state) status.waiting++;
    else status.failed.push({ cell, why: await lastWords(submission, root, profile, i) });
  }
  return status;
}

/** Why a cell failed, from the end of its log. */
async function lastWords({ arrays }: Submission, root: string, profile: string, i: number): Promise<string> {
  const { start } = arrays.find(({ start, count }) => i >= start && i < start + count)!;
  const path = join(folderOf(root, profile), `cells_${start}_${i - start}.log`);
  try {
    const line = (await Deno.readTextFile(path)).trim().split("\n").at(-1) ?? "";
    return JSON.parse(line).error ?? `it was stopped; see ${path}`;
  } catch {
    return `it was stopped; see ${path}`;
  }
}

/** A submission's standing in lines. */
export function statusLines({ done, running, waiting, failed }: SubmissionStatus): string[] {
  return [
    `${done} done, ${running} running, ${waiting} waiting, ${failed.length} failed`,
    ...failed.map(({ cell, why }) => `${cellLabel(cell)}: ${why}`),
    ...(failed.length > 0 && running + waiting === 0
      ? ["Submit again to run the failed ones from their checkpoints"]
      : []),
  ];
}

/** Ends a submission's jobs; what is done stays, and a later submission goes on from the checkpoints. */
export async function cancelSubmission({ arrays, reportJob }: Submission): Promise<void> {
  await slurm("scancel", [...arrays.map(({ job }) => job), reportJob]);
}
