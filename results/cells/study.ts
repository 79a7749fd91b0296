/**
 * Studies: how a cell is trained and judged.
 *
 * @module
 */

import type { AgentState, AnyAlgorithm, Spec } from "../../algorithms/core/agent.ts";
import type { CommonConfig } from "../../algorithms/core/config.ts";
import type { Rng } from "../../algorithms/core/rng.ts";
import type { Training } from "../../algorithms/core/train.ts";
import type { Shape } from "../../tools/records.ts";
import type { Cell } from "./cell.ts";
import type { Scores } from "./record.ts";

/** What a study is given. */
export interface Tools {
  algorithm: AnyAlgorithm;
  /** What samples the diffusion model, if the cell asks for it. */
  sampled: AnyAlgorithm | null;
  /** The cell's folder. */
  folder: string;
  /** A folder for work that cells of one task and seed share: those with the same settings for it, code of it and data. */
  sharedFolder(settings: unknown, code: readonly Pick<AnyAlgorithm, "name" | "module">[]): string;
  /** The cell's own stream. */
  rng: Rng;
  /** Says what is being made. */
  onProgress(note: string): void;
}

/** With what a finished cell's policies can be played again. */
export interface Acting {
  /** A tree of arrays; which ones is the study's own matter. */
  arrays: unknown;
  /** What the policies were created for. */
  spec: Spec;
}

/** A cell's training and evaluation. */
export interface StudyTraining<R> extends Training<object> {
  /** What its algorithm was created for, if the states are the algorithm's own: `loadPolicy()` then reads the cell's folder. */
  spec?: Spec;
  /** Scores of its policy on the way, one per episode. */
  score?(state: AgentState, episodes: number, onProgress: (note: string) => void): Promise<number[]>;
  /** What the finished cell says, its policy, and with what its policies can be played again. */
  evaluate(
    state: AgentState,
    rng: Rng,
    onProgress: (note: string) => void,
  ): Promise<{ environment: Scores | null; result: R; policy: Uint8Array; acting?: Acting }>;
}

/** How a cell is trained and judged: its numbers depend on what `module` imports, the algorithm and the task, and on nothing else. */
export interface Study<R> {
  /** `import.meta.url` of the file that exports it. */
  module: string;
  /** What it is trained on. */
  data: "dataset" | "none";
  /** What must be found where its result is read back. */
  result: Shape;
  /** Files that settings name. */
  files?(config: CommonConfig): string[];
  prepare(cell: Cell, tools: Tools): Promise<StudyTraining<R>>;
}

/** The stream of an evaluation. */
export const evaluationStream = (rng: Rng): Rng => rng.child("evaluation");
