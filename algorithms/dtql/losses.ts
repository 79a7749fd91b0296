/**
 * Losses of DTQL and DQL-KL (Chen, Wang & Zhou 2024, arXiv 2405.19690).
 *
 * @module
 */

import type { Batch, Spec } from "../core/agent.ts";
import type { NdArray } from "../engine/array.ts";
import { edmDefaults, edmDenoiser, edmLoss } from "../core/edm.ts";
import type { Linear } from "../core/nn.ts";
import { bellmanTarget, expectileLoss, meanSquaredError } from "../core/td.ts";
import { type LossTerms, stopGradient, type Tensor, tf } from "../engine/tensor.ts";
import type { DtqlConfig } from "./config.ts";
import {
  actionValues,
  actorLogDensity,
  actorSample,
  type Critic,
  type ScoreNetwork,
  scoreNetwork,
  stateValue,
} from "./networks.ts";

/** Bound of a denoised action. */
export const bounds = (config: DtqlConfig, { maxAction }: Spec) => config.denoised === "clipped" ? maxAction : Infinity;

/** Expectile regression of V on the online twin minimum, and both Q on one-step targets with V (Eqs. 6, 7). */
export function dtqlCriticLoss(p: Critic, batch: Batch<Tensor>, config: DtqlConfig): Tensor {
  const [q1, q2] = actionValues(p, batch.observation, batch.action);
  const best = stopGradient(tf.minimum(q1, q2)); // Authors' code: online, where the paper has the target critic.
  const valueLoss = expectileLoss(tf.sub(best, stateValue(p, batch.observation)), config.expectile); // Eq. 6
  const nextValue = stopGradient(stateValue(p, batch.nextObservation));
  const target = bellmanTarget(batch.reward, batch.terminal, nextValue, config.discount);
  return tf.add(valueLoss, tf.add(meanSquaredError(q1, target), meanSquaredError(q2, target))); // Eq. 7
}

/** The diffusion loss of actions `a` given states, for behaviour cloning and for the trust region (Eq. 4). */
export function diffusionLoss(
  p: ScoreNetwork,
  s: Tensor,
  a: Tensor,
  { sigma, epsilon }: { sigma: Tensor; epsilon: Tensor },
  clip: number,
): Tensor {
  return edmLoss((x, level) => scoreNetwork(p, x, s, level), a, sigma, epsilon, edmDefaults, clip);
}

/**
 * The KL alternative (Eq. 8), as its surrogate loss: its gradient in `a` is the difference of the two denoisers,
 * divided per row by `mean |a - D_real|`, over the batch and action dimensions.
 *
 * @param real Diffusion network of the data, no gradient.
 * @param fake Diffusion network of the policy's own actions, no gradient.
 */
export function distillationLoss(
  real: ScoreNetwork,
  fake: ScoreNetwork,
  s: Tensor,
  a: Tensor,
  { sigma, epsilon }: { sigma: Tensor; epsilon: Tensor },
  clip: number,
): Tensor {
  const fixed = stopGradient(a);
  const noisy = tf.add(fixed, tf.mul(sigma, epsilon));
  const denoised = (p: ScoreNetwork) =>
    edmDenoiser((x, level) => scoreNetwork(p, x, s, level), edmDefaults, clip)(noisy, sigma);
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
  diffusion: ScoreNetwork,
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
export function klAction(p: ScoreNetwork, s: Tensor, noise: Tensor): Tensor {
  return scoreNetwork(p, tf.mul(noise, generationSigma), s, tf.fill([noise.shape[0], 1], generationSigma));
}
