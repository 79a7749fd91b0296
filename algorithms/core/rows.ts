/**
 * Rows of data: taken, joined, drawn, and mapped part by part.
 *
 * @module
 */

import { type NdArray, ndarray } from "../engine/array.ts";
import { type Rng, shuffle } from "./rng.ts";

/** A function of rows: `[n, in]` to `[n, out]`, row-major. */
export type RowFunction = (inputs: Float32Array, rows: number) => Promise<Float32Array>;

/**
 * Some rows of `source [n, dim]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { takeRows } from "./rows.ts";
 * assertEquals([...takeRows(Float32Array.of(1, 2, 3, 4), 2, Int32Array.of(1)).data], [3, 4]);
 * ```
 */
export function takeRows(source: Float32Array, dim: number, rows: Int32Array): NdArray {
  const out = new Float32Array(rows.length * dim);
  rows.forEach((row, i) => out.set(source.subarray(row * dim, (row + 1) * dim), i * dim));
  return ndarray(out, [rows.length, dim]);
}

/** `n` different rows of `count`, in random order. */
export function distinctRows(count: number, n: number, rng: Rng): Int32Array {
  return shuffle(Int32Array.from({ length: count }, (_, i) => i), rng).slice(0, n);
}

/** `n` of `count` rows with replacement: a `share` of them among the `last` rows, the others among those before. */
export function sharedRows(
  count: number,
  { last, share }: { last: number; share: number },
  n: number,
  rng: Rng,
): Int32Array {
  const [before, fromLast] = [count - last, last === 0 ? 0 : Math.round(share * n)];
  return Int32Array.from({ length: n }, (_, i) => i < fromLast ? before + rng.integer(last) : rng.integer(before));
}

/** Arrays `[rows, dim]` side by side. */
export function joinColumns(rows: number, ...parts: readonly [source: Float32Array, dim: number][]): Float32Array {
  const dim = parts.reduce((sum, [, d]) => sum + d, 0);
  const out = new Float32Array(rows * dim);
  let offset = 0;
  for (const [source, d] of parts) {
    for (let i = 0; i < rows; i++) out.set(source.subarray(i * d, (i + 1) * d), i * dim + offset);
    offset += d;
  }
  return out;
}

const chunk = 4096;

/** Applies a compiled function to rows, part by part. */
export async function overRows(
  inputs: Float32Array,
  rows: number,
  outputs: number,
  f: (x: NdArray) => Promise<NdArray>,
): Promise<Float32Array> {
  const [dim, out] = [inputs.length / Math.max(rows, 1), new Float32Array(rows * outputs)];
  for (let at = 0; at < rows; at += chunk) {
    const n = Math.min(chunk, rows - at);
    out.set((await f(ndarray(inputs.subarray(at * dim, (at + n) * dim), [n, dim]))).data, at * outputs);
  }
  return out;
}

/** A minibatch loop: rows drawn with replacement, update by update. */
export async function trainOnRows<S>(
  first: S,
  count: number,
  { updates, batchSize }: { updates: number; batchSize: number },
  rng: Rng,
  update: (state: S, rows: Int32Array, k: number) => Promise<S>,
  onProgress: (share: number) => void,
): Promise<S> {
  let state = first;
  for (let k = 0; k < updates; k++) {
    const stream = rng.child(`batch/${k}`);
    state = await update(state, Int32Array.from({ length: batchSize }, () => stream.integer(count)), k);
    onProgress((k + 1) / updates);
  }
  return state;
}
