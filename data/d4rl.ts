/**
 * Views of datasets that algorithms train on, with the exact semantics of `d4rl.qlearning_dataset` and
 * `d4rl.sequence_dataset` (Fu et al. 2020, arXiv 2004.07219), their quirks included.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { Batch } from "../algorithms/core/agent.ts";
import { type RewardTransform, rewardTransforms } from "../algorithms/core/config.ts";
import { ndarray } from "../algorithms/engine/array.ts";
import type { ObservationStatistics } from "../algorithms/core/normalization.ts";
import { type Rng, shuffle } from "../algorithms/core/rng.ts";
import type { TrainingData } from "../algorithms/core/train.ts";
import { catalog, findEntry, idOfFile } from "./catalog.ts";
import { type Dataset, loadDataset, type LoadOptions } from "./dataset.ts";
import { findRecipe } from "./recipes.ts";

/** Named arrays of transitions, row-major. */
export interface TransitionArrays {
  /** `[count, observationDim]` */
  observation: Float32Array;
  /** `[count, actionDim]`, in `[-maxAction, maxAction]` */
  action: Float32Array;
  /** `[count]` */
  reward: Float32Array;
  /** `[count, observationDim]` */
  nextObservation: Float32Array;
  /** `[count]`, 1 where the environment ended the episode */
  terminal: Float32Array;
}

/** Transitions ready for training. What is dear is computed when it is first read. */
export interface Transitions extends Readonly<TransitionArrays>, TrainingData {
  /** Rows. */
  readonly count: number;
  /** Numbers per observation. */
  readonly observationDim: number;
  /** Numbers per action. */
  readonly actionDim: number;
  /** Actions lie in `[-maxAction, maxAction]`. */
  readonly maxAction: number;
  /** `[count, actionDim]`, the action in the successor; a terminal row's own, NaN where none was recorded. */
  readonly nextAction: Float32Array;
  /** As {@linkcode observationStatistics} gives them. */
  readonly observationStatistics: ObservationStatistics;
  /** Return of each episode of the file, the unfinished tail left out. */
  readonly episodeReturns: readonly number[];
}

/** What {@linkcode createTransitions} is told beside the arrays. */
export interface TransitionOptions {
  /** Numbers per observation. */
  observationDim: number;
  /** Numbers per action. */
  actionDim: number;
  /** Id of the dataset or task, for presets and evaluations. @default null */
  task?: string | null;
  /** Bound of the actions. @default 1 */
  maxAction?: number;
  /** Actions in the successors, for algorithms that need them, or what computes them; rows of NaN have none, and are not drawn then. */
  nextAction?: Float32Array | (() => Float32Array);
  /** SHA-256 of the file that they are from, in hex, for the records of runs. @default none */
  sha256?: string | null;
  /** Returns of the episodes, for those who want to know. @default none */
  episodeReturns?: readonly number[];
}

const memoized = <T>(compute: () => T): () => T => {
  let known: { value: T } | undefined;
  return () => (known ??= { value: compute() }).value;
};

/**
 * Transitions from arrays in memory; nothing is copied.
 *
 * @throws {TypeError} If the arrays' lengths do not fit together.
 */
export function createTransitions(arrays: TransitionArrays, options: TransitionOptions): Transitions {
  const { observationDim, actionDim, task = null, maxAction = 1, episodeReturns = [], nextAction, sha256 = null } =
    options;
  const count = arrays.reward.length;
  const widths = { observation: observationDim, action: actionDim, nextObservation: observationDim, terminal: 1 };
  for (const [name, width] of Object.entries(widths) as [keyof TransitionArrays, number][]) {
    if (arrays[name].length === count * width) continue;
    throw new TypeError(
      `Cannot create transitions: ${name} must have ${count} rows of ${width} as there are ${count} rewards, ` +
        `current length is ${arrays[name].length}`,
    );
  }
  const next = memoized(() => {
    if (nextAction) return typeof nextAction === "function" ? nextAction() : nextAction;
    throw new TypeError("Cannot give nextAction: these transitions were made without; give it to createTransitions()");
  });
  const statistics = memoized(() => observationStatistics(data));
  const checkActions = memoized(() => assertActions(arrays.action, actionDim, maxAction));
  const data: Transitions = {
    ...arrays,
    count,
    observationDim,
    actionDim,
    task,
    maxAction,
    sha256,
    episodeReturns,
    get nextAction() {
      return next();
    },
    get observationStatistics() {
      return statistics();
    },
    spec: {
      observationDim,
      actionDim,
      maxAction,
      get observationStatistics() {
        return statistics();
      },
    },
    fingerprint: memoized(() => {
      const hash = createHash("sha256");
      for (const [name, { buffer, byteOffset, byteLength }] of Object.entries(arrays)) {
        hash.update(name).update(new Uint8Array(buffer, byteOffset, byteLength));
      }
      return hash.digest("hex");
    }),
    batches({ rewardTransform, nextAction }) {
      checkActions();
      const source = { ...arrays, observationDim, actionDim, reward: transformRewards(arrays, rewardTransform) };
      const successors = nextAction ? next() : undefined;
      const known = successors && rowsWithoutNaN(successors, actionDim);
      if (known?.length === count || !known) {
        return (rows, rng) => gatherBatch(source, drawRows(count, rows, rng), successors);
      }
      return (rows, rng) => gatherBatch(source, drawRows(known.length, rows, rng).map((i) => known[i]), successors);
    },
  };
  return data;
}

/** Refuses actions that no policy within the bound could take. */
function assertActions(action: Float32Array, actionDim: number, maxAction: number) {
  const bad = action.findIndex((a) => !(Math.abs(a) <= maxAction));
  if (bad < 0) return;
  throw new RangeError(
    `Cannot train on these transitions: actions must lie in [-${maxAction}, ${maxAction}], dimension ${
      bad % actionDim
    } of row ${Math.floor(bad / actionDim)} is ${action[bad]}; give maxAction, or clip them`,
  );
}

/** Options of {@linkcode qlearningDataset}, D4RL's. */
export interface QlearningOptions {
  /** Keeps the rows at time limits, with the next episode's first observation as their successor. @default false */
  terminateOnEnd?: boolean;
  /** The time limit of a file without timeouts; Infinity if terminal rows alone end episodes. @default the task's */
  maxEpisodeSteps?: number;
  /** Id of the task, for presets and evaluations. @default what the file says, or its id */
  task?: string;
  /** Bound of the actions. @default 1, D4RL's */
  maxAction?: number;
}

/**
 * Transitions as `d4rl.qlearning_dataset` gives them.
 *
 * The successor of a row is the next row's observation, which is the next episode's first one after a terminal row; the
 * file's own `next_observations` are ignored, and so is the last row. Rows at a time limit are dropped: where `timeouts` is
 * set or, in a file without, where the episode's step count is `maxEpisodeSteps - 1`. D4RL adds one to that count right after
 * a terminal row has reset it, so that it starts at 1 there. Minari's files have true successors, so all rows are kept.
 *
 * @throws {RangeError} If no row is left, or a file without timeouts is of a task that is not known.
 */
export function qlearningDataset(data: Dataset, options: QlearningOptions = {}): Transitions {
  const { rows, observationDim, actionDim, observations, terminals, timeouts, successors } = data;
  const kept = transitionRows(data, options);
  if (kept.length === 0) {
    throw new RangeError(
      `Cannot make transitions of "${data.name}": a row must have a successor, of ${rows} ${
        rows === 1 ? "row" : "rows"
      } none has`,
    );
  }
  const gather = (source: ArrayLike<number>, dim: number, offset: number, rows: ArrayLike<number> = kept) => {
    const out = new Float32Array(rows.length * dim);
    for (let i = 0, to = 0; i < rows.length; i++) {
      for (let d = 0, from = (rows[i] + offset) * dim; d < dim; d++) out[to++] = source[from++];
    }
    return out;
  };
  const nextAction = () => {
    const isLast = (i: number) => successors !== null && Boolean(terminals[i] || timeouts?.[i] || i + 1 === rows);
    const out = gather(data.actions, actionDim, 0, kept.map((i) => isLast(i) ? i : i + 1));
    kept.forEach((i, k) => {
      if (isLast(i) && !terminals[i]) out.fill(NaN, k * actionDim, (k + 1) * actionDim);
    });
    return out;
  };
  const arrays = {
    observation: gather(observations, observationDim, 0),
    action: gather(data.actions, actionDim, 0),
    reward: gather(data.rewards, 1, 0),
    nextObservation: successors ? gather(successors, observationDim, 0) : gather(observations, observationDim, 1),
    terminal: gather(terminals, 1, 0),
  };
  return createTransitions(arrays, {
    observationDim,
    actionDim,
    task: options.task ?? taskOf(data),
    maxAction: options.maxAction,
    sha256: data.sha256,
    nextAction,
    episodeReturns: [...sequenceDataset(data, options)].map(({ start, end }) => {
      let sum = 0;
      for (let i = start; i < end; i++) sum += data.rewards[i];
      return sum;
    }),
  });
}

/**
 * The id that a dataset goes by: its own, or what its file says or is called. An id of D4RL's is for verified files: those that were
 * loaded by it, or have its published SHA-256.
 */
export function taskOf({ name, attributes, sha256 }: Pick<Dataset, "name" | "attributes" | "sha256">): string | null {
  const id = catalog.has(name) || findRecipe(name) ? name : attributes.get("id") ?? idOfFile(name);
  const isVerified = !id || !catalog.has(id) || id === name || sha256 !== null && sha256 === findEntry(id).sha256;
  return isVerified ? id : null;
}

/** The rows that {@linkcode qlearningDataset} keeps. */
export function transitionRows(data: Dataset, options: QlearningOptions = {}): number[] {
  const { rows, terminals, timeouts, successors } = data;
  const limit = timeLimit(data, options);
  const kept: number[] = [];
  for (let i = 0, step = 0; i < (successors ? rows : rows - 1); i++) {
    const timeout = timeouts ? timeouts[i] === 1 : step === limit - 1;
    if (timeout && !options.terminateOnEnd && !successors) {
      step = 0;
      continue;
    }
    kept.push(i);
    if (terminals[i] || timeout) step = 0;
    step++;
  }
  return kept;
}

/** Steps after which an episode of a file without timeouts ends. */
function timeLimit(
  { name = "", timeouts, maxEpisodeSteps = null }: Partial<Pick<Dataset, "name" | "timeouts" | "maxEpisodeSteps">>,
  options: QlearningOptions,
): number {
  const limit = options.maxEpisodeSteps ?? maxEpisodeSteps ?? (timeouts ? Infinity : null);
  if (limit !== null) return limit;
  throw new RangeError(
    `Cannot cut "${name}" into episodes: it has no timeouts, and its task is not known; give it maxEpisodeSteps (Infinity if ` +
      "terminal rows alone end episodes)",
  );
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
 * unfinished tail is left out. In a file without timeouts the task's limit cuts; D4RL resets its step count
 * before adding one to it, so that every episode but the first then counts one row too many, and is cut one row early.
 */
export function* sequenceDataset(
  data: Pick<Dataset, "rows" | "terminals" | "timeouts"> & Partial<Pick<Dataset, "name" | "maxEpisodeSteps">>,
  options: Pick<QlearningOptions, "maxEpisodeSteps"> = {},
): Generator<EpisodeRows> {
  const { rows, terminals, timeouts } = data;
  const limit = timeLimit(data, options);
  for (let i = 0, start = 0, step = 0; i < rows; i++) {
    const timeout = timeouts ? timeouts[i] === 1 : step === limit - 1;
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
  options: LoadOptions & QlearningOptions = {},
): Promise<Transitions> {
  return qlearningDataset(await loadDataset(source, options), options);
}

/** Mean and standard deviation of each observation dimension, over the population, summed in float64. */
export function observationStatistics(
  { observation, count, observationDim: dim }: Pick<Transitions, "observation" | "count" | "observationDim">,
): ObservationStatistics {
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
  switch (transform) {
    case "none":
      return reward;
    case "iql_antmaze":
      return reward.map((r) => r - 1);
    case "cql_antmaze":
      return reward.map((r) => 4 * (r - 0.5));
    case "rebrac_antmaze":
      return reward.map((r) => 100 * r);
    case "iql_locomotion": {
      const [least, largest] = returnRange(data);
      if (!(largest > least)) {
        const current = least === Infinity
          ? "there is none: no row is terminal, and they are fewer than 1000"
          : `all are ${least}`;
        throw new RangeError(
          `Cannot transform rewards by "iql_locomotion": returns must differ, ${current}; use another rewardTransform`,
        );
      }
      return reward.map((r) => r / (largest - least) * 1000);
    }
    case "standardize": {
      const mean = reward.reduce((a, b) => a + b, 0) / reward.length;
      const deviation = Math.sqrt(reward.reduce((a, b) => a + (b - mean) ** 2, 0) / (reward.length - 1)); // As PyTorch's `std`.
      if (reward.every((r) => r === reward[0])) {
        throw new RangeError(
          `Cannot transform rewards by "standardize": they must differ, all ${reward.length} are ${
            reward[0]
          }; use another rewardTransform`,
        );
      }
      return reward.map((r) => (r - mean) / deviation);
    }
    default:
      throw new RangeError(
        `Cannot transform rewards: the rule must be one of ${
          rewardTransforms.join(", ")
        }, current value is "${transform}"`,
      );
  }
}

/** Rows that begin with a number. */
const rowsWithoutNaN = (data: Float32Array, dim: number): Int32Array =>
  Int32Array.from({ length: data.length / dim }, (_, i) => i).filter((i) => !Number.isNaN(data[i * dim]));

const drawRows = (count: number, n: number, rng: Rng) => Int32Array.from({ length: n }, () => rng.integer(count));

/** A minibatch, uniform with replacement. */
export function drawBatch(data: Transitions, size: number, rng: Rng): Batch {
  return gatherBatch(data, drawRows(data.count, size, rng));
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

/** The transitions at `rows`, with `nextAction` where it is given. */
export function gatherBatch(
  data: TransitionArrays & Pick<Transitions, "observationDim" | "actionDim">,
  rows: Int32Array,
  nextAction?: Float32Array,
): Batch {
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
    ...(nextAction ? { nextAction: gather(nextAction, data.actionDim) } : {}),
  };
}
