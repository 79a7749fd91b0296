/**
 * The local executor: each cell in a process of its own, as many at once as there are cores.
 *
 * @module
 */

import { fromFileUrl } from "./paths.ts";
import { type Cell, cellFolder, cellLabel } from "./cell.ts";
import { readJson } from "./files.ts";
import type { Evaluation, Progress } from "./train.ts";

/** What happens to cells, as it happens. */
export interface Watcher {
  started(cell: Cell): void;
  progress(cell: Cell, progress: Progress): void;
  ended(cell: Cell, outcome: Evaluation | Error): void;
}

const script = fromFileUrl(new URL("./run_cell.ts", import.meta.url));
const workspace = fromFileUrl(new URL("../", import.meta.url));

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
      const outcome = await runProcess(cell, root, watcher, signal);
      if (signal.aborted) return;
      if (!(outcome instanceof Error)) evaluations.push(outcome);
      watcher.ended(cell, outcome);
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return evaluations;
}

async function runProcess(
  cell: Cell,
  root: string,
  watcher: Watcher,
  signal: AbortSignal,
): Promise<Evaluation | Error> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      `--allow-read`,
      `--allow-write=${root}`,
      "--allow-env",
      "--allow-ffi",
      "--allow-sys",
      script,
      JSON.stringify(cell),
      root,
    ],
    cwd: workspace,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stop = () => {
    try {
      child.kill("SIGTERM");
    } catch {
      // It ended first.
    }
  };
  signal.addEventListener("abort", stop);
  const stderr = new Response(child.stderr).text();
  let message = "";
  for await (const line of lines(child.stdout)) {
    const said = parse(line);
    if (said && "error" in said) message = said.error;
    else if (said) watcher.progress(cell, said);
  }
  const { success, signal: killedBy, code } = await child.status;
  signal.removeEventListener("abort", stop);
  if (success) {
    const evaluation = await readJson<Evaluation>(`${cellFolder(root, cell)}/evaluation.json`);
    if (evaluation) return evaluation;
  }
  const why = killedBy ? `its process was killed by ${killedBy}; run again to resume` : `exit code ${code}`;
  const tail = (await stderr).trim().split("\n").slice(-8).join("\n");
  return new Error(message || `Cannot run ${cellLabel(cell)}: ${why}${tail ? `\n${tail}` : ""}`);
}

function parse(line: string): Progress | { error: string } | null {
  try {
    return JSON.parse(line);
  } catch {
    return null; // Something a library printed.
  }
}

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
  if (rest) yield rest;
}
