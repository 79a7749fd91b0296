/**
 * Convolutions over time: products with neighbouring steps laid side by side, `[batch, horizon, channels]`.
 *
 * Weights are `[taps in, out]`, one tap after the other; `initLinear(taps in, out)` is then PyTorch's default initialization.
 *
 * @module
 */

import { sumRows, withGradient } from "./gradient.ts";
import type { LayerNorm } from "./layer_norm.ts";
import { type Linear, linear } from "./nn.ts";
import { type Tensor, tf } from "../engine/tensor.ts";

/** For each output step, the input steps that its taps get; null where a tap gets none. */
type Table = readonly (readonly (number | null)[])[];

/** For each input step, the places `step * taps + tap` that got it; shorter lists are filled up by null. */
function transposed(table: Table, horizon: number): Table {
  const places: (number | null)[][] = Array.from({ length: horizon }, () => []);
  table.forEach((taps, t) => taps.forEach((from, tap) => from !== null && places[from].push(t * taps.length + tap)));
  const most = Math.max(...places.map((list) => list.length));
  return places.map((list) => [...list, ...Array(most - list.length).fill(null)]);
}

/** The rows of `[batch, horizon, channels]` that a table names, zeros for null: `[batch, table.length, taps, channels]`. */
function gatherRows(x: Tensor, table: Table): Tensor {
  const [batch, horizon, channels] = x.shape;
  const indices = table.flatMap((taps) => taps.map((from) => from ?? horizon));
  const padded = tf.pad(x, [[0, 0], [0, 1], [0, 0]]);
  const rows = tf.gather(padded, tf.tensor1d(indices, "int32"), 1);
  return tf.reshape(rows, [batch, table.length, table[0].length, channels]);
}

/** Input steps side by side, `[batch, table.length, taps channels]`; its gradient is another table's, summed over places. */
function sideBySide(x: Tensor, table: Table): Tensor {
  const [batch, horizon, channels] = x.shape;
  const taps = table[0].length;
  const apply = withGradient(
    ([x]) => tf.reshape(gatherRows(x, table), [batch, table.length, taps * channels]),
    (dy) => {
      const places = tf.reshape(dy, [batch, table.length * taps, channels]);
      return tf.sum(gatherRows(places, transposed(table, horizon)), 2);
    },
  );
  return apply(x);
}

/** Taps `from` to `from + taps - 1` around every `stride`-th step. */
function neighbours(horizon: number, from: number, taps: number, stride = 1): Table {
  return Array.from({ length: horizon / stride }, (_, t) =>
    Array.from({ length: taps }, (_, tap) => {
      const at = stride * t + from + tap;
      return at >= 0 && at < horizon ? at : null;
    }));
}

/** `linear` over the last axis. */
function pointwise(p: Linear, x: Tensor): Tensor {
  const [batch, horizon, channels] = x.shape;
  return tf.reshape(linear(p, tf.reshape(x, [batch * horizon, channels])), [batch, horizon, -1]);
}

/**
 * A convolution that keeps the horizon: stride 1, zeros beyond the ends.
 *
 * @param p An odd number of taps, earliest first; one is a 1 x 1 convolution.
 * @param x `[batch, horizon, in]`
 * @returns `[batch, horizon, out]`
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { conv1d } from "./conv.ts";
 * import { tf } from "../engine/tensor.ts";
 * await tf.setBackend("cpu");
 * const difference = { weight: tf.tensor2d([[-1], [0], [1]]), bias: tf.tensor1d([0]) };
 * assertEquals([...conv1d(difference, tf.tensor3d([[[1], [2], [4]]])).dataSync()], [2, 3, -2]);
 * ```
 */
export function conv1d(p: Linear, x: Tensor): Tensor {
  const [, horizon, channels] = x.shape;
  const taps = p.weight.shape[0] / channels;
  return pointwise(p, taps === 1 ? x : sideBySide(x, neighbours(horizon, -(taps - 1) / 2, taps)));
}

/** A convolution of stride 2 with three taps, centred on every second step: `[batch, horizon, in] -> [batch, horizon / 2, out]`. */
export function downsample(p: Linear, x: Tensor): Tensor {
  return pointwise(p, sideBySide(x, neighbours(x.shape[1]!, -1, 3, 2)));
}

/**
 * A transposed convolution of stride 2 with four taps, `[batch, horizon, in] -> [batch, 2 horizon, out]`: step 2i is made of
 * steps i - 1 and i by taps 3 and 1, step 2i + 1 of steps i and i + 1 by taps 2 and 0.
 *
 * @param p `weight [4 in, out]` with the taps in the order 3, 1, 2, 0.
 */
export function upsample({ weight, bias }: Linear, x: Tensor): Tensor {
  const [batch, horizon] = x.shape;
  const [even, odd] = tf.split(weight, 2, 0).map((half, i) =>
    pointwise({ weight: half, bias }, sideBySide(x, neighbours(horizon, i - 1, 2)))
  );
  return tf.reshape(tf.concat([even, odd], 2), [batch, 2 * horizon, -1]);
}

const epsilon = 1e-5; // PyTorch's default.

/** `[batch, channels]`, each replaced by its group's mean. */
function groupMean(x: Tensor, groups: number): Tensor {
  const channels = x.shape[1]!;
  const member = (group: number, channel: number) => Number(Math.floor(channel * groups / channels) === group);
  const table = (rows: number, columns: number, f: (i: number, j: number) => number) =>
    tf.tensor2d(Array.from({ length: rows * columns }, (_, k) => f(Math.floor(k / columns), k % columns)), [
      rows,
      columns,
    ]);
  const means = tf.matMul(x as tf.Tensor2D, table(channels, groups, (c, g) => member(g, c) * groups / channels));
  return tf.matMul(means, table(groups, channels, member));
}

/** What GroupNorm's value and gradient share: deviations from the group's mean, and their inverse root mean square. */
function groupStatistics(x: Tensor, groups: number): { centred: Tensor; inverse: Tensor } {
  const [batch, , channels] = x.shape;
  const overTime = (y: Tensor) => tf.reshape(groupMean(tf.mean(y, 1), groups), [batch, 1, channels]);
  const centred = tf.sub(x, overTime(x));
  return { centred, inverse: tf.rsqrt(tf.add(overTime(tf.square(centred)), epsilon)) };
}

/**
 * GroupNorm (Wu & He 2018, arXiv 1803.08494) of `[batch, horizon, channels]`: statistics over time and the channels of a
 * group, biased variance, epsilon 1e-5.
 */
export function groupNorm({ scale, shift }: LayerNorm, x: Tensor, groups: number): Tensor {
  const [batch, horizon, channels] = x.shape;
  const row = (v: Tensor) => tf.reshape(v, [1, 1, channels]);
  // With g = dy scale: dx = inverse (g - mean(g) - c inverse^2 mean(g c)), means over the group; what is small is done on
  // means over time. [Ours]
  const apply = withGradient(
    ([x, scale, shift]) => {
      const { centred, inverse } = groupStatistics(x, groups);
      return tf.add(tf.mul(centred, tf.mul(inverse, row(scale))), row(shift));
    },
    (dy, [x, scale]) => {
      const { centred, inverse } = groupStatistics(x, groups);
      const flat = tf.reshape(inverse, [batch, channels]);
      const [direct, product] = [dy, tf.mul(dy, centred)].map((y) => tf.mean(y, 1));
      const weighted = (y: Tensor) => groupMean(tf.mul(y, tf.reshape(scale, [1, channels])), groups);
      const offset = tf.reshape(tf.mul(flat, weighted(direct)), [batch, 1, channels]);
      const slope = tf.reshape(tf.mul(tf.pow(flat, 3), weighted(product)), [batch, 1, channels]);
      const dx = tf.sub(tf.sub(tf.mul(dy, tf.mul(inverse, row(scale))), tf.mul(centred, slope)), offset);
      return [dx, tf.mul(sumRows(tf.mul(product, flat)), horizon), tf.mul(sumRows(direct), horizon)];
    },
  );
  return apply(x, scale, shift);
}
