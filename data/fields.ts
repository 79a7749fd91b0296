/**
 * From the numbers of a file to those of a dataset: checked first, converted then.
 *
 * @module
 */

import type { HdfArray, Numbers } from "./hdf5.ts";

/** A value's place in an array: its row, and its column where rows have several. */
function placeOf({ shape, data }: HdfArray<Numbers>, i: number): string {
  const width = data.length / shape[0];
  return width === 1 ? `row ${i}` : `row ${Math.floor(i / width)}, column ${i % width}`;
}

/**
 * Numbers as float32. Those of higher precision are rounded; integers must be kept exactly.
 *
 * @param what Begins the message of an error: `Cannot load "name": rewards`.
 * @throws {RangeError} At the first value that is not finite, or that float32 cannot hold.
 */
export function toFloats(array: HdfArray<Numbers>, what: string): Float32Array {
  const { data } = array;
  const fail = (wanted: string, i: number): never => {
    throw new RangeError(`${what} must ${wanted}, ${placeOf(array, i)} is ${data[i]}`);
  };
  if (data instanceof Float32Array) {
    for (let i = 0; i < data.length; i++) if (!(Math.abs(data[i]) < Infinity)) fail("be finite", i);
    return data;
  }
  const out = new Float32Array(data.length);
  if (data instanceof Float64Array || data instanceof Float16Array) {
    for (let i = 0; i < data.length; i++) {
      out[i] = data[i];
      if (Math.abs(out[i]) < Infinity) continue;
      fail(Math.abs(data[i]) < Infinity ? "be at most 3.4e38 in size, as it is kept in float32" : "be finite", i);
    }
    return out;
  }
  for (let i = 0; i < data.length; i++) {
    out[i] = Number(data[i]);
    const kept = typeof data[i] === "bigint" ? BigInt(out[i]) === data[i] : out[i] === data[i];
    if (!kept) fail("be integers that float32 can hold (all up to 16777216)", i);
  }
  return out;
}

/**
 * Flags as 0 and 1.
 *
 * @param what Begins the message of an error, as for {@linkcode toFloats}.
 * @throws {RangeError} At the first value that is neither 0 nor 1.
 */
export function toFlags(array: HdfArray<Numbers>, what: string): Int8Array {
  const { data } = array;
  const out = data instanceof Int8Array ? data : new Int8Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const value = Number(data[i]);
    if (value !== 0 && value !== 1) throw new RangeError(`${what} must be 0 or 1, ${placeOf(array, i)} is ${data[i]}`);
    out[i] = value;
  }
  return out;
}
