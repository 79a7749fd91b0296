/**
 * The policy that a distilled set trains: a Gaussian squashed by tanh, with a scale and an offset of its log standard deviation.
 *
 * Source: OBD (Lei et al. 2024, arXiv 2410.22728), authors' code, after Cal-QL's in CORL.
 *
 * @module
 */

import { type NdArray, ndarray, scalar } from "../engine/array.ts";
import { clip, exp, tanh } from "../core/gradient.ts";
import { initOrthogonalLinear, type Linear, linear, relu } from "../core/nn.ts";
import type { Rng } from "../core/rng.ts";
import { type Tensor, tf } from "../engine/tensor.ts";

/** Parameters. */
export interface TanhGaussianPolicy<L = Tensor> {
  /** Hidden layers and the output, `2 A` wide: means, then raw log standard deviations. */
  layers: Linear<L>[];
  /** Factor of the raw log standard deviation, `[]`. */
  scale: L;
  /** Added to the scaled log standard deviation, `[]`. */
  offset: L;
}

/** The words of {@linkcode Architecture}. */
export const architectures = ["plain", "residual"] as const;

/** How the layers are connected: one after the other, or with the first hidden layer added to the last. */
export type Architecture = typeof architectures[number];

function output(layers: readonly Linear[], s: Tensor, architecture: Architecture): Tensor {
  const hidden: Tensor[] = [];
  for (const layer of layers.slice(0, -1)) hidden.push(relu(linear(layer, hidden.at(-1) ?? s)));
  const last = hidden.at(-1) ?? s;
  return linear(layers[layers.length - 1], architecture === "residual" ? tf.add(hidden[0], last) : last);
}

/** Mean and log standard deviation before the squashing, each `[batch, A]`. */
export function policyGaussian(
  p: TanhGaussianPolicy,
  s: Tensor,
  architecture: Architecture = "plain",
): { mean: Tensor; logStandardDeviation: Tensor } {
  const [mean, raw] = tf.split(output(p.layers, s, architecture), 2, 1);
  return { mean, logStandardDeviation: clip(tf.add(tf.mul(raw, p.scale), p.offset), -20, 2) };
}

const bounded = (y: Tensor, maxAction: number) => maxAction === 1 ? y : tf.mul(y, maxAction);

/** `maxAction tanh(mean + sigma noise)`, `[batch, A]`. */
export function sampleAction(
  p: TanhGaussianPolicy,
  s: Tensor,
  noise: Tensor,
  maxAction: number,
  architecture: Architecture = "plain",
): Tensor {
  const { mean, logStandardDeviation } = policyGaussian(p, s, architecture);
  return bounded(tanh(tf.add(mean, tf.mul(exp(logStandardDeviation), noise))), maxAction);
}

/** `maxAction tanh(mean)`, how the policy acts when it is evaluated. */
export function meanAction(
  p: TanhGaussianPolicy,
  s: Tensor,
  maxAction: number,
  architecture: Architecture = "plain",
): Tensor {
  return bounded(tf.tanh(policyGaussian(p, s, architecture).mean), maxAction);
}

/** Fresh parameters: orthogonal of gain sqrt(2) in every layer, biases 0, scale 1, offset -1 (authors' code). */
export function initPolicy(
  observationDim: number,
  actionDim: number,
  { hidden, depth }: { hidden: number; depth: number },
  rng: Rng,
): TanhGaussianPolicy<NdArray> {
  const sizes = [observationDim, ...Array(depth).fill(hidden), 2 * actionDim];
  const layers = sizes.slice(1).map((n, i): Linear<NdArray> => {
    const { weight, bias } = initOrthogonalLinear(sizes[i], n, rng.child(`${i}`));
    return { weight: ndarray((weight.data as Float32Array).map((w) => Math.SQRT2 * w), weight.shape), bias };
  });
  return { layers, scale: scalar(1), offset: scalar(-1) };
}
