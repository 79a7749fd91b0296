/**
 * One cell in a process of its own: `run_cell.ts <cell as JSON> <results folder>`.
 *
 * Progress and the outcome are lines of JSON on standard output.
 *
 * @module
 */

import type { Cell } from "./cell.ts";
import { trainCell } from "./train.ts";

for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => Deno.exit(130));

const say = (message: unknown) => console.log(JSON.stringify(message));
let lastSaid = 0;
try {
  const cell: Cell = JSON.parse(Deno.args[0]);
  await trainCell(cell, Deno.args[1], (progress) => {
    if (performance.now() - lastSaid < 200) return;
    lastSaid = performance.now();
    say(progress);
  });
  Deno.exit(0);
} catch (error) {
  say({ error: error instanceof Error ? error.message : String(error) });
  Deno.exit(1);
}
