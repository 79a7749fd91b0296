/**
 * Distilled pairs as files that other tools read.
 *
 * @module
 */

import type { HdfArray } from "./hdf5.ts";

/** Pairs of raw observations and actions, row-major. */
export interface RawPairs {
  /** `[count, observationDim]`, row-major */
  observation: Float32Array;
  /** `[count, actionDim]`, row-major */
  action: Float32Array;
  /** Pairs. */
  count: number;
}

/**
 * Pairs in D4RL's layout, each an episode of its own of reward 0. The last one stands twice, as readers of that layout never use a
 * file's last row.
 */
export function pairsArrays({ observation, action, count }: RawPairs): Map<string, HdfArray> {
  const rows = count + 1;
  const repeated = (source: Float32Array): HdfArray => {
    const dim = source.length / count;
    const data = new Float32Array(rows * dim);
    data.set(source);
    data.set(source.subarray((count - 1) * dim), count * dim);
    return { shape: [rows, dim], data };
  };
  return new Map([
    ["observations", repeated(observation)],
    ["actions", repeated(action)],
    ["rewards", { shape: [rows], data: new Float32Array(rows) }],
    ["terminals", { shape: [rows], data: new Int8Array(rows).fill(1) }],
    ["timeouts", { shape: [rows], data: new Int8Array(rows) }],
  ]);
}

/** Pairs as CSV, one per line, with a header. */
export function pairsCsv({ observation, action, count }: RawPairs): string {
  const [s, a] = [observation.length / count, action.length / count];
  const names = (name: string, n: number) => Array.from({ length: n }, (_, i) => `${name}_${i}`);
  const lines = Array.from(
    { length: count },
    (_, i) => [...observation.subarray(i * s, (i + 1) * s), ...action.subarray(i * a, (i + 1) * a)].join(","),
  );
  return [[...names("observation", s), ...names("action", a)].join(","), ...lines, ""].join("\n");
}
