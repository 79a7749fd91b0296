/**
 * Gradients through training: from the trained parameters back to the data they were trained on.
 *
 * Training is stochastic gradient descent with momentum, `v <- m v + grad L`, `w <- w - rate v`. Backwards, each step needs
 * products of the loss's second derivatives with a vector; one compiled graph gives them, run once per step on the step's stored
 * parameters, so that no graph of the whole is kept.
 *
 * Source: OBD (arXiv 2410.22728), Eq. 3 and authors' code, after RememberThePast (Deng & Russakovsky 2022, arXiv 2206.02916).
 *
 * @module
 */

import { copyArrays, type NdArray, ndarray } from "../engine/array.ts";
import { compile, type Computed } from "../engine/compile.ts";
import { type Tensor, tf, valueAndGrad } from "../engine/tensor.ts";
import { mapTree, treeLeaves, zipTree } from "../engine/tree.ts";

/** Pairs that train a policy, row by row. */
export interface Pairs<L = NdArray> {
  /** `[pairs, observationDim]` */
  observation: L;
  /** `[pairs, actionDim]` */
  action: L;
}

/** Settings of the training. */
export interface InnerConfig {
  /** Step size of the inner descent. */
  innerLearningRate: number;
  /** Its momentum. */
  innerMomentum: number;
}

/** Training, forwards and backwards. */
export interface Unroll<P> {
  /** Trains from `start`, one step per noise; returns the parameters before each step and after the last, and the losses. */
  train(
    start: Computed<P>,
    pairs: Pairs,
    noises: readonly NdArray[],
  ): Promise<{ path: Computed<P>[]; losses: number[] }>;
  /**
   * The gradient of an objective with respect to the pairs.
   *
   * @param path From {@linkcode Unroll.train}.
   * @param noises One per step: those of training for the exact gradient, others for an estimate (authors' code).
   * @param last The objective's gradient with respect to the last parameters.
   * @returns Gradients of pairs and of the first parameters.
   */
  pullBack(
    path: readonly Computed<P>[],
    pairs: Pairs,
    noises: readonly NdArray[],
    last: Computed<P>,
  ): Promise<{ pairs: Pairs; start: Computed<P> }>;
}

const sum = (xs: readonly Tensor[]) => xs.reduce((a, b) => tf.add(a, b));

/** Sum of products over two trees. */
function dot<P>(a: P, b: P): Tensor {
  const other = treeLeaves<Tensor>(b);
  return sum(treeLeaves<Tensor>(a).map((x, i) => tf.sum(tf.mul(x, other[i]))));
}

const zerosLike = <T>(tree: T): T =>
  mapTree<NdArray, NdArray>(tree, ({ data, shape }) => ndarray(new Float32Array(data.length), shape));

/**
 * Creates the unrolled training of a loss.
 *
 * @param loss The inner loss of parameters on pairs, given noise of any shape.
 */
export function createUnroll<P>(
  name: string,
  loss: (params: P, pairs: Pairs<Tensor>, noise: Tensor) => Tensor,
  { innerLearningRate: rate, innerMomentum: momentum }: InnerConfig,
): Unroll<P> {
  type Params = Computed<P>;
  const scaledSum = (a: P, x: number, b: P, y: number) =>
    zipTree<Tensor, P>(a, b, (p, q) => tf.add(x === 1 ? p : tf.mul(p, x), tf.mul(q, y)));

  const step = compile<{ p: Params; v: Params; pairs: Pairs; noise: NdArray }>(
    `${name}/step`,
    ({ p, v, pairs, noise }) => {
      const { value, grad } = valueAndGrad((q) => loss(q, pairs, noise), p as P);
      const velocity = momentum === 0 ? grad : scaledSum(grad, 1, v as P, momentum);
      const next = scaledSum(p as P, 1, velocity, -rate);
      return { p: next, ...(momentum === 0 ? {} : { v: velocity }), loss: value };
    },
  );

  // dw, dv: the objective's gradients with respect to a step's parameters and velocity.
  const back = compile<{
    state: { dw: Params; dv: Params; ds: Pairs };
    p: Params;
    pairs: Pairs;
    noise: NdArray;
  }>(`${name}/back`, ({ state, p, pairs, noise }) => {
    const dw = state.dw as P;
    const dv = momentum === 0 ? mapTree<Tensor, Tensor>(dw, (x) => tf.mul(x, -rate)) as P : scaledSum(
      state.dv as P,
      1,
      dw,
      -rate,
    );
    const { grad } = valueAndGrad(
      ({ p, pairs }) => dot(valueAndGrad((q) => loss(q, pairs, noise), p).grad, dv),
      { p: p as P, pairs: pairs as Pairs<Tensor> },
    );
    return {
      state: {
        dw: scaledSum(dw, 1, grad.p, 1), // Eq. 3, its product factor by factor; `ds` is its sum.
        dv: momentum === 0 ? state.dv : mapTree<Tensor, Tensor>(dv, (x) => tf.mul(x, momentum)),
        ds: zipTree<Tensor, Pairs<Tensor>>(state.ds as Pairs<Tensor>, grad.pairs, (a, b) => tf.add(a, b)),
      },
    };
  });

  const noVelocity = {} as Params;
  return {
    async train(start, pairs, noises) {
      const path = [start];
      const losses: number[] = [];
      let v = momentum === 0 ? noVelocity : zerosLike(start);
      for (const noise of noises) {
        const result = await step({ p: path[path.length - 1], v, pairs, noise });
        path.push(result.p as Params);
        if (momentum !== 0) v = result.v as Params;
        losses.push((result.loss as NdArray).data[0]);
      }
      return { path, losses };
    },

    async pullBack(path, pairs, noises, last) {
      type State = { dw: Params; dv: Params; ds: Pairs };
      let state: State = {
        dw: copyArrays(last),
        dv: momentum === 0 ? noVelocity : zerosLike(last),
        ds: zerosLike(pairs),
      };
      for (let k = noises.length - 1; k >= 0; k--) {
        const result = await back({ state, p: path[k], pairs, noise: noises[k] });
        state = result.state as State;
      }
      return { pairs: state.ds, start: state.dw };
    },
  };
}
