/**
 * What the papers on offline behavior distillation claim.
 *
 * @module
 */

import { differencesOf, groupRules } from "../../scores/groups.ts";
import { measured, scoreDifference } from "../../scores/measures.ts";
import type { Claim } from "../experiment.ts";
import type { DistillationResult } from "./result.ts";

/** Policies of the pairs that Av-PBC distilled, which the report subtracts the others from. */
export const avPbcPairs = { algorithm: "av_pbc", rule: "distilled" };

const teacher = { algorithm: "av_pbc", rule: "teacher" };
const obd = { paper: "obd", source: "main table", mark: "paper", protocol: "", atLeast: 0 } as const;

/** The claims. */
export const distillationClaims: readonly Claim<DistillationResult>[] = [
  {
    ...obd,
    id: "obd-over-dbc",
    claim: "Av-PBC beats DBC: score difference",
    quoted: "38.2 and 20.9 on average over nine tasks",
    measure: (runs) => scoreDifference(runs, avPbcPairs, { algorithm: "dbc", rule: "distilled" }),
  },
  {
    ...obd,
    id: "obd-over-pbc",
    claim: "Av-PBC beats PBC: score difference",
    quoted: "38.2 and 30.4 on average over nine tasks",
    measure: (runs) => scoreDifference(runs, avPbcPairs, { algorithm: "pbc", rule: "distilled" }),
  },
  {
    ...obd,
    id: "obd-over-random",
    claim: "Av-PBC beats as many random pairs of the data: score difference",
    quoted: "38.2 and 7.6 on average over nine tasks",
    measure: (runs) => scoreDifference(runs, avPbcPairs, { algorithm: "av_pbc", rule: "random" }),
  },
  {
    ...obd,
    id: "obd-below-teacher",
    claim: "The teacher stays above: teacher minus Av-PBC",
    quoted: "all nine tasks",
    protocol: "teacher IQL for Cal-QL",
    measure: (runs) => scoreDifference(runs, teacher, avPbcPairs),
    floor: { ...teacher, above: "data" },
  },
  {
    ...obd,
    id: "obd-ensembles",
    claim: "An ensemble of policies trained on Av-PBC's pairs beats one of them",
    source: "ensemble table",
    quoted: "48.1 and 38.2 on average over nine tasks",
    measure: (runs) => scoreDifference(runs, { algorithm: "av_pbc", rule: "ensemble" }, avPbcPairs),
  },
  {
    id: "sdw-obd-over-obd",
    paper: "sdw_obd",
    claim: "Weighting by reciprocal state density beats Av-PBC: score difference",
    source: "leaderboard rows",
    mark: "secondary",
    quoted: "42.6 and 38.7 on hopper-medium-expert, for one",
    protocol: "the exponent of the density is ours",
    atLeast: 0,
    measure: (runs) => scoreDifference(runs, { algorithm: "sdw_obd", rule: "distilled" }, avPbcPairs),
  },
];

/** Weights that cannot vanish in a few rows, against none, by one of the rules. */
const rankClaim = (id: string, how: string, rule: string): Claim<DistillationResult> => ({
  id,
  paper: "sdw_obd",
  claim: `Weighting states by the rank of their density beats no weights${how}: score difference`,
  source: "own comparison",
  mark: "ours",
  quoted: "no number",
  protocol:
    "written before the runs: an interval above 0 on six fresh seeds, which can tell 2.4 points; otherwise no effect of that size",
  atLeast: 0,
  measure(runs) {
    const groups = groupRules(runs).filter((group) => group.rule.id === rule);
    return groups.filter(({ rule }) => rule.setting === "by rank").flatMap((own) => {
      const none = groups.find(({ task, rule }) => task === own.task && rule.setting === "none");
      const pairs = none && differencesOf(own, none);
      return pairs ? [measured(own.task, pairs)] : [];
    });
  },
});

/** With few pairs. */
export const weightingClaim = rankClaim("sdw-rank-over-obd", "", "distilled");

/** With four times as many, and from starts that no data have. */
export const largerClaims: readonly Claim<DistillationResult>[] = [
  rankClaim("sdw-rank-over-obd-256", ", of 256 pairs", "distilled"),
  rankClaim("sdw-rank-over-obd-disturbed", ", of 256 pairs, after 100 random steps", "disturbed"),
];
