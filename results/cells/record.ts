/**
 * What a finished cell says.
 *
 * @module
 */

import type { Episode } from "../../environments/episodes.ts";
import type { Provenance } from "../../tools/machine.ts";
import { join } from "node:path";
import { readRecord, type Shape } from "../../tools/records.ts";
import { type Cell, cellFolder, type SamplingRule } from "./cell.ts";

/** A finished cell; `R` is what its own study says beside scores. */
export interface Evaluation<R = unknown> {
  cell: Cell;
  trainingMs: number;
  /** Gradient steps of its training. */
  updates: number;
  madeWith: Provenance;
  /** Scores of its policies; null where there is no environment. */
  environment: Scores | null;
  /** Scores on the way, one per episode. */
  curve?: ScorePoint[];
  /** How a shipped run was played again, if this is one. */
  replay?: Replay;
  result: R;
}

/** What playing a shipped run's policies again gave. */
export interface Replay {
  /** Whether the code that made the run is today's. */
  code: "same" | "older";
  /** Episodes that were played, and how many of them had the recorded return to the last digit; none of studies without episodes. */
  episodes: number;
  equal: number;
}

/** An evaluation on the way. */
export interface ScorePoint {
  /** Gradient steps before it. */
  update: number;
  /** D4RL's normalized score of each episode. */
  scores: number[];
}

/** Scores of every way to act that was tried. */
export interface Scores {
  physics: string;
  /** Mean return of the dataset's episodes. */
  datasetMean: number;
  datasetTransitions: number;
  rules: RuleResult[];
}

/** A way to act: what one is compared by, and how it is called in tables. */
export interface Rule {
  /** The same in every profile; what claims and quoted tables name. */
  id: string;
  label: string;
  /** Value of the setting that the experiment varies. */
  setting?: number | string;
  sampling?: SamplingRule;
}

/** How one way to act did. */
export interface RuleResult {
  rule: Rule;
  episodes: Episode[];
  /** Normalized, one per episode. */
  scores: number[];
  /** Milliseconds per action at batch 1. */
  actMs: number;
  /** Whether that is of one sitting with the others; never written, as a run takes its own. @default false */
  together?: boolean;
}

/** What a cell must look like where it is read back. */
export const cellShape: Shape = {
  profile: "string",
  experiment: "string",
  task: "string",
  algorithm: "string",
  title: "string",
  seed: "number",
  backend: "string",
  config: { updates: "number" },
  overridesSource: "string",
  evaluation: { episodes: "number", candidates: "number" },
  dataset: ["or null", "string"],
  checkpointMs: "number",
  hash: "string",
};

/** What an evaluation must look like where it is read back. */
export const evaluationShape = (result: Shape): Shape => ({
  cell: cellShape,
  trainingMs: "number",
  updates: "number",
  madeWith: {
    machine: { processor: "string", cores: "number", memoryGiB: "number", system: "string" },
    versions: { deno: "string", onestep: "string", commit: ["or null", "string"] },
  },
  environment: ["or null", {
    physics: "string",
    datasetMean: "number",
    datasetTransitions: "number",
    rules: [{
      rule: { id: "string", label: "string" },
      episodes: [{ seed: "number", episodeReturn: "number", length: "number" }],
      scores: ["number"],
      actMs: "number",
    }],
  }],
  result,
});

/**
 * The evaluation of a run's folder; null if there is none.
 *
 * @param result What its study says beside scores.
 * @throws {Error} If the file is damaged or has another shape; the message names it.
 */
export const readEvaluation = <R>(folder: string, result: Shape = "anything"): Promise<Evaluation<R> | null> =>
  readRecord<Evaluation<R>>(join(folder, "evaluation.json"), evaluationShape(result));

/** A cell's evaluation, or why what is there is not it. */
export async function findEvaluation(
  root: string,
  cell: Cell,
  result: Shape,
): Promise<{ evaluation: Evaluation | null; problem: string | null }> {
  const folder = cellFolder(root, cell);
  try {
    const evaluation = await readEvaluation(folder, result);
    if (!evaluation) return { evaluation: null, problem: null };
    for (const key of ["experiment", "task", "algorithm", "seed", "hash"] as const) {
      if (evaluation.cell[key] === cell[key]) continue;
      throw new Error(
        `Cannot use "${join(folder, "evaluation.json")}": its cell's ${key} must be ${cell[key]}, current is ` +
          `${evaluation.cell[key]}; it is another cell's`,
      );
    }
    return { evaluation: { ...evaluation, cell }, problem: null }; // What is said of the cell may be newer.
  } catch (error) {
    return { evaluation: null, problem: (error as Error).message };
  }
}
