/**
 * Bridges: seven losses that tie a one-step student to a teacher, or to the data alone.
 *
 * Sources: trust region, arXiv 2405.19690 (DTQL); score, arXiv 2310.07297 (SRPO); KL, arXiv 2311.18828 (DMD), as in DTQL's comparison;
 * paired regression, arXiv 2502.02538 (FQL); completion, arXiv 2506.21427 (SSCP); consistency, arXiv 2309.16984 (Consistency-AC) and, with
 * a teacher, consistency distillation, arXiv 2303.01469; composition, arXiv 2606.10613 (BFQ). Crossing them with other teachers is ours.
 *
 * @module
 */

import type { ConsistencyLevels } from "../core/consistency.ts";
import type { RawNetwork } from "../core/edm.ts";
import { meanSquaredError } from "../core/td.ts";
import { stopGradient, type Tensor, tf } from "../engine/tensor.ts";
import { type LevelNoise, type Levels, noisyAction, type Teacher } from "./teachers.ts";

/** A teacher with its network, which has no gradient here. */
export interface Taught {
  /** What the network predicts and how it is used. */
  teacher: Teacher;
  /** The network, the observation known to it. */
  network: RawNetwork;
}

// --------------------------------------------------------------------------------------------- Of a student's action

/**
 * Trust region: the teacher's own loss at the student's action. Its gradient runs through the teacher and through what the teacher is
 * compared with.
 *
 * @param a `[batch, A]`
 */
export function trustRegionLoss({ teacher, network }: Taught, a: Tensor, noise: LevelNoise): Tensor {
  return teacher.loss(network, a, noise);
}

/**
 * Score: a loss whose gradient in the action is `omega (noise predicted - noise)`, the trust region without the teacher's derivative;
 * summed over dimensions, a mean over rows. It ignores the student's entropy, so that a student with noise loses it.
 *
 * @param baseline Whether the noise is subtracted, which leaves the mean as it is; SRPO's released runs do without.
 */
export function scoreLoss({ teacher, network }: Taught, a: Tensor, noise: LevelNoise, baseline: boolean): Tensor {
  const predicted = teacher.noise(network, noisyAction(stopGradient(a), noise), noise);
  const [signal, spread] = [noise.alpha, noise.sigma].map((x) => tf.square(x));
  const weight = tf.div(spread, tf.add(signal, spread)); // SRPO's sigma^2, of a variance-preserving diffusion of the same ratio.
  const direction = stopGradient(tf.mul(weight, baseline ? tf.sub(predicted, noise.epsilon) : predicted));
  return tf.mean(tf.sum(tf.mul(direction, a), 1));
}

/**
 * KL (distribution matching): half the squared distance from `a - (D_fake - D_real) / mean |a - D_real|`, the divisor a mean over the
 * dimensions of each row, so that the difference of the denoisers is the gradient.
 *
 * @param fake The network of a diffusion model of the student's own actions.
 */
export function klLoss({ teacher, network }: Taught, fake: RawNetwork, a: Tensor, noise: LevelNoise): Tensor {
  const fixed = stopGradient(a);
  const noisy = noisyAction(fixed, noise);
  const [clean, own] = [network, fake].map((net) => teacher.denoise(net, noisy, noise));
  const weight = tf.mean(tf.abs(tf.sub(fixed, clean)), 1, true);
  const goal = stopGradient(tf.sub(fixed, tf.div(tf.sub(own, clean), weight)));
  return tf.mul(meanSquaredError(a, goal), 0.5);
}

/** Paired regression: the distance of the student's action from where the teacher's deterministic sampler ends, from the same noise. */
export function pairedLoss(a: Tensor, end: Tensor): Tensor {
  return meanSquaredError(a, stopGradient(end));
}

// ------------------------------------------------------------------------------------- Of a student in flow time

/** A student's mean velocity at `x [batch, A]` from flow time `t` to `end`, `[batch, 1]` each. */
export type MeanVelocity = (x: Tensor, t: Tensor, end: Tensor) => Tensor;

/** Flow times of levels, `alpha / (alpha + sigma)`. */
export function flowTimes({ alpha, sigma }: Levels): Tensor {
  return tf.div(alpha, tf.add(alpha, sigma));
}

/** A noisy action in flow time, `(alpha a + sigma epsilon) / (alpha + sigma)`. */
export function flowSample(a: Tensor, noise: LevelNoise): Tensor {
  return tf.div(noisyAction(a, noise), tf.add(noise.alpha, noise.sigma));
}

/** The velocity that a teacher gives a sample in flow time, the expected action less the expected noise. */
export function teacherVelocity({ teacher, network }: Taught, a: Tensor, noise: LevelNoise): Tensor {
  const x = noisyAction(a, noise);
  return stopGradient(tf.sub(teacher.denoise(network, x, noise), teacher.noise(network, x, noise)));
}

/** Completion: the rest of the way in one move ends at `target`, the data's action or the teacher's end. */
export function completionLoss(velocity: MeanVelocity, x: Tensor, t: Tensor, target: Tensor): Tensor {
  const rest = tf.sub(1, t);
  return meanSquaredError(tf.add(x, tf.mul(rest, velocity(x, t, tf.onesLike(t)))), stopGradient(target));
}

/** Flow matching over an interval, of no length or short: the mean velocity is `slope`, of data `a - epsilon` or a teacher's. */
export function slopeLoss(velocity: MeanVelocity, x: Tensor, t: Tensor, end: Tensor, slope: Tensor): Tensor {
  return meanSquaredError(velocity(x, t, end), slope);
}

/** Where a move from flow time `t` to `end` arrives. */
export function movedTo(velocity: MeanVelocity, x: Tensor, t: Tensor, end: Tensor): Tensor {
  return tf.add(x, tf.mul(tf.sub(end, t), velocity(x, t, end)));
}

/** Composition: one move agrees with two shorter ones, through a time `middle` between `t` and `end`. */
export function compositionLoss(velocity: MeanVelocity, x: Tensor, t: Tensor, middle: Tensor, end: Tensor): Tensor {
  const target = stopGradient(movedTo(velocity, movedTo(velocity, x, t, middle), middle, end));
  return meanSquaredError(movedTo(velocity, x, t, end), target);
}

// ---------------------------------------------------------------------------------------- Of a student at all levels

/** A student's action behind `y = a + sigma epsilon [batch, A]` at a level. */
export type LevelMap = (y: Tensor, levels: ConsistencyLevels<Tensor>) => Tensor;

/** Two levels of each row, the weight of the row, and unit Gaussians. */
export interface ConsistencyNoise<L = Tensor> {
  /** The noisier one. */
  upper: ConsistencyLevels<L>;
  /** The other. */
  lower: ConsistencyLevels<L>;
  /** `[batch, 1]` */
  weight: L;
  /** `[batch, A]` */
  epsilon: L;
}

/**
 * Consistency: the student's action at a level agrees with that of its own average at the level below, at `y` moved one step of the
 * teacher's flow, `y + (lower - upper) noise`, or without a teacher with the same noise, `a + lower epsilon`.
 *
 * @param predicted The noise that the teacher expects in `y`, null without one.
 */
export function consistencyLoss(
  student: LevelMap,
  average: LevelMap,
  a: Tensor,
  { upper, lower, weight, epsilon }: ConsistencyNoise,
  predicted: ((y: Tensor) => Tensor) | null,
): Tensor {
  const y = tf.add(a, tf.mul(upper.sigma, epsilon));
  const below = predicted
    ? tf.add(y, tf.mul(tf.sub(lower.sigma, upper.sigma), predicted(y)))
    : tf.add(a, tf.mul(lower.sigma, epsilon));
  const target = stopGradient(average(below, lower));
  return tf.mean(tf.mul(weight, tf.square(tf.sub(student(y, upper), target))));
}
