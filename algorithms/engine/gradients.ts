/**
 * Gradients of the operations that can be traced, after TF.js 4.22, whose own are only in a package of 270 MB.
 *
 * Deviation: along another axis than the last, the gradient of `cumsum` is not permuted.
 *
 * @module
 */

import * as tf from "@tensorflow/tfjs-core";

type Tensor = tf.Tensor;
type Gradient = Omit<tf.GradConfig, "kernelName">;
// deno-lint-ignore no-explicit-any -- TF.js types the attributes of each kernel as its own interface
type Attributes = any;
type ByOne = (dy: Tensor, saved: Tensor, attributes: Attributes) => Tensor;
type ByPair = (dy: Tensor, a: Tensor, b: Tensor, attributes: Attributes) => Tensor;

/** By the one input, which is kept. */
const ofInput = (by: ByOne, name = "x"): Gradient => ({
  inputsToSave: [name],
  gradFunc: (dy, [x], attributes) => ({ [name]: () => by(dy as Tensor, x, attributes) }),
});

/** By the one input, from the output, which is kept. */
const ofOutput = (by: ByOne, name = "x"): Gradient => ({
  outputsToSave: [true],
  gradFunc: (dy, [y], attributes) => ({ [name]: () => by(dy as Tensor, y, attributes) }),
});

/** By the one input, with nothing kept. */
const ofNone = (by: (dy: Tensor, attributes: Attributes) => Tensor): Gradient => ({
  gradFunc: (dy, _, attributes) => ({ x: () => by(dy as Tensor, attributes) }),
});

/** By both inputs, which are kept. */
const ofPair = (byA: ByPair, byB: ByPair): Gradient => ({
  inputsToSave: ["a", "b"],
  gradFunc: (dy, [a, b], attributes) => ({
    a: () => byA(dy as Tensor, a, b, attributes),
    b: () => byB(dy as Tensor, a, b, attributes),
  }),
});

/** By each input of a list, all of which are kept. */
const ofList = (by: (dy: Tensor, inputs: Tensor[], attributes: Attributes) => Tensor[]): Gradient => ({
  saveAllInputs: true,
  gradFunc: (dy, inputs, attributes) => {
    const gradients = by(dy as Tensor, inputs, attributes);
    return Object.fromEntries(gradients.map((gradient, i) => [i, () => gradient]));
  },
});

const zeros = ofNone((dy) => tf.zerosLike(dy));

/** What was reduced over axes, with these axes of length 1. */
const kept = (y: Tensor, x: Tensor, axis: number | number[]) => {
  const axes = tf.util.parseAxisParam(axis, x.shape);
  return tf.reshape(y, x.shape.map((n, i) => axes.includes(i) ? 1 : n));
};

/** A gradient summed over the axes along which `x` was broadcast. */
const summed = (d: Tensor, x: Tensor) => {
  const axes = tf.backend_util.getReductionAxes(x.shape, d.shape);
  return axes.length > 0 ? tf.sum(d, axes) : d;
};

/** The same in the shape of `x`. */
const fitted = (d: Tensor, x: Tensor) => {
  const sum = summed(d, x);
  return sum === d ? d : tf.reshape(sum, x.shape);
};

/** Of the largest or smallest element: for each element that equals it. */
const ofExtreme = (axis: (attributes: Attributes) => number[]): Gradient => ({
  inputsToSave: ["x"],
  outputsToSave: [true],
  gradFunc: (dy, [x, y], attributes) => {
    const [d, extreme] = [dy as Tensor, y].map((t) => kept(t, x, axis(attributes)));
    return { x: () => tf.mul(d, tf.cast(tf.equal(x, extreme), "float32")) };
  },
});

/** All indices into an array, the last axis fastest. */
const indices = (shape: readonly number[]): number[][] =>
  shape.reduce<number[][]>((all, n) => all.flatMap((at) => Array.from({ length: n }, (_, i) => [...at, i])), [[]]);

const gradients: Record<string, Gradient> = {
  Abs: ofInput((dy, x) => tf.mul(dy, tf.step(x, -1))),
  Add: ofPair(
    (dy, a) => tf.reshape(summed(dy, a), a.shape),
    (dy, _, b) => tf.reshape(summed(dy, b), b.shape),
  ),
  AddN: ofList((dy, xs) => xs.map(() => tf.clone(dy))),
  ArgMax: ofInput((_, x) => tf.zerosLike(x)),
  Atanh: ofInput((dy, x) => tf.div(dy, tf.sub(1, tf.square(x)))),
  BatchMatMul: ofPair(
    (dy, _, b, { transposeA, transposeB }) =>
      transposeA ? tf.matMul(b, dy, transposeB, true) : tf.matMul(dy, b, false, !transposeB),
    (dy, a, _, { transposeA, transposeB }) =>
      transposeB ? tf.matMul(dy, a, true, transposeA) : tf.matMul(a, dy, !transposeA, false),
  ),
  Cast: ofNone((dy) => tf.clone(dy)),
  Ceil: zeros,
  ClipByValue: ofInput((dy, x, { clipValueMin, clipValueMax }) =>
    tf.where(tf.logicalAnd(tf.greaterEqual(x, clipValueMin), tf.lessEqual(x, clipValueMax)), dy, tf.zerosLike(dy))
  ),
  Concat: ofList((dy, xs, { axis }) => {
    const along = tf.util.parseAxisParam(axis, xs[0].shape)[0];
    return tf.split(dy, xs.map((x) => x.shape[along]), along);
  }),
  Cos: ofInput((dy, x) => tf.mul(tf.neg(tf.sin(x)), dy)),
  Cumsum: ofNone((dy, { axis, exclusive, reverse }) => tf.cumsum(dy, axis, exclusive, !reverse)),
  Erf: ofInput((dy, x) => tf.mul(dy, tf.mul(tf.exp(tf.neg(tf.square(x))), 2 / Math.sqrt(Math.PI)))),
  Exp: ofOutput((dy, y) => tf.mul(dy, y)),
  ExpandDims: ofInput((dy, x) => tf.reshape(dy, x.shape), "input"),
  Expm1: ofInput((dy, x) => tf.mul(dy, tf.exp(x))),
  Floor: zeros,
  GreaterEqual: ofPair((_, a) => tf.zerosLike(a), (_, __, b) => tf.zerosLike(b)),
  Identity: ofNone((dy) => tf.cast(dy, "float32")),
  IsNan: zeros,
  LeakyRelu: ofInput((dy, x, { alpha }) => tf.where(tf.greater(x, 0), dy, tf.mul(dy, alpha))),
  Log: ofInput((dy, x) => tf.div(dy, x)),
  Log1p: ofInput((dy, x) => tf.div(dy, tf.add(x, 1))),
  LogSoftmax: ofOutput((dy, y, { axis }) => {
    const softmax = tf.exp(y);
    return tf.sub(dy, tf.mul(tf.sum(dy, axis, true), softmax));
  }, "logits"),
  Max: ofExtreme(({ reductionIndices }) => reductionIndices),
  Maximum: ofPair(
    (dy, a, b) => tf.mul(dy, tf.cast(tf.greaterEqual(a, b), "float32")),
    (dy, a, b) => tf.mul(dy, tf.cast(tf.less(a, b), "float32")),
  ),
  Mean: ofInput((dy, x, { axis }) => {
    const count = tf.util.parseAxisParam(axis, x.shape).reduce((n, i) => n * x.shape[i], 1);
    return tf.div(tf.mul(kept(dy, x, axis), tf.ones(x.shape)), count);
  }),
  Min: ofExtreme(({ axis }) => axis),
  Minimum: ofPair(
    (dy, a, b) => tf.mul(dy, tf.cast(tf.lessEqual(a, b), "float32")),
    (dy, a, b) => tf.mul(dy, tf.cast(tf.greater(a, b), "float32")),
  ),
  Multiply: ofPair((dy, a, b) => fitted(tf.mul(dy, b), a), (dy, a, b) => fitted(tf.mul(dy, a), b)),
  Neg: ofNone((dy) => tf.neg(dy)),
  OnesLike: zeros,
  Pack: ofList((dy, _, { axis }) => tf.unstack(dy, axis)),
  PadV2: ofInput((dy, x, { paddings }) => tf.slice(dy, paddings.map(([before]: [number]) => before), x.shape)),
  Pow: {
    inputsToSave: ["a", "b"],
    outputsToSave: [true],
    gradFunc: (dy, [a, b, y]) => ({
      a: () => tf.reshape(summed(tf.mul(dy as Tensor, tf.mul(b, tf.pow(a, tf.sub(b, 1)))), a), a.shape),
      b: () => {
        const logarithm = tf.where(tf.greater(a, 0), tf.log(a), tf.zerosLike(a));
        return tf.reshape(summed(tf.mul(dy as Tensor, tf.mul(y, logarithm)), b), b.shape);
      },
    }),
  },
  RealDiv: ofPair(
    (dy, a, b) => fitted(tf.div(dy, b), a),
    (dy, a, b) => tf.neg(tf.div(fitted(tf.mul(dy, a), b), tf.square(b))),
  ),
  Reciprocal: ofInput((dy, x) => tf.div(dy, tf.neg(tf.square(x)))),
  Relu: ofInput((dy, x) => tf.mul(dy, tf.step(x))),
  Reshape: ofInput((dy, x) => tf.reshape(dy, x.shape)),
  Rsqrt: ofInput((dy, x) => tf.neg(tf.div(dy, tf.mul(tf.pow(x, 1.5), 2)))),
  Select: {
    inputsToSave: ["condition"],
    gradFunc: (dy, [condition]) => ({
      condition: () => tf.cast(tf.zerosLike(condition), "float32"),
      t: () => tf.mul(dy as Tensor, tf.cast(condition, "float32")),
      e: () => tf.mul(dy as Tensor, tf.cast(tf.logicalNot(condition), "float32")),
    }),
  },
  Sigmoid: ofOutput((dy, y) => tf.mul(dy, tf.mul(y, tf.sub(1, y)))),
  Sign: zeros,
  Sin: ofInput((dy, x) => tf.mul(tf.cos(x), dy)),
  Slice: ofInput((dy, x, { begin, size }) => {
    const [from, extent] = tf.slice_util.parseSliceParams(x, begin, size);
    return tf.pad(dy, from.map((start, i) => [start, x.shape[i] - start - extent[i]]));
  }),
  Softmax: ofOutput((dy, y, { dim }) => {
    const product = tf.mul(dy, y);
    return tf.sub(product, tf.mul(tf.sum(product, [dim], true), y));
  }, "logits"),
  Softplus: ofInput((dy, x) => tf.mul(dy, tf.sigmoid(x))),
  SplitV: { gradFunc: (dy, _, { axis }: Attributes) => ({ x: () => tf.concat([dy].flat(), axis) }) },
  Sqrt: ofInput((dy, x) => tf.div(dy, tf.mul(tf.sqrt(x), 2))),
  Square: ofInput((dy, x) => tf.mul(dy, tf.mul(x, 2))),
  SquaredDifference: ofPair(
    (dy, a, b) => tf.mul(dy, tf.mul(2, tf.sub(a, b))),
    (dy, a, b) => tf.mul(dy, tf.mul(2, tf.sub(b, a))),
  ),
  Step: zeros,
  Sub: ofPair(
    (dy, a) => tf.reshape(summed(dy, a), a.shape),
    (dy, _, b) => tf.reshape(tf.neg(summed(dy, b)), b.shape),
  ),
  Sum: ofInput((dy, x, { axis }) => tf.mul(kept(dy, x, axis), tf.ones(x.shape))),
  Tanh: ofOutput((dy, y) => tf.mul(tf.sub(1, tf.square(y)), dy)),
  Tile: ofInput((dy, x, { reps }) =>
    indices(reps).reduce<Tensor>(
      (sum, at) => tf.add(sum, tf.slice(dy, at.map((k, i) => k * x.shape[i]), x.shape)),
      tf.zerosLike(x),
    )
  ),
  Transpose: ofNone((dy, { perm }) => tf.transpose(dy, tf.backend_util.getUndoAxesPermutation(perm))),
  Unpack: { gradFunc: (dy, _, { axis }: Attributes) => ({ value: () => tf.stack([dy].flat(), axis) }) },
  ZerosLike: zeros,
};

/** Makes the gradients known to TF.js. */
export function registerGradients(): void {
  for (const [kernelName, gradient] of Object.entries(gradients)) tf.registerGradient({ kernelName, ...gradient });
}
