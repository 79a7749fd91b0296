/**
 * A use of each operation that can be traced.
 *
 * @module
 */

import { ndarray } from "../../algorithms/engine/array.ts";
import { stopGradient, type Tensor, tf } from "../../algorithms/engine/tensor.ts";

// Values in (0.1, 0.9), where every function below is defined and smooth.
/** `[2, 3]` */
export const a = ndarray([0.3, 0.8, 0.15, 0.6, 0.45, 0.75], [2, 3]);
/** `[2, 3]` */
export const b = ndarray([0.5, 0.2, 0.7, 0.6, 0.9, 0.35], [2, 3]);
/** Rows of `a`, `[3]`. */
export const index = ndarray(Int32Array.of(1, 0, 1), [3]);
/** What a case may use. */
export interface Inputs {
  a: Tensor;
  b: Tensor;
  index: Tensor;
}

/** Uses of a kernel. */
export type Case = (inputs: Inputs) => Tensor | Tensor[];
/** `t t^T` */
export const square = (t: Tensor) => tf.matMul(t as tf.Tensor2D, t as tf.Tensor2D, false, true);
/** The first of three columns' rows. */
export const row = (t: Tensor) => tf.slice(t, [0, 0], [1, 3]);

/** One differentiable use of each traced kernel. */
export const smooth: Record<string, Case> = {
  Abs: ({ a, b }) => tf.abs(tf.sub(a, b)),
  Add: ({ a, b }) => tf.add(a, row(b)),
  AddN: ({ a, b }) => tf.addN([a, b, a]),
  Atanh: ({ a }) => tf.atanh(a),
  BatchMatMul: ({ a, b }) => [
    tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D, false, true),
    tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D, true, false),
    tf.matMul(tf.stack([a, b]) as tf.Tensor3D, tf.stack([b, a]) as tf.Tensor3D, true, false),
    tf.matMul(tf.ones([1, 2]), a as tf.Tensor2D),
  ],
  Cast: ({ a, b }) => tf.mul(tf.cast(tf.greater(stopGradient(a), stopGradient(b)), "float32"), a),
  ClipByValue: ({ a }) => tf.clipByValue(a, 0.2, 0.7),
  Concat: ({ a, b }) => [tf.concat([a, b], 0), tf.concat([a, b], 1)],
  Cos: ({ a }) => tf.cos(a),
  Cumsum: ({ a }) => [tf.cumsum(a, 1), tf.cumsum(a, 1, true, true)],
  Erf: ({ a }) => tf.erf(a),
  Exp: ({ a }) => tf.exp(a),
  ExpandDims: ({ a }) => tf.expandDims(a, 1),
  Expm1: ({ a }) => tf.expm1(a),
  Fill: ({ a }) => tf.mul(a, tf.fill([2, 3], 2.5)),
  Identity: ({ a }) => tf.clone(a),
  LeakyRelu: ({ a, b }) => tf.leakyRelu(tf.sub(a, b), 0.1),
  Log: ({ a }) => tf.log(a),
  Log1p: ({ a }) => tf.log1p(a),
  LogSoftmax: ({ a }) => tf.logSoftmax(a),
  Max: ({ a }) => [tf.max(a, 1), tf.max(a)],
  Maximum: ({ a, b }) => tf.maximum(a, b),
  Mean: ({ a }) => [tf.mean(a), tf.mean(a, 0, true)],
  Min: ({ a }) => tf.min(a, 1, true),
  Minimum: ({ a, b }) => tf.minimum(a, b),
  Multiply: ({ a, b }) => [tf.mul(a, row(b)), tf.mul(a, 1), tf.mul(2, a)],
  Neg: ({ a }) => tf.neg(a),
  OnesLike: ({ a }) => tf.mul(a, tf.onesLike(a)),
  Pack: ({ a, b }) => [tf.stack([a, b], 0), tf.stack([a, b], 2)],
  PadV2: ({ a }) => tf.pad(a, [[1, 0], [0, 2]], 0.5),
  Pow: ({ a, b }) => tf.pow(a, b),
  RealDiv: ({ a, b }) => [tf.div(a, b), tf.div(1, a)],
  Reciprocal: ({ a }) => tf.reciprocal(a),
  Relu: ({ a, b }) => tf.relu(tf.sub(a, b)),
  Reshape: ({ a }) => tf.mul(tf.reshape(a, [3, 2]), tf.reshape(a, [3, 2])),
  Rsqrt: ({ a }) => tf.rsqrt(a),
  Select: ({ a, b }) => tf.where(tf.greater(stopGradient(a), 0.5), a, b),
  Sigmoid: ({ a }) => tf.sigmoid(a),
  Sin: ({ a }) => tf.sin(a),
  Slice: ({ a }) => tf.slice(a, [0, 1], [2, 2]),
  Softmax: ({ a }) => tf.softmax(a),
  Softplus: ({ a }) => tf.softplus(a),
  SplitV: ({ a }) => tf.split(a, [1, 2], 1),
  Sqrt: ({ a }) => tf.sqrt(a),
  Square: ({ a }) => tf.square(a),
  SquaredDifference: ({ a, b }) => tf.squaredDifference(a, b),
  Sub: ({ a, b }) => [tf.sub(a, b), tf.sub(a, 0)],
  Sum: ({ a }) => [tf.sum(a), tf.sum(a, 1, true)],
  Tanh: ({ a }) => tf.tanh(a),
  Tile: ({ a }) => tf.tile(a, [2, 1]),
  Transpose: ({ a }) => tf.transpose(a),
  Unpack: ({ a }) => tf.unstack(a, 1),
  ZerosLike: ({ a }) => tf.add(a, tf.zerosLike(a)),
};

const asFloat = (t: Tensor) => tf.cast(t, "float32");

/** One use of each traced kernel that has no gradient, or none in the traced set. */
export const discrete: Record<string, Case> = {
  All: ({ a, b }) => asFloat(tf.all(tf.greater(a, b) as tf.Tensor, 1)),
  Any: ({ a, b }) => asFloat(tf.any(tf.greater(a, b) as tf.Tensor, 1)),
  ArgMax: ({ a }) => asFloat(tf.argMax(a, 1)),
  Ceil: ({ a }) => tf.ceil(a),
  Equal: ({ a, b }) => asFloat(tf.equal(a, b)),
  Floor: ({ a }) => tf.floor(tf.mul(a, 3)),
  GatherV2: ({ a, index }) => tf.gather(a, index as tf.Tensor1D, 0),
  Greater: ({ a, b }) => asFloat(tf.greater(a, b)),
  GreaterEqual: ({ a, b }) => asFloat(tf.greaterEqual(a, b)),
  IsNan: ({ a }) => asFloat(tf.isNaN(tf.sqrt(tf.sub(a, 0.5)))),
  Less: ({ a, b }) => asFloat(tf.less(a, b)),
  LessEqual: ({ a, b }) => asFloat(tf.lessEqual(a, b)),
  LogicalAnd: ({ a, b }) => asFloat(tf.logicalAnd(tf.less(a, b), tf.greater(a, 0.2))),
  LogicalNot: ({ a, b }) => asFloat(tf.logicalNot(tf.less(a, b))),
  LogicalOr: ({ a, b }) => asFloat(tf.logicalOr(tf.less(a, b), tf.greater(a, 0.7))),
  NotEqual: ({ a, b }) => asFloat(tf.notEqual(a, b)),
  Sign: ({ a, b }) => tf.sign(tf.sub(a, b)),
  Step: ({ a, b }) => tf.step(tf.sub(a, b)),
  StridedSlice: ({ a }) => tf.stridedSlice(a, [0, 2], [2, 0], [1, -1]),
};

/** A positive weight for every element, so that no gradient cancels. */
export const weighted = (outputs: Tensor | Tensor[]) =>
  [outputs].flat().map((y) => {
    const n = y.size;
    const weights = tf.tensor(Array.from({ length: n }, (_, i) => 1 + (i * 7 % 5) / 5), y.shape);
    return tf.sum(tf.mul(y, weights));
  }).reduce((x, y) => tf.add(x, y));
