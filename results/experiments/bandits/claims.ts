/**
 * What DTQL's paper and code say of the bandits.
 *
 * @module
 */

import { measured } from "../../scores/measures.ts";
import type { Claim } from "../experiment.ts";
import type { BanditRun } from "./section.ts";
import type { BanditResult } from "./study.ts";

const trustRegion = (task: string) => (run: BanditRun) => run.cell.algorithm === "dtql" && run.cell.task === task;

/** A number of DTQL on a bandit, over seeds. */
const numberOf = (task: string, metric: "nearestMean" | "reward") => (runs: readonly BanditRun[]) => {
  const own = runs.filter(trustRegion(task));
  return own.length === 0 ? [] : [measured(task, own.map(({ result }) => [result[metric]]))];
};

/** What DTQL earns more than DQL-KL, seed by seed. */
const overKl = (task: string) => (runs: readonly BanditRun[]) => {
  const differences = runs.filter(trustRegion(task)).flatMap(({ cell, result }) => {
    const other = runs.find((run) =>
      run.cell.algorithm === "dql_kl" && run.cell.task === task && run.cell.seed === cell.seed
    );
    return other ? [[result.reward - other.result.reward]] : [];
  });
  return differences.length === 0 ? [] : [measured(task, differences)];
};

const common = { paper: "dtql", source: "toy experiment", protocol: "" } as const;

/** The authors' script was run once; what it left was the measure for these. */
const ownThreshold = {
  mark: "code",
  quoted: "no number",
  protocol: "the threshold is ours, after one run of the authors' script",
} as const;

const stays = (reward: string, limit: number): Claim<BanditResult>[] => [
  {
    ...common,
    id: `dtql-bandit-distance-${reward}`,
    claim:
      `The one-step policy stays on the data (25 Gaussians, ${reward} reward): mean distance to the nearest action`,
    ...ownThreshold,
    atMost: limit,
    measure: numberOf(`25gaussians-${reward}`, "nearestMean"),
  },
  {
    ...common,
    id: `dtql-bandit-reward-${reward}`,
    claim: "... and finds its best actions: mean reward",
    ...ownThreshold,
    atLeast: 14,
    measure: numberOf(`25gaussians-${reward}`, "reward"),
  },
];

const earnsMore = (task: string, where: string): Claim<BanditResult> => ({
  ...common,
  id: `dtql-over-kl-${task}`,
  claim: `The trust region earns at least what score distillation (KL) earns: difference of rewards, ${where}`,
  mark: "secondary",
  quoted: "no number",
  atLeast: 0,
  measure: overKl(task),
});

/** The claims. */
export const banditClaims: readonly Claim<BanditResult>[] = [
  ...stays("far", 0.2),
  ...stays("near", 0.5),
  earnsMore("25gaussians-far", "25 Gaussians, far"),
  earnsMore("25gaussians-hard", "25 Gaussians, hard"),
  earnsMore("25gaussians-near", "25 Gaussians, near"),
  earnsMore("swissroll-far", "swiss roll, far"),
  earnsMore("swissroll-near", "swiss roll, near"),
];
