/**
 * Arrays in host memory: what goes into compiled functions and comes out of them.
 *
 * @module
 */

import { mapTree } from "./tree.ts";

/** An array in host memory: row-major `data` of `shape`. */
export interface NdArray {
  /** Lengths of its axes. */
  readonly shape: readonly number[];
  /** Values, row-major. */
  readonly data: Float32Array | Int32Array;
}

/** An array from numbers, `float32` unless `data` is an Int32Array. */
export function ndarray(data: Float32Array | Int32Array | readonly number[], shape: readonly number[]): NdArray {
  const typed = data instanceof Float32Array || data instanceof Int32Array ? data : Float32Array.from(data);
  const size = shape.reduce((a, b) => a * b, 1);
  if (typed.length !== size) {
    throw new TypeError(
      `Cannot create array: shape [${shape.join(", ")}] holds ${size}, current length is ${typed.length}`,
    );
  }
  return { data: typed, shape };
}

/** A scalar array, shape `[]`. */
export function scalar(value: number): NdArray {
  return { data: Float32Array.of(value), shape: [] };
}

/** Numbers as a column, `[n, 1]`. */
export function column(data: Float32Array): NdArray {
  return ndarray(data, [data.length, 1]);
}

/** The tree with every array copied. */
export function copyArrays<T>(tree: T): T {
  return mapTree<NdArray, NdArray>(tree, ({ data, shape }) => ndarray(data.slice(), shape));
}
