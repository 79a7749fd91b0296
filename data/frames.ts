/**
 * Datasets as Arquero frames.
 *
 * @module
 */

import "@uwdata/flechette"; // The version for Arquero: 2.7.0 needs a package that does not exist.
import { type ColumnTable, table } from "arquero";
import { sequenceDataset } from "./d4rl.ts";
import type { Dataset } from "./dataset.ts";

/** Column `d` of row-major data. */
const column = (data: Float32Array, dim: number, d: number) =>
  Float32Array.from({ length: data.length / dim }, (_, i) => data[i * dim + d]);

const range = (n: number) => Array.from({ length: n }, (_, i) => i);

/** Names and values of every column of numbers: `s0`, `s1`, ..., `a0`, ..., `reward`. */
function* numbers(data: Dataset): Generator<[string, Float32Array]> {
  for (const d of range(data.observationDim)) yield [`s${d}`, column(data.observations, data.observationDim, d)];
  for (const d of range(data.actionDim)) yield [`a${d}`, column(data.actions, data.actionDim, d)];
  yield ["reward", data.rewards];
}

/**
 * One row per recorded step: `episode` and `step` (both from 0; the unfinished tail is the last episode), observations
 * `s0...`, actions `a0...`, `reward`, `terminal`, `timeout`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { toDataset, transitionsFrame } from "./mod.ts";
 * const arrays = new Map([
 *   ["observations", { shape: [2, 1], data: Float32Array.of(0, 1) }],
 *   ["actions", { shape: [2, 1], data: Float32Array.of(0.5, 0.5) }],
 *   ["rewards", { shape: [2], data: Float32Array.of(1, 2) }],
 *   ["terminals", { shape: [2], data: Int8Array.of(0, 1) }],
 *   ["timeouts", { shape: [2], data: Int8Array.of(0, 0) }],
 * ] as const);
 * const frame = transitionsFrame(toDataset(arrays, new Map(), "two rows"));
 * assert(frame.filter((row: { s0: number }) => row.s0 > 0).get("reward", 0) === 2);
 * ```
 */
export function transitionsFrame(data: Dataset): ColumnTable {
  const episode = new Int32Array(data.rows);
  const step = new Int32Array(data.rows);
  let [next, number] = [0, 0];
  const fill = (end: number) => {
    for (let i = next; i < end; i++) [episode[i], step[i]] = [number, i - next];
    next = end;
    number++;
  };
  for (const { end } of sequenceDataset(data)) fill(end);
  fill(data.rows);
  const flags = { terminal: data.terminals, ...(data.timeouts ? { timeout: data.timeouts } : {}) };
  return table({ episode, step, ...Object.fromEntries(numbers(data)), ...flags });
}

/** One row per complete episode: `episode`, `start` (its first row), `length`, `return`, `ending`. */
export function episodesFrame(data: Dataset): ColumnTable {
  const episodes = [...sequenceDataset(data)];
  const sum = (start: number, end: number) => {
    let total = 0;
    for (let i = start; i < end; i++) total += data.rewards[i];
    return total;
  };
  return table({
    episode: Int32Array.from(range(episodes.length)),
    start: Int32Array.from(episodes, ({ start }) => start),
    length: Int32Array.from(episodes, ({ start, end }) => end - start),
    return: Float64Array.from(episodes, ({ start, end }) => sum(start, end)),
    ending: episodes.map(({ ending }) => ending),
  });
}

/** One row per dimension of observation and action, and for the reward: `name`, `mean`, `deviation`, `least`, `largest`. */
export function statisticsFrame(data: Dataset): ColumnTable {
  const rows = [...numbers(data)].map(([name, values]) => ({ name, ...describe(values) }));
  return table({
    name: rows.map((row) => row.name),
    mean: Float64Array.from(rows, (row) => row.mean),
    deviation: Float64Array.from(rows, (row) => row.deviation),
    least: Float64Array.from(rows, (row) => row.least),
    largest: Float64Array.from(rows, (row) => row.largest),
  });
}

/** Mean, deviation (population), least and largest of some numbers. */
export function describe(values: ArrayLike<number>): {
  mean: number;
  deviation: number;
  least: number;
  largest: number;
} {
  let [sum, least, largest] = [0, Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    sum += values[i];
    least = Math.min(least, values[i]);
    largest = Math.max(largest, values[i]);
  }
  const mean = sum / values.length;
  let square = 0;
  for (let i = 0; i < values.length; i++) square += (values[i] - mean) ** 2;
  return { mean, deviation: Math.sqrt(square / values.length), least, largest };
}
