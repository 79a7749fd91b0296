/**
 * What a finished cell says.
 *
 * @module
 */

import type { Episode } from "../../environments/episodes.ts";
import type { Provenance } from "../../tools/machine.ts";
import type { Cell, SamplingRule } from "./cell.ts";

/** A finished cell; `R` is what its own study says beside scores. */
export interface Evaluation<R = unknown> {
  cell: Cell;
  trainingMs: number;
  /** Gradient steps of its training. */
  updates: number;
  madeWith: Provenance;
  /** Scores of its policies; null where there is no environment. */
  environment: Scores | null;
  result: R;
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
  setting?: number;
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
}
