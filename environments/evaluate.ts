/**
 * Evaluation: the score of a policy in its task's simulator.
 *
 * @module
 */

import { closest } from "fastest-levenshtein";
import { currentBackend } from "../algorithms/engine/backend.ts";
import type { Policy } from "../algorithms/core/policy.ts";
import { type Progress, startProgress } from "../tools/progress.ts";
import { createEnvironment } from "./environment.ts";
import { type BatchPolicy, type Episode, evaluationSeed, playEpisodes } from "./episodes.ts";
import type { Physics } from "./mjcf.ts";
import { readId } from "./ids.ts";
import { createPlayers, type Players, type PlayJob } from "./play.ts";
import { normalizedScore } from "./scores.ts";
import { findTask } from "./tasks.ts";

/** How {@linkcode evaluate} plays. */
export interface EvaluateOptions {
  /** Episodes, each from a start state of its own, the same for every policy. @default 10, the field's on locomotion */
  episodes?: number;
  /** Actions drawn per observation, of which the best by the critic is taken. @default 1 */
  candidates?: number;
  /** Id of a task or dataset. @default the one that the policy was trained on */
  task?: string;
  /** Generation of the physics. @default what the task's id says (`Hopper-v4`), else "d4rl" */
  physics?: Physics;
  /** Seed of the policy's noise. @default the policy's own */
  seed?: string;
  /** Workers at once; 1 plays in this thread. @default the machine's cores, or those of the Slurm job */
  workers?: number;
}

/** What a policy scored. */
export interface Score {
  /** Where it played. */
  task: string;
  /** D4RL's normalized score, the mean over episodes: 0 is a random policy's return, 100 an expert's. */
  normalized: number;
  /** Mean return. */
  episodeReturn: number;
  /** Normalized score of each episode. */
  scores: number[];
  /** Every episode, in the order of the start states. */
  episodes: Episode[];
}

const optionNames = ["episodes", "candidates", "task", "physics", "seed", "workers"];

/**
 * Plays a policy in the simulator of its task, on all cores; environments are made and disposed of here.
 *
 * The start states are the same for every policy and training seed, so that differences may be paired. The result does not depend on
 * the number of workers.
 *
 * @param policy What `train()` returned, or a function from observations `[n, observationDim]` to actions `[n, actionDim]`, which needs
 * `options.task`.
 * @throws {RangeError} If there is no such task, no task at all, or `episodes` is no positive integer.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { evaluate, ndarray } from "@onestep/onestep";
 *
 * const still = (observation: { shape: readonly number[] }) =>
 *   Promise.resolve(ndarray(new Float32Array(3 * observation.shape[0]), [observation.shape[0], 3]));
 * const score = await evaluate(still, { task: "hopper", episodes: 2 });
 * assert(score.normalized < 10);
 * ```
 */
export async function evaluate(policy: Policy | BatchPolicy, options: EvaluateOptions = {}): Promise<Score> {
  using players = createPlayers(options.workers);
  return await evaluateWith(players, policy, options);
}

/** {@linkcode evaluate} with players that are kept for several policies. */
export async function evaluateWith(
  players: Players,
  policy: Policy | BatchPolicy,
  options: EvaluateOptions = {},
  progress?: Progress,
): Promise<Score> {
  const { episodes = 10, candidates = 1 } = options;
  const unknown = Object.keys(options).find((name) => !optionNames.includes(name));
  if (unknown !== undefined) {
    throw new RangeError(
      `Cannot evaluate: unknown option "${unknown}"; did you mean "${closest(unknown, optionNames)}"?`,
    );
  }
  for (const [name, n] of Object.entries({ episodes, candidates })) {
    if (!Number.isInteger(n) || n < 1) {
      throw new RangeError(`Cannot evaluate: ${name} must be a positive integer, current value is ${n}`);
    }
  }
  const task = options.task ?? (typeof policy === "function" ? null : policy.task);
  if (task === null) {
    throw new RangeError('Cannot evaluate: the data named no task, so it must be given, such as { task: "hopper" }');
  }
  findTask(task); // What it lacks is said at once.
  const physics = options.physics ?? readId(task).physics ?? "d4rl";
  const shown = progress ?? startProgress(`evaluating on ${task}`);
  const report = (running: number, step: number) => shown.update(0, `step ${step}, ${running} running`);
  try {
    const played = typeof policy === "function"
      ? await playFunction(policy, task, physics, episodes, report)
      : await players.play(
        jobOf(policy, { ...options, task, physics, episodes, candidates }),
        policy.algorithm,
        report,
      );
    const scores = played.map(({ episodeReturn }) => normalizedScore(task, episodeReturn));
    const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    return {
      task,
      normalized: mean(scores),
      episodeReturn: mean(played.map(({ episodeReturn }) => episodeReturn)),
      scores,
      episodes: played,
    };
  } finally {
    if (!progress) shown.stop();
  }
}

type Given = Required<Pick<EvaluateOptions, "task" | "physics" | "episodes" | "candidates">>;

function jobOf(policy: Policy, given: Given & Pick<EvaluateOptions, "seed">): PlayJob {
  const { algorithm, config, spec, state } = policy;
  return {
    module: algorithm.module,
    name: algorithm.name,
    config,
    spec,
    backend: currentBackend(),
    state,
    task: given.task,
    physics: given.physics,
    episodes: given.episodes,
    candidates: given.candidates,
    seed: given.seed ?? `${policy.task}/${algorithm.name}/${policy.seed}/evaluation/${given.candidates}`,
  };
}

async function playFunction(
  act: BatchPolicy,
  task: string,
  physics: Physics,
  episodes: number,
  onStep: (running: number, step: number) => void,
) {
  const seeds = Array.from({ length: episodes }, (_, i) => evaluationSeed(i));
  const environments = await Promise.all(seeds.map(() => createEnvironment(findTask(task), physics)));
  try {
    return await playEpisodes(environments, act, { seeds, onStep });
  } finally {
    for (const env of environments) env[Symbol.dispose]();
  }
}
