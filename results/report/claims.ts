/**
 * What the papers claim, and what the finished cells say to it.
 *
 * @module
 */

import type { Table } from "../../data/show/table.ts";
import type { Evaluation } from "../cells/record.ts";
import type { AnyExperiment, Claim } from "../experiments/experiment.ts";
import { experiments } from "../experiments/mod.ts";
import { papers } from "../experiments/papers.ts";
import type { Interval } from "../scores/statistics.ts";

/** Whether the finished cells bear a claim out; undecided: the interval holds the threshold. */
export type Verdict = "holds" | "does not hold" | "undecided" | "not run";

/** A claim of any experiment. */
export type AnyClaim = Claim<unknown>;

/** What the cells say to a claim on one task. */
export interface Answer {
  claim: AnyClaim;
  task: string | null;
  ours: Interval | null;
  verdict: Verdict;
  /** Why it was not run, or how far the verdict goes. */
  why: string;
  /** How what was done differs from the paper. */
  protocol: string;
}

/** All claims with their experiments, paper by paper. */
export const claims: readonly { claim: AnyClaim; experiment: AnyExperiment }[] = Object.keys(papers).flatMap((paper) =>
  experiments.flatMap((experiment) =>
    experiment.claims.filter((claim) => claim.paper === paper).map((claim) => ({ claim, experiment }))
  )
);

/** The verdict of an estimate: by its interval, or by itself where one seed allows none. */
export function judge(
  { mean, low, high }: Interval,
  { atLeast = -Infinity, atMost = Infinity }: Pick<AnyClaim, "atLeast" | "atMost">,
): Verdict {
  const [least, most] = [low ?? mean, high ?? mean];
  if (least >= atLeast && most <= atMost) return "holds";
  if (most < atLeast || least > atMost) return "does not hold";
  return "undecided";
}

/** What finished cells say to every claim; `hint` tells how to run an experiment. */
export function answerClaims(
  evaluations: readonly Evaluation[],
  hint: (experiment: string) => string,
): Answer[] {
  return claims.flatMap(({ claim, experiment: { name } }): Answer[] => {
    const runs = evaluations.filter(({ cell }) => cell.experiment === name);
    const measured = runs.length === 0 ? [] : claim.measure(runs);
    if (measured.length === 0) {
      return [{ claim, task: null, ours: null, verdict: "not run", why: hint(name), protocol: claim.protocol }];
    }
    return measured.map(({ task, ours }) => {
      const used = runs.find(({ cell }) => cell.task === task);
      const data = task.endsWith("-local") ? "data made here for D4RL's" : "";
      return {
        claim,
        task,
        ours,
        verdict: judge(ours, claim),
        why: ours.n === 1 ? "one seed" : "",
        protocol: [claim.protocol, data, used?.cell.overridesSource].filter(Boolean).join("; "),
      };
    });
  });
}

/** The paper's number or words; empty where they are not verified. */
export const shownQuote = ({ mark, quoted }: AnyClaim): string =>
  mark === "unverified" || mark === "ours" ? "" : quoted;

/** The wanted side of a claim in words. */
export const wanted = ({ atLeast, atMost }: AnyClaim): string =>
  atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`;

/** A number with as many digits as it bears. */
export const digits = (x: number): string =>
  Math.abs(x) >= 1e5 ? x.toExponential(1) : x.toFixed(Math.abs(x) < 10 ? 2 : 1);
/** An interval; empty where there is none. */
export const intervalText = ({ low, high }: Interval): string =>
  low === null || high === null ? "" : `[${digits(low)}, ${digits(high)}]`;

/** The checklist as a table. */
export function claimsTable(answers: readonly Answer[]): Table {
  return {
    title: "Claims",
    numbers: ["ours", "seeds"],
    columns: ["paper", "claim", "quoted", "dataset", "wanted", "ours", "95 %", "seeds", "verdict", "note", "protocol"],
    rows: answers.map(({ claim, task, ours, verdict, why, protocol }) => [
      claim.paper,
      claim.claim,
      shownQuote(claim),
      task ?? "",
      wanted(claim),
      ours ? digits(ours.mean) : "",
      ours ? intervalText(ours) : "",
      ours ? `${ours.n}` : "",
      verdict,
      why,
      protocol,
    ]),
    notes: [
      "A claim holds if the whole interval is on the wanted side, does not hold if the whole interval is on the other, and is " +
      "undecided between; with one seed the estimate decides. Quoted: the paper's number, where it is verified.",
    ],
  };
}

/** The checklist in a line per answer, what was run first. */
export function claimLines(answers: readonly Answer[]): string[] {
  const marks: Record<Verdict, string> = { holds: "yes", "does not hold": "no", undecided: "open", "not run": "-" };
  const run = answers.filter(({ verdict }) => verdict !== "not run");
  const missing = answers.filter(({ verdict }) => verdict === "not run");
  const hints = [...new Set(missing.map(({ why }) => why))];
  return [
    ...run.map(({ claim, task, ours, verdict, why }) => {
      const measured = `${digits(ours!.mean)} ${intervalText(ours!) || `(${why})`}`;
      return `${marks[verdict].padStart(4)}  ${claim.paper}: ${claim.claim}; ${task}: ${measured}, wanted ${
        wanted(claim)
      }`;
    }),
    ...hints.map((hint) => `   -  ${missing.filter(({ why }) => why === hint).length} claims not run: ${hint}`),
  ];
}
