/**
 * The stitcher's other networks: twin state values, and regressions of rewards and actions on connections.
 *
 * Source: Hepburn & Montana 2022, arXiv 2211.11603, authors' code (a reconstruction for arXiv 2402.00807, see the stitcher).
 *
 * @module
 */

import { copyArrays, type NdArray } from "../engine/array.ts";
import { compile } from "../engine/compile.ts";
import { type Limits, ranges } from "../core/config.ts";
import { initMlp, type Linear, mlp, relu } from "../core/nn.ts";
import { type AdamStep, adamStep, initTrained, type Trained, trainStep } from "../core/optim.ts";
import type { Rng } from "../core/rng.ts";
import { bellmanTarget, meanSquaredError, polyakAverage } from "../core/td.ts";
import { stopGradient, type Tensor, tf } from "../engine/tensor.ts";
import type { Trajectories } from "../core/trajectories.ts";
import { overRows, type RowFunction, takeRows, trainOnRows } from "../core/rows.ts";

/** Settings of a regression. */
export interface RegressionConfig {
  /** Gradient steps. */
  updates: number;
  /** Rows per minibatch. */
  batchSize: number;
  /** Adam's step size. */
  learningRate: number;
  /** Width of the hidden layers. */
  hidden: number;
}

/** What the settings of a regression may be. */
export const regressionLimits: Limits<RegressionConfig> = { learningRate: ranges.positive, hidden: ranges.count };

/** Defaults, from the authors' code: state values, rewards, and (ours: as the rewards) actions. */
export const valueDefaults: RegressionConfig = { updates: 1_000_000, batchSize: 256, learningRate: 3e-4, hidden: 256 };
/** Defaults of the reward model. */
export const rewardDefaults: RegressionConfig = { updates: 500_000, batchSize: 256, learningRate: 1e-4, hidden: 512 };
/** Defaults of the inverse dynamics. */
export const inverseDefaults: RegressionConfig = { ...rewardDefaults };

const [discount, polyakRate] = [0.99, 0.005]; // Authors' code.

/** Twin state values. */
export interface TwinValue<L = Tensor> {
  /** The first network. */
  v1: Linear<L>[];
  /** The second network. */
  v2: Linear<L>[];
}

/** Least of the twin values, `[batch, 1]`. */
function leastValue(p: TwinValue, s: Tensor): Tensor {
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
  onProgress: (share: number) => void = () => {},
): Promise<TwinValue<NdArray>> {
  const { observationDim: dim, count } = data;
  type Batch = { s: NdArray; reward: NdArray; next: NdArray; terminal: NdArray };
  type State = { twin: Trained<TwinValue<NdArray>>; target: TwinValue<NdArray> };
  const update = compile<{ state: State; batch: Batch; step: AdamStep }>(
    "stitching/value",
    ({ state, batch, step }) => {
      const after = stopGradient(leastValue(state.target, batch.next));
      const wanted = bellmanTarget(batch.reward, batch.terminal, after, discount);
      const twin = trainStep(state.twin, ({ v1, v2 }) => {
        const losses = [v1, v2].map((v) => meanSquaredError(mlp(v, batch.s, relu), wanted));
        return tf.add(losses[0], losses[1]);
      }, step);
      return { state: { twin: twin.next, target: polyakAverage(state.target, twin.next.params, polyakRate) } };
    },
  );
  const network = (name: string) => initMlp([dim, config.hidden, config.hidden, 1], rng.child(name));
  const params = { v1: network("v1"), v2: network("v2") };
  const first: State = { twin: initTrained(params), target: copyArrays(params) };
  const { twin } = await trainOnRows(first, count, config, rng, async (state, rows, k) => {
    const batch = {
      s: takeRows(data.observation, dim, rows),
      reward: takeRows(data.reward, 1, rows),
      next: takeRows(data.nextObservation, dim, rows),
      terminal: takeRows(terminal, 1, rows),
    };
    const step = adamStep(k + 1, { learningRate: config.learningRate });
    return (await update({ state, batch, step })).state as State;
  }, onProgress);
  return twin.params;
}

const applyValue = compile<{ p: TwinValue<NdArray>; s: NdArray }, { value: Tensor }>(
  "stitching/values",
  ({ p, s }) => ({ value: leastValue(p, s) }),
);

/** The least of the twin values of observations. */
export function valueFunction(p: TwinValue<NdArray>): RowFunction {
  return (s, rows) => overRows(s, rows, 1, async (s) => (await applyValue({ p, s })).value);
}

/** Rows that a network is to map: `[count, in]` to `[count, out]`. */
export interface RegressionData {
  /** `[count, inputDim]`, row-major */
  inputs: Float32Array;
  /** `[count, targetDim]`, row-major */
  targets: Float32Array;
  /** Rows. */
  count: number;
}

/** `bound tanh(network)`, or the network itself for a bound of Infinity. */
function bounded(p: Linear[], x: Tensor, bound: number): Tensor {
  const y = mlp(p, x, relu);
  return bound === Infinity ? y : tf.mul(tf.tanh(y), bound);
}

/**
 * A network of two hidden layers that gives `targets` for `inputs` under mean squared error.
 *
 * @param bound Outputs are `bound tanh(.)`; Infinity for none.
 */
export async function trainRegression(
  { inputs, targets, count }: RegressionData,
  config: RegressionConfig,
  bound: number,
  rng: Rng,
  onProgress: (share: number) => void = () => {},
): Promise<Linear<NdArray>[]> {
  const [from, to] = [inputs.length / count, targets.length / count];
  type State = Trained<Linear<NdArray>[]>;
  const update = compile<{ state: State; x: NdArray; y: NdArray; step: AdamStep }>(
    "stitching/regression",
    ({ state, x, y, step }) => ({
      state: trainStep(state, (p) => meanSquaredError(bounded(p, x, bound), y), step).next,
    }),
  );
  const first = initTrained(initMlp([from, config.hidden, config.hidden, to], rng.child("init")));
  const { params } = await trainOnRows(first, count, config, rng, async (state, rows, k) => {
    const [x, y] = [takeRows(inputs, from, rows), takeRows(targets, to, rows)];
    const step = adamStep(k + 1, { learningRate: config.learningRate });
    return (await update({ state, x, y, step })).state as State;
  }, onProgress);
  return params;
}

/** What {@linkcode trainRegression} made, as a function; `bound` as there. */
export function regressionFunction(p: Linear<NdArray>[], bound: number): RowFunction {
  const apply = compile<{ p: Linear<NdArray>[]; x: NdArray }, { y: Tensor }>("stitching/apply", ({ p, x }) => ({
    y: bounded(p, x, bound),
  }));
  const outputs = p.at(-1)!.bias.data.length;
  return (inputs, rows) => overRows(inputs, rows, outputs, async (x) => (await apply({ p, x })).y);
}
