/**
 * One cell in a process of its own: `run_cell.ts <results folder> <cell as JSON>`, or
 * `run_cell.ts <results folder> <file with a list of cells> <position>`.
 *
 * Progress and the outcome are lines of JSON on standard output.
 *
 * @module
 */

import type { Cell } from "./cell.ts";
import { keepFailure } from "./failure.ts";
import { trainCell } from "./train.ts";
import { onStop } from "../tools/processes.ts";

onStop(() => Deno.exit(130));

const [root, source, position] = Deno.args;
/** A file keeps what is said, so there is less of it. */
const sayEveryMs = position === undefined ? 200 : 30_000;
const say = (message: unknown) => console.log(JSON.stringify(message));
let lastSaid = -Infinity;
try {
  const cell: Cell = position === undefined
    ? JSON.parse(source)
    : JSON.parse(await Deno.readTextFile(source))[Number(position)];
  await keepFailure(root, cell, () =>
    trainCell(cell, root, (progress) => {
      if (performance.now() - lastSaid < sayEveryMs) return;
      lastSaid = performance.now();
      say(progress);
    }));
  Deno.exit(0);
} catch (error) {
  say({ error: error instanceof Error ? error.message : String(error) });
  Deno.exit(1);
}
