/**
 * Evaluations made up for tests of what comes after them.
 *
 * @module
 */

import { createRng } from "../../algorithms/core/rng.ts";
import * as registry from "../../algorithms/registry.ts";
import type { Cell } from "../../results/cells/cell.ts";
import type { Evaluation } from "../../results/cells/record.ts";

/** A way to act with its scores; `candidates` are 1 if not said. */
export interface SyntheticRule {
  candidates?: number;
  score: number;
  actMs: number;
}

/** An evaluation with 10 episodes per rule, whose scores spread by 1 around `score`, alike for every algorithm. */
export function syntheticEvaluation(
  { algorithm, ...part }: Pick<Cell, "experiment" | "task" | "seed"> & { algorithm: keyof typeof registry },
  rules: readonly SyntheticRule[],
): Evaluation {
  const { title, acts, defaults } = registry[algorithm];
  const cell: Cell = {
    profile: "quick",
    backend: "onnx",
    algorithm,
    title,
    config: defaults,
    overridesSource: "made up",
    evaluation: { episodes: 10, candidates: 1 },
    dataset: null,
    checkpointMs: 0,
    hash: "0123456789",
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
      rules: rules.map(({ candidates = 1, score, actMs }) => ({
        rule: candidates === 1 ? { id: "own", label: acts } : { id: "softmax", label: `softmax of ${candidates}` },
        episodes: Array.from(noise, (_, seed) => ({ seed, episodeReturn: score * 32, length: 1000 })),
        scores: Array.from(noise, (e) => score + e),
        actMs,
      })),
    },
    result: null,
  };
}
