/**
 * The Slurm executor: cells as tasks of array jobs (on a GPU all seeds of a cell as one), and the report after them. It needs Slurm's
 * commands and a folder that all nodes share.
 *
 * @module
 */

import { join } from "node:path";
import { type Backend, isOnGpu } from "../../algorithms/engine/backend.ts";
import { makeFolder, writeAtomically } from "../../tools/files.ts";
import { lockFlags, lockPrograms, permissionFlags } from "../../tools/flags.ts";
import { workspaceFolder } from "../../tools/paths.ts";
import { readRecord } from "../../tools/records.ts";
import { type Cell, cellLabel } from "../cells/cell.ts";
import { cellShape, findEvaluation } from "../cells/record.ts";
import type { Estimate } from "../experiments/experiment.ts";
import { experimentOf } from "../experiments/mod.ts";
import { groupCells, readableFiles } from "./local.ts";

/** What is asked of the cluster; what is left out is the cluster's default or an estimate. */
export interface SlurmOptions {
  partition?: string;
  /** As `sbatch --time` takes it. */
  time?: string;
  /** As `sbatch --mem` takes it. */
  memory?: string;
  /** Tasks at once. */
  jobs?: number;
  /** Called when everything was taken and before anything starts. */
  whileHeld?(): Promise<unknown>;
}

/** Cells that were handed to Slurm together, or as many of them as it took so far. */
export interface Submission {
  /** Where its lists, scripts and logs are. */
  folder: string;
  /** Array jobs and the tasks that each one covers. */
  arrays: { job: string; start: number; count: number }[];
  /** The task of each of `cells`; older submissions have one for each. */
  tasks?: number[];
  /** Null until it is submitted. */
  reportJob: string | null;
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

const taskOf = ({ tasks }: Submission, i: number): number => tasks?.[i] ?? i;

/** What `sbatch` may be told of GPUs by its own variables. */
const gpuVariables = ["SBATCH_GRES", "SBATCH_GPUS", "SBATCH_GPUS_PER_NODE", "SBATCH_GPUS_PER_TASK"];
/** A GPU for each task that computes on one, unless the user has said which. */
const gpuRequest = (backend: Backend): string[] =>
  isOnGpu(backend) && !gpuVariables.some((name) => Deno.env.get(name)) ? ["--gres=gpu:1"] : [];

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

/**
 * The script of an array job. A cell that is killed, or whose time is up, is queued again and goes on from its checkpoint; one
 * that ends with an error is not, and neither is one that was cancelled.
 */
function arrayScript(list: string, logs: string, cells: readonly Cell[], root: string): string {
  const rights = permissionFlags(
    { write: [root], read: readableFiles(cells), run: lockPrograms, native: "runtime" },
    root,
  );
  const flags = [...lockFlags(cells[0].backend), ...rights].map(quote).join(" ");
  const script = join(workspaceFolder, "results/executors/run_cell.ts");
  return `#!/bin/bash
exec >> ${quote(logs)}"$SLURM_ARRAY_TASK_ID.log" 2>&1
again() {
  [ "\${SLURM_RESTART_COUNT:-0}" -lt ${mostRestarts} ] || return
  [ "$(squeue -h -j "$SLURM_JOB_ID" -o %T)" = RUNNING ] || return
  scontrol requeue "$SLURM_JOB_ID"
}
trap 'kill -TERM $cell; wait $cell; again; exit 143' TERM
export DENO_NO_UPDATE_CHECK=1 ORT_DISABLE_TELEMETRY=1
cd ${quote(root)}
${quote(Deno.execPath())} run --quiet ${flags} ${quote(script)} ${quote(root)} ${quote(list)} "$SLURM_ARRAY_TASK_ID" &
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
 * Nothing starts before Slurm took all of it; if it refuses a part, the others are cancelled.
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
  { partition, time, memory, jobs, whileHeld }: SlurmOptions,
): Promise<Submission> {
  for (const old of await readSubmissions(root, profile)) {
    if ((await queuedTasks(old)).size === 0) continue;
    throw new Error(
      `Cannot submit profile ${profile}: an earlier submission is still in the queue; see --status, or end it with --cancel`,
    );
  }
  const folder = join(folderOf(root, profile), new Date().toISOString().replaceAll(/[:.]/g, "-"));
  await makeFolder(folder);
  const groups = groupCells(cells);
  const submission: Submission = {
    folder,
    arrays: [],
    reportJob: null,
    cells: groups.flat(),
    tasks: groups.flatMap((group, i) => group.map(() => i)),
  };
  const keep = () => writeAtomically(join(folder, "submission.json"), JSON.stringify(submission));
  // The scripts write the logs: in Slurm's names of files some signs are patterns.
  const common = ["--parsable", "--hold", "--output=/dev/null", "--chdir=/"];
  if (partition) common.push(`--partition=${partition}`);
  const minutes = Math.max(30, Math.ceil(3 * estimate.seconds / 60));
  const largest = Math.max(...groups.map(({ length }) => length));
  const own = [
    `--time=${time ?? minutes}`,
    `--mem=${memory ?? `${Math.ceil(1.5 * largest * estimate.memoryMiB)}M`}`,
    ...gpuRequest(cells[0].backend),
    `--cpus-per-task=${cells[0].threads ?? 1}`,
    "--requeue",
    `--signal=B:TERM@${noticeSeconds}`,
    `--job-name=onestep-${profile}`,
  ];
  try {
    for (let start = 0; start < groups.length; start += longestArray) {
      const part = groups.slice(start, start + longestArray);
      const [list, script] = [`cells_${start}.json`, `cells_${start}.sh`].map((name) => join(folder, name));
      await writeAtomically(list, JSON.stringify(part));
      await writeAtomically(script, arrayScript(list, join(folder, `cells_${start}_`), part.flat(), root));
      const array = `--array=0-${part.length - 1}${jobs ? `%${jobs}` : ""}`;
      // One array after the other, so that `jobs` counts over all of them.
      const before = submission.arrays.at(-1);
      const after = jobs && before ? [`--dependency=afterany:${before.job}`] : [];
      const job = await slurm("sbatch", [...common, ...own, ...after, array, script]);
      submission.arrays.push({ job, start, count: part.length });
      await keep();
    }
    const script = join(folder, "report.sh");
    const line = [Deno.execPath(), "task", "reproduce", "--report", ...reportArguments].map(quote).join(" ");
    const log = `exec >> ${quote(join(folder, "report.log"))} 2>&1`;
    const lines = [
      "#!/bin/bash",
      log,
      "export DENO_NO_UPDATE_CHECK=1 ORT_DISABLE_TELEMETRY=1",
      `cd ${quote(workspaceFolder)}`,
      line,
      "",
    ];
    await writeAtomically(script, lines.join("\n"));
    submission.reportJob = await slurm("sbatch", [
      ...common,
      `--dependency=afterany:${submission.arrays.map(({ job }) => job).join(":")}`,
      "--mem=2G",
      `--job-name=onestep-${profile}-report`,
      script,
    ]);
    await keep();
    await whileHeld?.();
    await slurm("scontrol", ["release", jobsOf(submission).join(",")]);
  } catch (error) {
    const taken = jobsOf(submission);
    if (taken.length === 0) throw error;
    const { message } = error as Error;
    await slurm("scancel", taken).catch((cause: Error) => {
      throw new Error(`${message}; and ${cause.message}: end jobs ${taken.join(", ")} by scancel`, { cause });
    });
    throw new Error(`${message}; what was submitted before it (${taken.join(", ")}) is cancelled`, { cause: error });
  }
  return submission;
}

/** Jobs of a submission. */
const jobsOf = ({ arrays, reportJob }: Submission): string[] =>
  [...arrays.map(({ job }) => job), reportJob ?? []].flat();

/** Submissions of a profile, the last one first; one whose file is damaged is named and passed over. */
async function readSubmissions(root: string, profile: string): Promise<Submission[]> {
  const base = folderOf(root, profile);
  const names: string[] = [];
  try {
    for (const { name, isDirectory } of Deno.readDirSync(base)) if (isDirectory) names.push(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const found: Submission[] = [];
  for (const name of names.sort().reverse()) {
    const folder = join(base, name);
    try {
      const submission = await readRecord<Submission>(join(folder, "submission.json"), {
        arrays: [{ job: "string", start: "number", count: "number" }],
        reportJob: ["or null", "string"],
        cells: [cellShape],
      });
      if (submission) found.push({ ...submission, folder });
    } catch (error) {
      console.error(`${(error as Error).message}; it is passed over`);
    }
  }
  return found;
}

/** The last submission of a profile; null if there is none. */
export const readSubmission = async (root: string, profile: string): Promise<Submission | null> =>
  (await readSubmissions(root, profile))[0] ?? null;

/** States of a submission's tasks that Slurm still has, by their positions. */
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
export async function submissionStatus(submission: Submission, root: string): Promise<SubmissionStatus> {
  const queued = await queuedTasks(submission);
  const status: SubmissionStatus = { done: 0, running: 0, waiting: 0, failed: [] };
  for (const [i, cell] of submission.cells.entries()) {
    const state = queued.get(taskOf(submission, i));
    if ((await findEvaluation(root, cell, experimentOf(cell).study.result)).evaluation) status.done++;
    else if (state === "RUNNING" || state === "COMPLETING") status.running++;
    else if (state) status.waiting++;
    else status.failed.push({ cell, why: await lastWords(submission, i) });
  }
  return status;
}

/** Why a cell failed: the error in its task's log, or what the scheduler says of a job that left none. */
async function lastWords(submission: Submission, i: number): Promise<string> {
  const { folder, arrays, cells } = submission;
  const task = taskOf(submission, i);
  const array = arrays.find(({ start, count }) => task >= start && task < start + count);
  if (!array) return "Slurm did not take it";
  const index = task - array.start;
  const path = join(folder, `cells_${array.start}_${index}.log`);
  const log = await Deno.readTextFile(path).catch(() => null);
  const said = (log?.trim().split("\n") ?? []).map(readError).findLast((line) =>
    line && (line.seed ?? cells[i].seed) === cells[i].seed
  );
  if (said) return said.error;
  const reason = await schedulerReason(`${array.job}_${index}`);
  return `it was stopped${reason && ` (${reason})`}${log === null ? "; it left no log" : `; see ${path}`}`;
}

/** A line of a log that says an error, and of which seed; null if it is none. */
function readError(line: string): { error: string; seed?: number } | null {
  try {
    const said = JSON.parse(line);
    return typeof said?.error === "string" ? said : null;
  } catch {
    return null;
  }
}

/** State, reason and exit code of a task that ended, as long as Slurm knows them. */
async function schedulerReason(task: string): Promise<string> {
  try {
    const said = await slurm("scontrol", ["show", "job", "--oneliner", task]);
    const of = (name: string) => said.match(new RegExp(`\\b${name}=(\\S+)`))?.[1] ?? "";
    const [state, why, code] = [of("JobState"), of("Reason"), of("ExitCode")];
    return [state, why === "None" ? "" : why, code && `exit code ${code}`].filter(Boolean).join(", ");
  } catch {
    return ""; // It has forgotten the job.
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

/** Ends all jobs of a profile's submissions; what is done stays, and a later submission goes on from the checkpoints. */
export async function cancelSubmissions(root: string, profile: string): Promise<void> {
  for (const submission of await readSubmissions(root, profile)) {
    for (const job of jobsOf(submission)) {
      const queued = await slurm("squeue", ["-h", "-j", job, "-o", "%T"]).catch(() => ""); // Slurm forgets what ended long ago.
      if (queued !== "") await slurm("scancel", [job]);
    }
  }
}
