/**
 * One cell in a process of its own: `run_cell.ts <results folder> <cell as JSON>`, or
 * `run_cell.ts <results folder> <file with a list of cells> <position>`.
 *
 * Progress and the outcome are lines of JSON on standard output.
 *
 * @module
 */

import { type Cell, cellLabel } from "../cells/cell.ts";
import { keepFailure } from "../cells/failure.ts";
import { cellHash } from "../cells/fingerprint.ts";
import { trainCell } from "../cells/train.ts";
import { codeOf } from "../experiments/mod.ts";
import { playShipped } from "../shipped/replay.ts";
import { onStop } from "../../tools/processes.ts";

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
  const code = codeOf(cell);
  const hash = cellHash(cell, code);
  if (hash !== cell.hash) {
    throw new Error(
      `Cannot run ${
        cellLabel(cell)
      }: its code and data must be those that it was planned with, hash ${cell.hash}, current is ` +
        `${hash}; start it again by the same reproduce command, which plans it anew`,
    );
  }
  const run = cell.shipped ? playShipped : trainCell;
  await keepFailure(root, cell, () =>
    run(cell, code, root, (progress) => {
      if (performance.now() - lastSaid < sayEveryMs) return;
      lastSaid = performance.now();
      say(progress);
    }));
  Deno.exit(0);
} catch (error) {
  say({ error: error instanceof Error ? error.message : String(error) });
  Deno.exit(1);
}
