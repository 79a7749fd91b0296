/**
 * Networks as plain functions over plain parameter trees.
 *
 * Weights are `[in, out]`, the transpose of PyTorch's. Activations carry gradients of their own, written with fewer
 * operations than automatic differentiation would record.
 *
 * @module
 */

import { type NdArray, ndarray } from "../engine/array.ts";
import { sumRows, withGradient } from "./gradient.ts";
import { byRow } from "../engine/kernels.ts";
import type { Rng } from "./rng.ts";
import { stopGradient, type Tensor, tf } from "../engine/tensor.ts";

/** An affine map, `x W + b`: `weight [in, out]`, `bias [out]`. */
export interface Linear<L = Tensor> {
  /** `[inputs, outputs]` */
  weight: L;
  /** `[outputs]` */
  bias: L;
}

/** `x W + b`, `[batch, in] -> [batch, out]`. */
export function linear({ weight, bias }: Linear, x: Tensor): Tensor {
  return addRow(tf.matMul(x as tf.Tensor2D, weight as tf.Tensor2D), bias);
}

/** `x + row` for `x [batch, n]`, `row [n]`. */
function addRow(x: Tensor, row: Tensor): Tensor {
  return addRowOp(x, row);
}

const addRowOp = withGradient(([x, row]) => byRow("Add", x, row), (dy) => [dy, sumRows(dy)]);

// With s = sigmoid(x) and k = s (2 - s), tanh(softplus(x)) = k / (2 - k) exactly, and nothing overflows. [Ours]
const mishParts = (x: Tensor) => {
  const s = tf.sigmoid(x);
  const k = tf.mul(s, tf.sub(2, s));
  const t = tf.div(k, tf.sub(2, k));
  return { s, t, y: tf.mul(x, t) };
};

/**
 * Mish, `x tanh(softplus(x))` (Misra 2019, arXiv 1908.08681), elementwise.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { mish } from "./nn.ts";
 * import { tf } from "../engine/tensor.ts";
 * await tf.setBackend("cpu");
 * assert(Math.abs(mish(tf.scalar(1)).dataSync()[0] - 0.865098) < 1e-6);
 * ```
 */
export function mish(x: Tensor): Tensor {
  return mishOp(x);
}

/** The derivative of {@linkcode mish}, elementwise. */
export function mishSlope(x: Tensor): Tensor {
  const { s, t, y } = mishParts(x); // The compiler shares these with mish itself.
  return tf.add(t, tf.mul(s, tf.sub(x, tf.mul(t, y)))); // t + x (1 - t^2) s
}

const mishOp = withGradient(([x]) => mishParts(x).y, (dy, [x]) => tf.mul(dy, mishSlope(x)));

// 2 sqrt(2 / pi) and the weight of the cube.
const [geluScale, geluCube] = [2 * Math.sqrt(2 / Math.PI), 0.044715];

/** `sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3))`, by which GELU multiplies `x`. */
const geluGate = (x: Tensor) => {
  const square = tf.square(x);
  return { square, gate: tf.sigmoid(tf.mul(x, tf.add(tf.mul(square, geluScale * geluCube), geluScale))) };
};

/**
 * GELU in its tanh form, `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2` (Hendrycks & Gimpel 2016, arXiv 1606.08415), elementwise:
 * JAX's default.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { gelu } from "./nn.ts";
 * import { tf } from "../engine/tensor.ts";
 * await tf.setBackend("cpu");
 * assert(Math.abs(gelu(tf.scalar(1)).dataSync()[0] - 0.841192) < 1e-6);
 * ```
 */
export function gelu(x: Tensor): Tensor {
  return geluOp(x);
}

const geluOp = withGradient(
  ([x]) => tf.mul(x, geluGate(x).gate),
  (dy, [x]) => {
    const { square, gate } = geluGate(x); // The compiler shares these with the forward pass.
    const slope = tf.add(tf.mul(square, 3 * geluScale * geluCube), geluScale);
    return tf.mul(dy, tf.mul(gate, tf.add(tf.mul(tf.mul(x, tf.sub(1, gate)), slope), 1))); // g + x g (1 - g) u'
  },
);

/** `max(x, 0)`, elementwise. */
export function relu(x: Tensor): Tensor {
  return reluOp(x);
}

const reluOp = withGradient(
  ([x]) => tf.relu(x),
  (dy, [x]) => tf.mul(dy, tf.step(stopGradient(tf.relu(x)))), // Of the output, so that the runtime can fuse relu.
);

/** `s` with as many rows as `x`, if it has one row for all of them. */
export function rowsLike(s: Tensor, x: Tensor): Tensor {
  return s.shape[0] === x.shape[0] ? s : tf.tile(s, [x.shape[0], 1]);
}

/** A stack of affine maps; `activation` follows each but the last. */
export function mlp(layers: readonly Linear[], x: Tensor, activation: (x: Tensor, layer: number) => Tensor): Tensor {
  return layers.reduce((h, layer, i) => {
    const y = linear(layer, h);
    return i < layers.length - 1 ? activation(y, i) : y;
  }, x);
}

/**
 * Sinusoidal embedding (Vaswani et al. 2017) of a scalar per row: all sines, then all cosines, with frequencies
 * `exp(-i ln(10000) / (dim/2 - 1))`.
 *
 * @param x Positions, `[batch, 1]`.
 * @param dim Even size of the embedding, at least 4.
 * @returns `[batch, dim]`.
 */
export function sinusoidalEmbedding(x: Tensor, dim: number): Tensor {
  const angles = tf.mul(x, tf.tensor2d(sinusoidalRates(dim), [1, dim / 2]));
  return tf.concat([tf.sin(angles), tf.cos(angles)], 1);
}

/** The frequencies of {@linkcode sinusoidalEmbedding}, half as many as its size. */
export function sinusoidalRates(dim: number): number[] {
  const half = dim / 2;
  return Array.from({ length: half }, (_, i) => Math.exp(-i * Math.log(10000) / (half - 1)));
}

/**
 * Random Fourier embedding (Tancik et al. 2020; as in score SDE code): `[sin(2 pi w x), cos(2 pi w x)]`.
 *
 * @param frequencies Fixed frequencies `w`, `[1, dim / 2]`.
 * @param x Positions, `[batch, 1]`.
 */
export function fourierEmbedding(frequencies: Tensor, x: Tensor): Tensor {
  const angles = tf.mul(tf.mul(x, 2 * Math.PI), frequencies);
  return tf.concat([tf.sin(angles), tf.cos(angles)], 1);
}

/** Dropout as factors of `count` layers: 0 for a `share` of the units, `1 / (1 - share)` for the others; `[rows, width]` each. */
export function drawDropoutMasks(
  count: number,
  [rows, width]: readonly [rows: number, width: number],
  share: number,
  rng: Rng,
): NdArray[] {
  const kept = 1 / (1 - share);
  return Array.from({ length: count }, () => {
    const data = rng.fillUniform(new Float32Array(rows * width));
    for (let i = 0; i < data.length; i++) data[i] = data[i] < share ? 0 : kept;
    return ndarray(data, [rows, width]);
  });
}

/** PyTorch's default Linear: weight and bias uniform in `±1 / sqrt(inputs)`. */
export function initLinear(inputs: number, outputs: number, rng: Rng): Linear<NdArray> {
  const bound = 1 / Math.sqrt(inputs);
  const draw = (n: number) => rng.fillUniform(new Float32Array(n)).map((u) => bound * (2 * u - 1));
  return { weight: ndarray(draw(inputs * outputs), [inputs, outputs]), bias: ndarray(draw(outputs), [outputs]) };
}

/** A stack of default Linears through `sizes`. */
export function initMlp(sizes: readonly number[], rng: Rng): Linear<NdArray>[] {
  return sizes.slice(1).map((n, i) => initLinear(sizes[i], n, rng.child(`${i}`)));
}

/** A stack of affine maps through `sizes` with weights uniform in `±sqrt(6 / (inputs + outputs))` and zero biases (Glorot & Bengio 2010). */
export function initGlorotMlp(sizes: readonly number[], rng: Rng): Linear<NdArray>[] {
  return sizes.slice(1).map((outputs, i) => {
    const [inputs, bound] = [sizes[i], Math.sqrt(6 / (sizes[i] + outputs))];
    const weight = rng.child(`${i}`).fillUniform(new Float32Array(inputs * outputs)).map((u) => bound * (2 * u - 1));
    return { weight: ndarray(weight, [inputs, outputs]), bias: ndarray(new Float32Array(outputs), [outputs]) };
  });
}

/** An affine map with a random orthogonal weight (Saxe et al. 2013, gain 1) and zero bias. */
export function initOrthogonalLinear(inputs: number, outputs: number, rng: Rng): Linear<NdArray> {
  const weight = ndarray(drawOrthogonal(inputs, outputs, rng), [inputs, outputs]);
  return { weight, bias: ndarray(new Float32Array(outputs), [outputs]) };
}

/**
 * A random matrix, row-major `[rows, columns]`, whose shorter side is orthonormal: the QR factor of a Gaussian matrix
 * with a positive diagonal of R, which Gram-Schmidt gives directly (twice, for accuracy).
 */
export function drawOrthogonal(rows: number, columns: number, rng: Rng): Float32Array {
  const [long, short] = rows >= columns ? [rows, columns] : [columns, rows];
  const basis: Float64Array[] = [];
  for (let k = 0; k < short; k++) {
    const v = rng.fillNormal(new Float64Array(long));
    for (const b of [...basis, ...basis]) {
      let dot = 0;
      for (let i = 0; i < long; i++) dot += v[i] * b[i];
      for (let i = 0; i < long; i++) v[i] -= dot * b[i];
    }
    const norm = Math.hypot(...v);
    basis.push(v.map((x) => x / norm));
  }
  const out = new Float32Array(rows * columns);
  basis.forEach((b, k) => b.forEach((x, i) => out[rows >= columns ? i * columns + k : k * columns + i] = x));
  return out;
}
