/**
 * What trajectory stitching claims.
 *
 * @module
 */

import { groupRules } from "../../scores/groups.ts";
import { scoreDifference, timesFaster } from "../../scores/measures.ts";
import type { Claim } from "../experiment.ts";
import type { StitchingResult } from "./study.ts";

const acting = (rule: string) => ({ algorithm: "stitching", rule });
const [both, stitched, data, planner] = ["both", "stitched", "data", "planner"].map(acting);

const reconstruction = "a reconstruction: the paper's text was not at hand";
const ours = { paper: "stitching", source: "own comparison", mark: "ours", quoted: "no number", atLeast: 0 } as const;

/** The policy of all data, which the report subtracts the others from. */
export const bestPolicy = both;

/** The claims. */
export const stitchingClaims: readonly Claim<StitchingResult>[] = [
  {
    id: "stitching-matches-planner",
    paper: "stitching",
    claim: "The shallow policy matches or beats the planner it came from: policy minus planner",
    source: "abstract",
    mark: "paper",
    quoted: "outperforms or nearly matches",
    protocol: `${reconstruction}; nearly: at most 5 points less, a threshold of ours`,
    atLeast: -5,
    measure: (runs) => scoreDifference(runs, both, planner),
    floor: { ...planner, above: "data" },
  },
  {
    ...ours,
    id: "stitching-over-cloning",
    claim: "Cloning generated and stitched data beats cloning the data",
    protocol: reconstruction,
    measure: (runs) => scoreDifference(runs, both, data),
    floor: { ...data, above: "data" },
  },
  {
    ...ours,
    id: "stitching-alone-over-cloning",
    claim: "Cloning stitched data beats cloning the data",
    protocol: reconstruction,
    measure: (runs) => scoreDifference(runs, stitched, data),
    floor: { ...data, above: "data" },
  },
  {
    ...ours,
    id: "stitching-faster",
    claim: "The shallow policy acts at least 100 times faster than the planner: ratio of times",
    quoted: "no verified number",
    protocol: `${reconstruction}; the threshold is ours`,
    atLeast: 100,
    measure: (runs) => timesFaster(groupRules(runs), both, planner),
  },
];
