/**
 * Twin action values: two networks of one kind, of which the smaller value counts (Fujimoto, van Hoof & Meger 2018,
 * arXiv 1802.09477).
 *
 * @module
 */

import { type Linear, mlp, relu, rowsLike } from "./nn.ts";
import type { Rng } from "./rng.ts";
import { meanSquaredError } from "./td.ts";
import { stopGradient, type Tensor, tf } from "../engine/tensor.ts";

/** Two networks of one kind. */
export interface Twin<N> {
  /** The first one. */
  q1: N;
  /** The second one. */
  q2: N;
}

/** Twin action values as perceptrons, on `[action, observation]`. */
export type TwinCritic<L = Tensor> = Twin<Linear<L>[]>;

/** `[Q1(s, a), Q2(s, a)]`, each `[batch, 1]`. */
export function twinValues(p: TwinCritic, s: Tensor, a: Tensor): [Tensor, Tensor] {
  const input = tf.concat([a, rowsLike(s, a)], 1);
  return [mlp(p.q1, input, relu), mlp(p.q2, input, relu)];
}

/** Both mean squared errors against one target, added. */
export function twinError([q1, q2]: readonly [Tensor, Tensor], target: Tensor): Tensor {
  return tf.add(meanSquaredError(q1, target), meanSquaredError(q2, target));
}

/**
 * `-mean Q_i / mean |Q_j|`, the divisor without a gradient: Diffusion-QL's value term (Wang et al. 2023, arXiv 2208.06193, Eq. 3, and
 * authors' code). Its value is 1 or -1 where all values share one sign; only its gradient informs.
 *
 * @param coin A scalar, 1 for i = 1 and j = 2, 0 for the reverse.
 */
export function crossNormalizedLoss([q1, q2]: readonly [Tensor, Tensor], coin: Tensor): Tensor {
  const ratio = (a: Tensor, b: Tensor) => tf.div(tf.mean(a), stopGradient(tf.mean(tf.abs(b))));
  return tf.neg(tf.add(tf.mul(coin, ratio(q1, q2)), tf.mul(tf.sub(1, coin), ratio(q2, q1))));
}

/** Two networks, each with a stream of its own. */
export function initTwin<N>(init: (rng: Rng) => N, rng: Rng): Twin<N> {
  return { q1: init(rng.child("q1")), q2: init(rng.child("q2")) };
}
