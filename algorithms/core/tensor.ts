/**
 * The tensor language of this workspace: the one module that names TF.js.
 *
 * Everyone else imports `tf` and the types from here, so that a second copy of the library, with an engine of its own,
 * can never be loaded beside this one.
 *
 * @module
 */

import * as tf from "@tensorflow/tfjs";
import { type Tree, treeLeaves, treeLike } from "./tree.ts";

tf.enableProdMode(); // Drops a console banner and per-op checks that this workspace makes itself.

export { tf };

/** A TF.js tensor: real in eager mode, symbolic while {@linkcode compile} traces. */
export type Tensor = tf.Tensor;

/** A nested object of tensors. */
export type TensorTree = Tree<Tensor>;

/**
 * Value and gradient of a scalar function of one parameter tree.
 *
 * @param loss Function of the parameters that returns a scalar tensor, shape `[]`.
 * @param params The tree to differentiate with respect to.
 * @returns The loss and a tree of gradients, shaped like `params`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { tf, valueAndGrad } from "./tensor.ts";
 * await tf.setBackend("cpu");
 * const { grad } = valueAndGrad((p) => tf.sum(tf.square(p.x)), { x: tf.tensor1d([3]) });
 * assert(grad.x.dataSync()[0] === 6);
 * ```
 */
export function valueAndGrad<P>(loss: (params: P) => Tensor, params: P): { value: Tensor; grad: P } {
  const leaves = treeLeaves<Tensor>(params);
  const { value, grads } = tf.valueAndGrads((...xs: Tensor[]) => loss(treeLike<Tensor, P>(params, xs)) as tf.Scalar)(
    leaves,
  );
  return { value, grad: treeLike<Tensor, P>(params, grads) };
}

/** Stops gradients: a tensor over the same values that the gradient tape does not know. */
export function stopGradient(x: Tensor): Tensor {
  const engine = tf.engine();
  engine.backend.incRef(x.dataId);
  return engine.makeTensorFromTensorInfo({ dataId: x.dataId, shape: x.shape, dtype: x.dtype });
}

/** Throws a TypeError unless `x` has exactly `shape` (`-1` matches any size). */
export function assertShape(x: { shape: readonly number[] }, shape: readonly number[], verb: string, name: string) {
  const ok = x.shape.length === shape.length && shape.every((n, i) => n === -1 || n === x.shape[i]);
  if (!ok) {
    const wanted = shape.map((n) => n === -1 ? "any" : n).join(", ");
    throw new TypeError(`Cannot ${verb}: ${name} must be [${wanted}], current shape is [${x.shape.join(", ")}]`);
  }
}
