/**
 * Views of datasets that algorithms train on, with the exact semantics of `d4rl.qlearning_dataset` and
 * `d4rl.sequence_dataset` (Fu et al. 2020, arXiv 2004.07219), their quirks included.
 *
 * @module
 */

import type { Batch } from "../algorithms/core/agent.ts";
import type { RewardTransform } from "../algorithms/core/config.ts";
import { ndarray } from "../algorithms/engine/array.ts";
import { type Rng, shuffle } from "../algorithms/core/rng.ts";
import { type Dataset, loadDataset } from "./dataset.ts";
import type { FetchOptions } from "./fetch.ts";

/** Transitions ready for training, row-major. */
export interface Transitions {
  /** Rows. */
  count: number;
  /** Numbers per observation. */
  observationDim: number;
  /** Numbers per action. */
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
  /** `[count, actionDim]`, the action of the next row; of the row itself where its successor is not the next row. */
  nextAction?: Float32Array;
  /** Return of each episode of the file, the unfinished tail left out. */
  episodeReturns: number[];
}

/** Options of {@linkcode qlearningDataset}, D4RL's. */
export interface QlearningOptions {
  /** Keeps the rows at time limits, with the next episode's first observation as their successor. @default false */
  terminateOnEnd?: boolean;
  /** The time limit of a file without timeouts. @default 1000 */
  maxEpisodeSteps?: number;
  /** Whether to give `nextAction`. @default false */
  nextActions?: boolean;
}

/**
 * Transitions as `d4rl.qlearning_dataset` gives them.
 *
 * The successor of a row is the next row's observation, which is the next episode's first one after a terminal row; the
 * file's own `next_observations` are ignored, and so is the last row. Rows at a time limit are dropped: where `timeouts` is
 * set or, in a file without, where the episode's step count is `maxEpisodeSteps - 1`. D4RL adds one to that count right after
 * a terminal row has reset it, so that it starts at 1 there. Minari's files have true successors, so all rows are kept.
 */
export function qlearningDataset(data: Dataset, options: QlearningOptions = {}): Transitions {
  const { terminateOnEnd = false, maxEpisodeSteps = 1000 } = options;
  const { rows, observationDim, actionDim, observations, terminals, timeouts, successors } = data;
  const kept: number[] = [];
  for (let i = 0, step = 0; i < (successors ? rows : rows - 1); i++) {
    const timeout = timeouts ? timeouts[i] === 1 : step === maxEpisodeSteps - 1;
    if (timeout && !terminateOnEnd && !successors) {
      step = 0;
      continue;
    }
    kept.push(i);
    if (terminals[i] || timeout) step = 0;
    step++;
  }
  const gather = (source: ArrayLike<number>, dim: number, offset: number, rows: ArrayLike<number> = kept) => {
    const out = new Float32Array(rows.length * dim);
    for (let i = 0, to = 0; i < rows.length; i++) {
      for (let d = 0, from = (rows[i] + offset) * dim; d < dim; d++) out[to++] = source[from++];
    }
    return out;
  };
  const followingRow = (i: number) => successors && (terminals[i] || timeouts?.[i] || i + 1 === rows) ? i : i + 1;
  return {
    count: kept.length,
    observationDim,
    actionDim,
    observation: gather(observations, observationDim, 0),
    action: gather(data.actions, actionDim, 0),
    reward: gather(data.rewards, 1, 0),
    nextObservation: successors ? gather(successors, observationDim, 0) : gather(observations, observationDim, 1),
    terminal: gather(terminals, 1, 0),
    ...(options.nextActions ? { nextAction: gather(data.actions, actionDim, 0, kept.map(followingRow)) } : {}),
    episodeReturns: [...sequenceDataset(data, options)].map(({ start, end }) => {
      let sum = 0;
      for (let i = start; i < end; i++) sum += data.rewards[i];
      return sum;
    }),
  };
}

/** Rows `start` to `end`, the latter excluded, of one episode. */
export interface EpisodeRows {
  /** First row. */
  start: number;
  /** Row after the last. */
  end: number;
  /** What ended it. */
  ending: "terminal" | "timeout";
}

/**
 * The episodes of a dataset as `d4rl.sequence_dataset` cuts them: after each row that is terminal or at a time limit. An
 * unfinished tail is left out. In a file without timeouts the limit is `maxEpisodeSteps`; D4RL resets its step count
 * before adding one to it, so that every episode but the first then counts one row too many, and is cut one row early.
 */
export function* sequenceDataset(
  { rows, terminals, timeouts }: Pick<Dataset, "rows" | "terminals" | "timeouts">,
  { maxEpisodeSteps = 1000 }: Pick<QlearningOptions, "maxEpisodeSteps"> = {},
): Generator<EpisodeRows> {
  for (let i = 0, start = 0, step = 0; i < rows; i++) {
    const timeout = timeouts ? timeouts[i] === 1 : step === maxEpisodeSteps - 1;
    if (terminals[i] || timeout) {
      yield { start, end: i + 1, ending: terminals[i] ? "terminal" : "timeout" };
      start = i + 1;
      step = 0;
    }
    step++;
  }
}

/** Loads a dataset as transitions; see {@linkcode loadDataset} and {@linkcode qlearningDataset}. */
export async function loadTransitions(
  source: string,
  options: FetchOptions & QlearningOptions = {},
): Promise<Transitions> {
  return qlearningDataset(await loadDataset(source, options), options);
}

/** Mean and standard deviation of each observation dimension, over the population, summed in float64. */
export function observationStatistics(
  { observation, count, observationDim: dim }: Pick<Transitions, "observation" | "count" | "observationDim">,
): { mean: Float32Array; standardDeviation: Float64Array } {
  const [mean, squares] = [new Float64Array(dim), new Float64Array(dim)];
  for (let i = 0; i < observation.length; i++) mean[i % dim] += observation[i] / count;
  for (let i = 0; i < observation.length; i++) squares[i % dim] += (observation[i] - mean[i % dim]) ** 2 / count;
  return { mean: Float32Array.from(mean), standardDeviation: squares.map(Math.sqrt) };
}

/**
 * The least and largest return as IQL's code finds them: rewards are summed until a terminal row or for `maxEpisodeSteps`
 * rows; the rest is left out. Time limits are not known here, so that the cuts drift off the episodes'.
 */
export function returnRange(
  { reward, terminal }: Pick<Transitions, "reward" | "terminal">,
  maxEpisodeSteps = 1000,
): [least: number, largest: number] {
  let [sum, steps, least, largest] = [0, 0, Infinity, -Infinity];
  for (let i = 0; i < reward.length; i++) {
    sum += reward[i];
    steps++;
    if (!terminal[i] && steps < maxEpisodeSteps) continue;
    [least, largest] = [Math.min(least, sum), Math.max(largest, sum)];
    [sum, steps] = [0, 0];
  }
  return [least, largest];
}

/** Rewards as an algorithm wants them; see {@linkcode RewardTransform}. */
export function transformRewards(
  data: Pick<Transitions, "reward" | "terminal">,
  transform: RewardTransform,
): Float32Array {
  const { reward } = data;
  if (transform === "none") return reward;
  if (transform === "iql_antmaze") return reward.map((r) => r - 1);
  if (transform === "cql_antmaze") return reward.map((r) => 4 * (r - 0.5));
  if (transform === "iql_locomotion") {
    const [least, largest] = returnRange(data);
    if (!(largest > least)) {
      throw new RangeError(
        `Cannot transform rewards: returns must differ, current range is [${least}, ${largest}]; use another rewardTransform`,
      );
    }
    return reward.map((r) => r / (largest - least) * 1000);
  }
  const mean = reward.reduce((a, b) => a + b, 0) / reward.length;
  const deviation = Math.sqrt(reward.reduce((a, b) => a + (b - mean) ** 2, 0) / reward.length);
  return reward.map((r) => (r - mean) / deviation);
}

/** A minibatch, uniform with replacement. */
export function drawBatch(data: Transitions, size: number, rng: Rng): Batch {
  return gatherBatch(data, Int32Array.from({ length: size }, () => rng.integer(data.count)));
}

/**
 * Minibatch `index` of endless passes over the data, each pass in an order of its own; the rest of a pass
 * that fills no minibatch is left out.
 *
 * @param rng The stream of the whole run: the same at every call.
 */
export function drawShuffled(data: Transitions, size: number, index: number, rng: Rng): Batch {
  const perPass = Math.floor(data.count / size);
  if (perPass === 0) {
    throw new RangeError(`Cannot draw a minibatch: size must be at most ${data.count}, current value is ${size}`);
  }
  const pass = Math.floor(index / perPass);
  let order = shuffled.get(data);
  if (order?.pass !== pass || order.rng !== rng) {
    const rows = shuffle(Int32Array.from({ length: data.count }, (_, i) => i), rng.child(`pass/${pass}`));
    shuffled.set(data, order = { pass, rng, rows });
  }
  const at = index % perPass * size;
  return gatherBatch(data, order.rows.subarray(at, at + size));
}

const shuffled = new WeakMap<Transitions, { pass: number; rng: Rng; rows: Int32Array }>();

/** The transitions at `rows`. */
export function gatherBatch(data: Transitions, rows: Int32Array): Batch {
  const gather = (source: Float32Array, dim: number) => {
    const out = new Float32Array(rows.length * dim);
    for (let i = 0, to = 0; i < rows.length; i++) {
      for (let d = 0, from = rows[i] * dim; d < dim; d++) out[to++] = source[from++];
    }
    return ndarray(out, [rows.length, dim]);
  };
  return {
    observation: gather(data.observation, data.observationDim),
    action: gather(data.action, data.actionDim),
    reward: gather(data.reward, 1),
    nextObservation: gather(data.nextObservation, data.observationDim),
    terminal: gather(data.terminal, 1),
    ...(data.nextAction ? { nextAction: gather(data.nextAction, data.actionDim) } : {}),
  };
}
