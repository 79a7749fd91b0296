/**
 * Teachers: four diffusion models of actions as one thing, the action expected behind a noisy one, and a deterministic way down.
 *
 * Whatever it predicts, a teacher's noisy action is `x = alpha a + sigma epsilon`, and the ratio `sigma / alpha` names its level: at the
 * same ratio all of them see `y = x / alpha = a + ratio epsilon`, and exact ones expect the same action behind it. In flow time, `t =
 * alpha / (alpha + sigma)`, the same sample is `x / (alpha + sigma) = (1 - t) epsilon + t a`, so that students who live there need not
 * know who teaches them.
 *
 * Sources: DDPM, arXiv 2006.11239, in the schedule of Diffusion-QL; EDM, arXiv 2206.00364, as in DTQL; the VP score of SRPO, arXiv
 * 2310.07297; flow matching as in FQL, arXiv 2502.02538. The conversions follow from the definitions.
 *
 * @module
 */

import type { NoiseLevel } from "../core/denoiser.ts";
import { edmDefaults, edmDenoiser, edmLevels, edmLoss, type RawNetwork, sigmasFromUniforms } from "../core/edm.ts";
import { meanSquaredError } from "../core/td.ts";
import { scheduleLevels, vpSchedule } from "../core/vp.ts";
import { levelAt as vpLevelAt, vpTime } from "../core/vp_sde.ts";
import { column, type NdArray } from "../engine/array.ts";
import { type Tensor, tf } from "../engine/tensor.ts";

/** Levels row by row, `[batch, 1]` each. */
export interface Levels<L = Tensor> {
  /** What the network is told. */
  time: L;
  /** Factor of the action. */
  alpha: L;
  /** Standard deviation of the noise. */
  sigma: L;
}

/** Levels and unit Gaussians `[batch, A]`: what a noisy action is made of. */
export interface LevelNoise<L = Tensor> extends Levels<L> {
  /** `[batch, A]` */
  epsilon: L;
}

/** Levels as columns. */
export function levelColumns(levels: readonly NoiseLevel[]): Levels<NdArray> {
  const of = (name: keyof NoiseLevel) => column(Float32Array.from(levels, (level) => level[name]));
  return { time: of("time"), alpha: of("alpha"), sigma: of("sigma") };
}

/** `alpha a + sigma epsilon`. */
export function noisyAction(a: Tensor, { alpha, sigma, epsilon }: LevelNoise): Tensor {
  return tf.add(tf.mul(alpha, a), tf.mul(sigma, epsilon));
}

/** Names of the teachers. */
export type TeacherName = "ddpm" | "edm" | "vp" | "flow";

/** A diffusion model of actions, given its network: `(x [batch, A], time [batch, 1])` to `[batch, A]`, the observation known to it. */
export interface Teacher {
  /** Its name in settings. */
  readonly name: TeacherName;
  /** Least and largest ratio `sigma / alpha` that it is trained for. */
  readonly range: readonly [least: number, most: number];
  /** The ratios at which it is defined, rising, where those are few. */
  readonly grid?: readonly number[];
  /**
   * Its own loss on actions, a mean over batch and dimensions: what trains it on the data and, at a student's actions, is the trust
   * region. In terms of D it is `mean w (D - a)^2`, with w of EDM `1 / c_out^2`, of an epsilon `alpha^2 / sigma^2`, of a flow `1 / (1 -
   * t)^2`.
   */
  loss(network: RawNetwork, a: Tensor, noise: LevelNoise): Tensor;
  /** The action expected behind `x`, `[batch, A]`. */
  denoise(network: RawNetwork, x: Tensor, levels: Levels): Tensor;
  /** The noise expected in `x`, `[batch, A]`; the score is `-noise / sigma`. */
  noise(network: RawNetwork, x: Tensor, levels: Levels): Tensor;
  /** One step of its deterministic sampler, between any falling levels, `[batch, A]`. */
  step(network: RawNetwork, x: Tensor, now: Levels, next: Levels): Tensor;
  /** Where its sampler starts: a flow at pure noise, the others at their largest ratio. */
  readonly top: NoiseLevel;
  /** The level at a ratio. */
  levelAt(ratio: number): NoiseLevel;
  /** The level that a uniform number in [0, 1) draws, to train it on the data. */
  trainingLevel(uniform: number): NoiseLevel;
  /** The level that a uniform number in [0, 1) draws, to teach a student. */
  bridgeLevel(uniform: number): NoiseLevel;
  /** The levels of `nfe` network calls from a level down, and the end: one more than calls. */
  path(from: NoiseLevel, nfe: number): NoiseLevel[];
}

/** DDIM's step (Song et al. 2021, arXiv 2010.02502, eta = 0), row by row. */
const ddimStep = (denoise: Teacher["denoise"]): Teacher["step"] => (network, x, now, next) => {
  const kept = tf.div(next.sigma, now.sigma);
  return tf.add(
    tf.mul(x, kept),
    tf.mul(denoise(network, x, now), tf.sub(next.alpha, tf.mul(kept, now.alpha))),
  );
};

const epsilonDenoise: Teacher["denoise"] = (network, x, { time, alpha, sigma }) =>
  tf.div(tf.sub(x, tf.mul(network(x, time), sigma)), alpha);

/** What teachers share that predict the noise. */
const epsilonTeacher: Pick<Teacher, "loss" | "denoise" | "noise" | "step"> = {
  loss: (network, a, noise) => meanSquaredError(network(noisyAction(a, noise), noise.time), noise.epsilon),
  denoise: epsilonDenoise,
  noise: (network, x, { time }) => network(x, time),
  step: ddimStep(epsilonDenoise),
};

/** Diffusion-QL's model: noise prediction at `steps` levels; the network is told their index. */
export function ddpmTeacher(steps: number): Teacher {
  const levels = scheduleLevels(vpSchedule(steps), Array.from({ length: steps }, (_, k) => k)).slice(0, steps);
  const grid = levels.map(({ alpha, sigma }) => sigma / alpha);
  const drawn = (uniform: number) => levels[Math.floor(uniform * steps)];
  return {
    ...epsilonTeacher,
    name: "ddpm",
    range: [grid[0], grid[steps - 1]],
    grid,
    top: levels[steps - 1],
    levelAt(ratio) {
      const found = levels[grid.findIndex((r) => Math.abs(r / ratio - 1) < 1e-6)];
      if (found) return found;
      throw new RangeError(
        `Cannot ask DDPM for a level: sigma / alpha must be one of its ${steps} ratios, ${
          grid.map((r) => r.toPrecision(3)).join(", ")
        }, current value is ${ratio}`,
      );
    },
    trainingLevel: drawn,
    bridgeLevel: drawn,
    path({ time }, nfe) {
      const index = (i: number) => Math.round(time * (1 - i / Math.max(nfe - 1, 1))); // Where two are one, nothing happens.
      return [...Array.from({ length: nfe }, (_, i) => levels[index(i)]), { time: 0, alpha: 1, sigma: 0 }];
    },
  };
}

/**
 * DTQL's model: the network is EDM's F, told `ln(sigma) / 4`.
 *
 * @param clip Bound of the denoised action. Where most of a batch is clipped, a trust region is pointless: its gradient is only that of
 * the distance. @default Infinity
 */
export function edmTeacher(clip = Infinity): Teacher {
  const denoise: Teacher["denoise"] = (network, x, { sigma }) => edmDenoiser(network, edmDefaults, clip)(x, sigma);
  const levelAt = (sigma: number): NoiseLevel => ({ time: sigma, alpha: 1, sigma });
  const drawn = (uniform: number) => levelAt(sigmasFromUniforms([uniform], edmDefaults)[0]);
  return {
    name: "edm",
    range: [edmDefaults.sigmaMin, edmDefaults.sigmaMax],
    loss: (network, a, { sigma, epsilon }) => edmLoss(network, a, sigma, epsilon, edmDefaults, clip),
    denoise,
    noise: (network, x, levels) => tf.div(tf.sub(x, denoise(network, x, levels)), levels.sigma),
    step: ddimStep(denoise),
    top: levelAt(edmDefaults.sigmaMax),
    levelAt,
    trainingLevel: drawn,
    bridgeLevel: drawn,
    path: ({ sigma }, nfe) => edmLevels(nfe, { ...edmDefaults, sigmaMax: sigma }),
  };
}

const [vpLeast, vpBridge] = [1e-3, [0.02, 0.98]] as const; // SRPO's times, of its model and of its policy.

/** SRPO's model: noise prediction in continuous time, which the network is told. */
export function vpTeacher(): Teacher {
  const ratio = (t: number) => vpLevelAt(t).sigma / vpLevelAt(t).alpha;
  return {
    ...epsilonTeacher,
    name: "vp",
    range: [ratio(vpLeast), ratio(1)],
    top: vpLevelAt(1),
    levelAt: (ratio) => vpLevelAt(vpTime(-Math.log(ratio))),
    trainingLevel: (uniform) => vpLevelAt(vpLeast + uniform * (1 - vpLeast)),
    bridgeLevel: (uniform) => vpLevelAt(vpBridge[0] + uniform * (vpBridge[1] - vpBridge[0])),
    path: ({ time }, nfe) =>
      Array.from({ length: nfe + 1 }, (_, i) => vpLevelAt(time + i / nfe * (Math.min(vpLeast, time) - time))),
  };
}

/** FQL's model: the velocity `a - epsilon` in flow time, which the network is told; its sampler is Euler's method. */
export function flowTeacher(): Teacher {
  const at = (t: number): NoiseLevel => ({ time: t, alpha: t, sigma: 1 - t });
  const drawn = (uniform: number) => at(uniform);
  return {
    name: "flow",
    range: [edmDefaults.sigmaMin, edmDefaults.sigmaMax], // Ours, for students who want one; the model itself has no bounds.
    loss: (network, a, noise) => meanSquaredError(network(noisyAction(a, noise), noise.time), tf.sub(a, noise.epsilon)),
    denoise: (network, x, { time, sigma }) => tf.add(x, tf.mul(sigma, network(x, time))),
    noise: (network, x, { time, alpha }) => tf.sub(x, tf.mul(alpha, network(x, time))),
    step: (network, x, now, next) => tf.add(x, tf.mul(tf.sub(next.time, now.time), network(x, now.time))),
    top: at(0),
    levelAt: (ratio) => at(1 / (1 + ratio)),
    trainingLevel: drawn,
    bridgeLevel: drawn,
    path: ({ time }, nfe) => Array.from({ length: nfe + 1 }, (_, i) => at(time + i / nfe * (1 - time))),
  };
}

/** Where the deterministic sampler takes `x`, through `levels`, clipped once at the end to [-1, 1]; `[batch, A]`. */
export function teacherEnd(teacher: Teacher, network: RawNetwork, x: Tensor, levels: readonly Levels[]): Tensor {
  for (let i = 0; i + 1 < levels.length; i++) x = teacher.step(network, x, levels[i], levels[i + 1]);
  return tf.clipByValue(x, -1, 1);
}
