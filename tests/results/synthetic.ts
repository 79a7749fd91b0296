/**
 * Evaluations made up for tests of what comes after them.
 *
 * @module
 */

import { createRng } from "../../algorithms/core/rng.ts";
import type { Cell } from "../../results/cell.ts";
import type { Evaluation } from "../../results/train.ts";

/** An evaluation with 10 episodes per rule, whose scores spread by 1 around `score`, alike for every algorithm. */
export function syntheticEvaluation(
  part: Pick<Cell, "experiment" | "algorithm" | "task" | "seed">,
  rules: { candidates: number; score: number; actMs: number }[],
): Evaluation {
  const cell: Cell = {
    profile: "quick",
    kind: "environment",
    backend: "onnx",
    overrides: {},
    overridesSource: "made up",
    evaluation: { episodes: 10, candidates: 1 },
    dataset: null,
    checkpointMs: 0,
    ...part,
  };
  const noise = createRng(`${part.task}/${part.seed}`).fillNormal(new Float64Array(10));
  return {
    cell,
    trainingMs: 1000,
    updates: 100,
    madeWith: {
      machine: { processor: "made up", cores: 2, memoryGiB: 8, system: "none" },
      versions: { deno: "2.9.6", onestep: "0.1.0", commit: null },
    },
    environment: {
      physics: "d4rl",
      datasetMean: 500,
      datasetTransitions: 1000,
      rules: rules.map(({ candidates, score, actMs }) => ({
        candidates,
        episodes: Array.from(noise, (_, seed) => ({ seed, episodeReturn: score * 32, length: 1000 })),
        scores: Array.from(noise, (e) => score + e),
        actMs,
      })),
    },
  };
}
