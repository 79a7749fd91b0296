/**
 * Networks and losses of DTQL and DQL-KL: diffusion model, twin critic with state value, one-step policy (Chen, Wang & Zhou 2024,
 * arXiv 2405.19690).
 *
 * @module
 */

import { column, type NdArray, ndarray } from "../engine/array.ts";
import { initLayerNorm, type LayerNorm, layerNorm } from "../core/layer_norm.ts";
import {
  initMlp,
  initOrthogonalLinear,
  type Linear,
  linear,
  mish,
  mlp,
  relu,
  rowsLike,
  sinusoidalEmbedding,
} from "../core/nn.ts";
import { initTwin, type Twin, twinError } from "../core/twin_critic.ts";
import { type LossTerms, stopGradient, type Tensor, tf } from "../engine/tensor.ts";
import { drawSigmas, edmDefaults, edmDenoiser, edmLoss, sigmasFromUniforms } from "../core/edm.ts";
import { bellmanTarget, expectileLoss, meanSquaredError } from "../core/td.ts";
import type { Batch, Spec } from "../core/agent.ts";
import { drawNormals } from "../core/acting.ts";
import { drawQuasiUniforms, gaussiansFromUniforms } from "../core/quasirandom.ts";
import type { Rng } from "../core/rng.ts";
import type { DtqlConfig } from "./config.ts";

// ------------------------------------------------------------------------------------------------------ Networks

/** Parameters of {@linkcode diffusionNetwork}: time embedding, an affine map without activation, Mish layers, an affine map. */
export interface DiffusionNetwork<L = Tensor> {
  time: Linear<L>[];
  trunk: Linear<L>[];
}

/** One action value: affine, LayerNorm, Mish three times, then an affine map to one number. */
export interface QNetwork<L = Tensor> {
  layers: Linear<L>[];
  norms: LayerNorm<L>[];
}

/** Twin action values and a state value. */
export interface Critic<L = Tensor> extends Twin<QNetwork<L>> {
  v: Linear<L>[];
}

/** EDM's raw network `F(x, s, level)`, which {@linkcode edmDenoiser} makes a denoiser: `[batch, A]`, `[batch, S]`, `[batch, 1]` to `[batch, A]`. */
export function diffusionNetwork(p: DiffusionNetwork, x: Tensor, s: Tensor, level: Tensor): Tensor {
  const embedded = mlp(p.time, sinusoidalEmbedding(level, p.time[0].weight.shape[0]), mish);
  const [first, ...rest] = p.trunk;
  return mlp(rest, linear(first, tf.concat([x, rowsLike(s, x), embedded], 1)), mish);
}

function qNetwork({ layers, norms }: QNetwork, input: Tensor): Tensor {
  const h = norms.reduce((x, norm, i) => mish(layerNorm(norm, linear(layers[i], x))), input);
  return linear(layers[layers.length - 1], h);
}

/** `[Q1(s, a), Q2(s, a)]`, each `[batch, 1]`. */
export function actionValues(p: Critic, s: Tensor, a: Tensor): [Tensor, Tensor] {
  const input = tf.concat([rowsLike(s, a), a], 1);
  return [qNetwork(p.q1, input), qNetwork(p.q2, input)];
}

/** `V(s)`, `[batch, 1]`. */
export function stateValue(p: Critic, s: Tensor): Tensor {
  return mlp(p.v, s, mish);
}

/** Least and largest logarithm of the one-step policy's standard deviation (authors' code). */
export const logStdRange = [-5, 2] as const;

/** Mean and standard deviation of the one-step policy before tanh, each `[batch, A]`. */
export function actorHead(p: Linear[], s: Tensor): { mean: Tensor; std: Tensor } {
  const [mean, logStd] = tf.split(mlp(p, s, relu), 2, 1);
  return { mean, std: tf.exp(tf.clipByValue(logStd, ...logStdRange)) };
}

/** A reparameterised action `maxAction tanh(mean + std epsilon)`, `[batch, A]`. */
export function actorSample(p: Linear[], s: Tensor, epsilon: Tensor, maxAction: number): Tensor {
  const { mean, std } = actorHead(p, s);
  return tf.mul(tf.tanh(tf.add(mean, tf.mul(std, epsilon))), maxAction);
}

/** Log density of `atanh(a / (maxAction + 0.001))` under the Gaussian, without tanh's Jacobian (authors' code), `[batch, 1]`. */
export function actorLogDensity(p: Linear[], s: Tensor, a: Tensor, maxAction: number): Tensor {
  const { mean, std } = actorHead(p, s);
  const y = tf.div(a, maxAction + 1e-3);
  const raw = tf.mul(tf.log(tf.div(tf.add(1, y), tf.sub(1, y))), 0.5);
  const z = tf.div(tf.sub(raw, mean), std);
  const density = tf.sub(tf.mul(tf.square(z), -0.5), tf.add(tf.log(std), Math.log(2 * Math.PI) / 2));
  return tf.sum(density, 1, true);
}

/** Parameters of a {@linkcode diffusionNetwork}. */
export function initDiffusionNetwork(
  { observationDim, actionDim }: Spec,
  config: DtqlConfig,
  rng: Rng,
): DiffusionNetwork<NdArray> {
  const { timeDim: e, diffusionHidden: h, depth } = config;
  return {
    time: initMlp([e, 2 * e, e], rng.child("time")),
    trunk: initMlp([actionDim + observationDim + e, ...Array(depth + 1).fill(h), actionDim], rng.child("trunk")),
  };
}

/** Parameters of the critic. */
export function initCritic(
  { observationDim, actionDim }: Spec,
  { hidden, depth }: DtqlConfig,
  rng: Rng,
): Critic<NdArray> {
  const widths: number[] = Array(depth).fill(hidden);
  const twin = initTwin((stream) => ({
    layers: initMlp([observationDim + actionDim, ...widths, 1], stream),
    norms: widths.map(initLayerNorm),
  }), rng);
  return { ...twin, v: initMlp([observationDim, ...widths, 1], rng.child("v")) };
}

/** Parameters of the one-step policy: orthogonal weights, zero biases. */
export function initActor(
  { observationDim, actionDim }: Spec,
  { hidden, depth }: DtqlConfig,
  rng: Rng,
): Linear<NdArray>[] {
  const sizes = [observationDim, ...Array(depth).fill(hidden), 2 * actionDim];
  return sizes.slice(1).map((n, i) => initOrthogonalLinear(sizes[i], n, rng.child(`${i}`)));
}

// -------------------------------------------------------------------------------------------------------- Losses

/** Bound of a denoised action. */
export const bounds = (config: DtqlConfig, { maxAction }: Spec) => config.denoised === "clipped" ? maxAction : Infinity;

/** Expectile regression of V on the online twin minimum, and both Q on one-step targets with V (Eqs. 6, 7). */
export function dtqlCriticLoss(p: Critic, batch: Batch<Tensor>, config: DtqlConfig): Tensor {
  const [q1, q2] = actionValues(p, batch.observation, batch.action);
  const best = stopGradient(tf.minimum(q1, q2)); // Authors' code: online, where the paper has the target critic.
  const valueLoss = expectileLoss(tf.sub(best, stateValue(p, batch.observation)), config.expectile); // Eq. 6
  const nextValue = stopGradient(stateValue(p, batch.nextObservation));
  const target = bellmanTarget(batch.reward, batch.terminal, nextValue, config.discount);
  return tf.add(valueLoss, twinError([q1, q2], target)); // Eq. 7
}

/** The diffusion loss of actions `a` given states, for behaviour cloning and for the trust region (Eq. 4). */
export function diffusionLoss(
  p: DiffusionNetwork,
  s: Tensor,
  a: Tensor,
  { sigma, epsilon }: { sigma: Tensor; epsilon: Tensor },
  clip: number,
): Tensor {
  return edmLoss((x, level) => diffusionNetwork(p, x, s, level), a, sigma, epsilon, edmDefaults, clip);
}

/**
 * The KL alternative (Eq. 8), as its surrogate loss: its gradient in `a` is the difference of the two denoisers,
 * divided per row by `mean |a - D_real|`, over the batch and action dimensions.
 *
 * @param real Diffusion network of the data, no gradient.
 * @param fake Diffusion network of the policy's own actions, no gradient.
 */
export function distillationLoss(
  real: DiffusionNetwork,
  fake: DiffusionNetwork,
  s: Tensor,
  a: Tensor,
  { sigma, epsilon }: { sigma: Tensor; epsilon: Tensor },
  clip: number,
): Tensor {
  const fixed = stopGradient(a);
  const noisy = tf.add(fixed, tf.mul(sigma, epsilon));
  const denoised = (p: DiffusionNetwork) =>
    edmDenoiser((x, level) => diffusionNetwork(p, x, s, level), edmDefaults, clip)(noisy, sigma);
  const [clean, own] = [denoised(real), denoised(fake)];
  const weight = tf.mean(tf.abs(tf.sub(fixed, clean)), 1, true);
  const goal = stopGradient(tf.sub(fixed, tf.div(tf.sub(own, clean), weight)));
  return tf.mul(meanSquaredError(a, goal), 0.5);
}

/** Noise of one policy update. */
export interface ActorNoise<L = NdArray> {
  /** Unit Gaussians of the policy's draw, `[batch, A]`. */
  action: L;
  /** Noise levels and unit Gaussians of the trust region, `[batch, 1]` and `[batch, A]`. */
  sigma: L;
  epsilon: L;
}

/** Trust region, value and likelihood terms of the one-step policy (Eq. 5), each a scalar. */
export function dtqlActorTerms(
  actor: Linear[],
  diffusion: DiffusionNetwork,
  critic: Critic,
  batch: Batch<Tensor>,
  noise: ActorNoise<Tensor>,
  config: DtqlConfig,
  spec: Spec,
): LossTerms {
  const action = actorSample(actor, batch.observation, noise.action, spec.maxAction);
  const trustRegion = diffusionLoss(diffusion, batch.observation, action, noise, bounds(config, spec)); // Eq. 4
  const [s, a] = [batch.observation, action].map((x) => firstRows(x, config.valueRows));
  const value = tf.neg(tf.mean(tf.minimum(...actionValues(critic, s, a))));
  const likelihood = config.likelihoodWeight === 0
    ? tf.scalar(0)
    : tf.neg(tf.mean(actorLogDensity(actor, batch.observation, batch.action, spec.maxAction)));
  const total = tf.add(
    tf.add(tf.mul(trustRegion, config.trustRegionWeight), tf.mul(value, config.valueWeight)), // Eq. 5
    tf.mul(likelihood, config.likelihoodWeight),
  );
  return { total, trustRegion, value, likelihood };
}

/** The first `rows` rows of a tensor, or all of them for 0; one row stands for any number. */
function firstRows(x: Tensor, rows: number): Tensor {
  return rows === 0 || x.shape[0] === 1 ? x : tf.slice(x, [0, 0], [rows, x.shape[1]!]);
}

const generationSigma = 2.5; // Authors' code.

/** One-pass action of the KL variant: the raw network on `2.5 noise` with 2.5 itself as its time input (authors' code). */
export function klAction(p: DiffusionNetwork, s: Tensor, noise: Tensor): Tensor {
  return diffusionNetwork(p, tf.mul(noise, generationSigma), s, tf.fill([noise.shape[0], 1], generationSigma));
}

// --------------------------------------------------------------------------------------------------------- Noise

/** Noise levels `[batch, 1]` and unit Gaussians `[batch, A]`. */
export type DiffusionNoise<L = NdArray> = { sigma: L; epsilon: L };

/** Noise of one denoising loss. */
export function drawDiffusionNoise(rows: number, { actionDim }: Spec, rng: Rng): DiffusionNoise {
  const sigma = column(drawSigmas(rows, edmDefaults, rng));
  return { sigma, epsilon: drawNormals(rows, actionDim, rng) };
}

/** Noise of one policy update, by `config.actorNoise`. */
export function drawActorNoise(rows: number, spec: Spec, config: DtqlConfig, rng: Rng): ActorNoise {
  return config.actorNoise === "quasirandom"
    ? drawQuasiActorNoise(rows, spec, rng)
    : { action: drawNormals(rows, spec.actionDim, rng), ...drawDiffusionNoise(rows, spec, rng) };
}

/** Quasi-random points over all three kinds of noise, each followed by its mirror image. */
function drawQuasiActorNoise(rows: number, { actionDim: n }: Spec, rng: Rng): ActorNoise {
  const pairs = Math.ceil(n / 2);
  const dims = 4 * pairs + 1;
  const points = drawQuasiUniforms(Math.ceil(rows / 2), dims, rng);
  const pointOf = (row: number) => dims * (row >> 1); // Where it starts.
  const normals = (first: number) => {
    const out = new Float32Array(rows * n);
    for (let row = 0; row < rows; row++) {
      const sign = row % 2 === 0 ? 1 : -1;
      for (let d = 0; d < n; d += 2) {
        const at = pointOf(row) + first + d;
        const [x, y] = gaussiansFromUniforms(points[at], points[at + 1]);
        out[row * n + d] = sign * x;
        if (d + 1 < n) out[row * n + d + 1] = sign * y;
      }
    }
    return ndarray(out, [rows, n]);
  };
  const levels = new Float64Array(rows);
  for (let row = 0; row < rows; row++) levels[row] = points[pointOf(row) + dims - 1];
  return {
    action: normals(0),
    epsilon: normals(2 * pairs),
    sigma: column(sigmasFromUniforms(levels, edmDefaults)),
  };
}
