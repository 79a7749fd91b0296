/**
 * SRPO's toy study: how a single action moves from the optimum of its value to the data as the score's weight grows.
 *
 * Source: Chen et al. 2023, arXiv 2310.07297, toy figure; the networks of the authors' submitted code. The policy's script was
 * never published: steps, rate and the grid of weights are ours.
 *
 * @module
 */

import { type Algorithm, type Batch, finishUpdate } from "../../../algorithms/core/agent.ts";
import { checked, type CreateAgent } from "../../../algorithms/core/checked.ts";
import { type CommonConfig, type Limits, ranges } from "../../../algorithms/core/config.ts";
import { drawNormals } from "../../../algorithms/core/acting.ts";
import { type NdArray, ndarray } from "../../../algorithms/engine/array.ts";
import { compile } from "../../../algorithms/engine/compile.ts";
import { asConstants, exportOnnx } from "../../../algorithms/engine/export_onnx.ts";
import { fourierEmbedding, initMlp, type Linear, linear, mlp } from "../../../algorithms/core/nn.ts";
import {
  type AdamStep,
  adamStep,
  adamUpdate,
  cosineDecay,
  initAdam,
  initTrained,
  type Trained,
  trainStep,
} from "../../../algorithms/core/optim.ts";
import { drawQuasiUniforms, gaussiansFromUniforms } from "../../../algorithms/core/quasirandom.ts";
import type { Rng } from "../../../algorithms/core/rng.ts";
import { type Tensor, tf } from "../../../algorithms/engine/tensor.ts";
import { sampleDpm } from "../../../algorithms/core/dpm_solver.ts";
import { cleanFromNoise } from "../../../algorithms/core/samplers.ts";
import { vpLevels } from "../../../algorithms/core/vp_sde.ts";
import { diffuse, drawVpNoise, type VpNoise, vpNoiseAt } from "../../../algorithms/srpo/srpo.ts";

// -------------------------------------------------------------------------------------------------- Learned scores

/** Settings of the two-dimensional diffusion model. */
export interface ToyConfig extends CommonConfig {
  learningRate: number;
  /** Width of the middle layers; half of it the first and the last. */
  hidden: number;
}

/** Defaults, from the authors' submitted code, but for the number of updates (theirs: about 750 passes of 488). */
export const toyDefaults: ToyConfig = {
  learningRate: 1e-4,
  hidden: 512,
  updates: 20_000,
  batchSize: 2048,
  candidates: 1,
  rewardTransform: "none",
  normalizeObservations: false,
};

const [timeWidth, frequencyCount, frequencyScale] = [32, 16, 30]; // Authors' code.

/** Noise-predicting network of 2-D points. */
export interface ToyNetwork<L = Tensor> {
  time: Linear<L>[];
  point: Linear<L>;
  trunk: Linear<L>[];
}

const silu = (x: Tensor) => tf.mul(x, tf.sigmoid(x));

/** `epsilon(x, t)`: `[batch, 2]` and `[batch, 1]` to `[batch, 2]`; minus sigma times the score. */
export function toyNoise(p: ToyNetwork, frequencies: Tensor, x: Tensor, t: Tensor): Tensor {
  const embedded = mlp(p.time, fourierEmbedding(frequencies, t), silu);
  return mlp(p.trunk, tf.concat([linear(p.point, x), embedded], 1), silu);
}

interface Arrays<L = NdArray> {
  frequencies: L;
  network: Trained<ToyNetwork<L>, L>;
}

const sampleCalls = 25;

const limits: Limits<ToyConfig> = {
  learningRate: ranges.positive,
  hidden: { wanted: `even, above ${2 * timeWidth}`, holds: (n) => n % 2 === 0 && n > 2 * timeWidth },
};

/** Creates the diffusion model; its actions are samples of the data's density. */
export const createToy: CreateAgent<ToyConfig> = checked("SRPO's toy", { defaults: toyDefaults, limits }, (
  config,
  { observationDim, maxAction },
) => {
  const train = compile<{ state: Arrays; batch: Batch; noise: VpNoise; step: AdamStep }>(
    "srpo_toy/update",
    ({ state, batch, noise, step }) => {
      const network = trainStep(state.network, (p) => {
        const predicted = toyNoise(p, state.frequencies, diffuse(batch.action, noise), noise.t);
        return tf.mean(tf.sum(tf.square(tf.sub(predicted, noise.epsilon)), 1));
      }, step);
      return { state: { ...state, network: network.next }, metrics: { loss: network.value } };
    },
  );
  const sampled = (p: ToyNetwork, frequencies: Tensor, noise: Tensor) => {
    const clean = cleanFromNoise((x, { time }) => toyNoise(p, frequencies, x, tf.fill([x.shape[0], 1], time)));
    const solver = { order: 2, steps: "multi", prediction: "clean" } as const;
    return { action: tf.clipByValue(sampleDpm(clean, noise, vpLevels(sampleCalls), solver), -maxAction, maxAction) };
  };
  const sample = compile<{ network: ToyNetwork<NdArray>; frequencies: NdArray; noise: NdArray }, { action: Tensor }>(
    "srpo_toy/sample",
    ({ network, frequencies, noise }) => sampled(network, frequencies, noise),
  );
  return {
    init(rng) {
      const half = config.hidden / 2;
      const network: ToyNetwork<NdArray> = {
        time: initMlp([2 * frequencyCount, timeWidth, timeWidth], rng.child("time")),
        point: initMlp([2, half - timeWidth], rng.child("point"))[0],
        trunk: initMlp([half, ...Array(4).fill(config.hidden), half, 2], rng.child("trunk")),
      };
      const frequencies = rng.child("frequencies").fillNormal(new Float32Array(frequencyCount));
      const arrays: Arrays = {
        frequencies: ndarray(frequencies.map((x) => frequencyScale * x), [1, frequencyCount]),
        network: initTrained(network),
      };
      return { updates: 0, arrays };
    },
    async update(state, batch, rng) {
      const noise = drawVpNoise(batch.action.shape[0], 2, [1e-3, 1], rng);
      const step = adamStep(state.updates + 1, { learningRate: config.learningRate });
      return finishUpdate(state, await train({ state: state.arrays as Arrays, batch, noise, step }));
    },
    async act(state, observation, _candidates, rng) {
      const { frequencies, network: { params: network } } = state.arrays as Arrays;
      return (await sample({ network, frequencies, noise: drawNormals(observation.shape[0], 2, rng) })).action;
    },
    exportPolicy(state) {
      const { frequencies, network: { params } } = state.arrays as Arrays;
      return exportOnnx(
        "srpo_toy/policy",
        { observation: [1, observationDim], noise: [1, 2] },
        ({ noise }) => sampled(asConstants(params), asConstants(frequencies), noise),
      );
    },
  };
});

/** The diffusion model of the toy study. */
export const srpoToy: Algorithm<ToyConfig> = {
  name: "srpo_toy",
  module: import.meta.url,
  acts: "one sample",
  study: "toy",
  title: "SRPO's toy",
  source: "Chen, Lu, Wang, Su & Zhu 2023, arXiv 2310.07297, toy figure",
  defaults: toyDefaults,
  limits,
  presets: {},
  create: createToy,
};

// ------------------------------------------------------------------------------------------------- Exact scores

/** Equal Gaussians: centres `[modes, 2]` and their common deviation. */
export interface Mixture {
  centres: NdArray;
  deviation: number;
}

/** The noise expected in `x [batch, 2]` under a mixture diffused by `alpha` and `sigma`, `[batch, 1]` each: exact. */
export function mixtureNoise(centres: Tensor, deviation: number, x: Tensor, alpha: Tensor, sigma: Tensor): Tensor {
  const variance = tf.add(tf.mul(tf.square(alpha), deviation ** 2), tf.square(sigma));
  const cross = tf.matMul(x, centres, false, true);
  const norms = tf.reshape(tf.sum(tf.square(centres), 1), [1, -1]);
  // The squared distance to each diffused centre, without |x|^2, which softmax does not see.
  const distance = tf.sub(tf.mul(tf.square(alpha), norms), tf.mul(tf.mul(alpha, 2), cross));
  const weight = tf.softmax(tf.div(tf.mul(distance, -0.5), variance));
  const mean = tf.mul(alpha, tf.matMul(weight, centres));
  return tf.div(tf.mul(sigma, tf.sub(x, mean)), variance);
}

// --------------------------------------------------------------------------------------------------- The sweep

/** Settings of {@linkcode regularizeActions}. All ours. */
export const regularizeDefaults = { steps: 400, draws: 2, learningRate: 0.05 };

/** A noise prediction with its own arrays, as {@linkcode regularizeActions} calls it. */
export interface NoiseModel {
  arrays: unknown;
  predict(arrays: unknown, x: Tensor, noise: VpNoise<Tensor>): Tensor;
}

/** The learned noise prediction of a trained {@linkcode createToy}. */
export function learnedNoise(state: { arrays: unknown }): NoiseModel {
  const { frequencies, network: { params: network } } = state.arrays as Arrays;
  return {
    arrays: { frequencies, network },
    predict(arrays, x, { t }) {
      const { frequencies, network } = arrays as { frequencies: Tensor; network: ToyNetwork };
      return toyNoise(network, frequencies, x, t);
    },
  };
}

/** The exact noise prediction of a mixture. */
export function exactNoise({ centres, deviation }: Mixture): NoiseModel {
  return {
    arrays: { centres },
    predict(arrays, x, { alpha, sigma }) {
      return mixtureNoise((arrays as { centres: Tensor }).centres, deviation, x, alpha, sigma);
    },
  };
}

/**
 * Free actions after Adam on SRPO's gradient, `2 (a - target) + weight E[alpha / sigma (epsilon - z)]` (Eq. 15 with the value
 * `-|a - target|^2`, weight = 1 / beta and the `scorenoise` weighting), each from its target.
 *
 * The authors' submitted code has the score weighting as its default. With sigma^2, the paper's, large times rule, and actions move
 * a fifth of the way towards the mean of near modes at weight 1. Times and noises are quasi-random over all steps, and the same for
 * all actions [Ours], so that Adam's running mean of the gradient is nearly exact.
 *
 * @param targets `[n, 2]`
 * @param weights `[n, 1]`, 1 / beta
 * @returns `[n, 2]`
 */
export async function regularizeActions(
  model: NoiseModel,
  targets: NdArray,
  weights: NdArray,
  rng: Rng,
  onStep: (step: number, steps: number) => void = () => {},
): Promise<NdArray> {
  const { steps, draws, learningRate } = regularizeDefaults;
  const n = targets.shape[0];
  type Inputs = {
    state: { a: NdArray; adam: ReturnType<typeof initAdam> };
    targets: NdArray;
    weights: NdArray;
    arrays: NdArray;
    noise: VpNoise;
    step: AdamStep;
  };
  const move = compile<Inputs>("srpo_toy/regularize", ({ state, targets, weights, arrays, noise, step }) => {
    const repeated = tf.tile(state.a, [draws, 1]);
    const predicted = model.predict(arrays, diffuse(repeated, noise), noise);
    const pull = tf.mul(tf.div(noise.alpha, noise.sigma), tf.sub(predicted, noise.epsilon));
    const mean = tf.mean(tf.reshape(pull, [draws, n, 2]), 0);
    const gradient = tf.add(tf.mul(tf.sub(state.a, targets), 2), tf.mul(weights, mean));
    const { params, state: adam } = adamUpdate({ a: state.a }, { a: gradient }, state.adam, step);
    return { state: { a: params.a, adam }, metrics: {} };
  });
  const points = drawQuasiUniforms(steps * draws, 3, rng);
  const noiseAt = (k: number): VpNoise => {
    const [times, epsilon] = [new Float64Array(draws * n), new Float32Array(2 * draws * n)];
    for (let draw = 0; draw < draws; draw++) {
      const [time, u, v] = points.subarray(3 * (k * draws + draw));
      const both = gaussiansFromUniforms(u, v);
      times.fill(0.02 + 0.96 * time, draw * n, (draw + 1) * n); // Authors' code: [0.02, 0.98].
      for (let i = draw * n; i < (draw + 1) * n; i++) epsilon.set(both, 2 * i);
    }
    return vpNoiseAt(times, ndarray(epsilon, [draws * n, 2]));
  };
  const a = ndarray(Float32Array.from(targets.data), [n, 2]);
  let state = { a, adam: initAdam({ a }) };
  for (let k = 0; k < steps; k++) {
    const noise = noiseAt(k);
    const step = adamStep(k + 1, { learningRate: cosineDecay(learningRate, k, steps) });
    const result = await move({ state, targets, weights, arrays: model.arrays as NdArray, noise, step });
    state = result.state as typeof state;
    onStep(k + 1, steps);
  }
  return state.a;
}
