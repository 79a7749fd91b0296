/**
 * What a cell leaves whose training failed, so that reports do not pass over it.
 *
 * @module
 */

import { join } from "node:path";
import { type Cell, cellFolder } from "./cell.ts";
import { writeAtomically } from "../../tools/files.ts";
import { readRecord } from "../../tools/records.ts";

/** A cell whose last try failed. */
export interface Failure {
  cell: Cell;
  message: string;
}

const pathOf = (root: string, cell: Cell) => join(cellFolder(root, cell), "failure.json");

/** Runs a cell; if that fails, leaves why in the cell's folder, until another try does better. */
export async function keepFailure<T>(root: string, cell: Cell, run: () => Promise<T>): Promise<T> {
  try {
    const result = await run();
    await Deno.remove(pathOf(root, cell)).catch(() => {}); // There is seldom one.
    return result;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    await writeAtomically(pathOf(root, cell), JSON.stringify({ message })).catch(() => {}); // The first error says more.
    throw error;
  }
}

/** How the cell's last try failed; null if it did not. */
export async function readFailure(root: string, cell: Cell): Promise<Failure | null> {
  try {
    const kept = await readRecord<{ message: string }>(pathOf(root, cell), { message: "string" });
    return kept && { cell, message: kept.message };
  } catch (error) {
    return { cell, message: (error as Error).message };
  }
}
