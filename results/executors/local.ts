/**
 * The local executor: each cell in a process of its own, or on a GPU all seeds of a cell in one, as many at once as there are cores.
 *
 * @module
 */

import { dirname } from "node:path";
import { isOnGpu } from "../../algorithms/engine/backend.ts";
import { lockFlags, lockPrograms, permissionFlags, type Rights } from "../../tools/flags.ts";
import { fromFileUrl } from "../../tools/paths.ts";
import { childEnvironment, stopChild } from "../../tools/processes.ts";
import { type Cell, cellFolder, cellLabel } from "../cells/cell.ts";
import { type Evaluation, findEvaluation } from "../cells/record.ts";
import type { Progress } from "../cells/train.ts";
import { experimentOf } from "../experiments/mod.ts";

/** What happens to cells, as it happens. */
export interface Watcher {
  started(cell: Cell): void;
  progress(cell: Cell, progress: Progress): void;
  ended(cell: Cell, outcome: Evaluation | Error): void | Promise<void>;
}

/** Cells that a process trains: on a GPU those that differ in the seed alone, in its order; elsewhere each by itself. */
export function groupCells(cells: readonly Cell[]): Cell[][] {
  const together = (cell: Cell) => isOnGpu(cell.backend) && !cell.shipped ? dirname(cellFolder("", cell)) : cell;
  return [...Map.groupBy(cells, together).values()].map((group) => group.sort((a, b) => a.seed - b.seed));
}

/**
 * Runs cells, `jobs` processes at a time, in order.
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
  const queue = groupCells(cells);
  const evaluations: Evaluation[] = [];
  const worker = async () => {
    for (let group = queue.shift(); group && !signal.aborted; group = queue.shift()) {
      for (const cell of group) watcher.started(cell);
      const outcomes = await runGroup(group, root, watcher, signal);
      if (signal.aborted) return;
      for (const [i, outcome] of outcomes.entries()) {
        if (!(outcome instanceof Error)) evaluations.push(outcome);
        await watcher.ended(group[i], outcome);
      }
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return evaluations;
}

async function runGroup(
  cells: readonly Cell[],
  root: string,
  watcher: Watcher,
  signal: AbortSignal,
): Promise<(Evaluation | Error)[]> {
  const errors = new Map<number, string>();
  const onProgress = ({ seed, ...progress }: Progress & OfSeed) => {
    const cell = cells.find((cell) => cell.seed === seed);
    if (cell) watcher.progress(cell, progress);
  };
  const error = await runScript(
    "run_cell.ts",
    [root, JSON.stringify(cells.length === 1 ? cells[0] : cells)],
    { writable: root, readable: readableFiles(cells), network: "none", backend: cells[0].backend },
    onProgress,
    signal,
    ({ seed, error }) => seed !== undefined && errors.set(seed, error),
  );
  return await Promise.all(cells.map(async (cell) => {
    const { evaluation, problem } = await findEvaluation(root, cell, experimentOf(cell).study.result);
    if (evaluation && (cells.length > 1 || !error)) return evaluation;
    const why = errors.get(cell.seed) ?? error;
    if (why) return new Error(why.startsWith("Cannot") ? why : `Cannot run ${cellLabel(cell)}: ${why}`);
    return new Error(problem ?? `Cannot run ${cellLabel(cell)}: it left no evaluation`);
  }));
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

/** Which of several cells a line is of. */
interface OfSeed {
  seed?: number;
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
  onProgress: (progress: Progress & OfSeed) => void,
  signal: AbortSignal,
  onError: (said: { error: string } & OfSeed) => void = () => {},
): Promise<string | null> {
  const rights: Rights = {
    write: [writable],
    read: readable,
    net: network === "any" ? "any" : [],
    run: lockPrograms,
    native: "runtime",
  };
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
    if (said && "error" in said) {
      message = said.error;
      onError(said);
    } else if (said) onProgress(said);
  }
  const { success, signal: killedBy, code } = await child.status;
  signal.removeEventListener("abort", stop);
  if (success) return null;
  const why = killedBy ? `its process was killed by ${killedBy}; run again to resume` : `exit code ${code}`;
  const tail = (await stderr).trim().split("\n").slice(-8).join("\n");
  return message || `${why}${tail ? `\n${tail}` : ""}`;
}

function parse(line: string): (Progress | { error: string }) & OfSeed | null {
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
