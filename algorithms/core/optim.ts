/**
 * Optimizers as pure functions over parameter trees.
 *
 * @module
 */

import { type NdArray, ndarray, scalar } from "../engine/array.ts";
import { isSmall, joinSmall, separateSmall } from "../engine/join.ts";
import { type LossTerms, type Tensor, tf, valueAndGrad } from "../engine/tensor.ts";
import { mapTree, treeLeaves, treeLike } from "../engine/tree.ts";

/**
 * First and second moment sums, one leaf per large parameter and one for all small ones together: a graph of few long
 * operations runs faster than one of many short.
 */
export interface AdamState<L = Tensor> {
  /** `sum b1^i g`: the first moment before its factor `1 - b1`. */
  first: L[];
  /** `sum b2^i g^2`: the second moment before its factor `1 - b2`. */
  second: L[];
}

/** Settings of {@linkcode adamStep}. */
export interface AdamConfig {
  /** Adam's step size. */
  learningRate: number;
  /** Decay rates of the two moments. @default [0.9, 0.999] */
  betas?: readonly [number, number];
  /** Added to the root of the bias-corrected second moment. @default 1e-8 */
  epsilon?: number;
  /** Decoupled weight decay (AdamW, Loshchilov & Hutter 2019). @default 0 */
  weightDecay?: number;
}

/** The factors of one Adam step: scalars, computed in float64 outside the graph. */
export interface AdamStep<L = NdArray> {
  /** Step size with its bias corrections. */
  rate: L;
  /** Added to the root of the second moment. */
  epsilon: L;
  /** What weight decay leaves of a weight. */
  keep: L;
}

const defaultBetas = [0.9, 0.999] as const;

/** Moments of zero for `params`. */
export function initAdam(params: unknown): AdamState<NdArray> {
  const leaves = treeLeaves<NdArray>(params);
  const small = leaves.filter(isSmall).reduce((sum, { data }) => sum + data.length, 0);
  const shapes = [[small], ...leaves.filter((leaf) => !isSmall(leaf)).map((leaf) => leaf.shape)];
  const zeros = () => shapes.map((shape) => ndarray(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape));
  return { first: zeros(), second: zeros() };
}

/**
 * The scalars of Adam's update number `count` (1, 2, ...), Kingma & Ba 2015, Algorithm 1.
 *
 * The factors `1 - b` and the bias corrections are moved out of the moments into three scalars, so that the graph does
 * half the work per parameter: `m = (1 - b1) first`, `v = (1 - b2) second`. [Ours]
 */
export function adamStep(count: number, config: AdamConfig): AdamStep {
  const { learningRate, betas: [b1, b2] = defaultBetas, epsilon = 1e-8, weightDecay = 0 } = config;
  const root = Math.sqrt((1 - b2) / (1 - b2 ** count));
  return {
    rate: scalar(learningRate * (1 - b1) / (1 - b1 ** count) / root),
    epsilon: scalar(epsilon / root),
    keep: scalar(1 - learningRate * weightDecay),
  };
}

/** New parameters and moments after one Adam step; `step` comes from {@linkcode adamStep}. */
export function adamUpdate<P>(
  params: P,
  grad: P,
  state: AdamState,
  step: AdamStep<Tensor>,
  options: { betas?: readonly [number, number]; decays?: "weights" } = {},
): { params: P; state: AdamState } {
  const [b1, b2] = options.betas ?? defaultBetas;
  const leaves = treeLeaves<Tensor>(params);
  const [ps, gs] = [joinSmall(leaves), joinSmall(treeLeaves<Tensor>(grad))];
  const first = state.first.map((m, i) => tf.add(tf.mul(m, b1), gs[i]));
  const second = state.second.map((v, i) => tf.add(tf.mul(v, b2), tf.square(gs[i])));
  const next = ps.map((p, i) => {
    const rate = tf.div(step.rate, tf.add(tf.sqrt(second[i]), step.epsilon));
    return tf.sub(options.decays ? tf.mul(p, step.keep) : p, tf.mul(first[i], rate));
  });
  return { params: treeLike<Tensor, P>(params, separateSmall(next, leaves)), state: { first, second } };
}

/** Parameters with their optimizer's moments. */
export interface Trained<P, L = NdArray> {
  /** What is trained. */
  params: P;
  /** Its moments. */
  adam: AdamState<L>;
}

/** Parameters with moments of zero. */
export function initTrained<P>(params: P): Trained<P> {
  return { params, adam: initAdam(params) };
}

/**
 * One Adam step on `loss`: the value, its terms, and the parameters with their moments afterwards.
 *
 * @param options Adam's decay rates, AdamW's decay of weights, and the global norm that gradients are clipped to.
 */
export function trainStep<P>(
  trained: Trained<P, Tensor>,
  loss: (params: P) => Tensor | LossTerms,
  step: AdamStep<Tensor>,
  options: { betas?: readonly [number, number]; decays?: "weights"; clipNorm?: number } = {},
): { value: Tensor; terms: Record<string, Tensor>; next: Trained<P, Tensor> } {
  const { value, grad, terms } = valueAndGrad(loss, trained.params);
  const used = options.clipNorm === undefined ? grad : clipByGlobalNorm(grad, options.clipNorm);
  const { params, state } = adamUpdate(trained.params, used, trained.adam, step, options);
  return { value, terms, next: { params, adam: state } };
}

/**
 * Cosine decay to zero (Loshchilov & Hutter 2017): the learning rate of update `k` of `total`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { cosineDecay } from "./optim.ts";
 * assert(Math.abs(cosineDecay(3e-4, 500, 1000) - 1.5e-4) < 1e-18);
 * ```
 */
export function cosineDecay(learningRate: number, k: number, total: number): number {
  return learningRate * (1 + Math.cos(Math.PI * k / total)) / 2;
}

/** Scales all gradients by `min(1, maxNorm / (norm + 1e-6))`, with the norm over the whole tree, as PyTorch does. */
export function clipByGlobalNorm<P>(grad: P, maxNorm: number): P {
  const squares = treeLeaves<Tensor>(grad).map((g) => tf.sum(tf.square(g)));
  const norm = tf.sqrt(squares.reduce((a, b) => tf.add(a, b)));
  const factor = tf.minimum(tf.div(maxNorm, tf.add(norm, 1e-6)), 1);
  return mapTree<Tensor, Tensor>(grad, (g) => tf.mul(g, factor));
}
