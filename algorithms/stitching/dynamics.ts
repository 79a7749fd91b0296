/**
 * The dynamics ensemble of the stitcher: Gaussians of the next state given the state alone.
 *
 * Source: Hepburn & Montana 2022, arXiv 2211.11603 (a reconstruction for arXiv 2402.00807, see the stitcher): seven networks, the five
 * of least validation loss are kept.
 *
 * @module
 */

import { copyArrays, type NdArray, ndarray } from "../engine/array.ts";
import { compile } from "../engine/compile.ts";
import { type Limits, ranges } from "../core/config.ts";
import { initLinear, initMlp, type Linear, linear, mlp, relu } from "../core/nn.ts";
import { type AdamStep, adamStep, initTrained, type Trained, trainStep } from "../core/optim.ts";
import { type Rng, shuffle } from "../core/rng.ts";
import { type Tensor, tf } from "../engine/tensor.ts";
import { takeRows } from "../core/rows.ts";

/** Settings of {@linkcode trainDynamics}. */
export interface DynamicsConfig {
  /** Networks trained, and kept. */
  members: number;
  /** Best members that are kept. */
  kept: number;
  /** Width and number of hidden layers. */
  hidden: number;
  /** Hidden layers. */
  depth: number;
  /** Adam's step size. */
  learningRate: number;
  /** Rows per minibatch. */
  batchSize: number;
  /** Passes over the training rows at most. */
  epochs: number;
  /** Passes without a better validation loss after which a network is done. */
  patience: number;
  /** Share of rows that validate, drawn anew for each network. */
  validation: number;
}

/** Defaults, from the authors' code. */
export const dynamicsDefaults: DynamicsConfig = {
  members: 7,
  kept: 5,
  hidden: 200,
  depth: 4,
  learningRate: 3e-4,
  batchSize: 256,
  epochs: 1000,
  patience: 50,
  validation: 0.2,
};

/** What the settings may be. */
export const dynamicsLimits: Limits<DynamicsConfig> = {
  members: ranges.count,
  kept: ranges.count,
  hidden: ranges.count,
  depth: ranges.count,
  learningRate: ranges.positive,
  epochs: ranges.count,
  patience: ranges.count,
  validation: ranges.betweenZeroAndOne,
};

/** One Gaussian network, on raw states. */
export interface DynamicsNetwork<L = Tensor> {
  /** Hidden layers. */
  trunk: Linear<L>[];
  /** Head that gives the mean of the next state. */
  mean: Linear<L>;
  /** Head that gives the logarithm of its standard deviation. */
  logStandardDeviation: Linear<L>;
}

/** States and their successors, row-major `[count, dim]`. */
export interface StatePairs {
  /** Rows. */
  count: number;
  /** Numbers per observation. */
  observationDim: number;
  /** `[count, observationDim]`, row-major */
  observation: Float32Array;
  /** `[count, observationDim]`, row-major */
  nextObservation: Float32Array;
}

/** Mean and standard deviation of the next state, each `[batch, S]`. */
export function nextStateGaussian(p: DynamicsNetwork, s: Tensor): { mean: Tensor; standardDeviation: Tensor } {
  const h = relu(mlp(p.trunk, s, relu));
  return {
    mean: linear(p.mean, h),
    standardDeviation: tf.exp(tf.clipByValue(linear(p.logStandardDeviation, h), -20, 2)),
  };
}

/** Negative log likelihood, summed over dimensions and averaged over rows. */
export function dynamicsLoss(p: DynamicsNetwork, s: Tensor, next: Tensor): Tensor {
  const { mean, standardDeviation } = nextStateGaussian(p, s);
  const z = tf.div(tf.sub(next, mean), standardDeviation);
  const terms = tf.add(tf.add(tf.mul(tf.square(z), 0.5), tf.log(standardDeviation)), Math.log(2 * Math.PI) / 2);
  return tf.mean(tf.sum(terms, 1));
}

/** A trained ensemble, best network first. */
export interface DynamicsEnsemble {
  /** The kept members. */
  networks: DynamicsNetwork<NdArray>[];
  /** Validation losses, those of networks that were not kept included. */
  losses: NdArray;
}

const predictionRows = 4096;

/**
 * Trains the ensemble by maximum likelihood with early stopping.
 *
 * @param onProgress Called after every pass with the network, the pass and its validation loss.
 * @throws {RangeError} If there are too few rows to train and validate on.
 */
export async function trainDynamics(
  data: StatePairs,
  config: DynamicsConfig,
  rng: Rng,
  onProgress: (member: number, epoch: number, loss: number) => void = () => {},
): Promise<DynamicsEnsemble> {
  const { count, observationDim: dim } = data;
  const validating = Math.floor(count * config.validation);
  if (validating < 1 || count - validating < config.batchSize) {
    throw new RangeError(
      `Cannot train dynamics: data must have at least ${
        Math.ceil(config.batchSize / (1 - config.validation)) + 1
      } rows, current number is ${count}`,
    );
  }
  type Pair = { s: NdArray; next: NdArray };
  const update = compile<Pair & { state: Trained<DynamicsNetwork<NdArray>>; step: AdamStep }>(
    "stitching/dynamics",
    ({ state, s, next, step }) => {
      const result = trainStep(state, (p) => dynamicsLoss(p, s, next), step);
      return { state: result.next, metrics: { loss: result.value } };
    },
  );
  const evaluate = compile<Pair & { p: DynamicsNetwork<NdArray> }, { loss: Tensor }>(
    "stitching/dynamics_loss",
    ({ p, s, next }) => ({ loss: dynamicsLoss(p, s, next) }),
  );
  const gather = (rows: Int32Array): Pair => ({
    s: takeRows(data.observation, dim, rows),
    next: takeRows(data.nextObservation, dim, rows),
  });

  const trained: { network: DynamicsNetwork<NdArray>; loss: number }[] = [];
  for (let member = 0; member < config.members; member++) {
    const stream = rng.child(`${member}`);
    const order = shuffle(Int32Array.from({ length: count }, (_, i) => i), stream.child("split"));
    const [held, rows] = [order.slice(0, validating), order.slice(validating)];
    let state = initTrained(initDynamics(dim, config, stream.child("init")));
    let best = { network: state.params, loss: Infinity };
    for (let epoch = 0, since = 0, k = 0; epoch < config.epochs && since < config.patience; epoch++) {
      shuffle(rows, stream.child(`epoch/${epoch}`));
      for (let at = 0; at + config.batchSize <= rows.length; at += config.batchSize) {
        const step = adamStep(++k, { learningRate: config.learningRate });
        const result = await update({ state, ...gather(rows.subarray(at, at + config.batchSize)), step });
        state = result.state as typeof state;
      }
      let sum = 0;
      for (let at = 0; at < held.length; at += predictionRows) {
        const part = held.subarray(at, at + predictionRows);
        sum += (await evaluate({ p: state.params, ...gather(part) })).loss.data[0] * part.length;
      }
      const loss = sum / held.length;
      if (!Number.isFinite(loss)) {
        throw new Error(
          `Cannot train dynamics: network ${member} diverged in pass ${epoch}; a lower learning rate may help`,
        );
      }
      onProgress(member, epoch, loss);
      since++;
      if (loss < best.loss) {
        best = { network: copyArrays(state.params), loss };
        since = 0;
      }
    }
    trained.push(best);
  }
  trained.sort((a, b) => a.loss - b.loss);
  return {
    networks: trained.slice(0, config.kept).map(({ network }) => network),
    losses: ndarray(trained.map(({ loss }) => loss), [trained.length]),
  };
}

const predictGaussian = compile<
  { p: DynamicsNetwork<NdArray>; s: NdArray },
  { mean: Tensor; standardDeviation: Tensor }
>(
  "stitching/dynamics_predict",
  ({ p, s }) => nextStateGaussian(p, s),
);

/** Means and standard deviations of every network's next states, each `[count, S]`, for observations `[count, S]`. */
export async function predictDynamics(
  { networks }: DynamicsEnsemble,
  observation: Float32Array,
  count: number,
): Promise<{ means: Float32Array[]; standardDeviations: Float32Array[] }> {
  const dim = observation.length / count;
  const means = networks.map(() => new Float32Array(count * dim));
  const standardDeviations = networks.map(() => new Float32Array(count * dim));
  for (let at = 0; at < count; at += predictionRows) {
    const n = Math.min(predictionRows, count - at);
    const s = ndarray(observation.subarray(at * dim, (at + n) * dim), [n, dim]);
    for (const [e, p] of networks.entries()) {
      const { mean, standardDeviation } = await predictGaussian({ p, s });
      means[e].set(mean.data, at * dim);
      standardDeviations[e].set(standardDeviation.data, at * dim);
    }
  }
  return { means, standardDeviations };
}

/** Fresh parameters. */
export function initDynamics(
  dim: number,
  { hidden, depth }: Pick<DynamicsConfig, "hidden" | "depth">,
  rng: Rng,
): DynamicsNetwork<NdArray> {
  return {
    trunk: initMlp([dim, ...Array(depth).fill(hidden)], rng.child("trunk")),
    mean: initLinear(hidden, dim, rng.child("mean")),
    logStandardDeviation: initLinear(hidden, dim, rng.child("deviation")),
  };
}
