/**
 * Quasi-random numbers: points that fill the unit cube more evenly than independent ones.
 *
 * @module
 */

import { type NdArray, ndarray } from "./compile.ts";
import type { Rng } from "./rng.ts";

/**
 * A randomly shifted Kronecker lattice: `frac(shift_j + i phi^-(j+1))` for point `i` and dimension `j`, with `phi` the
 * root of `x^(dim+1) = x + 1` (Roberts 2018; shift of Cranley & Patterson 1976). Each point alone is uniform, so means
 * over the points are unbiased; their variance falls faster than with independent points.
 *
 * @returns One array of `points` numbers in (0, 1) per dimension.
 */
export function drawLattice(points: number, dim: number, rng: Rng): Float64Array[] {
  let phi = 2;
  for (let i = 0; i < 64; i++) phi = (1 + phi) ** (1 / (dim + 1));
  return Array.from({ length: dim }, (_, j) => {
    const [shift, stride] = [rng.uniform(), phi ** -(j + 1)];
    return Float64Array.from({ length: points }, (_, i) => (shift + i * stride) % 1 || 2 ** -53);
  });
}

/** Unit Gaussians `[points, dim]` from `2 ceil(dim / 2)` columns of uniforms (Box and Muller 1958). */
export function normalsFromUniforms(columns: readonly Float64Array[], dim: number): NdArray {
  const points = columns[0].length;
  const data = new Float32Array(points * dim);
  for (let j = 0; j < dim; j += 2) {
    for (let i = 0; i < points; i++) {
      const [radius, angle] = [Math.sqrt(-2 * Math.log(columns[j][i])), 2 * Math.PI * columns[j + 1][i]];
      data[i * dim + j] = radius * Math.cos(angle);
      if (j + 1 < dim) data[i * dim + j + 1] = radius * Math.sin(angle);
    }
  }
  return ndarray(data, [points, dim]);
}
