/**
 * What every algorithm here looks like from outside.
 *
 * @module
 */

import type { NdArray } from "../engine/array.ts";
import { currentBackend, isOnGpu } from "../engine/backend.ts";
import type { CommonConfig, Settings } from "./config.ts";
import type { ExportedDenoiser } from "./denoiser.ts";
import type { Actor } from "./mlp_actor.ts";
import type { ObservationStatistics } from "./normalization.ts";
import type { Rng } from "./rng.ts";

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
  /** Mean and standard deviation of the dataset's observations, for settings that normalize them. */
  observationStatistics?: ObservationStatistics;
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

/** What a compiled update returned, as the result of {@linkcode Agent.update}; on a GPU a metric is fetched when it is read. */
export function finishUpdate(
  before: AgentState,
  { state, metrics = {} }: { state?: unknown; metrics?: Record<string, NdArray> },
): { state: AgentState; metrics: Record<string, number> } {
  const after = { updates: before.updates + 1, arrays: state };
  if (isOnGpu(currentBackend())) {
    const lazy = Object.entries(metrics).map(([name, array]) =>
      [name, { enumerable: true, get: () => array.data[0] }] as const
    );
    return { state: after, metrics: Object.defineProperties({}, Object.fromEntries(lazy)) };
  }
  const numbers = Object.entries(metrics).map(([name, { data }]) => [name, data[0]]);
  return { state: after, metrics: Object.fromEntries(numbers) };
}

/** A registered algorithm. */
export interface Algorithm<C extends CommonConfig> extends Settings<C> {
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
  };
  /** Settings that count updates within `updates`, one phase each; they shrink with it where a training is shortened. */
  phases?: readonly string[];
  /** The experiment of `reproduce` that trains it, where that takes more than minibatches of a dataset. */
  study?: string;
  /** An agent for a task. */
  create(config: C, spec: Spec): Agent;
}

/** An algorithm of any configuration. */
export type AnyAlgorithm = Algorithm<CommonConfig>;
