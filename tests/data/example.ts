/**
 * A small dataset in D4RL's layout.
 *
 * @module
 */

import type { HdfArray } from "../../data/hdf5.ts";

/** A float32 array. */
export const floats = (shape: number[], data: ArrayLike<number>): HdfArray => ({
  shape,
  data: Float32Array.from(data),
});

/** A column of flags. */
export const flags = (data: number[]): HdfArray => ({ shape: [data.length], data: Int8Array.from(data) });

/** Two episodes, the first ended by the environment, the second by the time limit, then one unfinished row. */
export const exampleArrays = (): Map<string, HdfArray> =>
  new Map([
    ["observations", floats([6, 2], [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])],
    ["actions", floats([6, 1], [0, 0.1, 0.2, 0.3, 0.4, 0.5])],
    ["rewards", floats([6], [1, 2, 4, 8, 16, 32])],
    ["terminals", flags([0, 1, 0, 0, 0, 0])],
    ["timeouts", flags([0, 0, 0, 0, 1, 0])],
    ["infos/qpos", floats([6, 1], [9, 8, 7, 6, 5, 4])],
  ]);
