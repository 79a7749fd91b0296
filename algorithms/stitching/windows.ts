/**
 * Windows of trajectories: what the planner learns from.
 *
 * Source: Decision Diffuser (arXiv 2211.15657), authors' code; rewards as one more channel after Li & Zhang, arXiv 2402.00807.
 *
 * @module
 */

import { type NdArray, ndarray } from "../engine/array.ts";
import type { Rng } from "../core/rng.ts";
import { type Trajectories, trajectoryStarts } from "../core/trajectories.ts";
import { type Cdf, fitCdf, mapRows, normalize } from "./cdf_normalizer.ts";

/** A minibatch of windows, all normalized. */
export interface WindowBatch<L = NdArray> {
  /** Observations, then the reward, `[batch, horizon, observationDim + 1]`. */
  window: L;
  /** `[batch, horizon, actionDim]` */
  action: L;
  /** Scaled discounted return from the first step to the trajectory's end, `[batch, 1]`. */
  returns: L;
}

/** How windows are cut and labelled. */
export interface WindowConfig {
  /** Steps per window. */
  horizon: number;
  /** Discount of the return, in [0, 1]. */
  discount: number;
  /** Divides returns, so that the best are about 1. */
  returnsScale: number;
  /** Added to the last reward of a trajectory that the environment ended, for returns alone. */
  terminationPenalty: number;
}

/** Maps of a dataset's dimensions to [-1, 1]. */
export interface Normalizers {
  /** One map for each of the observation's dimensions, then one for the reward. */
  step: Cdf[];
  /** One map for each dimension of the action. */
  action: Cdf[];
}

/** Fits every dimension. */
export function fitNormalizers({ observationDim, actionDim, observation, action, reward }: Trajectories): Normalizers {
  const each = (rows: Float32Array, dim: number) =>
    Array.from({ length: dim }, (_, d) => fitCdf(rows.filter((_, i) => i % dim === d)));
  return { step: [...each(observation, observationDim), fitCdf(reward)], action: each(action, actionDim) };
}

/** `sum_k discount^k r_(t+k) / returnsScale` to the end of each row's trajectory, `[count]`. */
export function returnLabels(
  { count, reward, done }: Pick<Trajectories, "count" | "reward" | "done">,
  terminal: ArrayLike<number>,
  { discount, returnsScale, terminationPenalty }: Omit<WindowConfig, "horizon">,
): Float32Array {
  const labels = new Float32Array(count);
  for (let i = count - 1, sum = 0; i >= 0; i--) {
    if (done[i] === 1) sum = 0;
    sum = reward[i] + (terminal[i] === 1 ? terminationPenalty : 0) + discount * sum;
    labels[i] = sum / returnsScale;
  }
  return labels;
}

/** The longest trajectory that windows are cut of; shorter ones are continued by zeros. */
const longest = 1000;

/**
 * Windows that start anywhere in a trajectory, zeros beyond its end.
 *
 * @param terminal `[count]`, 1 where the environment ended the trajectory.
 * @returns A function that draws a minibatch.
 * @throws {RangeError} If no trajectory is long enough for one.
 */
export function createWindows(
  data: Trajectories,
  terminal: ArrayLike<number>,
  normalizers: Normalizers,
  config: WindowConfig,
): (rows: number, rng: Rng) => WindowBatch {
  const { horizon } = config;
  const { observationDim: s, actionDim: a, count } = data;
  const labels = returnLabels(data, terminal, config);
  const channels = s + 1;
  const steps = new Float32Array(count * channels);
  for (let i = 0; i < count; i++) {
    steps.set(data.observation.subarray(i * s, (i + 1) * s), i * channels);
    steps[i * channels + s] = data.reward[i];
  }
  const window = mapRows(normalize, normalizers.step, steps);
  const action = mapRows(normalize, normalizers.action, data.action);
  const emptyStep = mapRows(normalize, normalizers.step, new Float32Array(channels));
  const emptyAction = mapRows(normalize, normalizers.action, new Float32Array(a));
  const starts = trajectoryStarts(data);
  const first: number[] = []; // Row of each window's first step, and the end of its trajectory.
  const ends: number[] = [];
  starts.forEach((start, k) => {
    const end = starts[k + 1] ?? count;
    const windows = Math.min(end - start - 1, longest - horizon); // As the authors count.
    for (let t = 0; t < windows; t++) {
      first.push(start + t);
      ends.push(end);
    }
  });
  if (first.length === 0) throw new RangeError("Cannot cut windows: trajectories must have at least 2 steps");
  return (rows, rng) => {
    const out = { window: new Float32Array(rows * horizon * channels), action: new Float32Array(rows * horizon * a) };
    const returns = new Float32Array(rows);
    for (let b = 0; b < rows; b++) {
      const pick = rng.integer(first.length);
      const [from, end] = [first[pick], ends[pick]];
      const length = Math.min(horizon, end - from);
      out.window.set(window.subarray(from * channels, (from + length) * channels), b * horizon * channels);
      out.action.set(action.subarray(from * a, (from + length) * a), b * horizon * a);
      for (let t = length; t < horizon; t++) {
        out.window.set(emptyStep, (b * horizon + t) * channels);
        out.action.set(emptyAction, (b * horizon + t) * a);
      }
      returns[b] = labels[from];
    }
    return {
      window: ndarray(out.window, [rows, horizon, channels]),
      action: ndarray(out.action, [rows, horizon, a]),
      returns: ndarray(returns, [rows, 1]),
    };
  };
}
