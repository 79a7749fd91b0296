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
import { differencesOf, groupRules, type RuleScores } from "../scores/groups.ts";
import { mean } from "../scores/mean.ts";
import { actsAs } from "../scores/measures.ts";
import { aggregateScores, bootstrapMean, type Interval } from "../scores/statistics.ts";

/**
 * Whether the finished cells bear a claim out. Undecided: the interval holds the threshold, or the baseline has not learnt. Seen
 * once: the estimate of one seed is on the wanted side.
 */
export type Verdict = "holds" | "does not hold" | "undecided" | "seen once" | "not run";

/** A claim of any experiment. */
export type AnyClaim = Claim<unknown>;

/** What the cells say to a claim on one task. */
export interface Answer {
  claim: AnyClaim;
  /** Null if it was not run; of several tasks together, how many. */
  task: string | null;
  /** Whether it is of several tasks together. */
  over: "one task" | "tasks";
  ours: Interval | null;
  verdict: Verdict;
  /** Why it was not run, or is undecided whatever the numbers. */
  why: string;
  /** Where the numbers are from: trained here, or played again from shipped runs, and how many seeds. */
  how: string;
  /** How what was done differs from the paper. */
  protocol: string;
}

/** All claims with their experiments, paper by paper. */
export const claims: readonly { claim: AnyClaim; experiment: AnyExperiment }[] = Object.keys(papers).flatMap((paper) =>
  experiments.flatMap((experiment) =>
    experiment.claims.filter((claim) => claim.paper === paper).map((claim) => ({ claim, experiment }))
  )
);

/** The verdict of an estimate by its interval; of one seed's, which has none, whether it is on the wanted side. */
export function judge(
  { mean, low, high }: Interval,
  { atLeast = -Infinity, atMost = Infinity }: Pick<AnyClaim, "atLeast" | "atMost">,
): Verdict {
  if (low === null || high === null) return mean >= atLeast && mean <= atMost ? "seen once" : "undecided";
  if (low >= atLeast && high <= atMost) return "holds";
  if (high < atLeast || low > atMost) return "does not hold";
  return "undecided";
}

/** BC of the data, which a method that has learnt is not below. */
const cloning = { algorithm: "bc", rule: "own" };

/**
 * Why a baseline (several ways to act are taken together) has not learnt on a task: its mean is below that of the dataset's episodes, or all of the interval of its difference
 * from BC is below 0 where BC was run. Empty if it has. [Ours]
 */
function notLearnt(
  { floor }: AnyClaim,
  task: string,
  own: readonly RuleScores[],
  all: readonly RuleScores[],
): string {
  const baselines = floor ? own.filter(actsAs(floor)).filter((group) => group.task === task) : [];
  if (baselines.length === 0) return "";
  const [{ method, datasetMean }] = baselines;
  const reached = mean(baselines.flatMap(({ scores }) => scores.map(mean)));
  const below = (what: string) => `the baseline has not learnt: ${method} ${reached.toFixed(1)}, ${what}`;
  if (reached < datasetMean) return below(`the data ${datasetMean.toFixed(1)}`);
  const clone = floor!.above === "data" ? null : all.filter(actsAs(cloning)).find((group) => group.task === task);
  const pairs = clone ? baselines.map((group) => differencesOf(group, clone)).filter((pair) => pair !== null) : [];
  const together = pairs[0]?.map((episodes, seed) =>
    episodes.map((_, i) => mean(pairs.flatMap((pair) => pair[seed]?.[i] ?? [])))
  );
  const difference = together ? bootstrapMean(together) : null;
  if (difference === null || difference.high === null || difference.high >= 0) return "";
  return below(`BC ${mean(clone!.scores.map(mean)).toFixed(1)}`);
}

const seedsText = (n: number) => `${n} ${n === 1 ? "seed" : "seeds"}`;

/** Where the numbers on tasks are from. */
function provenance(runs: readonly Evaluation[], tasks: readonly string[]): string {
  const used = runs.filter(({ cell }) => tasks.includes(cell.task));
  const seedsOf = (evaluations: readonly Evaluation[]) => new Set(evaluations.map(({ cell }) => cell.seed)).size;
  const played = used.filter(({ replay }) => replay && replay.episodes > 0);
  const recorded = used.filter(({ replay }) => replay?.episodes === 0);
  const trained = used.filter(({ replay }) => !replay);
  const said = (what: string, runs: readonly Evaluation[]) => {
    const older = runs.some(({ replay }) => replay?.code === "older") ? ", by older code" : "";
    return runs.length > 0 ? `${what}${older}, ${seedsText(seedsOf(runs))}` : "";
  };
  return [
    said("replayed from shipped runs", played),
    said("as recorded in shipped runs", recorded),
    said("trained here", trained),
  ].filter(Boolean).join("; ");
}

/** What finished cells say to every claim, over all tasks first; `hint` tells how to run an experiment. */
export function answerClaims(
  evaluations: readonly Evaluation[],
  hint: (experiment: string) => string,
): Answer[] {
  const all = groupRules(evaluations);
  return claims.flatMap(({ claim, experiment: { name } }): Answer[] => {
    const runs = evaluations.filter(({ cell }) => cell.experiment === name);
    const found = runs.length === 0 ? [] : claim.measure(runs);
    if (found.length === 0) {
      const { protocol } = claim;
      return [{
        claim,
        task: null,
        over: "one task",
        ours: null,
        verdict: "not run",
        why: hint(name),
        how: "",
        protocol,
      }];
    }
    const own = all.filter(({ experiment }) => experiment === name);
    const answers = found.map(({ task, ours }): Answer => {
      const used = runs.find(({ cell }) => cell.task === task);
      const data = task.endsWith("-local") ? "data made here for D4RL's" : "";
      const why = notLearnt(claim, task, own, all);
      return {
        claim,
        task,
        over: "one task",
        ours,
        verdict: why ? "undecided" : judge(ours, claim),
        why,
        how: provenance(runs, [task]),
        protocol: [claim.protocol, data, used?.cell.overridesSource].filter(Boolean).join("; "),
      };
    });
    if (answers.length === 1) return answers;
    const counted = found.filter((_, i) => answers[i].why === "");
    const used = counted.length > 0 ? counted : found;
    const ours = used.length === 1
      ? used[0].ours
      : aggregateScores(Object.fromEntries(used.map(({ task, seeds }) => [task, seeds]))).mean;
    const left = found.length - counted.length;
    return [{
      claim,
      task: `${used.length} ${used.length === 1 ? "task" : "tasks"}`,
      over: "tasks",
      ours,
      verdict: counted.length === 0 ? "undecided" : judge(ours, claim),
      why: left === 0 ? "" : `the baseline has not learnt on ${left} of ${found.length} tasks, which do not count`,
      how: provenance(runs, used.map(({ task }) => task)),
      protocol: [...new Set(answers.map(({ protocol }) => protocol))].join("; "),
    }, ...answers];
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
    columns: [
      "paper",
      "claim",
      "quoted",
      "dataset",
      "wanted",
      "ours",
      "95 %",
      "seeds",
      "verdict",
      "note",
      "from",
      "protocol",
    ],
    rows: answers.map(({ claim, task, ours, verdict, why, how, protocol }) => [
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
      how,
      protocol,
    ]),
    notes: [
      "A claim holds if the whole interval is on the wanted side, does not hold if the whole interval is on the other, and is " +
      "undecided between; of one seed it is seen once at most. It is undecided, whatever the numbers, where the baseline is below the " +
      "data's mean or, by its whole interval, below BC. Over tasks: the mean of their means, its interval over the seeds of each. Quoted: " +
      "the paper's number, where it is verified.",
    ],
  };
}

/** The checklist in a line per answer, what was run first. */
export function claimLines(answers: readonly Answer[]): string[] {
  const marks: Record<Verdict, string> = {
    holds: "yes",
    "does not hold": "no",
    undecided: "open",
    "seen once": "once",
    "not run": "-",
  };
  const run = answers.filter(({ verdict }) => verdict !== "not run");
  const missing = answers.filter(({ verdict }) => verdict === "not run");
  const hints = [...new Set(missing.map(({ why }) => why))];
  return [
    ...run.map(({ claim, task, ours, verdict, why, how }) => {
      const measured = `${digits(ours!.mean)}${ours!.low === null ? "" : ` ${intervalText(ours!)}`}`;
      const notes = [how, why].filter(Boolean).join("; ");
      return `${marks[verdict].padStart(4)}  ${claim.paper}: ${claim.claim}; ${task}: ${measured}, wanted ${
        wanted(claim)
      } (${notes})`;
    }),
    ...hints.map((hint) => `   -  ${missing.filter(({ why }) => why === hint).length} claims not run: ${hint}`),
  ];
}
