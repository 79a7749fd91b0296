/**
 * What training says on its way: JSON lines, and on request TensorBoard's event files and runs of MLflow.
 *
 * @module
 */

import { join } from "node:path";
import { writeAtomically, writeError } from "../../tools/files.ts";
import { type MlflowRun, openMlflow, type Outcome } from "./mlflow.ts";
import { eventFile, keepEvents, scalarRecord } from "./tensorboard.ts";

/** An open log of a cell. */
export interface MetricsLog {
  append(update: number, values: Record<string, number>): Promise<void>;
  /** Takes all evaluations so far, for MLflow; other formats have them in files of their own. */
  score(name: string, points: readonly Scored[]): Promise<void>;
  /** Says how the training ended. */
  end(outcome: Outcome): Promise<void>;
}

/** Formats beside JSON lines. */
export const logFormats = ["tensorboard", "mlflow"] as const;

/** An evaluation: the scores of its episodes. */
export interface Scored {
  update: number;
  scores: readonly number[];
}

/** What is written beside JSON lines. */
export interface Logs {
  /** Whether to write `events.out.tfevents.0.onestep`, which TensorBoard reads. */
  tensorboard?: boolean;
  /** The run in MLflow, if it is to be one, and its evaluations so far. */
  mlflow?: MlflowRun & { scores: readonly Scored[] };
}

const meanScore = ({ update, scores }: Scored) => ({
  update,
  value: scores.reduce((a, b) => a + b, 0) / scores.length,
});

const linesName = "metrics.jsonl";
const eventsName = "events.out.tfevents.0.onestep";

/**
 * Opens a cell's log for training that goes on after `updates`: what a killed process wrote later is dropped.
 */
export async function openMetrics(
  folder: string,
  updates: number,
  { tensorboard, mlflow }: Logs = {},
): Promise<MetricsLog> {
  const kept = await readMetrics(folder, updates);
  const lines = kept.map((record) => `${JSON.stringify(record)}\n`).join("");
  await writeAtomically(join(folder, linesName), lines);
  if (tensorboard) {
    const path = join(folder, eventsName);
    const old = await Deno.readFile(path).catch(() => null); // There is none at the start.
    await writeAtomically(path, (old && keepEvents(old, kept.map(({ update }) => update))) ?? eventFile(kept));
  }
  const scores = mlflow?.scores.map(meanScore).map(({ update, value }) => ({ update, score: value })) ?? [];
  const run = mlflow && await openMlflow(mlflow, [...kept, ...scores]);
  return {
    async append(update, values) {
      await append(join(folder, linesName), new TextEncoder().encode(`${JSON.stringify({ update, ...values })}\n`));
      if (tensorboard) await append(join(folder, eventsName), scalarRecord(update, values));
      await run?.append(update, values);
    },
    score: async (name, points) => await run?.replace(name, points.map(meanScore)),
    end: async (outcome) => await run?.end(outcome),
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
