/**
 * Quasi-random numbers: points that fill a cube more evenly than independent ones, so that means over them vary less.
 *
 * Source: additive recurrence with the powers of a generalised golden ratio, Roberts 2018, "The Unreasonable Effectiveness of
 * Quasirandom Sequences"; a random shift, by which every point is uniform, Cranley & Patterson 1976, "Randomization of Number
 * Theoretic Methods for Multiple Integration".
 *
 * @module
 */

import type { Rng } from "./rng.ts";

/** The root above 1 of `x^(dims + 1) = x + 1`. */
function goldenRatio(dims: number): number {
  let root = 2;
  for (let k = 0; k < 64; k++) root = (1 + root) ** (1 / (dims + 1));
  return root;
}

/**
 * Quasi-random uniforms, one shift for all rows.
 *
 * @returns `[rows, dims]` in [0, 1), row by row.
 */
export function drawQuasiUniforms(rows: number, dims: number, rng: Rng): Float64Array {
  const ratio = goldenRatio(dims);
  const steps = Array.from({ length: dims }, (_, d) => ratio ** -(d + 1));
  const shift = steps.map(() => rng.uniform());
  const out = new Float64Array(rows * dims);
  for (let row = 0, i = 0; row < rows; row++) {
    for (let d = 0; d < dims; d++, i++) {
      const x = shift[d] + row * steps[d];
      out[i] = x - Math.floor(x);
    }
  }
  return out;
}

/** Two independent unit Gaussians from two independent uniforms (Box & Muller 1958). */
export function gaussiansFromUniforms(u: number, v: number): [number, number] {
  const radius = Math.sqrt(-2 * Math.log(1 - u));
  return [radius * Math.cos(2 * Math.PI * v), radius * Math.sin(2 * Math.PI * v)];
}
