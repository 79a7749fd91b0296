/**
 * The critic of FQL and SSCP: twin action values of GELU layers, each followed by LayerNorm.
 *
 * Source: Park, Li & Levine 2025, arXiv 2502.02538, authors' code.
 *
 * @module
 */

import type { Spec } from "./agent.ts";
import type { NdArray } from "../engine/array.ts";
import { initLayerNorm, type LayerNorm, layerNorm } from "./layer_norm.ts";
import { gelu, initGlorotMlp, type Linear, linear, rowsLike } from "./nn.ts";
import type { Rng } from "./rng.ts";
import { initTwin, type Twin } from "./twin_critic.ts";
import { stopGradient, type Tensor, tf } from "../engine/tensor.ts";

/** One action value: affine, GELU, LayerNorm in each hidden layer, then an affine map to one number. */
export interface GeluValue<L = Tensor> {
  /** Hidden layers and the last one. */
  layers: Linear<L>[];
  /** One per hidden layer. */
  norms: LayerNorm<L>[];
}

/** Twin action values. */
export type GeluCritic<L = Tensor> = Twin<GeluValue<L>>;

/** `[Q1(s, a), Q2(s, a)]`, each `[batch, 1]`. */
export function geluValues(p: GeluCritic, s: Tensor, a: Tensor): [Tensor, Tensor] {
  const input = tf.concat([rowsLike(s, a), a], 1);
  const value = ({ layers, norms }: GeluValue) =>
    linear(
      layers[norms.length],
      norms.reduce((x, norm, i) => layerNorm(norm, gelu(linear(layers[i], x)), 1e-6), input),
    );
  return [value(p.q1), value(p.q2)];
}

/** Parameters with `depth` hidden layers of width `hidden`. */
export function initGeluCritic(
  { observationDim: s, actionDim: a }: Spec,
  { hidden, depth }: { hidden: number; depth: number },
  rng: Rng,
): GeluCritic<NdArray> {
  const widths: number[] = Array(depth).fill(hidden);
  return initTwin((stream) => ({
    layers: initGlorotMlp([s + a, ...widths, 1], stream),
    norms: widths.map(initLayerNorm),
  }), rng);
}

/** The words of {@linkcode TwinAggregation}. */
export const twinAggregations = ["mean", "min"] as const;

/** How twin values become one: their mean, or the smaller of the two. */
export type TwinAggregation = typeof twinAggregations[number];

/** Twin values as one, `[batch, 1]`. */
export function aggregateValues([q1, q2]: readonly [Tensor, Tensor], rule: TwinAggregation): Tensor {
  return rule === "min" ? tf.minimum(q1, q2) : tf.mul(tf.add(q1, q2), 0.5);
}

/** `-mean Q`, with the mean of both values, divided by `mean |Q|` if `normalize`; the divisor has no gradient. */
export function meanValueLoss(values: readonly [Tensor, Tensor], normalize: boolean): Tensor {
  const q = aggregateValues(values, "mean");
  const loss = tf.neg(tf.mean(q));
  return normalize ? tf.div(loss, stopGradient(tf.mean(tf.abs(q)))) : loss;
}

/**
 * Actions in units of `maxAction`, clipped to `[-(1 - 1e-5), 1 - 1e-5]`: what both algorithms read of a dataset (authors' code, whose
 * actions have the bound 1).
 */
export function unitActions(a: Tensor, maxAction: number): Tensor {
  const edge = 1 - 1e-5;
  return tf.clipByValue(tf.div(a, maxAction), -edge, edge);
}
