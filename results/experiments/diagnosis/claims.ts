/**
 * What the abstract on state density weighting claims of quality and diversity.
 *
 * @module
 */

import { overSeeds } from "../../scores/measures.ts";
import type { Claim } from "../experiment.ts";
import { scoreGapAtLoss } from "./section.ts";
import type { DiagnosisPoint } from "./study.ts";

const common = {
  paper: "sdw_obd",
  source: "abstract",
  mark: "paper",
  quoted: "no number",
  protocol: "the levels of loss, the sets and their labels are ours",
} as const;

/** The claims. */
export const diagnosisClaims: readonly Claim<DiagnosisPoint[]>[] = [
  {
    ...common,
    id: "sdw-obd-diversity",
    claim:
      "At a large training loss, cloning diverse states makes better policies than cloning an expert's: score difference at the " +
      "largest loss that both reach",
    atLeast: 0,
    measure: (runs) => overSeeds(runs, (run) => scoreGapAtLoss(run, "largest")),
  },
  {
    ...common,
    id: "sdw-obd-quality",
    claim: "... and at a small loss the order reverses: the same difference at the smallest loss that both reach",
    atMost: 0,
    measure: (runs) => overSeeds(runs, (run) => scoreGapAtLoss(run, "smallest")),
  },
];
