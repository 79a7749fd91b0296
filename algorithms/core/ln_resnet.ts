/**
 * The LN-ResNet of IDQL (Hansen-Estruch et al. 2023, arXiv 2304.10573), a noise-predicting network for actions.
 *
 * @module
 */

import type { Spec } from "./agent.ts";
import { type NdArray, ndarray } from "../engine/array.ts";
import { fourierEmbedding, initLinear, initMlp, type Linear, linear, mish, mlp, rowsLike } from "./nn.ts";
import { initLayerNorm, type LayerNorm, layerNorm } from "./layer_norm.ts";
import type { Rng } from "./rng.ts";
import { type Tensor, tf } from "../engine/tensor.ts";

/** A residual block: dropout, LayerNorm, affine, Mish, affine. */
export interface Block<L> {
  /** Before the first affine map. */
  norm: LayerNorm<L>;
  /** `[width, 4 width]` */
  first: Linear<L>;
  /** `[4 width, width]` */
  second: Linear<L>;
}

/** Noise-predicting LN-ResNet (Hansen-Estruch et al. 2023, IDQL). */
export interface BehaviourNetwork<L = Tensor> {
  /** Embedding of the time. */
  time: Linear<L>[];
  /** First layer. */
  input: Linear<L>;
  /** Residual blocks. */
  blocks: Block<L>[];
  /** Last layer. */
  output: Linear<L>;
}

/**
 * `epsilon(a_t, t, s)`: `[batch, A]`, `[batch, 1]`, `[batch, S]` to `[batch, A]`.
 *
 * @param frequencies Fixed Fourier frequencies, `[1, 32]`.
 * @param masks Dropout's factors, 0 or 1 / (1 - p), `[batch, width]` per block; null outside of training.
 */
export function behaviourNoise(
  p: BehaviourNetwork,
  frequencies: Tensor,
  a: Tensor,
  t: Tensor,
  s: Tensor,
  masks: readonly Tensor[] | null,
): Tensor {
  const embedded = mlp(p.time, fourierEmbedding(frequencies, t), mish);
  let h = linear(p.input, tf.concat([a, rowsLike(s, a), embedded], 1));
  p.blocks.forEach(({ norm, first, second }, k) => {
    const kept = masks ? tf.mul(h, masks[k]) : h;
    h = tf.add(h, linear(second, mish(linear(first, layerNorm(norm, kept)))));
  });
  return linear(p.output, mish(h));
}

/** Parameters of a {@linkcode BehaviourNetwork}. */
export function initBehaviour(
  { observationDim: s, actionDim: a }: Spec,
  { behaviourHidden: h, blocks }: { behaviourHidden: number; blocks: number },
  rng: Rng,
): BehaviourNetwork<NdArray> {
  return {
    time: initMlp([2 * frequencyCount, 128, 128], rng.child("time")),
    input: initLinear(a + s + 128, h, rng.child("input")),
    blocks: Array.from({ length: blocks }, (_, k) => ({
      norm: initLayerNorm(h),
      first: initLinear(h, 4 * h, rng.child(`block/${k}/first`)),
      second: initLinear(4 * h, h, rng.child(`block/${k}/second`)),
    })),
    output: initLinear(h, a, rng.child("output")),
  };
}

const [frequencyCount, frequencyScale] = [32, 30]; // Authors' code.

/** Fixed Fourier frequencies, `[1, 32]`. */
export function drawFrequencies(rng: Rng): NdArray {
  const frequencies = rng.fillNormal(new Float32Array(frequencyCount));
  return ndarray(frequencies.map((x) => frequencyScale * x), [1, frequencyCount]);
}
