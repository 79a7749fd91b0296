/**
 * Twin action values: two networks of one kind, of which the smaller value counts (Fujimoto, van Hoof & Meger 2018,
 * arXiv 1802.09477).
 *
 * @module
 */

import { type Linear, mlp, relu, rowsLike } from "./nn.ts";
import type { Rng } from "./rng.ts";
import { meanSquaredError } from "./td.ts";
import { type Tensor, tf } from "../engine/tensor.ts";

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

/** Two networks, each with a stream of its own. */
export function initTwin<N>(init: (rng: Rng) => N, rng: Rng): Twin<N> {
  return { q1: init(rng.child("q1")), q2: init(rng.child("q2")) };
}
