/**
 * What training says on its way: JSON lines, and TensorBoard event files on request.
 *
 * @module
 */

import { join } from "node:path";
import { writeAtomically, writeError } from "../../tools/files.ts";
import { eventFile, keepEvents, scalarRecord } from "./tensorboard.ts";

/** An open log of a cell. */
export interface MetricsLog {
  append(update: number, values: Record<string, number>): Promise<void>;
}

const linesName = "metrics.jsonl";
const eventsName = "events.out.tfevents.0.onestep";

/**
 * Opens a cell's log for training that goes on after `updates`: what a killed process wrote later is dropped.
 *
 * @param logs Also write `events.out.tfevents.0.onestep`, which TensorBoard reads.
 */
export async function openMetrics(folder: string, updates: number, logs?: "tensorboard"): Promise<MetricsLog> {
  const kept = await readMetrics(folder, updates);
  const lines = kept.map((record) => `${JSON.stringify(record)}\n`).join("");
  await writeAtomically(join(folder, linesName), lines);
  if (logs) {
    const path = join(folder, eventsName);
    const old = await Deno.readFile(path).catch(() => null); // There is none at the start.
    await writeAtomically(path, (old && keepEvents(old, kept.map(({ update }) => update))) ?? eventFile(kept));
  }
  return {
    async append(update, values) {
      await append(join(folder, linesName), new TextEncoder().encode(`${JSON.stringify({ update, ...values })}\n`));
      if (logs) await append(join(folder, eventsName), scalarRecord(update, values));
    },
  };
}

async function append(path: string, bytes: Uint8Array) {
  try {
    await Deno.writeFile(path, bytes, { append: true });
  } catch (error) {
    throw writeError(path, error);
  }
}

/** The records of a cell's `metrics.jsonl` up to an update; a line cut short is left out. */
export async function readMetrics(
  folder: string,
  updates = Infinity,
): Promise<({ update: number } & Record<string, number>)[]> {
  let text: string;
  try {
    text = await Deno.readTextFile(join(folder, linesName));
  } catch {
    return [];
  }
  return text.split("\n").flatMap((line) => {
    try {
      const record = JSON.parse(line);
      return record.update <= updates ? [record] : [];
    } catch {
      return [];
    }
  });
}
