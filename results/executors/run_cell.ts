/**
 * One cell in a process of its own, or several that train together: `run_cell.ts <results folder> <cell, or list of them, as JSON>`, or
 * `run_cell.ts <results folder> <file with a list of such> <position>`.
 *
 * Progress and the outcome are lines of JSON on standard output, with the seed that they are of.
 *
 * @module
 */

import { type Cell, cellLabel } from "../cells/cell.ts";
import { keepFailure } from "../cells/failure.ts";
import { type CellCode, cellHash } from "../cells/fingerprint.ts";
import { type Progress, trainCell, trainCells } from "../cells/train.ts";
import { codeOf } from "../experiments/mod.ts";
import { playShipped } from "../shipped/replay.ts";
import { onStop } from "../../tools/processes.ts";

onStop(() => Deno.exit(130));

const [root, source, position] = Deno.args;
/** A file keeps what is said, so there is less of it. */
const sayEveryMs = position === undefined ? 200 : 30_000;
const say = (message: unknown) => console.log(JSON.stringify(message));
const lastSaid = new Map<number, number>();
const onProgress = ({ seed }: Cell, progress: Progress) => {
  const now = performance.now();
  if (now - (lastSaid.get(seed) ?? -Infinity) < sayEveryMs) return;
  lastSaid.set(seed, now);
  say({ seed, ...progress });
};

function assertAsPlanned(cell: Cell, code: CellCode) {
  const hash = cellHash(cell, code);
  if (hash === cell.hash) return;
  throw new Error(
    `Cannot run ${
      cellLabel(cell)
    }: its code and data must be those that it was planned with, hash ${cell.hash}, current is ` +
      `${hash}; start it again by the same reproduce command, which plans it anew`,
  );
}

try {
  const given: Cell | Cell[] = position === undefined
    ? JSON.parse(source)
    : JSON.parse(await Deno.readTextFile(source))[Number(position)];
  const cells = [given].flat();
  const [cell] = cells;
  const code = codeOf(cell);
  for (const one of cells) assertAsPlanned(one, code);
  if (cells.length > 1) {
    const outcomes = await trainCells(cells, code, root, onProgress);
    const failed = outcomes.flatMap((outcome, i) => outcome instanceof Error ? { cell: cells[i], outcome } : []);
    for (const { cell: { seed }, outcome } of failed) say({ seed, error: outcome.message });
    Deno.exit(failed.length > 0 ? 1 : 0);
  }
  const run = cell.shipped ? playShipped : trainCell;
  await keepFailure(root, cell, () => run(cell, code, root, (progress) => onProgress(cell, progress)));
  Deno.exit(0);
} catch (error) {
  say({ error: error instanceof Error ? error.message : String(error) });
  Deno.exit(1);
}
