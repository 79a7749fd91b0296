/**
 * The tensor language of this workspace: the one module that names TF.js.
 *
 * Everyone else imports `tf` and the types from here, so that a second copy of the library, with an engine of its own,
 * can never be loaded beside this one.
 *
 * @module
 */

import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { registerGradients } from "./gradients.ts";
import type { NdArray } from "./array.ts";
import { type Tree, treeLeaves, treeLike } from "./tree.ts";

registerGradients();
tf.enableProdMode(); // Drops a console banner and per-op checks that this workspace makes itself.

export { tf };

/** A TF.js tensor: real in eager mode, symbolic while {@linkcode compile} traces. */
export type Tensor = tf.Tensor;

/** A nested object of tensors. */
export type TensorTree = Tree<Tensor>;

/** The tree `T` with every array replaced by a tensor: what a compiled function sees of its inputs. */
export type Traced<T> = T extends NdArray ? Tensor : T extends object ? { [K in keyof T]: Traced<T[K]> } : T;

/** The tree `T` with every tensor replaced by an array: what a compiled function returns. */
export type Computed<T> = T extends Tensor ? NdArray : T extends object ? { [K in keyof T]: Computed<T[K]> } : T;

/** A loss with the terms it is made of, all scalars. */
export interface LossTerms {
  /** What is minimized. */
  total: Tensor;
  /** A part of it, for metrics. */
  [term: string]: Tensor;
}

/**
 * Value and gradient of a scalar function of one parameter tree.
 *
 * @param loss Function of the parameters that returns a scalar tensor, shape `[]`, or several of which `total` counts.
 * @param params The tree to differentiate with respect to.
 * @returns The loss, a tree of gradients shaped like `params`, and the terms.
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
export function valueAndGrad<P>(
  loss: (params: P) => Tensor | LossTerms,
  params: P,
): { value: Tensor; grad: P; terms: Record<string, Tensor> } {
  const leaves = treeLeaves<Tensor>(params);
  let kept: [string, Tensor][] = [];
  const { value, grads } = tf.valueAndGrads((...xs: Tensor[]) => {
    const result = loss(treeLike<Tensor, P>(params, xs));
    if (result instanceof tf.Tensor) return result as tf.Scalar;
    const { total, ...terms } = result;
    kept = Object.entries(terms).map(([name, term]) => [name, tf.keep(term.clone())]); // TF.js frees what it does not return.
    return total as tf.Scalar;
  })(leaves);
  const terms = Object.fromEntries(kept.map(([name, term]) => [name, term.clone()]));
  for (const [, term] of kept) term.dispose();
  return { value, grad: treeLike<Tensor, P>(params, grads), terms };
}

/** Stops gradients: a tensor over the same values that the gradient tape does not know. */
export function stopGradient(x: Tensor): Tensor {
  const engine = tf.engine();
  engine.backend.incRef(x.dataId);
  return engine.makeTensorFromTensorInfo({ dataId: x.dataId, shape: x.shape, dtype: x.dtype });
}
