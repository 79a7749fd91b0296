/**
 * The training loop, once.
 *
 * Streams are named by the update that they serve, so that a training resumed from any state ends in the bytes of one that was never
 * stopped.
 *
 * @module
 */

import { closest } from "fastest-levenshtein";
import type { NdArray } from "../engine/array.ts";
import { currentBackend, isOnGpu } from "../engine/backend.ts";
import type { Agent, AgentState, Algorithm, Batch, Spec } from "./agent.ts";
import { createAgent } from "./normalized_agent.ts";
import { type CommonConfig, noPreset, resolveConfig, type RewardTransform } from "./config.ts";
import { createPolicy, type Policy, runStream } from "./policy.ts";
import type { Rng } from "./rng.ts";

/** Data that algorithms train on; `data/` has datasets and bandits in this form. */
export interface TrainingData {
  /** Id of the dataset or task: presets are found by it, evaluations play it. Null for data of no known task. */
  readonly task: string | null;
  /** Sizes and bounds; `observationStatistics` may be computed when they are first read. */
  readonly spec: Spec;
  /** A hash of everything in it, so that a kept run is not gone on with on other data; computed when it is called. */
  fingerprint?(): string;
  /** SHA-256 of the file that it is from, in hex, for the record of a run; null if it is of none. @default null */
  readonly sha256?: string | null;
  /** Minibatches: uniform, with replacement. */
  batches(wants: {
    /** What is done to the rewards. */
    rewardTransform: RewardTransform;
    /** Whether {@linkcode Batch.nextAction} is there. */
    nextAction: boolean;
  }): (rows: number, rng: Rng) => Batch;
}

/** Something to train: what a loop needs of it. */
export interface Training<B extends object = Batch> {
  /** Gradient steps. */
  updates: number;
  /** The state before the first. */
  init(rng: Rng): AgentState;
  /** One gradient step; `state` is spent by the call. The batch comes back for messages. */
  update(
    state: AgentState,
    batchRng: Rng,
    rng: Rng,
  ): Promise<{ state: AgentState; metrics: Record<string, number>; batch: B }>;
}

/** The training of an agent from minibatches. */
export function agentTraining(
  agent: Agent,
  { updates, batchSize }: Pick<CommonConfig, "updates" | "batchSize">,
  draw: (rows: number, rng: Rng) => Batch,
): Training {
  return {
    updates,
    init: agent.init,
    async update(state, batchRng, rng) {
      const batch = draw(agent.batchRows?.(state.updates) ?? batchSize, batchRng);
      return { ...await agent.update(state, batch, rng), batch };
    },
  };
}

/** A state and what the update that led to it measured. */
export interface TrainedState {
  /** Spent when the next one is asked for. */
  state: AgentState;
  /** Losses and other numbers of this update; on a GPU those of some updates alone, and none of the others. */
  metrics: Record<string, number>;
}

/** On a GPU, metrics are fetched 1000 times in a training, but no more often than at every update and no more rarely than at every 100th. */
const measuredEvery = (updates: number) =>
  isOnGpu(currentBackend()) ? Math.min(Math.max(Math.floor(updates / 1000), 1), 100) : 1;

/**
 * Trains update by update.
 *
 * @param rng The run's stream; see {@linkcode runStream}.
 * @param from Goes on from here. @default a fresh state
 * @param label What is trained, for messages.
 * @throws {Error} If a metric is not finite; the message names the batch's array that holds such a value, if one does.
 */
export async function* trainingStates<B extends object>(
  training: Training<B>,
  rng: Rng,
  from: AgentState = training.init(rng.child("init")),
  label = "the agent",
): AsyncGenerator<TrainedState> {
  let state = from;
  const every = measuredEvery(training.updates);
  while (state.updates < training.updates) {
    const k = state.updates;
    const result = await training.update(state, rng.child(`batch/${k}`), rng.child(`update/${k}`));
    const isMeasured = (k + 1) % every === 0 || k + 1 === training.updates;
    const metrics = isMeasured ? result.metrics : {};
    for (const [name, value] of Object.entries(metrics)) {
      if (!Number.isFinite(value)) throw divergenceError(label, k, name, value, result.batch);
    }
    state = result.state;
    yield { state, metrics };
  }
}

/** Why training stopped at a metric that is not finite: the batch's array that holds such a value, or the loss itself. */
export function divergenceError(label: string, update: number, name: string, value: number, batch: object): Error {
  const bad = Object.entries<NdArray>({ ...batch }).find(([, { data }]) => data.some((x) => !Number.isFinite(x)));
  const cause = bad ? `the batch's ${bad[0]} must be finite` : "the loss diverged; a lower learning rate may help";
  return new Error(`Cannot train ${label}: at update ${update} ${name} is ${value}: ${cause}`);
}

/** How an algorithm is trained. */
export interface TrainSettings<C extends CommonConfig = CommonConfig> {
  /** Seed of everything random: parameters, minibatches, noise. @default 0 */
  seed?: number;
  /**
   * Gradient steps in all. Phases that the configuration counts within them (DTQL's pretraining, SRPO's behaviour model and critic)
   * shrink or grow in proportion, unless `overrides` sets them. [Ours] @default the configuration's, as published
   */
  updates?: number;
  /**
   * The task whose published settings are taken, a key of the algorithm's presets, or `none` for its defaults. Must be given where the
   * data's own task has no preset. @default the data's task
   */
  preset?: string;
  /** Settings that differ from those of the preset. */
  overrides?: Partial<C>;
}

/** An algorithm configured for data, ready to be trained. */
export interface PreparedTraining<C extends CommonConfig = CommonConfig> {
  /** The full configuration. */
  config: C;
  /** What its loop needs. */
  training: Training;
  /** The run's stream. */
  rng: Rng;
  /** What is trained, in words. */
  label: string;
  /** The policy of a state. */
  policy(state: AgentState): Policy;
}

/**
 * The preset whose task a local dataset stands in for: `hopper-medium-replay-v2` for `hopper-medium-replay-local`.
 */
export const presetTask = (task: string): string => task.replace(/-local$/, "-v2");

/** The preset that a training takes. */
export function trainingPreset<C extends CommonConfig>(
  { name, presets }: Pick<Algorithm<C>, "name" | "presets">,
  task: string | null,
  { preset }: Pick<TrainSettings<C>, "preset">,
): string {
  if (preset !== undefined) return preset;
  if (task !== null) return presetTask(task);
  const [example] = Object.keys(presets);
  if (example === undefined) return noPreset; // One setting for all tasks.
  throw new RangeError(
    `Cannot train ${name}: the data are of no known task, so preset must be given: "${noPreset}" for the defaults, or a task ` +
      `such as "${example}"`,
  );
}

/** Overrides with the phases that `updates` shortens or lengthens. */
function withUpdates<C extends CommonConfig>(
  algorithm: Algorithm<C>,
  task: string,
  { updates, overrides = {} }: TrainSettings<C>,
): Partial<C> {
  if (updates === undefined) return overrides;
  const published = resolveConfig(algorithm, task, overrides);
  const share = updates / published.updates;
  const phases = (algorithm.phases ?? []).filter((name) => !(name in overrides)).map((name) =>
    [name, Math.floor(share * (published[name as keyof C] as number))] as const
  );
  return { ...overrides, ...Object.fromEntries(phases), updates };
}

/**
 * Configures an algorithm for data: its preset, rewards as it wants them, batches of its sizes.
 *
 * @throws {RangeError} If a setting is unknown or out of range, or the algorithm is trained by an experiment of its own.
 */
export function prepareTraining<C extends CommonConfig>(
  algorithm: Algorithm<C>,
  data: TrainingData,
  settings: TrainSettings<C> = {},
): PreparedTraining<C> {
  return prepareSeeds(algorithm, data, settings)(settings.seed ?? 0);
}

/** {@linkcode prepareTraining} for any number of seeds: they share the agent, so that updates by `together()` are one call. */
export function prepareSeeds<C extends CommonConfig>(
  algorithm: Algorithm<C>,
  data: TrainingData,
  settings: TrainSettings<C>,
): (seed: number) => PreparedTraining<C> {
  if (algorithm.study) {
    throw new RangeError(
      `Cannot train ${algorithm.name}: its training is an experiment of its own; run \`deno task reproduce --only ${algorithm.study}\``,
    );
  }
  const known = ["seed", "updates", "preset", "overrides"];
  const unknown = Object.keys(settings).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new RangeError(
      `Cannot train ${algorithm.name}: unknown option "${unknown}"; did you mean "${closest(unknown, known)}"? ` +
        "Settings of the algorithm go into overrides",
    );
  }
  const { task } = data;
  const preset = trainingPreset(algorithm, task, settings);
  const config = resolveConfig(algorithm, preset, withUpdates(algorithm, preset, settings));
  const { observationDim, actionDim, maxAction } = data.spec;
  const spec: Spec = { observationDim, actionDim, maxAction };
  if (config.normalizeObservations) spec.observationStatistics = data.spec.observationStatistics;
  const agent = createAgent(algorithm, config, spec);
  const draw = data.batches({
    rewardTransform: config.rewardTransform,
    nextAction: algorithm.needs?.nextAction ?? false,
  });
  return (seed) => {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new RangeError(
        `Cannot train ${algorithm.name}: seed must be an integer of at least 0, current value is ${seed}`,
      );
    }
    const parts = { algorithm, config, spec, task, seed, agent };
    return {
      config,
      training: agentTraining(agent, config, draw),
      rng: runStream(parts),
      label: `${algorithm.name} on ${task ?? "data of no known task"}, seed ${seed}`,
      policy: (state) => createPolicy({ ...parts, state }),
    };
  };
}

/** One gradient step of {@linkcode trainSteps}. */
export interface TrainStep {
  /** Gradient steps so far. */
  update: number;
  /** Losses and other numbers of this update; on a GPU those of some updates alone, and none of the others. */
  metrics: Record<string, number>;
  /** The policy now; it may act until the next step is asked for. */
  policy: Policy;
}

/**
 * The training loop, for those who want it step by step; `train()` is this with folders, scores and progress.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { createRng, dtql, makeBandit, trainSteps } from "@onestep/onestep";
 *
 * const bandit = makeBandit("25gaussians", "far", 10_000, createRng(0));
 * const overrides = { hidden: 32, batchSize: 64 };
 * for await (const { update, policy } of trainSteps(dtql, bandit, { updates: 20, overrides })) {
 *   if (update < 20) continue;
 *   const action = await policy.act([0]);
 *   assert(action.every((a) => Math.abs(a) <= bandit.maxAction));
 * }
 * ```
 */
export async function* trainSteps<C extends CommonConfig>(
  algorithm: Algorithm<C>,
  data: TrainingData,
  settings: TrainSettings<C> = {},
): AsyncGenerator<TrainStep> {
  const { training, rng, label, policy } = prepareTraining(algorithm, data, settings);
  for await (const { state, metrics } of trainingStates(training, rng, undefined, label)) {
    yield { update: state.updates, metrics, policy: policy(state) };
  }
}
