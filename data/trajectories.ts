/**
 * Datasets as whole trajectories.
 *
 * @module
 */

import type { TrajectorySet } from "../algorithms/core/trajectories.ts";
import { sequenceDataset } from "./d4rl.ts";
import type { Dataset } from "./dataset.ts";

/**
 * A dataset's episodes one after the other, an unfinished tail left out.
 *
 * D4RL's layout does not hold the state after an episode's last step; there that step is left out, and the episode's ending is
 * told of the one before it. Ours: the authors take the next episode's first state for it.
 *
 * @param mostRows Episodes that end beyond this row are left out; 0 for none.
 * @throws {RangeError} If no episode is left.
 */
export function datasetTrajectories(data: Dataset, mostRows = 0): TrajectorySet {
  const { observationDim, actionDim, observations, actions, rewards, successors } = data;
  const rows: number[] = [];
  const [done, terminal]: number[][] = [[], []];
  for (const { start, end, ending } of sequenceDataset(data)) {
    if (mostRows > 0 && end > mostRows) break;
    const last = (successors ? end : end - 1) - 1;
    for (let i = start; i <= last; i++) {
      rows.push(i);
      done.push(Number(i === last));
      terminal.push(Number(i === last && ending === "terminal"));
    }
  }
  if (rows.length === 0) {
    throw new RangeError(
      `Cannot cut ${data.name} into trajectories: it must have a finished episode of two steps or more`,
    );
  }
  const gather = (source: ArrayLike<number>, dim: number, offset = 0) => {
    const out = new Float32Array(rows.length * dim);
    rows.forEach((row, i) => {
      for (let d = 0; d < dim; d++) out[i * dim + d] = source[(row + offset) * dim + d];
    });
    return out;
  };
  return {
    data: {
      count: rows.length,
      observationDim,
      actionDim,
      observation: gather(observations, observationDim),
      action: gather(actions, actionDim),
      reward: gather(rewards, 1),
      nextObservation: successors ? gather(successors, observationDim) : gather(observations, observationDim, 1),
      done: Float32Array.from(done),
    },
    terminal: Float32Array.from(terminal),
  };
}
