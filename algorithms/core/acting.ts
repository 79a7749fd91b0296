/**
 * What acting takes beside a network: noise, candidates and a choice among them.
 *
 * @module
 */

import type { Spec } from "./agent.ts";
import { type NdArray, ndarray } from "../engine/array.ts";
import { exportOnnx } from "../engine/export_onnx.ts";
import type { Rng } from "./rng.ts";
import { type Tensor, tf } from "../engine/tensor.ts";

/** Draws one of each row's candidates with probability softmax of its value (authors' code of DTQL and Diffusion-QL). */
export function drawBySoftmax(action: NdArray, value: NdArray, candidates: number, rng: Rng): NdArray {
  const rows = value.data.length / candidates;
  const dim = action.data.length / value.data.length;
  const out = new Float32Array(rows * dim);
  for (let row = 0; row < rows; row++) {
    const values = value.data.subarray(row * candidates, (row + 1) * candidates);
    const top = Math.max(...values);
    const weights = Float64Array.from(values, (v) => Math.exp(v - top));
    let rest = rng.uniform() * weights.reduce((a, b) => a + b, 0);
    let pick = 0;
    while (pick < candidates - 1 && (rest -= weights[pick]) > 0) pick++;
    const from = (row * candidates + pick) * dim;
    out.set(action.data.subarray(from, from + dim), row * dim);
  }
  return ndarray(out, [rows, dim]);
}

/** The candidate of largest value for each row. */
export function takeBest(action: NdArray, value: NdArray, candidates: number): NdArray {
  const rows = value.data.length / candidates;
  const dim = action.data.length / value.data.length;
  const out = new Float32Array(rows * dim);
  for (let row = 0; row < rows; row++) {
    const values = value.data.subarray(row * candidates, (row + 1) * candidates);
    const from = (row * candidates + values.indexOf(Math.max(...values))) * dim;
    out.set(action.data.subarray(from, from + dim), row * dim);
  }
  return ndarray(out, [rows, dim]);
}

/** The network file of an {@linkcode ExportedDenoiser}, from `clean(observation, sample, level)`. */
export function exportActionDenoiser(
  name: string,
  { observationDim, actionDim }: Spec,
  clean: (s: Tensor, x: Tensor, level: { time: Tensor; alpha: Tensor; sigma: Tensor }) => Tensor,
): Uint8Array {
  const shapes = { observation: [1, observationDim], sample: [1, actionDim], level: [1, 3] };
  return exportOnnx(name, shapes, ({ observation, sample, level }) => {
    const [time, alpha, sigma] = tf.split(level, 3, 1);
    return { clean: clean(observation, sample, { time, alpha, sigma }) };
  });
}

/** Each row `times` times in a row: `[n, dim] -> [n times, dim]`. */
export function repeatRows({ data, shape: [rows, dim] }: NdArray, times: number): NdArray {
  const out = new Float32Array(rows * times * dim);
  for (let i = 0; i < rows * times; i++) {
    const from = Math.floor(i / times) * dim;
    out.set(data.subarray(from, from + dim), i * dim);
  }
  return ndarray(out, [rows * times, dim]);
}

/** Unit Gaussians, `[rows, dim]`. */
export function drawNormals(rows: number, dim: number, rng: Rng): NdArray {
  return ndarray(rng.fillNormal(new Float32Array(rows * dim)), [rows, dim]);
}
