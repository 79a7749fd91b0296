/**
 * The local executor: each cell in a process of its own, as many at once as there are cores.
 *
 * @module
 */

import { lockFlags, permissionFlags, type Rights } from "../../tools/flags.ts";
import { fromFileUrl } from "../../tools/paths.ts";
import { childEnvironment, stopChild } from "../../tools/processes.ts";
import { type Cell, cellLabel } from "../cells/cell.ts";
import { type Evaluation, findEvaluation } from "../cells/record.ts";
import type { Progress } from "../cells/train.ts";
import { experimentOf } from "../experiments/mod.ts";

/** What happens to cells, as it happens. */
export interface Watcher {
  started(cell: Cell): void;
  progress(cell: Cell, progress: Progress): void;
  ended(cell: Cell, outcome: Evaluation | Error): void | Promise<void>;
}

/**
 * Runs cells, `jobs` at a time, in order.
 *
 * @param root The results folder.
 * @param signal Aborting it stops the running cells; they resume next time.
 * @returns The evaluations of the cells that ended well.
 */
export async function runCells(
  cells: readonly Cell[],
  root: string,
  jobs: number,
  watcher: Watcher,
  signal: AbortSignal,
): Promise<Evaluation[]> {
  const queue = [...cells];
  const evaluations: Evaluation[] = [];
  const worker = async () => {
    for (let cell = queue.shift(); cell && !signal.aborted; cell = queue.shift()) {
      watcher.started(cell);
      const outcome = await runCell(cell, root, watcher, signal);
      if (signal.aborted) return;
      if (!(outcome instanceof Error)) evaluations.push(outcome);
      await watcher.ended(cell, outcome);
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return evaluations;
}

async function runCell(cell: Cell, root: string, watcher: Watcher, signal: AbortSignal): Promise<Evaluation | Error> {
  const report = (progress: Progress) => watcher.progress(cell, progress);
  const error = await runScript(
    "run_cell.ts",
    [root, JSON.stringify(cell)],
    { writable: root, readable: readableFiles([cell]), network: "none", backend: cell.backend },
    report,
    signal,
  );
  if (error) return new Error(error.startsWith("Cannot") ? error : `Cannot run ${cellLabel(cell)}: ${error}`);
  const { evaluation, problem } = await findEvaluation(root, cell, experimentOf(cell).study.result);
  return evaluation ?? new Error(problem ?? `Cannot run ${cellLabel(cell)}: it left no evaluation`);
}

/** Files that cells read by name: their datasets, and what their settings name. */
export const readableFiles = (cells: readonly Cell[]): string[] => [
  ...new Set(
    cells.flatMap((cell) => [cell.dataset ?? [], experimentOf(cell).study.files?.(cell.config) ?? []].flat()),
  ),
];

/** What a script may do beside reading and computing. */
export interface ScriptPermissions {
  /** The one folder it may write to. */
  writable: string;
  /** What it may read beside the workspace, the datasets and that folder. */
  readable?: readonly string[];
  network: "none" | "any";
  /** What it computes with, if it does. */
  backend?: string;
}

/**
 * Runs one of this folder's scripts in a process of its own.
 *
 * @returns Null if it ended well, or why it did not.
 */
export async function runScript(
  name: string,
  args: string[],
  { writable, readable = [], network, backend }: ScriptPermissions,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<string | null> {
  const rights: Rights = { write: [writable], read: readable, net: network === "any" ? "any" : [], native: "runtime" };
  const script = fromFileUrl(new URL(name, import.meta.url));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", ...lockFlags(backend), ...permissionFlags(rights, writable), script, ...args],
    cwd: writable,
    env: childEnvironment(),
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stop = () => stopChild(child);
  signal.addEventListener("abort", stop);
  const stderr = new Response(child.stderr).text();
  let message = "";
  for await (const line of lines(child.stdout)) {
    const said = parse(line);
    if (said && "error" in said) message = said.error;
    else if (said) onProgress(said);
  }
  const { success, signal: killedBy, code } = await child.status;
  signal.removeEventListener("abort", stop);
  if (success) return null;
  const why = killedBy ? `its process was killed by ${killedBy}; run again to resume` : `exit code ${code}`;
  const tail = (await stderr).trim().split("\n").slice(-8).join("\n");
  return message || `${why}${tail ? `\n${tail}` : ""}`;
}

function parse(line: string): Progress | { error: string } | null {
  try {
    return JSON.parse(line);
  } catch {
    return null; // Something a library printed.
  }
}

/** Lines of a process's output, as they come. */
export async function* lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
  if (rest) yield rest;
}
