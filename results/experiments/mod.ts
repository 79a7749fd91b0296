/**
 * Every experiment, one line each, cheapest first.
 *
 * @module
 */

import type { CellCode } from "../cells/fingerprint.ts";
import type { Cell } from "../cells/cell.ts";
import type { AnyExperiment, Run } from "./experiment.ts";

const listed = (await Promise.all([
  import("./speed/mod.ts"),
  import("./bandits/mod.ts"),
  import("./toy/mod.ts"),
  import("./bridges/mod.ts"),
  import("./dtql.ts"),
  import("./srpo.ts"),
  import("./experts.ts"),
  import("./family.ts"),
  import("./stitching/mod.ts"),
  import("./distillation/mod.ts"),
  import("./diagnosis/mod.ts"),
])).flatMap((module): AnyExperiment | readonly AnyExperiment[] => module.default);

/** All experiments. */
export const experiments: readonly AnyExperiment[] = listed.flatMap((experiment) => [
  experiment,
  ...experiment.derived?.(listed) ?? [],
]);

/** All runs of an experiment, whatever the profile. */
export const runsOf = ({ plans }: AnyExperiment): Run[] =>
  Object.values(plans).flatMap((list) => list.flatMap(({ runs }) => runs));

/**
 * A cell's experiment.
 *
 * @throws {RangeError} If there is none of this name.
 */
export function experimentOf({ experiment }: Pick<Cell, "experiment">): AnyExperiment {
  const found = experiments.find(({ name }) => name === experiment);
  if (found) return found;
  const names = experiments.map(({ name }) => name).join(", ");
  throw new RangeError(`Cannot find experiment "${experiment}": it must be one of ${names}`);
}

/**
 * Whose code a cell runs.
 *
 * @throws {RangeError} If its experiment does not run its algorithm.
 */
export function codeOf(cell: Pick<Cell, "experiment" | "algorithm" | "sampled">): CellCode {
  const experiment = experimentOf(cell);
  const runs = runsOf(experiment).filter(({ algorithm }) => algorithm.name === cell.algorithm);
  const sampled = runs.find(({ sampled }) => sampled?.name === cell.sampled?.algorithm)?.sampled ?? null;
  if (runs.length > 0) return { study: experiment.study, algorithm: runs[0].algorithm, sampled };
  throw new RangeError(`Cannot find algorithm "${cell.algorithm}": experiment ${experiment.name} must run it`);
}
