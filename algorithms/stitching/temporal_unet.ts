/**
 * The temporal U-Net: noise of a window of steps, given the diffusion step and, if it is to count, a return.
 *
 * Source: Decision Diffuser (Ajay et al. 2023, arXiv 2211.15657), authors' code, after Diffuser (Janner et al. 2022, arXiv 2205.09991).
 *
 * @module
 */

import type { NdArray } from "../engine/array.ts";
import { conv1d, downsample, groupNorm, upsample } from "../core/conv.ts";
import { initLayerNorm, type LayerNorm } from "../core/layer_norm.ts";
import { initLinear, initMlp, type Linear, linear, mish, mlp, sinusoidalEmbedding } from "../core/nn.ts";
import type { Rng } from "../core/rng.ts";
import { type Tensor, tf } from "../engine/tensor.ts";

const groups = 8;

/** A convolution, GroupNorm and Mish. */
export interface ConvBlock<L = Tensor> {
  /** The convolution, `[width in channels, out]`. */
  conv: Linear<L>;
  /** Scale and shift of GroupNorm, `[out]`. */
  norm: LayerNorm<L>;
}

/** Two convolutions around an added embedding, beside a shortcut: the input, or its 1 x 1 convolution (one or none). */
export interface ResidualBlock<L = Tensor> {
  /** Before the embedding is added. */
  first: ConvBlock<L>;
  /** After it. */
  second: ConvBlock<L>;
  /** From diffusion step and return to the block's channels. */
  embedding: Linear<L>;
  /** One convolution where the number of channels changes, or none. */
  shortcut: Linear<L>[];
}

/** Parameters of the network. */
export interface TemporalUnet<L = Tensor> {
  /** Embeddings of the diffusion step and the return. */
  step: Linear<L>[];
  /** Embedding of the wanted return. */
  returns: Linear<L>[];
  /** Two blocks per level, widest horizon first, and a convolution of stride 2 after each but the last. */
  down: { blocks: ResidualBlock<L>[]; downsample: Linear<L>[] }[];
  /** Blocks at the bottom. */
  middle: ResidualBlock<L>[];
  /** Two blocks and a transposed convolution per level but the first. */
  up: { blocks: ResidualBlock<L>[]; upsample: Linear<L> }[];
  /** Last convolutions. */
  head: { block: ConvBlock<L>; output: Linear<L> };
}

const convBlock = ({ conv, norm }: ConvBlock, x: Tensor) => mish(groupNorm(norm, conv1d(conv, x), groups));

function residualBlock({ first, second, embedding, shortcut }: ResidualBlock, x: Tensor, e: Tensor): Tensor {
  const added = linear(embedding, e);
  const h = tf.add(convBlock(first, x), tf.reshape(added, [added.shape[0], 1, added.shape[1]!]));
  return tf.add(convBlock(second, h), shortcut.length > 0 ? conv1d(shortcut[0], x) : x);
}

/**
 * The noise in windows.
 *
 * @param x `[batch, horizon, channels]`; the horizon is divisible by 2 for each level but the last.
 * @param step Diffusion step, `[batch, 1]`.
 * @param returns Wanted return, `[batch, 1]`.
 * @param keep `[batch, 1]`, 1 where the return counts, 0 where it is left out.
 * @returns `[batch, horizon, channels]`
 */
export function temporalUnetNoise(p: TemporalUnet, x: Tensor, step: Tensor, returns: Tensor, keep: Tensor): Tensor {
  const dim = p.step[0].weight.shape[0];
  const time = mlp(p.step, sinusoidalEmbedding(step, dim), mish);
  const e = mish(tf.concat([time, tf.mul(mlp(p.returns, returns, mish), keep)], 1)); // Every block applies Mish to it first.
  let h = x;
  const skips: Tensor[] = [];
  for (const { blocks, downsample: [stride] } of p.down) {
    h = blocks.reduce((h, block) => residualBlock(block, h, e), h);
    skips.push(h);
    if (stride) h = downsample(stride, h);
  }
  h = p.middle.reduce((h, block) => residualBlock(block, h, e), h);
  for (const { blocks, upsample: stride } of p.up) {
    h = tf.concat([h, skips.pop()!], 2);
    h = upsample(stride, blocks.reduce((h, block) => residualBlock(block, h, e), h));
  }
  return conv1d(p.head.output, convBlock(p.head.block, h));
}

/** Sizes of {@linkcode initTemporalUnet}. */
export interface TemporalUnetSizes {
  /** Width of the first level and of the embeddings. */
  width: number;
  /** Widths of the levels, in units of the first. */
  multipliers: readonly number[];
}

/** Fresh parameters, PyTorch's defaults. */
export function initTemporalUnet(
  channels: number,
  { width, multipliers }: TemporalUnetSizes,
  rng: Rng,
): TemporalUnet<NdArray> {
  const convBlock = (from: number, to: number, stream: Rng): ConvBlock<NdArray> => ({
    conv: initLinear(5 * from, to, stream),
    norm: initLayerNorm(to),
  });
  const residualBlock = (from: number, to: number, stream: Rng): ResidualBlock<NdArray> => ({
    first: convBlock(from, to, stream.child("first")),
    second: convBlock(to, to, stream.child("second")),
    embedding: initLinear(2 * width, to, stream.child("embedding")),
    shortcut: from === to ? [] : [initLinear(from, to, stream.child("shortcut"))],
  });
  const pair = (from: number, to: number, stream: Rng) => [
    residualBlock(from, to, stream.child("0")),
    residualBlock(to, to, stream.child("1")),
  ];
  const widths = multipliers.map((m) => m * width);
  const last = widths.length - 1;
  return {
    step: initMlp([width, 4 * width, width], rng.child("step")),
    returns: initMlp([1, width, 4 * width, width], rng.child("returns")),
    down: widths.map((to, i) => ({
      blocks: pair(i === 0 ? channels : widths[i - 1], to, rng.child(`down/${i}`)),
      downsample: i === last ? [] : [initLinear(3 * to, to, rng.child(`down/${i}/stride`))],
    })),
    middle: pair(widths[last], widths[last], rng.child("middle")),
    up: Array.from({ length: last }, (_, k) => last - 1 - k).map((i) => ({
      blocks: pair(2 * widths[i + 1], widths[i], rng.child(`up/${i}`)),
      upsample: initLinear(4 * widths[i], widths[i], rng.child(`up/${i}/stride`)),
    })),
    head: {
      block: convBlock(width, width, rng.child("head")),
      output: initLinear(width, channels, rng.child("output")),
    },
  };
}
