/**
 * Networks of DTQL: diffusion model, twin critic with state value, one-step policy (Chen, Wang & Zhou 2024, arXiv 2405.19690).
 *
 * @module
 */

import type { Spec } from "../core/agent.ts";
import type { NdArray } from "../engine/array.ts";
import { initLayerNorm, type LayerNorm, layerNorm } from "../core/layer_norm.ts";
import {
  initMlp,
  initOrthogonalLinear,
  type Linear,
  linear,
  mish,
  mlp,
  relu,
  rowsLike,
  sinusoidalEmbedding,
} from "../core/nn.ts";
import type { Rng } from "../core/rng.ts";
import { type Tensor, tf } from "../engine/tensor.ts";
import type { DtqlConfig } from "./config.ts";

/** Denoising network: time embedding, an affine map without activation, Mish layers, an affine map. */
export interface ScoreNetwork<L = Tensor> {
  time: Linear<L>[];
  trunk: Linear<L>[];
}

/** One action value: affine, LayerNorm, Mish three times, then an affine map to one number. */
export interface QNetwork<L = Tensor> {
  layers: Linear<L>[];
  norms: LayerNorm<L>[];
}

/** Twin action values and a state value. */
export interface Critic<L = Tensor> {
  q1: QNetwork<L>;
  q2: QNetwork<L>;
  v: Linear<L>[];
}

/** `F(x, s, level)`: `[batch, A]`, `[batch, S]`, `[batch, 1]` to `[batch, A]`. */
export function scoreNetwork(p: ScoreNetwork, x: Tensor, s: Tensor, level: Tensor): Tensor {
  const embedded = mlp(p.time, sinusoidalEmbedding(level, p.time[0].weight.shape[0]), mish);
  const [first, ...rest] = p.trunk;
  return mlp(rest, linear(first, tf.concat([x, rowsLike(s, x), embedded], 1)), mish);
}

function qNetwork({ layers, norms }: QNetwork, input: Tensor): Tensor {
  const h = norms.reduce((x, norm, i) => mish(layerNorm(norm, linear(layers[i], x))), input);
  return linear(layers[layers.length - 1], h);
}

/** `[Q1(s, a), Q2(s, a)]`, each `[batch, 1]`. */
export function actionValues(p: Critic, s: Tensor, a: Tensor): [Tensor, Tensor] {
  const input = tf.concat([rowsLike(s, a), a], 1);
  return [qNetwork(p.q1, input), qNetwork(p.q2, input)];
}

/** `V(s)`, `[batch, 1]`. */
export function stateValue(p: Critic, s: Tensor): Tensor {
  return mlp(p.v, s, mish);
}

/** Least and largest logarithm of the one-step policy's standard deviation (authors' code). */
export const logStdRange = [-5, 2] as const;

/** Mean and standard deviation of the one-step policy before tanh, each `[batch, A]`. */
export function actorHead(p: Linear[], s: Tensor): { mean: Tensor; std: Tensor } {
  const [mean, logStd] = tf.split(mlp(p, s, relu), 2, 1);
  return { mean, std: tf.exp(tf.clipByValue(logStd, ...logStdRange)) };
}

/** A reparameterised action `maxAction tanh(mean + std epsilon)`, `[batch, A]`. */
export function actorSample(p: Linear[], s: Tensor, epsilon: Tensor, maxAction: number): Tensor {
  const { mean, std } = actorHead(p, s);
  return tf.mul(tf.tanh(tf.add(mean, tf.mul(std, epsilon))), maxAction);
}

/** Log density of `atanh(a / (maxAction + 0.001))` under the Gaussian, without tanh's Jacobian (authors' code), `[batch, 1]`. */
export function actorLogDensity(p: Linear[], s: Tensor, a: Tensor, maxAction: number): Tensor {
  const { mean, std } = actorHead(p, s);
  const y = tf.div(a, maxAction + 1e-3);
  const raw = tf.mul(tf.log(tf.div(tf.add(1, y), tf.sub(1, y))), 0.5);
  const z = tf.div(tf.sub(raw, mean), std);
  const density = tf.sub(tf.mul(tf.square(z), -0.5), tf.add(tf.log(std), Math.log(2 * Math.PI) / 2));
  return tf.sum(density, 1, true);
}

/** Parameters of a {@linkcode scoreNetwork}. */
export function initScoreNetwork(
  { observationDim, actionDim }: Spec,
  config: DtqlConfig,
  rng: Rng,
): ScoreNetwork<NdArray> {
  const { timeDim: e, diffusionHidden: h, depth } = config;
  return {
    time: initMlp([e, 2 * e, e], rng.child("time")),
    trunk: initMlp([actionDim + observationDim + e, ...Array(depth + 1).fill(h), actionDim], rng.child("trunk")),
  };
}

/** Parameters of the critic. */
export function initCritic(
  { observationDim, actionDim }: Spec,
  { hidden, depth }: DtqlConfig,
  rng: Rng,
): Critic<NdArray> {
  const widths: number[] = Array(depth).fill(hidden);
  const q = (name: string) => ({
    layers: initMlp([observationDim + actionDim, ...widths, 1], rng.child(name)),
    norms: widths.map(initLayerNorm),
  });
  return { q1: q("q1"), q2: q("q2"), v: initMlp([observationDim, ...widths, 1], rng.child("v")) };
}

/** Parameters of the one-step policy: orthogonal weights, zero biases. */
export function initActor(
  { observationDim, actionDim }: Spec,
  { hidden, depth }: DtqlConfig,
  rng: Rng,
): Linear<NdArray>[] {
  const sizes = [observationDim, ...Array(depth).fill(hidden), 2 * actionDim];
  return sizes.slice(1).map((n, i) => initOrthogonalLinear(sizes[i], n, rng.child(`${i}`)));
}
