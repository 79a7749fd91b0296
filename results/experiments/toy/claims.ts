/**
 * What SRPO's paper says of its toy figures.
 *
 * @module
 */

import { overSeeds } from "../../scores/measures.ts";
import type { Claim } from "../experiment.ts";
import type { ToyResult } from "./study.ts";

const modeSeeking = {
  paper: "srpo",
  source: "toy figures",
  mark: "secondary",
  quoted: "no number",
  atLeast: 0.95,
} as const;

/** The claims. */
export const toyClaims: readonly Claim<ToyResult>[] = [
  {
    ...modeSeeking,
    id: "srpo-mode-seeking",
    claim: "Regularized actions go to the mode nearest to their target, exact score: share of targets",
    protocol: "exact mixtures for moons and checkerboard; the threshold is ours",
    measure: (runs) => overSeeds(runs, ({ result }) => result.exact.nearest),
  },
  {
    ...modeSeeking,
    id: "srpo-mode-seeking-learned",
    claim: "... and with a learned score",
    protocol: "the threshold is ours",
    measure: (runs) => overSeeds(runs, ({ result }) => result.learned.nearest),
  },
];
