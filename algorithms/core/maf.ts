/**
 * A masked autoregressive flow: log densities of states (Papamakarios et al. 2017, arXiv 1705.07057).
 *
 * Blocks of a MADE (Germain et al. 2015, arXiv 1502.03509) and a BatchNorm; the order of dimensions is reversed from block to block.
 * Sizes and training are those of the implementation that SDW-OBD's authors use elsewhere.
 *
 * @module
 */

import { type NdArray, ndarray } from "../engine/array.ts";
import { compile } from "../engine/compile.ts";
import { initLinear, type Linear, relu } from "./nn.ts";
import { type AdamStep, adamStep, initTrained, type Trained, trainStep } from "./optim.ts";
import { type Rng, shuffle } from "./rng.ts";
import { stopGradient, type Tensor, tf } from "../engine/tensor.ts";
import { treeLeaves } from "../engine/tree.ts";

/** Settings of {@linkcode trainMaf}. */
export interface MafConfig {
  /** Autoregressive blocks, first to last. */
  blocks: number;
  /** Width of the hidden layers. */
  hidden: number;
  /** Adam's step size. */
  learningRate: number;
  /** Added to the gradient as a multiple of each parameter. */
  weightDecay: number;
  /** Rows per minibatch. */
  batchSize: number;
  /** Passes over the data. */
  epochs: number;
  /** Share of rows that choose the best epoch. */
  validation: number;
}

/** Defaults of that implementation; the validation share is ours. */
export const mafDefaults: MafConfig = {
  blocks: 5,
  hidden: 100,
  learningRate: 1e-4,
  weightDecay: 1e-6,
  batchSize: 100,
  epochs: 50,
  validation: 0.1,
};

/** Parameters of a block: three masked layers, the last `2 D` wide (shifts, then log scales), and the BatchNorm's. */
export interface MafBlock<L = Tensor> {
  /** Masked layers. */
  layers: Linear<L>[];
  /** Logarithm of the batch normalization's scale, `[dim]`. */
  logGamma: L;
  /** The batch normalization's shift, `[dim]`. */
  beta: L;
}

/** What BatchNorm remembers, `[D]` each. */
export interface RunningMoments<L = Tensor> {
  /** `[dim]` */
  mean: L;
  /** `[dim]` */
  variance: L;
}

/** A flow: parameters and moments, one per block. */
export interface Maf<L = Tensor> {
  /** Autoregressive blocks, first to last. */
  blocks: MafBlock<L>[];
  /** Moments of each block for evaluation. */
  moments: RunningMoments<L>[];
}

const [epsilon, rate] = [1e-5, 0.1];

/**
 * Masks `[in, out]` of a block's three layers: hidden unit k has degree `k mod (D - 1)`, and a weight stands where the output's
 * degree is at least the input's.
 *
 * @param order Whether the dimensions' degrees rise or fall.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { madeMasks } from "./maf.ts";
 * assertEquals([...madeMasks(2, 1, "rising")[0]], [1, 0]); // The hidden unit sees the first of two dimensions.
 * ```
 */
export function madeMasks(dim: number, hidden: number, order: "rising" | "falling"): Float32Array[] {
  const inputs = Array.from({ length: dim }, (_, i) => order === "falling" ? dim - 1 - i : i);
  const units = Array.from({ length: hidden }, (_, k) => k % (dim - 1));
  const outputs = inputs.map((degree) => degree - 1);
  const mask = (from: number[], to: number[]) => Float32Array.from(from.flatMap((a) => to.map((b) => Number(b >= a))));
  return [mask(inputs, units), mask(units, units), mask(units, [...outputs, ...outputs])];
}

/** Noise of inputs under a MADE, `u = (x - m) exp(-l)`, and the log of its slope per dimension, `-l`; both `[batch, D]`. */
export function madeTransform(
  layers: readonly Linear[],
  masks: readonly Tensor[],
  x: Tensor,
): { u: Tensor; slope: Tensor } {
  const out = layers.reduce((h, { weight, bias }, i) => {
    const y = tf.add(tf.matMul(h as tf.Tensor2D, tf.mul(weight, masks[i]) as tf.Tensor2D), tf.reshape(bias, [1, -1]));
    return i < layers.length - 1 ? relu(y) : y;
  }, x);
  const [shift, logScale] = tf.split(out, 2, 1);
  return { u: tf.mul(tf.sub(x, shift), tf.exp(tf.neg(logScale))), slope: tf.neg(logScale) };
}

/**
 * Log density `[batch, 1]`, and the noise it came from.
 *
 * @param mode `train` normalizes by the batch's own moments (unbiased variance) and updates the running ones; `evaluate` uses these.
 */
export function mafLogDensity(
  { blocks, moments }: Maf,
  x: Tensor,
  mode: "train" | "evaluate",
): { logDensity: Tensor; u: Tensor; moments: RunningMoments[] } {
  const [batch, dim] = x.shape;
  const hidden = blocks[0].layers[0].bias.shape[0];
  let [u, total]: [Tensor, Tensor] = [x, tf.zeros([1, dim])];
  const next: RunningMoments[] = [];
  blocks.forEach(({ layers, logGamma, beta }, i) => {
    const masks = madeMasks(dim, hidden, i % 2 ? "falling" : "rising");
    const made = madeTransform(
      layers,
      masks.map((mask, l) => tf.tensor2d(mask, layers[l].weight.shape as [number, number])),
      u,
    );
    const own = () => {
      const mean = tf.mean(made.u, 0, true);
      const variance = tf.div(tf.sum(tf.square(tf.sub(made.u, mean)), 0, true), batch - 1);
      return { mean, variance };
    };
    const { mean, variance } = mode === "train" ? own() : {
      mean: tf.reshape(moments[i].mean, [1, dim]),
      variance: tf.reshape(moments[i].variance, [1, dim]),
    };
    const scale = tf.sub(tf.reshape(logGamma, [1, dim]), tf.mul(tf.log(tf.add(variance, epsilon)), 0.5));
    u = tf.add(tf.mul(tf.sub(made.u, mean), tf.exp(scale)), tf.reshape(beta, [1, dim]));
    total = tf.add(total, tf.add(made.slope, scale));
    const moved = (old: Tensor, now: Tensor) =>
      tf.add(tf.mul(old, 1 - rate), tf.mul(stopGradient(tf.reshape(now, [dim])), rate));
    next.push({ mean: moved(moments[i].mean, mean), variance: moved(moments[i].variance, variance) });
  });
  const normal = tf.sub(tf.mul(tf.square(u), -0.5), Math.log(2 * Math.PI) / 2);
  return { logDensity: tf.sum(tf.add(normal, total), 1, true), u, moments: next };
}

/** A fresh flow over `dim` dimensions. */
export function initMaf(dim: number, { blocks, hidden }: Pick<MafConfig, "blocks" | "hidden">, rng: Rng): Maf<NdArray> {
  if (dim < 2) throw new RangeError(`Cannot create flow: dim must be at least 2, current value is ${dim}`);
  const filled = (value: number) => ndarray(new Float32Array(dim).fill(value), [dim]);
  return {
    blocks: Array.from({ length: blocks }, (_, i) => ({
      layers: [[dim, hidden], [hidden, hidden], [hidden, 2 * dim]].map(([from, to], l) =>
        initLinear(from, to, rng.child(`${i}/${l}`))
      ),
      logGamma: filled(0),
      beta: filled(0),
    })),
    moments: Array.from({ length: blocks }, () => ({ mean: filled(0), variance: filled(1) })),
  };
}

const evaluate = compile<{ flow: Maf<NdArray>; x: NdArray }, { logDensity: Tensor }>(
  "maf/evaluate",
  ({ flow, x }) => ({ logDensity: mafLogDensity(flow, x, "evaluate").logDensity }),
);
const chunk = 4096;

/** Log densities of rows `[count, dim]`, in nats. */
export async function logDensities(flow: Maf<NdArray>, rows: Float32Array, count: number): Promise<Float32Array> {
  const [dim, out] = [rows.length / count, new Float32Array(count)];
  for (let at = 0; at < count; at += chunk) {
    const n = Math.min(chunk, count - at);
    const { logDensity } = await evaluate({ flow, x: ndarray(rows.subarray(at * dim, (at + n) * dim), [n, dim]) });
    out.set(logDensity.data as Float32Array, at);
  }
  return out;
}

/**
 * Trains a flow by maximum likelihood; the epoch of largest held-out likelihood is kept.
 *
 * @param rows `[count, dim]`
 * @param onProgress Called after every epoch with its held-out mean log density.
 * @throws {Error} If it diverges.
 */
export async function trainMaf(
  rows: Float32Array,
  count: number,
  config: MafConfig,
  rng: Rng,
  onProgress: (epoch: number, heldOut: number) => void = () => {},
): Promise<Maf<NdArray>> {
  const dim = rows.length / count;
  const order = shuffle(Int32Array.from({ length: count }, (_, i) => i), rng.child("split"));
  const held = Math.floor(count * config.validation);
  if (held < 1 || count - held < config.batchSize) {
    throw new RangeError(
      `Cannot train flow: there must be at least ${
        Math.ceil(config.batchSize / (1 - config.validation)) + 1
      } rows, current number is ${count}`,
    );
  }
  const gather = (which: Int32Array) => {
    const out = new Float32Array(which.length * dim);
    which.forEach((row, i) => out.set(rows.subarray(row * dim, (row + 1) * dim), i * dim));
    return out;
  };
  type State = { blocks: Trained<MafBlock<NdArray>[]>; moments: RunningMoments<NdArray>[] };
  const update = compile<{ state: State; x: NdArray; step: AdamStep }>("maf/update", ({ state, x, step }) => {
    let moments: RunningMoments[] = [];
    const loss = (blocks: MafBlock[]) => {
      const result = mafLogDensity({ blocks, moments: state.moments }, x, "train");
      moments = result.moments;
      const squares = treeLeaves<Tensor>(blocks).map((w) => tf.sum(tf.square(w))).reduce((a, b) => tf.add(a, b));
      return tf.sub(tf.mul(squares, config.weightDecay / 2), tf.mean(result.logDensity));
    };
    const { next } = trainStep(state.blocks, loss, step);
    return { state: { blocks: next, moments } };
  });
  const [test, train] = [gather(order.subarray(0, held)), order.slice(held)];
  const first = initMaf(dim, config, rng.child("init"));
  let state: State = { blocks: initTrained(first.blocks), moments: first.moments };
  let best: { flow: Maf<NdArray>; value: number } = { flow: first, value: -Infinity };
  const copy = (s: State): Maf<NdArray> => structuredClone({ blocks: s.blocks.params, moments: s.moments });
  for (let epoch = 0, k = 0; epoch < config.epochs; epoch++) {
    shuffle(train, rng.child(`epoch/${epoch}`));
    for (let at = 0; at + config.batchSize <= train.length; at += config.batchSize) {
      const x = ndarray(gather(train.subarray(at, at + config.batchSize)), [config.batchSize, dim]);
      const step = adamStep(++k, { learningRate: config.learningRate });
      state = (await update({ state, x, step })).state as State;
    }
    const flow = copy(state);
    const values = (await logDensities(flow, test, held)).filter(Number.isFinite);
    const value = values.reduce((a, b) => a + b, 0) / values.length;
    if (!(values.length > held / 2)) {
      throw new Error(`Cannot train flow: it diverged in epoch ${epoch}; a lower learning rate may help`);
    }
    onProgress(epoch, value);
    if (value > best.value) best = { flow, value };
  }
  return best.flow;
}
