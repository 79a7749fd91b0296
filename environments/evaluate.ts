/**
 * Evaluation: all episodes side by side, the policy called once per step on the batch of those still running.
 *
 * @module
 */

import { type NdArray, ndarray } from "../algorithms/core/compile.ts";
import type { Environment } from "./environment.ts";

/** One evaluation episode. */
export interface Episode {
  /** Seed of the start state: the same for every algorithm, whatever its training seed. */
  seed: number;
  episodeReturn: number;
  length: number;
}

/** Actions for a batch: `[n, observationDim]` to `[n, actionDim]`. */
export type BatchPolicy = (observation: NdArray) => Promise<NdArray>;

/**
 * Runs one episode per environment, from start states with seeds 1000000, 1000001, ...
 *
 * The batch keeps its size until the last episode ends, so that a policy is compiled once.
 *
 * @param environments One per episode, of one task.
 * @param policy Called with the observations of all episodes, the ended ones included.
 * @param onStep Called after each step with the number of episodes still running.
 */
export async function evaluatePolicy(
  environments: readonly Environment[],
  policy: BatchPolicy,
  onStep: (running: number, step: number) => void = () => {},
): Promise<Episode[]> {
  const dim = environments[0].observationSpace.shape[0];
  const observation = new Float32Array(environments.length * dim);
  const episodes = environments.map((env, seed): Episode => {
    observation.set(env.reset(evaluationSeed(seed)), seed * dim);
    return { seed: evaluationSeed(seed), episodeReturn: 0, length: 0 };
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

/** Start states of evaluation are far from those of data collection. */
const evaluationSeed = (episode: number) => 1_000_000 + episode;
