/**
 * The stitcher's other networks: twin state values, and regressions of rewards and actions on connections.
 *
 * Source: Hepburn & Montana 2022, arXiv 2211.11603, authors' code (a reconstruction for arXiv 2402.00807, see the stitcher).
 *
 * @module
 */

import { compile, copyArrays, type NdArray, ndarray } from "../core/compile.ts";
import { initMlp, type Linear, mlp, relu } from "../core/nn.ts";
import { type AdamStep, adamStep, initTrained, type Trained, trainStep } from "../core/optim.ts";
import type { Rng } from "../core/rng.ts";
import { bellmanTarget, meanSquaredError, polyakAverage } from "../core/td.ts";
import { stopGradient, type Tensor, tf } from "../core/tensor.ts";
import type { Trajectories } from "./stitcher.ts";

/** Settings of a regression. */
export interface RegressionConfig {
  updates: number;
  batchSize: number;
  learningRate: number;
  hidden: number;
}

/** Defaults, from the authors' code: state values, rewards, and (ours: as the rewards) actions. */
export const valueDefaults: RegressionConfig = { updates: 1_000_000, batchSize: 256, learningRate: 3e-4, hidden: 256 };
export const rewardDefaults: RegressionConfig = { updates: 500_000, batchSize: 256, learningRate: 1e-4, hidden: 512 };
export const inverseDefaults: RegressionConfig = { ...rewardDefaults };

const [discount, polyakRate] = [0.99, 0.005]; // Authors' code.
const chunk = 4096;

/** A function of rows: `[n, in]` to `[n, out]`, row-major. */
export type RowFunction = (inputs: Float32Array, rows: number) => Promise<Float32Array>;

const drawRows = (count: number, size: number, rng: Rng) => Int32Array.from({ length: size }, () => rng.integer(count));
const take = (source: Float32Array, dim: number, rows: Int32Array) => {
  const out = new Float32Array(rows.length * dim);
  rows.forEach((row, i) => out.set(source.subarray(row * dim, (row + 1) * dim), i * dim));
  return ndarray(out, [rows.length, dim]);
};

/** Applies a compiled function to rows, part by part. */
async function overRows(
  inputs: Float32Array,
  rows: number,
  outputs: number,
  f: (x: NdArray) => Promise<NdArray>,
): Promise<Float32Array> {
  const [dim, out] = [inputs.length / Math.max(rows, 1), new Float32Array(rows * outputs)];
  for (let at = 0; at < rows; at += chunk) {
    const n = Math.min(chunk, rows - at);
    out.set((await f(ndarray(inputs.subarray(at * dim, (at + n) * dim), [n, dim]))).data, at * outputs);
  }
  return out;
}

/** Least of the twin values, `[batch, 1]`. */
function leastValue(p: { v1: Linear[]; v2: Linear[] }, s: Tensor): Tensor {
  return tf.minimum(mlp(p.v1, s, relu), mlp(p.v2, s, relu));
}

/**
 * State values of the data's own policy by TD(0) with twin networks and targets.
 *
 * @param terminal `[count]`, 1 where no value follows.
 */
export async function trainValue(
  data: Trajectories,
  terminal: Float32Array,
  config: RegressionConfig,
  rng: Rng,
  onProgress: (update: number) => void = () => {},
): Promise<RowFunction> {
  const { observationDim: dim, count } = data;
  type Twin<L = NdArray> = { v1: Linear<L>[]; v2: Linear<L>[] };
  type Batch = { s: NdArray; reward: NdArray; next: NdArray; terminal: NdArray };
  const update = compile<{ state: { twin: Trained<Twin>; target: Twin }; batch: Batch; step: AdamStep }>(
    "stitching/value",
    ({ state, batch, step }) => {
      const after = stopGradient(leastValue(state.target, batch.next));
      const wanted = bellmanTarget(batch.reward, batch.terminal, after, discount);
      const twin = trainStep(state.twin, ({ v1, v2 }) => {
        const losses = [v1, v2].map((v) => meanSquaredError(mlp(v, batch.s, relu), wanted));
        return tf.add(losses[0], losses[1]);
      }, step);
      const target = polyakAverage(state.target, twin.next.params, polyakRate);
      return { state: { twin: twin.next, target }, metrics: { loss: twin.value } };
    },
  );
  const network = (name: string) => initMlp([dim, config.hidden, config.hidden, 1], rng.child(name));
  const params: Twin = { v1: network("v1"), v2: network("v2") };
  let state = { twin: initTrained(params), target: copyArrays(params) };
  for (let k = 0; k < config.updates; k++) {
    const rows = drawRows(count, config.batchSize, rng.child(`batch/${k}`));
    const batch = {
      s: take(data.observation, dim, rows),
      reward: take(data.reward, 1, rows),
      next: take(data.nextObservation, dim, rows),
      terminal: take(terminal, 1, rows),
    };
    const result = await update({ state, batch, step: adamStep(k + 1, { learningRate: config.learningRate }) });
    state = result.state as typeof state;
    onProgress(k + 1);
  }
  const apply = compile<{ p: Twin; s: NdArray }, { value: Tensor }>("stitching/values", ({ p, s }) => ({
    value: leastValue(p, s),
  }));
  return (inputs, rows) => overRows(inputs, rows, 1, async (s) => (await apply({ p: state.twin.params, s })).value);
}

/**
 * A network of two hidden layers that gives `targets` for `inputs` under mean squared error.
 *
 * @param bound Outputs are `bound tanh(.)`; Infinity for none.
 */
export async function trainRegression(
  { inputs, targets, count }: { inputs: Float32Array; targets: Float32Array; count: number },
  config: RegressionConfig,
  bound: number,
  rng: Rng,
  onProgress: (update: number) => void = () => {},
): Promise<RowFunction> {
  const [from, to] = [inputs.length / count, targets.length / count];
  const output = (p: Linear[], x: Tensor) => {
    const y = mlp(p, x, relu);
    return bound === Infinity ? y : tf.mul(tf.tanh(y), bound);
  };
  const update = compile<{ state: Trained<Linear<NdArray>[]>; x: NdArray; y: NdArray; step: AdamStep }>(
    "stitching/regression",
    ({ state, x, y, step }) => {
      const result = trainStep(state, (p) => meanSquaredError(output(p, x), y), step);
      return { state: result.next, metrics: { loss: result.value } };
    },
  );
  let state = initTrained(initMlp([from, config.hidden, config.hidden, to], rng.child("init")));
  for (let k = 0; k < config.updates; k++) {
    const rows = drawRows(count, config.batchSize, rng.child(`batch/${k}`));
    const [x, y] = [take(inputs, from, rows), take(targets, to, rows)];
    const result = await update({ state, x, y, step: adamStep(k + 1, { learningRate: config.learningRate }) });
    state = result.state as typeof state;
    onProgress(k + 1);
  }
  const apply = compile<{ p: Linear<NdArray>[]; x: NdArray }, { y: Tensor }>("stitching/apply", ({ p, x }) => ({
    y: output(p, x),
  }));
  return (rowsIn, rows) => overRows(rowsIn, rows, to, async (x) => (await apply({ p: state.params, x })).y);
}
