/**
 * Episodes side by side, the policy called once per step on the batch of those still running.
 *
 * @module
 */

import { type NdArray, ndarray } from "../algorithms/engine/array.ts";
import type { Environment } from "./environment.ts";

/** One evaluation episode. */
export interface Episode {
  /** Seed of the start state: the same for every algorithm, whatever its training seed. */
  seed: number;
  /** Sum of rewards. */
  episodeReturn: number;
  /** Steps. */
  length: number;
}

/** Actions for a batch: `[n, observationDim]` to `[n, actionDim]`. */
export type BatchPolicy = (observation: NdArray) => Promise<NdArray>;

/** Start states of evaluation, by number: the same for every algorithm and training seed, and far from those of datasets. */
export const evaluationSeed = (episode: number): number => 1_000_000 + episode;

/**
 * Runs one episode per environment.
 *
 * The batch keeps its size until the last episode ends, so that a policy is compiled once.
 *
 * @param environments One per episode, of one task.
 * @param policy Called with the observations of all episodes, the ended ones included.
 * @param options `seeds` of the start states (default: {@linkcode evaluationSeed} 0, 1, ...); `onStep` is called after each
 * step with the number of episodes still running.
 */
export async function playEpisodes(
  environments: readonly Environment[],
  policy: BatchPolicy,
  options: { seeds?: readonly number[]; onStep?: (running: number, step: number) => void } = {},
): Promise<Episode[]> {
  const { seeds = environments.map((_, i) => evaluationSeed(i)), onStep = () => {} } = options;
  const dim = environments[0].observationSpace.shape[0];
  const observation = new Float32Array(environments.length * dim);
  const episodes = environments.map((env, i): Episode => {
    observation.set(env.reset(seeds[i]), i * dim);
    return { seed: seeds[i], episodeReturn: 0, length: 0 };
  });
  const running = new Set(environments.keys());
  for (let step = 1; running.size > 0; step++) {
    const action = await policy(ndarray(observation.slice(), [environments.length, dim]));
    const actionDim = action.shape[1];
    for (const i of running) {
      const result = environments[i].step(action.data.subarray(i * actionDim, (i + 1) * actionDim));
      observation.set(result.observation, i * dim);
      episodes[i].episodeReturn += result.reward;
      episodes[i].length++;
      if (result.terminated || result.truncated) running.delete(i);
    }
    onStep(running.size, step);
  }
  return episodes;
}
