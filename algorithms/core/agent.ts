/**
 * What every algorithm here looks like from outside.
 *
 * @module
 */

import { closest } from "fastest-levenshtein";
import { type NdArray, ndarray } from "../engine/array.ts";
import { exportOnnx } from "../engine/export_onnx.ts";
import type { ExportedDenoiser } from "./denoiser.ts";
import type { Actor } from "./mlp_actor.ts";
import type { Rng } from "./rng.ts";
import { type Tensor, tf } from "../engine/tensor.ts";

/** A minibatch of transitions; observations may have one row that stands for all. */
export interface Batch<L = NdArray> {
  /** `[batch, observationDim]` */
  observation: L;
  /** `[batch, actionDim]`, in `[-maxAction, maxAction]` */
  action: L;
  /** `[batch, 1]` */
  reward: L;
  /** `[batch, observationDim]` */
  nextObservation: L;
  /** `[batch, 1]`, 1 where the environment (not a time limit) ended the episode */
  terminal: L;
  /** `[batch, actionDim]`, the data's action in the successor; only for an agent that needs it. */
  nextAction?: L;
}

/** Sizes and bounds of a task. */
export interface Spec {
  /** Numbers per observation. */
  observationDim: number;
  /** Numbers per action. */
  actionDim: number;
  /** Actions lie in `[-maxAction, maxAction]`. */
  maxAction: number;
  /** Mean and standard deviation of the dataset's observations, for algorithms that normalize them. */
  observationStatistics?: { mean: Float32Array; deviation: Float32Array };
}

/** Everything that training changes: arrays, and how many updates made them. */
export interface AgentState {
  /** Updates so far. */
  readonly updates: number;
  /** A tree of arrays; its structure is the agent's own. */
  readonly arrays: unknown;
}

/** One algorithm, configured for one task. */
export interface Agent {
  /** Fresh parameters and optimizer state. */
  init(rng: Rng): AgentState;
  /** Transitions that the update after `updates` others takes, where that differs from the configuration's `batchSize`. */
  batchRows?(updates: number): number;
  /**
   * One gradient step of every network; `state` is spent by the call.
   *
   * @param rng Noise of this update; a stream named by the update number makes resuming exact.
   */
  update(state: AgentState, batch: Batch, rng: Rng): Promise<{ state: AgentState; metrics: Record<string, number> }>;
  /**
   * Actions for a batch of observations.
   *
   * @param observation `[batch, observationDim]`
   * @param candidates Actions drawn per observation; with more than one, one of them is drawn by softmax of target Q.
   * @returns `[batch, actionDim]`
   */
  act(state: AgentState, observation: NdArray, candidates: number, rng: Rng): Promise<NdArray>;
  /**
   * Acting that remembers: a function that is called with the observations of some episodes, step by step from their start.
   * Only for policies that look back, such as planners; others act by {@linkcode Agent.act}.
   */
  startActing?(state: AgentState, episodes: number, rng: Rng): (observation: NdArray) => Promise<NdArray>;
  /**
   * The policy as a function of one observation, the fastest way to act; where it is a perceptron.
   *
   * @param rng Noise of a random policy, of which every call is one sample.
   */
  createActor?(state: AgentState, rng: Rng): Actor;
  /** The policy as an ONNX file: `observation [1, S]`, and unit Gaussian `noise` if it is random, to `action [1, A]`. */
  exportPolicy(state: AgentState): Uint8Array;
  /** The diffusion model of actions that this agent trains, if it does: what an iterative policy samples. */
  exportDenoiser?(state: AgentState): ExportedDenoiser;
}

/**
 * What is done to rewards before training: `iql_locomotion` divides them by the range of returns and multiplies by 1000,
 * `iql_antmaze` subtracts 1, `cql_antmaze` gives `4 (r - 0.5)`, `standardize` subtracts the mean and divides by the deviation.
 */
export type RewardTransform = "none" | "iql_locomotion" | "iql_antmaze" | "cql_antmaze" | "standardize";

/** What all configurations share. */
export interface CommonConfig {
  /** Gradient steps in all, pretraining included. */
  updates: number;
  /** Transitions per gradient step. */
  batchSize: number;
  /** Candidate actions of the authors' acting rule. */
  candidates: number;
  /** What is done to the dataset's rewards before training. */
  rewardTransform: RewardTransform;
}

/** What a compiled update returned, as the result of {@linkcode Agent.update}. */
export function finishUpdate(
  before: AgentState,
  { state, metrics = {} }: { state?: unknown; metrics?: Record<string, NdArray> },
): { state: AgentState; metrics: Record<string, number> } {
  const numbers = Object.entries(metrics).map(([name, { data }]) => [name, data[0]]);
  return { state: { updates: before.updates + 1, arrays: state }, metrics: Object.fromEntries(numbers) };
}

/** A registered algorithm. */
export interface Algorithm<C extends CommonConfig> {
  /** Its name on the command line and in folders. */
  name: string;
  /** Its name in tables and figures. */
  title: string;
  /** Paper and arXiv id. */
  source: string;
  /**
   * `import.meta.url` of the file that exports it, so that a worker, a saved policy and a run's hash can find its code. Without it
   * (in a notebook's cell) evaluations play in one thread.
   */
  module?: string;
  /** What an action takes: one pass of a deterministic network, or one sample of a policy with noise. */
  acts: "one pass" | "one sample";
  /** What it needs of the data beyond transitions. */
  needs?: {
    /** The data's action in the successor, {@linkcode Batch.nextAction}. */
    nextAction?: true;
    /** {@linkcode Spec.observationStatistics} */
    observationStatistics?: true;
  };
  /** Settings that count updates within `updates`, one phase each; they shrink with it where a training is shortened. */
  phases?: readonly string[];
  /** The experiment of `reproduce` that trains it, where that takes more than minibatches of a dataset. */
  study?: string;
  /** Settings for any task. */
  defaults: C;
  /** Per-task settings with their source. */
  presets: Readonly<Record<string, { source: string; config: Partial<C> }>>;
  /** An agent for a task. */
  create(config: C, spec: Spec): Agent;
}

/** An algorithm of any configuration. */
export type AnyAlgorithm = Algorithm<CommonConfig>;

/**
 * The configuration of a run: defaults, then the task's preset, then overrides.
 *
 * @throws {RangeError} If an override's name is unknown or its value is not of the default's kind.
 */
export function resolveConfig<C extends CommonConfig>(
  algorithm: Algorithm<C>,
  task: string,
  overrides: Record<string, unknown> = {},
): C {
  const names = Object.keys(algorithm.defaults);
  for (const [name, value] of Object.entries(overrides)) {
    if (!names.includes(name)) {
      throw new RangeError(
        `Cannot configure ${algorithm.name}: unknown setting "${name}"; did you mean "${closest(name, names)}"?`,
      );
    }
    const wanted = typeof algorithm.defaults[name as keyof C];
    if (typeof value !== wanted || Number.isNaN(value)) {
      throw new RangeError(
        `Cannot configure ${algorithm.name}: ${name} must be a ${wanted}, current value is ${value}`,
      );
    }
  }
  const config = { ...algorithm.defaults, ...algorithm.presets[task]?.config, ...overrides } as C;
  for (const name of ["updates", "batchSize", "candidates"] as const) {
    assertRange(
      algorithm.name,
      name,
      config[name],
      Number.isInteger(config[name]) && config[name] >= 1,
      "a positive integer",
    );
  }
  return config;
}

/** Throws a RangeError that names the setting unless `ok`. */
export function assertRange(algorithm: string, name: string, value: number, ok: boolean, wanted: string) {
  if (!ok) throw new RangeError(`Cannot create ${algorithm}: ${name} must be ${wanted}, current value is ${value}`);
}

/** Draws one of each row's candidates with probability softmax of its value (authors' code of DTQL and Diffusion-QL). */
export function drawBySoftmax(action: NdArray, value: NdArray, candidates: number, rng: Rng): NdArray {
  const rows = value.data.length / candidates;
  const dim = action.data.length / value.data.length;
  const out = new Float32Array(rows * dim);
  for (let row = 0; row < rows; row++) {
    const values = value.data.subarray(row * candidates, (row + 1) * candidates);
    const top = Math.max(...values);
    const weights = Float64Array.from(values, (v) => Math.exp(v - top));
    let rest = rng.uniform() * weights.reduce((a, b) => a + b, 0);
    let pick = 0;
    while (pick < candidates - 1 && (rest -= weights[pick]) > 0) pick++;
    const from = (row * candidates + pick) * dim;
    out.set(action.data.subarray(from, from + dim), row * dim);
  }
  return ndarray(out, [rows, dim]);
}

/** The candidate of largest value for each row. */
export function takeBest(action: NdArray, value: NdArray, candidates: number): NdArray {
  const rows = value.data.length / candidates;
  const dim = action.data.length / value.data.length;
  const out = new Float32Array(rows * dim);
  for (let row = 0; row < rows; row++) {
    const values = value.data.subarray(row * candidates, (row + 1) * candidates);
    const from = (row * candidates + values.indexOf(Math.max(...values))) * dim;
    out.set(action.data.subarray(from, from + dim), row * dim);
  }
  return ndarray(out, [rows, dim]);
}

/** How a policy is sampled: noise for some rows, actions from it, and actions with their target values. */
export interface ActingRule<N> {
  /** Noise for some rows. */
  drawNoise(rows: number): N;
  /** Actions from noise, `[rows, actionDim]`. */
  sample(observation: NdArray, noise: N): Promise<{ action: NdArray }>;
  /** Actions and their target values, `[rows, 1]`. */
  score(observation: NdArray, noise: N): Promise<{ action: NdArray; value: NdArray }>;
}

/** One sample per observation, or one of several by {@linkcode drawBySoftmax}. */
export async function drawActions<N>(
  rule: ActingRule<N>,
  observation: NdArray,
  candidates: number,
  rng: Rng,
): Promise<NdArray> {
  const noise = rule.drawNoise(observation.shape[0] * candidates);
  if (candidates === 1) return (await rule.sample(observation, noise)).action;
  const { action, value } = await rule.score(repeatRows(observation, candidates), noise);
  return drawBySoftmax(action, value, candidates, rng);
}

/** The network file of an {@linkcode ExportedDenoiser}, from `clean(observation, sample, level)`. */
export function exportActionDenoiser(
  name: string,
  { observationDim, actionDim }: Spec,
  clean: (s: Tensor, x: Tensor, level: { time: Tensor; alpha: Tensor; sigma: Tensor }) => Tensor,
): Uint8Array {
  const shapes = { observation: [1, observationDim], sample: [1, actionDim], level: [1, 3] };
  return exportOnnx(name, shapes, ({ observation, sample, level }) => {
    const [time, alpha, sigma] = tf.split(level, 3, 1);
    return { clean: clean(observation, sample, { time, alpha, sigma }) };
  });
}

/** Each row `times` times in a row: `[n, dim] -> [n times, dim]`. */
export function repeatRows({ data, shape: [rows, dim] }: NdArray, times: number): NdArray {
  const out = new Float32Array(rows * times * dim);
  for (let i = 0; i < rows * times; i++) {
    const from = Math.floor(i / times) * dim;
    out.set(data.subarray(from, from + dim), i * dim);
  }
  return ndarray(out, [rows * times, dim]);
}

/** Unit Gaussians, `[rows, dim]`. */
export function drawNormals(rows: number, dim: number, rng: Rng): NdArray {
  return ndarray(rng.fillNormal(new Float32Array(rows * dim)), [rows, dim]);
}
