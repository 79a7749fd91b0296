/**
 * LayerNorm with a gradient of its own, written with fewer operations than automatic differentiation would record.
 *
 * @module
 */

import { type NdArray, ndarray } from "../engine/array.ts";
import { byRow, tracedLayerNormalization, tracedRowsScaled } from "../engine/kernels.ts";
import { sumRows, withGradient } from "./gradient.ts";
import { type Tensor, tf } from "../engine/tensor.ts";

/** Scale and shift of a LayerNorm, both `[n]`. */
export interface LayerNorm<L = Tensor> {
  /** `[features]` */
  scale: L;
  /** `[features]` */
  shift: L;
}

const rowMean = (x: Tensor, weight: Tensor) =>
  tf.matMul(x as tf.Tensor2D, tf.reshape(tf.div(weight, x.shape[1]!), [-1, 1]) as tf.Tensor2D);

/** `(x - mean) scale` with a mean and a scale per row. */
const rowsScaled = withGradient(
  ([x, mean, scale]) => tracedRowsScaled(x, mean, scale) ?? tf.mul(tf.sub(x, mean), scale),
  (dy, [x, mean, scale]) => {
    const dx = tf.mul(dy, scale);
    return [dx, tf.neg(tf.sum(dx, 1, true)), tf.sum(tf.mul(dy, tf.sub(x, mean)), 1, true)];
  },
);

type Op = (...xs: Tensor[]) => Tensor;

/** `x row` for `x [batch, n]`, `row [n]`. */
const timesRow: Op = withGradient(
  ([x, row]) => byRow("Mul", x, row),
  (dy, [x, row]) => [timesRow(dy, row), sumRows(tf.mul(dy, x))],
);

/** LayerNorm's operation of `x, scale, shift` at one epsilon. */
function createLayerNorm(epsilon: number): Op {
  /** `[normalized scale + shift, mean, inverse standard deviation]` of the rows of `x`. */
  const parts = ([x, scale, shift]: Tensor[]): Tensor[] => {
    const traced = tracedLayerNormalization(x, scale, shift, epsilon);
    if (traced) return traced;
    const mean = tf.mean(x, 1, true);
    const centred = tf.sub(x, mean);
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centred), 1, true), epsilon));
    return [byRow("Add", byRow("Mul", tf.mul(centred, inverse), scale), shift), mean, inverse];
  };

  // The row statistics share the forward pass's operation and have gradients, so that LayerNorm has second derivatives.
  const meanOp = withGradient(
    (xs) => parts(xs)[1],
    (
      dy,
      [x, scale, shift],
    ) => [tf.mul(tf.div(dy, x.shape[1]!), tf.onesLike(x)), tf.zerosLike(scale), tf.zerosLike(shift)],
  );

  const inverseDeviationOp: Op = withGradient(
    (xs) => parts(xs)[2],
    (dy, xs) => {
      const [x, scale, shift] = xs;
      const slope = tf.mul(dy, tf.pow(inverseDeviationOp(...xs), 3)); // d(1/sd)/dx = -(x - mean) / (n sd^3)
      const dx = tf.mul(tf.sub(x, meanOp(...xs)), tf.div(slope, -x.shape[1]!));
      return [dx, tf.zerosLike(scale), tf.zerosLike(shift)];
    },
  );

  // With z the normalized rows and g = dy scale: dx = inverse (g - mean(g) - z mean(g z)), where means are products. [Ours]
  return withGradient(
    (xs) => parts(xs)[0],
    (dy, xs) => {
      const [x, scale] = xs;
      const inverse = inverseDeviationOp(...xs);
      const normalized = rowsScaled(x, meanOp(...xs), inverse);
      const product = tf.mul(dy, normalized);
      const centred = rowsScaled(timesRow(dy, scale), rowMean(dy, scale), inverse);
      const projection = tf.mul(inverse, rowMean(product, scale));
      const dx = tf.sub(centred, rowsScaled(normalized, tf.zerosLike(projection), projection));
      return [dx, sumRows(product), sumRows(dy)];
    },
  );
}

const known = new Map<number, Op>();

/**
 * LayerNorm over the last axis of `[batch, n]`: biased variance (Ba et al. 2016, arXiv 1607.06450).
 *
 * @param epsilon Added to the variance: PyTorch's default, or 1e-6, that of Flax.
 */
export function layerNorm({ scale, shift }: LayerNorm, x: Tensor, epsilon = 1e-5): Tensor {
  let op = known.get(epsilon);
  if (!op) known.set(epsilon, op = createLayerNorm(epsilon));
  return op(x, scale, shift);
}

/** Scale 1, shift 0. */
export function initLayerNorm(n: number): LayerNorm<NdArray> {
  return { scale: ndarray(new Float32Array(n).fill(1), [n]), shift: ndarray(new Float32Array(n), [n]) };
}
