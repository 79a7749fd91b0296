/**
 * Operations with gradients of their own, written with fewer operations than automatic differentiation would record.
 *
 * @module
 */

import { stopGradient, type Tensor, tf } from "../engine/tensor.ts";

type Save = (tensors: Tensor[]) => void;
type Custom = (...tensors: (Tensor | Save)[]) => {
  value: Tensor;
  gradFunc: (dy: Tensor, saved: Tensor[]) => Tensor | Tensor[];
};

/** `f` with `gradient` in place of its own: from the gradient of the result to those of the arguments `xs`. */
export function withGradient(
  f: (xs: Tensor[]) => Tensor,
  gradient: (dy: Tensor, xs: Tensor[]) => Tensor | Tensor[],
): (...xs: Tensor[]) => Tensor {
  const custom: Custom = (...args) => {
    const xs = args.slice(0, -1) as Tensor[];
    (args.at(-1) as Save)(xs);
    return { value: f(xs), gradFunc: gradient };
  };
  return tf.customGrad(custom as never) as (...xs: Tensor[]) => Tensor;
}

/** `[batch, n] -> [n]`; a product with a row of ones, which is several times faster than a strided reduction. */
export function sumRows(x: Tensor): Tensor {
  return tf.reshape(tf.matMul(tf.ones([1, x.shape[0]]), x as tf.Tensor2D), [-1]);
}

/**
 * `tanh(x)` that can be differentiated twice: TF.js's own saves its output for the gradient, and a second derivative through what an
 * operation saved of its output is lost there.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { tanh } from "./gradient.ts";
 * import { tf } from "../engine/tensor.ts";
 * await tf.setBackend("cpu");
 * const second = tf.grad(tf.grad((x) => tanh(x)));
 * assert(Math.abs(second(tf.scalar(1)).dataSync()[0] + 0.639700) < 1e-5);
 * ```
 */
export const tanh: (x: Tensor) => Tensor = withGradient(
  ([x]) => tf.tanh(x),
  (dy, [x]) => tf.mul(dy, tf.sub(1, tf.square(tanh(x)))),
);

/** `exp(x)` that can be differentiated twice. */
export const exp: (x: Tensor) => Tensor = withGradient(([x]) => tf.exp(x), (dy, [x]) => tf.mul(dy, exp(x)));

/** `x` clipped to `[low, high]`, that can be differentiated twice; the gradient outside is 0. */
export function clip(x: Tensor, low: number, high: number): Tensor {
  const inside = (x: Tensor) => stopGradient(tf.mul(tf.step(tf.sub(x, low)), tf.step(tf.sub(high, x))));
  return withGradient(([x]) => tf.clipByValue(x, low, high), (dy, [x]) => tf.mul(dy, inside(x)))(x);
}
