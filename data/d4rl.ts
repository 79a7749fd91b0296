/**
 * D4RL's datasets as transitions, with the exact semantics of `d4rl.qlearning_dataset` (Fu et al. 2020, arXiv
 * 2004.07219).
 *
 * @module
 */

import type { Batch } from "../algorithms/core/agent.ts";
import { ndarray } from "../algorithms/core/compile.ts";
import type { Rng } from "../algorithms/core/rng.ts";
import type { HdfArray } from "./hdf5.ts";
import { readHdf5 } from "./hdf5.ts";

/** Transitions ready for training, row-major. */
export interface Transitions {
  count: number;
  observationDim: number;
  actionDim: number;
  /** `[count, observationDim]` */
  observation: Float32Array;
  /** `[count, actionDim]` */
  action: Float32Array;
  /** `[count]` */
  reward: Float32Array;
  /** `[count, observationDim]` */
  nextObservation: Float32Array;
  /** `[count]`, 1 where the environment ended the episode */
  terminal: Float32Array;
  /** Return of each episode of the file, the unfinished tail left out. */
  episodeReturns: number[];
}

/**
 * Transitions of a D4RL file, as `qlearning_dataset` gives them: the successor is the next row's observation (the file's
 * `next_observations` is ignored), rows at a time limit are dropped, and so is the last row.
 *
 * @throws {Error} If an array is missing, has the wrong shape, or holds a value that is not finite.
 */
export function qlearningDataset(arrays: ReadonlyMap<string, HdfArray>, name: string): Transitions {
  const wanted = (key: string, rank: number): HdfArray => {
    const array = arrays.get(key);
    const fits = array?.shape.length === rank || (rank === 1 && array?.shape.length === 2 && array.shape[1] === 1);
    if (!array || !fits) {
      const current = array
        ? `shape [${array.shape.join(", ")}]`
        : `missing; the file has ${[...arrays.keys()].join(", ")}`;
      throw new Error(`Cannot load "${name}": ${key} must be an array of rank ${rank}, current is ${current}`);
    }
    const bad = array.data.findIndex((x) => !Number.isFinite(x));
    if (bad >= 0) throw new Error(`Cannot load "${name}": ${key} must be finite, element ${bad} is ${array.data[bad]}`);
    return array;
  };
  const observations = wanted("observations", 2);
  const actions = wanted("actions", 2);
  const [rewards, terminals, timeouts] = ["rewards", "terminals", "timeouts"].map((key) => wanted(key, 1).data);
  const [rows, s] = observations.shape;
  const a = actions.shape[1];
  for (
    const [key, n] of [["actions", actions.shape[0]], ["rewards", rewards.length], ["terminals", terminals.length], [
      "timeouts",
      timeouts.length,
    ]] as const
  ) {
    if (n !== rows) {
      throw new Error(`Cannot load "${name}": ${key} must have ${rows} rows like observations, current is ${n}`);
    }
  }

  const kept = Int32Array.from({ length: Math.max(rows - 1, 0) }, (_, i) => i).filter((i) => !timeouts[i]);
  const gather = (data: ArrayLike<number>, dim: number, offset: number) => {
    const out = new Float32Array(kept.length * dim);
    kept.forEach((row, i) => {
      for (let d = 0; d < dim; d++) out[i * dim + d] = data[(row + offset) * dim + d];
    });
    return out;
  };
  const episodeReturns: number[] = [];
  let sum = 0;
  for (let i = 0; i < rows; i++) {
    sum += rewards[i];
    if (terminals[i] || timeouts[i]) {
      episodeReturns.push(sum);
      sum = 0;
    }
  }
  return {
    count: kept.length,
    observationDim: s,
    actionDim: a,
    observation: gather(observations.data, s, 0),
    action: gather(actions.data, a, 0),
    reward: gather(rewards, 1, 0),
    nextObservation: gather(observations.data, s, 1),
    terminal: gather(terminals, 1, 0),
    episodeReturns,
  };
}

/** Loads a D4RL file. */
export async function loadTransitions(path: string): Promise<Transitions> {
  const { arrays } = await readHdf5(path);
  return qlearningDataset(arrays, path);
}

/**
 * Rewards as an algorithm wants them: `iql_antmaze` subtracts 1, `cql_antmaze` gives `4 (r - 0.5)`, `standardize`
 * subtracts the mean and divides by the deviation.
 */
export function transformRewards(
  reward: Float32Array,
  transform: "none" | "iql_antmaze" | "cql_antmaze" | "standardize",
): Float32Array {
  if (transform === "none") return reward;
  if (transform === "iql_antmaze") return reward.map((r) => r - 1);
  if (transform === "cql_antmaze") return reward.map((r) => 4 * (r - 0.5));
  const mean = reward.reduce((a, b) => a + b, 0) / reward.length;
  const deviation = Math.sqrt(reward.reduce((a, b) => a + (b - mean) ** 2, 0) / reward.length);
  return reward.map((r) => (r - mean) / deviation);
}

/** A minibatch, uniform with replacement. */
export function drawBatch(data: Transitions, size: number, rng: Rng): Batch {
  const { observationDim: s, actionDim: a } = data;
  const rows = Int32Array.from({ length: size }, () => rng.integer(data.count));
  const gather = (source: Float32Array, dim: number) => {
    const out = new Float32Array(size * dim);
    rows.forEach((row, i) => out.set(source.subarray(row * dim, (row + 1) * dim), i * dim));
    return ndarray(out, [size, dim]);
  };
  return {
    observation: gather(data.observation, s),
    action: gather(data.action, a),
    reward: gather(data.reward, 1),
    nextObservation: gather(data.nextObservation, s),
    terminal: gather(data.terminal, 1),
  };
}
