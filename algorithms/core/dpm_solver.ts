/**
 * DPM-Solvers: a diffusion's probability flow solved in the logarithm of its signal-to-noise ratio.
 *
 * Source: Lu et al. 2022, arXiv 2206.00927 (noise, "DPM-Solver") and 2211.01095 (clean sample, "DPM-Solver++"); the order of calls and
 * the intermediate times of the authors' code as SRPO's used it. A clean sample at order 1 is DDIM (Song et al. 2020).
 *
 * @module
 */

import type { NoiseLevel } from "./denoiser.ts";
import type { Denoiser, NoisePredictor } from "./samplers.ts";
import { type Tensor, tf } from "../engine/tensor.ts";

/** Which DPM-Solver. */
export interface DpmSolver {
  /** Order of the error per step. */
  order: 1 | 2 | 3;
  /** `single`: each step calls the network `order` times; `multi`: once, with the results of earlier steps. */
  steps: "single" | "multi";
  /** What is extrapolated: the noise (DPM-Solver), or the clean sample (DPM-Solver++). */
  prediction: "noise" | "clean";
}

/**
 * Samples along the probability flow, with one network call per level but the last.
 *
 * @param predict The clean sample or the noise, as `prediction` says.
 * @param x Start, unit Gaussians `[batch, dim]`.
 * @param levels Falling; the last one's sigma is above 0.
 */
export function sampleDpm(
  predict: Denoiser | NoisePredictor,
  x: Tensor,
  levels: readonly NoiseLevel[],
  { order, steps, prediction }: DpmSolver,
): Tensor {
  const move = prediction === "clean" ? moveClean : moveNoise;
  return steps === "multi" ? multiStep(predict, move, x, levels, order) : singleStep(predict, move, x, levels, order);
}

/**
 * How the prediction moves `x` from level `s` to level `t`: with the network's value and, scaled by the fitting integrals, its first
 * and second derivative in lambda over the step.
 */
type Move = (x: Tensor, s: NoiseLevel, t: NoiseLevel, value: Tensor, first?: Tensor, second?: Tensor) => Tensor;

const sum = (terms: (Tensor | undefined)[]) => terms.filter((x) => x !== undefined).reduce((a, b) => tf.add(a, b));
const scaled = (x: Tensor | undefined, factor: number) => x && tf.mul(x, factor);

const moveClean: Move = (x, s, t, value, first, second) => {
  const h = lambdaOf(t) - lambdaOf(s);
  const phi1 = Math.expm1(-h);
  const phi2 = phi1 / h + 1;
  const phi3 = phi2 / h - 0.5;
  return sum([
    tf.mul(x, t.sigma / s.sigma),
    scaled(value, -t.alpha * phi1),
    scaled(first, t.alpha * phi2),
    scaled(second, -t.alpha * phi3),
  ]);
};

const moveNoise: Move = (x, s, t, value, first, second) => {
  const h = lambdaOf(t) - lambdaOf(s);
  const phi1 = Math.expm1(h);
  const phi2 = phi1 / h - 1;
  const phi3 = phi2 / h - 0.5;
  return sum([
    tf.mul(x, t.alpha / s.alpha),
    scaled(value, -t.sigma * phi1),
    scaled(first, -t.sigma * phi2),
    scaled(second, -t.sigma * phi3),
  ]);
};

const lambdaOf = ({ alpha, sigma }: NoiseLevel) => Math.log(alpha / sigma);

function multiStep(predict: Denoiser, move: Move, x: Tensor, levels: readonly NoiseLevel[], order: number): Tensor {
  const values: Tensor[] = []; // The newest first.
  for (let i = 0; i + 1 < levels.length; i++) {
    const [s, t] = [levels[i], levels[i + 1]];
    values.unshift(predict(x, s));
    const [now, before, earlier] = values;
    const h = lambdaOf(t) - lambdaOf(s);
    if (order === 1 || i === 0) x = move(x, s, t, now);
    else {
      const r0 = (lambdaOf(s) - lambdaOf(levels[i - 1])) / h;
      const slope = tf.div(tf.sub(now, before), r0);
      if (order === 2 || i === 1) {
        x = secondOrder(move, x, s, t, now, slope);
        continue;
      }
      const r1 = (lambdaOf(levels[i - 1]) - lambdaOf(levels[i - 2])) / h;
      const change = tf.div(tf.sub(slope, tf.div(tf.sub(before, earlier), r1)), r0 + r1);
      x = move(x, s, t, now, tf.add(slope, tf.mul(change, r0)), change);
    }
  }
  return x;
}

/** The authors' second multistep order adds half the slope to the value instead of fitting its integral. */
const secondOrder = (move: Move, x: Tensor, s: NoiseLevel, t: NoiseLevel, value: Tensor, slope: Tensor) =>
  move(x, s, t, tf.add(value, tf.mul(slope, 0.5)));

/**
 * How many grid points each step takes: as many of `order` as fit, lower orders for the rest.
 *
 * Deviation: an even number of calls at order 2 ends in two steps of order 1, as in SRPO's authors' copy of the solver; Lu et al.'s own
 * release takes steps of order 2 alone there.
 */
function ordersOf(nfe: number, order: number): number[] {
  const repeat = (n: number, k: number): number[] => Array(n).fill(k);
  if (order === 1) return repeat(nfe, 1);
  if (order === 2) return nfe % 2 ? [...repeat((nfe - 1) / 2, 2), 1] : [...repeat(nfe / 2 - 1, 2), 1, 1];
  const k = Math.floor(nfe / 3) + 1;
  if (nfe % 3 === 0) return [...repeat(k - 2, 3), 2, 1];
  return [...repeat(k - 1, 3), nfe % 3];
}

function singleStep(predict: Denoiser, move: Move, x: Tensor, levels: readonly NoiseLevel[], order: number): Tensor {
  let at = 0;
  for (const k of ordersOf(levels.length - 1, order)) {
    const [s, t] = [levels[at], levels[at + k]];
    const h = lambdaOf(t) - lambdaOf(s);
    const value = predict(x, s);
    const ratio = (i: number) => (lambdaOf(levels[at + i]) - lambdaOf(s)) / h;
    if (k === 1) x = move(x, s, t, value);
    else {
      const r1 = ratio(1);
      const middle = levels[at + 1];
      const change = tf.sub(predict(move(x, s, middle, value), middle), value);
      if (k === 2) x = secondOrder(move, x, s, t, value, tf.div(change, r1));
      else {
        const [r2, late] = [ratio(2), levels[at + 2]];
        const guess = move(x, s, late, value, tf.mul(change, r2 / r1));
        const laterChange = tf.sub(predict(guess, late), value);
        x = move(x, s, t, value, tf.div(laterChange, r2));
      }
    }
    at += k;
  }
  return x;
}
