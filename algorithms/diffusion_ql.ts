/**
 * Diffusion-QL: a diffusion policy trained through all of its denoising steps, the iterative baseline.
 *
 * Source: Wang, Hunt & Zhou 2023, "Diffusion Policies as an Expressive Policy Class for Offline Reinforcement
 * Learning", arXiv 2208.06193, and the authors' code where it differs ("authors' code" below).
 *
 * Deviation: what is scored is the last checkpoint; the authors score one of those of every 50,000 updates, chosen by its rank in the
 * training's denoising loss (`offline`) or by its score (`online`). Tables are float64, theirs float32.
 *
 * @module
 */

import { stochasticPolicy } from "./core/stochastic_policy.ts";
import { type Algorithm, type Batch, finishUpdate } from "./core/agent.ts";
import { checked, type CreateAgent } from "./core/checked.ts";
import { type CommonConfig, type Limits, ranges } from "./core/config.ts";
import { drawNormals, exportActionDenoiser, repeatRows } from "./core/acting.ts";
import { type NdArray, ndarray, scalar } from "./engine/array.ts";
import { compile } from "./engine/compile.ts";
import { asConstants } from "./engine/export_onnx.ts";
import { initMlp, type Linear, mish, mlp, rowsLike, sinusoidalEmbedding } from "./core/nn.ts";
import { type AdamStep, adamStep, cosineDecay, initTrained, type Trained, trainStep } from "./core/optim.ts";
import type { Rng } from "./core/rng.ts";
import { type Denoiser, sampleAncestral } from "./core/samplers.ts";
import { bellmanTarget, meanSquaredError, polyakAverage } from "./core/td.ts";
import { initTwin, type TwinCritic, twinError } from "./core/twin_critic.ts";
import { stopGradient, type Tensor, tf } from "./engine/tensor.ts";
import { scheduleLevels, type VpSchedule, vpSchedule } from "./core/vp.ts";

/** Settings of Diffusion-QL. */
export interface DiffusionQlConfig extends CommonConfig {
  /** Denoising steps (T, or N in the paper), and so network calls per action. */
  nfe: number;
  /** Weight of the value term (eta, Eq. 3). */
  valueWeight: number;
  /** Adam's step size of the policy. */
  learningRate: number;
  /** Adam's step size of the critic. */
  criticLearningRate: number;
  /** Largest gradient norm of actor and critic each. */
  clipNorm: number;
  /** Whether targets take the best of 10 actions per Q. */
  maxBackup: boolean;
  /** Discount of the return, in [0, 1]. */
  discount: number;
  /** Share of the new parameters that a target takes at each update. */
  polyakRate: number;
  /** The averaged policy that targets use follows the policy at this rate, every `emaEvery` updates from `emaStart`. */
  emaRate: number;
  /** Updates before the average of the policy begins. */
  emaStart: number;
  /** Updates between steps of that average. */
  emaEvery: number;
  /** Width of the hidden layers. */
  hidden: number;
  /** Width of the time embedding. */
  timeDim: number;
}

/** Defaults, from the authors' code. */
export const diffusionQlDefaults: DiffusionQlConfig = {
  nfe: 5,
  valueWeight: 1,
  learningRate: 3e-4,
  criticLearningRate: 3e-4, // On every task, whatever the policy's.
  clipNorm: 9,
  maxBackup: false,
  discount: 0.99,
  polyakRate: 0.005,
  emaRate: 0.005,
  emaStart: 1000,
  emaEvery: 5,
  hidden: 256,
  timeDim: 16,
  updates: 2_000_000,
  batchSize: 256,
  candidates: 50,
  rewardTransform: "none",
  normalizeObservations: false,
};

const limits: Limits<DiffusionQlConfig> = {
  nfe: ranges.count,
  valueWeight: ranges.notNegative,
  learningRate: ranges.positive,
  criticLearningRate: ranges.positive,
  clipNorm: ranges.positive,
  discount: ranges.belowOne,
  polyakRate: ranges.rate,
  emaRate: ranges.rate,
  emaStart: ranges.wholeNumber,
  emaEvery: ranges.count,
  hidden: ranges.count,
  timeDim: ranges.embedding,
};

/** Noise-predicting network: time embedding and three Mish layers. */
export interface NoiseNetwork<L = Tensor> {
  time: Linear<L>[];
  trunk: Linear<L>[];
}

/** `epsilon(x, t, s)`: `[batch, A]`, times `[batch, 1]`, `[batch, S]` to `[batch, A]`. */
export function noiseNetwork(p: NoiseNetwork, x: Tensor, t: Tensor, s: Tensor): Tensor {
  const embedded = mlp(p.time, sinusoidalEmbedding(t, p.time[0].weight.shape[0]), mish);
  return mlp(p.trunk, tf.concat([x, embedded, rowsLike(s, x)], 1), mish);
}

/** `[Q1(s, a), Q2(s, a)]`, each `[batch, 1]`, with Mish and on `[observation, action]`. */
export function diffusionQlValues(p: TwinCritic, s: Tensor, a: Tensor): [Tensor, Tensor] {
  const input = tf.concat([rowsLike(s, a), a], 1);
  return [mlp(p.q1, input, mish), mlp(p.q2, input, mish)];
}

/** Actions by ancestral sampling from `noise[0]`, with `noise[1..]` added on the way; each `[batch, A]`. */
export function sampleActions(
  p: NoiseNetwork,
  s: Tensor,
  noise: readonly Tensor[],
  schedule: VpSchedule,
  maxAction: number,
): Tensor {
  const [start, ...noises] = noise;
  const levels = scheduleLevels(schedule, schedule.beta.map((_, i) => schedule.beta.length - 1 - i));
  const bounded = (x: Tensor) => tf.clipByValue(x, -maxAction, maxAction);
  const denoise: Denoiser = (x, { time }) => {
    const epsilon = noiseNetwork(p, x, tf.fill([x.shape[0], 1], time), s);
    const kept = schedule.alphaBar[time];
    return bounded(tf.sub(tf.mul(x, 1 / Math.sqrt(kept)), tf.mul(epsilon, Math.sqrt(1 / kept - 1))));
  };
  return bounded(sampleAncestral(denoise, start, levels, noises));
}

/** Denoising loss `mean((epsilon(x_t, t, s) - epsilon)^2)` (Eq. 1), with `alphaBar [batch, 1]` that of each row's t. */
export function noiseLoss(
  p: NoiseNetwork,
  batch: Batch<Tensor>,
  { t, alphaBar, epsilon }: { t: Tensor; alphaBar: Tensor; epsilon: Tensor },
): Tensor {
  const noisy = tf.add(
    tf.mul(tf.sqrt(alphaBar), batch.action),
    tf.mul(tf.sqrt(tf.sub(1, alphaBar)), epsilon),
  );
  return meanSquaredError(noiseNetwork(p, noisy, t, batch.observation), epsilon);
}

/** `-mean Q_i(s, a) / mean |Q_j(s, a)|` (Eq. 3); `coin` 1 takes i = 1, j = 2, and 0 the reverse. */
export function valueLoss(p: TwinCritic, s: Tensor, action: Tensor, coin: Tensor): Tensor {
  const [q1, q2] = diffusionQlValues(p, s, action);
  const ratio = (a: Tensor, b: Tensor) => tf.div(tf.mean(a), stopGradient(tf.mean(tf.abs(b))));
  return tf.neg(tf.add(tf.mul(coin, ratio(q1, q2)), tf.mul(tf.sub(1, coin), ratio(q2, q1))));
}

interface Arrays<L = NdArray> {
  actor: Trained<NoiseNetwork<L>, L>;
  actorEma: NoiseNetwork<L>;
  critic: Trained<TwinCritic<L>, L>;
  criticTarget: TwinCritic<L>;
}

interface UpdateNoise<L = NdArray> {
  denoising: { t: L; alphaBar: L; epsilon: L };
  /** One array per draw of the chain, `[batch, A]`. */
  policy: L[];
  /** The same for the next state's actions; with max backup ten rows per state. */
  target: L[];
  coin: L;
}

const backupActions = 10; // Authors' code.

const settings = { defaults: diffusionQlDefaults, limits };

/** Creates Diffusion-QL for a task. */
export const createDiffusionQl: CreateAgent<DiffusionQlConfig> = checked("Diffusion-QL", settings, (config, spec) => {
  const { nfe, valueWeight, clipNorm } = config;
  const schedule = vpSchedule(nfe);
  const repeats = config.maxBackup ? backupActions : 1;

  const train = compile<{
    state: Arrays;
    batch: Batch;
    nextRepeated: NdArray;
    noise: UpdateNoise;
    steps: { critic: AdamStep; actor: AdamStep };
    emaRate: NdArray;
  }>("diffusion_ql/update", ({ state, batch, nextRepeated, noise, steps, emaRate }) => {
    const nextAction = sampleActions(state.actorEma, nextRepeated, noise.target, schedule, spec.maxAction);
    const best = diffusionQlValues(state.criticTarget, nextRepeated, nextAction).map((q) =>
      tf.max(tf.reshape(q, [-1, repeats]), 1, true)
    );
    const target = bellmanTarget(batch.reward, batch.terminal, tf.minimum(best[0], best[1]), config.discount);
    const critic = trainStep(
      state.critic,
      (p) => twinError(diffusionQlValues(p, batch.observation, batch.action), target),
      steps.critic,
      { clipNorm },
    );
    const actor = trainStep(
      state.actor,
      (p) => {
        const denoising = noiseLoss(p, batch, noise.denoising); // Eq. 1
        const action = sampleActions(p, batch.observation, noise.policy, schedule, spec.maxAction);
        const value = valueLoss(critic.next.params, batch.observation, action, noise.coin);
        return { total: tf.add(denoising, tf.mul(value, valueWeight)), denoising, value }; // Eq. 3
      },
      steps.actor,
      { clipNorm },
    );

    return {
      state: {
        actor: actor.next,
        actorEma: polyakAverage(state.actorEma, actor.next.params, emaRate), // At rate 0 it stays as it is.
        critic: critic.next,
        criticTarget: polyakAverage(state.criticTarget, critic.next.params, config.polyakRate),
      },
      metrics: {
        criticLoss: critic.value,
        denoisingLoss: actor.terms.denoising,
        valueLoss: actor.terms.value,
        actorLoss: actor.value,
      },
    };
  });

  const drawChain = (rows: number, rng: Rng) =>
    Array.from({ length: nfe }, () => drawNormals(rows, spec.actionDim, rng));

  return {
    init(rng) {
      const { hidden, timeDim: e } = config;
      const { observationDim: s, actionDim: a } = spec;
      const actor: NoiseNetwork<NdArray> = {
        time: initMlp([e, 2 * e, e], rng.child("time")),
        trunk: initMlp([a + e + s, hidden, hidden, hidden, a], rng.child("trunk")),
      };
      const critic = initTwin((stream) => initMlp([s + a, hidden, hidden, hidden, 1], stream), rng);
      const arrays: Arrays = {
        actor: initTrained(actor),
        actorEma: structuredClone(actor),
        critic: initTrained(critic),
        criticTarget: structuredClone(critic),
      };
      return { updates: 0, arrays };
    },

    async update(state, batch, rng) {
      const rows = batch.reward.shape[0];
      const times = Array.from({ length: rows }, () => rng.integer(nfe));
      const noise: UpdateNoise = {
        denoising: {
          t: ndarray(times, [rows, 1]),
          alphaBar: ndarray(times.map((t) => schedule.alphaBar[t]), [rows, 1]),
          epsilon: drawNormals(rows, spec.actionDim, rng),
        },
        policy: drawChain(rows, rng),
        target: drawChain(rows * repeats, rng),
        coin: scalar(rng.uniform() < 0.5 ? 0 : 1),
      };
      // Authors' code: the cosine moves on once per 50,000 updates, over the number of 1000-update epochs.
      const [calls, epochs] = [Math.floor(state.updates / 50_000), Math.max(Math.round(config.updates / 1000), 1)];
      const step = (rate: number) => adamStep(state.updates + 1, { learningRate: cosineDecay(rate, calls, epochs) });
      const follows = state.updates >= config.emaStart && state.updates % config.emaEvery === 0;
      const result = await train({
        state: state.arrays as Arrays,
        batch,
        nextRepeated: repeats === 1 ? batch.nextObservation : repeatRows(batch.nextObservation, repeats),
        noise,
        steps: { critic: step(config.criticLearningRate), actor: step(config.learningRate) },
        emaRate: scalar(follows ? config.emaRate : 0),
      });
      return finishUpdate(state, result);
    },

    exportDenoiser(state) {
      const actor = (state.arrays as Arrays).actor.params;
      const bytes = exportActionDenoiser("diffusion_ql/denoiser", spec, (s, x, { time, alpha, sigma }) => {
        const noise = noiseNetwork(asConstants(actor), x, time, s);
        const clean = tf.div(tf.sub(x, tf.mul(noise, sigma)), alpha);
        return tf.clipByValue(clean, -spec.maxAction, spec.maxAction);
      });
      const timeAt = (i: number, n: number) => Math.round((nfe - 1) * (1 - i / Math.max(n - 1, 1)));
      const levels = (n: number) => scheduleLevels(schedule, Array.from({ length: n }, (_, i) => timeAt(i, n)));
      return { bytes, levels, mostNfe: nfe };
    },

    ...stochasticPolicy<NoiseNetwork, TwinCritic>("diffusion_ql", spec, {
      draws: nfe, // The last step of the chain adds no noise.
      paramsOf: (arrays) => (arrays as Arrays).actor.params,
      sample: (actor, s, noise) => sampleActions(actor, s, noise, schedule, spec.maxAction),
      criticOf: (arrays) => (arrays as Arrays).criticTarget,
      value: (critic, s, a) => tf.minimum(...diffusionQlValues(critic, s, a)),
    }),
  };
});

// -------------------------------------------------------------------------------------------------------- Presets

const officialCode = "authors' code, hyperparameter table (arXiv 2208.06193, Table 3)";
const preset = (config: Partial<DiffusionQlConfig>) => ({ source: officialCode, config });
const gym = (clipNorm: number) => preset({ clipNorm });
const antmaze = (
  valueWeight: number,
  clipNorm: number,
  maxBackup = true,
  learningRate = 3e-4,
) => preset({ valueWeight, clipNorm, maxBackup, learningRate, updates: 1_000_000, rewardTransform: "cql_antmaze" });

const mazes = {
  "umaze": antmaze(0.5, 2, false),
  "umaze-diverse": antmaze(2, 3),
  "medium-play": antmaze(2, 2, true, 1e-3),
  "medium-diverse": antmaze(3, 1),
  "large-play": antmaze(4.5, 10),
  "large-diverse": antmaze(3.5, 7),
};

/** Diffusion-QL. */
export const diffusionQl: Algorithm<DiffusionQlConfig> = {
  name: "diffusion_ql",
  module: import.meta.url,
  acts: "one sample",
  title: "Diffusion-QL",
  source: "Wang, Hunt & Zhou 2023, arXiv 2208.06193",
  defaults: diffusionQlDefaults,
  limits,
  presets: {
    "halfcheetah-medium-v2": gym(9),
    "halfcheetah-medium-replay-v2": gym(2),
    "halfcheetah-medium-expert-v2": gym(7),
    "hopper-medium-v2": gym(9),
    "hopper-medium-replay-v2": gym(4),
    "hopper-medium-expert-v2": gym(5),
    "walker2d-medium-v2": gym(1),
    "walker2d-medium-replay-v2": gym(4),
    "walker2d-medium-expert-v2": gym(5),
    ...Object.fromEntries(
      Object.entries(mazes).flatMap(([maze, published]) => [
        [`antmaze-${maze}-v0`, published],
        [`antmaze-${maze}-v2`, { ...published, source: `${officialCode}, of v0` }],
      ]),
    ),
    "pen-human-v1": preset({
      learningRate: 3e-5,
      valueWeight: 0.15,
      clipNorm: 7,
      updates: 1_000_000,
      rewardTransform: "standardize",
    }),
    "pen-cloned-v1": preset({
      learningRate: 3e-5,
      valueWeight: 0.1,
      clipNorm: 8,
      updates: 1_000_000,
      rewardTransform: "standardize",
    }),
    "kitchen-complete-v0": preset({ valueWeight: 0.005, clipNorm: 9, updates: 250_000 }),
    "kitchen-partial-v0": preset({ valueWeight: 0.005, clipNorm: 10, updates: 1_000_000 }),
    "kitchen-mixed-v0": preset({ valueWeight: 0.005, clipNorm: 10, updates: 1_000_000 }),
  },
  create: createDiffusionQl,
};
