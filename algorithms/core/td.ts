/**
 * Temporal-difference pieces that every critic here shares.
 *
 * @module
 */

import { type Tensor, tf } from "../engine/tensor.ts";
import { joinSmall, separateSmall } from "../engine/join.ts";
import { treeLeaves, treeLike } from "../engine/tree.ts";

/**
 * Expectile regression `mean(|expectile - 1(d < 0)| d^2)` (Kostrikov et al. 2021, arXiv 2110.06169, Eq. 5); `d = 0`
 * weighs `1 - expectile`.
 *
 * @param difference Target minus prediction, any shape.
 */
export function expectileLoss(difference: Tensor, expectile: number): Tensor {
  const above = tf.step(difference); // 1 where d > 0
  const weight = tf.add(tf.mul(above, 2 * expectile - 1), 1 - expectile);
  return tf.mean(tf.mul(weight, tf.square(difference)));
}

/** One-step target `r + discount (1 - terminal) V(s')`, all `[batch, 1]`. */
export function bellmanTarget(reward: Tensor, terminal: Tensor, nextValue: Tensor, discount: number): Tensor {
  return tf.add(reward, tf.mul(tf.mul(tf.sub(1, terminal), discount), nextValue));
}

/** Mean squared error over all elements. */
export function meanSquaredError(a: Tensor, b: Tensor): Tensor {
  return tf.mean(tf.square(tf.sub(a, b)));
}

/** Polyak average `rate online + (1 - rate) target` over trees; `rate` is a number or a scalar tensor. */
export function polyakAverage<P>(target: P, online: P, rate: number | Tensor): P {
  const rest = typeof rate === "number" ? 1 - rate : tf.sub(1, rate);
  const leaves = treeLeaves<Tensor>(target);
  const news = joinSmall(treeLeaves<Tensor>(online));
  const means = joinSmall(leaves).map((t, i) => tf.add(tf.mul(news[i], rate), tf.mul(t, rest)));
  return treeLike<Tensor, P>(target, separateSmall(means, leaves));
}
