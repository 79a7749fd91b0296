/**
 * Datasets under construction.
 *
 * @module
 */

import type { Environment } from "../environments/environment.ts";
import type { HdfArray } from "./hdf5.ts";

/** A dataset under construction. */
export interface Rows {
  /** Rows so far. */
  count: number;
  /** By HDF5 name. */
  arrays: Map<string, HdfArray>;
}

/** Room for `n` rows of an environment, in D4RL's layout. */
export function createRows(n: number, env: Environment): Rows {
  const floats = (...shape: number[]): HdfArray => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b)) });
  const flags = (): HdfArray => ({ shape: [n], data: new Int8Array(n) });
  const [s] = env.observationSpace.shape;
  const arrays = new Map<string, HdfArray>([
    ["observations", floats(n, s)],
    ["actions", floats(n, env.actionSpace.shape[0])],
    ["rewards", floats(n)],
    ["terminals", flags()],
    ["timeouts", flags()],
    ["infos/qpos", floats(n, env.qpos.length)],
    ["infos/qvel", floats(n, env.qvel.length)],
  ]);
  if (env.goal) arrays.set("infos/goal", floats(n, 2));
  else arrays.set("next_observations", floats(n, s));
  return { count: 0, arrays };
}

/** Sets one value or row of the array `name` at the current row. */
export function putRow({ arrays, count }: Rows, name: string, values: ArrayLike<number>) {
  arrays.get(name)!.data.set(values, count * values.length);
}
