/**
 * What the papers claim, and what the finished cells say to it.
 *
 * Claims and quoted numbers stand in `claims.json`, each with its source and how it was verified.
 *
 * @module
 */

import type { Table } from "../data/show/table.ts";
import quotations from "./claims.json" with { type: "json" };
import { presetTask } from "./cell.ts";
import { scoreGapAtLoss } from "./diagnosis.ts";
import { differencesOf, groupLatencies, groupRules, type RuleScores, type RuleTimes } from "./scores.ts";
import { bootstrapMean, type Interval } from "./statistics.ts";
import type { Evaluation } from "./train.ts";

/** How a claim's words or a quoted number are known. */
export type Mark = keyof typeof quotations.marks;

/** A way to act; an asterisk at the end of `acting` stands for anything. */
interface Acting {
  algorithm: string;
  acting: string;
}

/** What must be at least or at most a number for a claim to hold. */
type Check =
  & { atLeast?: number; atMost?: number }
  & (
    | { kind: "score"; experiment: string; a: Acting; b: Acting }
    | { kind: "gain"; experiment: string; a: Acting }
    | { kind: "time"; experiment: string; a: Acting; b: Acting }
    | {
      kind: "bandit";
      algorithm: string;
      minus?: string;
      task: string;
      metric: "nearestMean" | "reward" | "modes";
    }
    | { kind: "diagnosis"; loss: "largest" | "smallest" }
    | { kind: "toy"; score: "exact" | "learned"; metric: "nearest" | "denser" }
  );

/** A claim that cells can answer. */
export interface Claim {
  id: string;
  paper: keyof typeof quotations.papers;
  claim: string;
  source: string;
  mark: Mark;
  /** The paper's number or words. */
  quoted: string;
  /** How what is done here differs in any profile; the settings of the cells say the rest. */
  protocol: string;
  check: Check;
}

/** Numbers that a paper prints, by task; columns are our algorithms' names or the paper's. */
export interface QuotedTable {
  id: string;
  paper: keyof typeof quotations.papers;
  source: string;
  mark: Mark;
  columns: string[];
  rows: Record<string, (number | null)[]>;
  /** How its policies act, as in a check; all ways if it is not said. */
  acting?: string;
  /** The paper's own plus-minus. */
  errors?: Record<string, (number | null)[]>;
}

/** All claims, in the order of the checklist. */
export const claims = quotations.claims as Claim[];

/** All quoted tables. */
export const quotedTables = quotations.tables as unknown as QuotedTable[];

/** Whether the finished cells bear a claim out; undecided: the interval holds the threshold. */
export type Verdict = "holds" | "does not hold" | "undecided" | "not run";

/** What the cells say to a claim on one task. */
export interface Answer {
  claim: Claim;
  task: string | null;
  ours: Interval | null;
  verdict: Verdict;
  /** Why it was not run, or how far the verdict goes. */
  why: string;
  /** How what was done differs from the paper. */
  protocol: string;
}

/** The verdict of an estimate: by its interval, or by itself where one seed allows none. */
export function judge({ mean, low, high }: Interval, { atLeast, atMost }: Pick<Check, "atLeast" | "atMost">): Verdict {
  const [least, most] = [low ?? mean, high ?? mean];
  const [from, to] = [atLeast ?? -Infinity, atMost ?? Infinity];
  if (least >= from && most <= to) return "holds";
  if (most < from || least > to) return "does not hold";
  return "undecided";
}

const matches = ({ algorithm, acting }: Acting) => (group: RuleTimes) =>
  group.algorithm === algorithm &&
  (acting.endsWith("*") ? group.acting.startsWith(acting.slice(0, -1)) : group.acting === acting);

type Measured = { task: string; ours: Interval }[];

function measure(check: Check, evaluations: readonly Evaluation[], groups: readonly RuleScores[]): Measured {
  switch (check.kind) {
    case "time": {
      const own = [...groups, ...groupLatencies(evaluations)].filter((g) => g.experiment === check.experiment);
      return own.filter(matches(check.a)).flatMap((a) => {
        const b = own.filter(({ task }) => task === a.task).find(matches(check.b));
        const ours = b && ratioOf(a, b);
        return ours ? [{ task: a.task, ours }] : [];
      });
    }
    case "score":
    case "gain": {
      const own = groups.filter(({ experiment }) => experiment === check.experiment);
      return own.filter(matches(check.a)).flatMap((a) => {
        if (check.kind === "gain") return [{ task: a.task, ours: gainOf(a) }];
        const b = own.filter(({ task }) => task === a.task).find(matches(check.b));
        const ours = b && scoreDifference(a, b);
        return ours ? [{ task: a.task, ours }] : [];
      });
    }
    case "bandit": {
      const of = (name: string) =>
        evaluations.filter(({ cell, bandit }) => bandit && cell.algorithm === name && cell.task === check.task);
      const values = of(check.algorithm).flatMap(({ cell, bandit }) => {
        const other = check.minus && of(check.minus).find((e) => e.cell.seed === cell.seed);
        if (check.minus && !other) return [];
        return [[bandit![check.metric]! - (other ? other.bandit![check.metric]! : 0)]];
      });
      return values.length === 0 ? [] : [{ task: check.task, ours: bootstrapMean(values) }];
    }
    case "diagnosis": {
      const cells = evaluations.filter((e) => e.diagnosis);
      return [...Map.groupBy(cells, ({ cell }) => cell.task)].map(([task, seeds]) => ({
        task,
        ours: bootstrapMean(seeds.map((e) => [scoreGapAtLoss(e, check.loss)])),
      }));
    }
    case "toy": {
      const toys = evaluations.filter((e) => e.toy);
      return [...new Set(toys.map(({ cell }) => cell.task))].map((task) => ({
        task,
        ours: bootstrapMean(
          toys.filter(({ cell }) => cell.task === task).map(({ toy }) => [toy![check.score][check.metric]]),
        ),
      }));
    }
  }
}

const gainOf = ({ scores, datasetMean }: RuleScores) =>
  bootstrapMean(scores.map((seed) => seed.map((score) => score - datasetMean)));

/** Time per action of `b` over that of `a`, seed by seed. */
function ratioOf(a: RuleTimes, b: RuleTimes): Interval | null {
  const common = a.seeds.filter((seed) => b.seeds.includes(seed));
  const at = (group: RuleTimes, seed: number) => group.actMs[group.seeds.indexOf(seed)];
  return common.length === 0 ? null : bootstrapMean(common.map((seed) => [at(b, seed) / at(a, seed)]));
}

/** Mean of the paired differences; null if there are none. */
function scoreDifference(a: RuleScores, b: RuleScores): Interval | null {
  const pairs = differencesOf(a, b);
  return pairs && bootstrapMean(pairs);
}

const experimentOf = (check: Check) =>
  "experiment" in check ? check.experiment : check.kind === "bandit" ? "bandits" : check.kind;

function protocolOf({ check, protocol }: Claim, task: string, evaluations: readonly Evaluation[]): string {
  const used = evaluations.find(({ cell }) => cell.experiment === experimentOf(check) && cell.task === task);
  const data = task.endsWith("-local") ? "data made here for D4RL's" : "";
  return [protocol, data, used?.cell.overridesSource].filter(Boolean).join("; ");
}

/** What finished cells say to every claim; `hint` tells how to run an experiment. */
export function answerClaims(
  evaluations: readonly Evaluation[],
  hint: (experiment: string) => string,
): Answer[] {
  const groups = groupRules(evaluations);
  return claims.flatMap((claim): Answer[] => {
    const measured = measure(claim.check, evaluations, groups);
    if (measured.length === 0) {
      const why = hint(experimentOf(claim.check));
      return [{ claim, task: null, ours: null, verdict: "not run", why, protocol: claim.protocol }];
    }
    return measured.map(({ task, ours }) => ({
      claim,
      task,
      ours,
      verdict: judge(ours, claim.check),
      why: ours.n === 1 ? "one seed" : "",
      protocol: protocolOf(claim, task, evaluations),
    }));
  });
}

/** The paper's number or words; empty where they are not verified. */
export const shownQuote = ({ mark, quoted }: Claim) => mark === "unverified" || mark === "ours" ? "" : quoted;

/** The wanted side of a check in words. */
export const wanted = ({ atLeast, atMost }: Check) =>
  atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`;

/** A number with as many digits as it bears. */
export const digits = (x: number) => Math.abs(x) >= 1e5 ? x.toExponential(1) : x.toFixed(Math.abs(x) < 10 ? 2 : 1);
/** An interval; empty where there is none. */
export const intervalText = ({ low, high }: Interval) =>
  low === null || high === null ? "" : `[${digits(low)}, ${digits(high)}]`;

/** The checklist as a table. */
export function claimsTable(answers: readonly Answer[]): Table {
  return {
    title: "Claims",
    columns: ["paper", "claim", "quoted", "dataset", "wanted", "ours", "95 %", "seeds", "verdict", "note", "protocol"],
    rows: answers.map(({ claim, task, ours, verdict, why, protocol }) => [
      claim.paper,
      claim.claim,
      shownQuote(claim),
      task ?? "",
      wanted(claim.check),
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
        wanted(claim.check)
      }`;
    }),
    ...hints.map((hint) => `   -  ${missing.filter(({ why }) => why === hint).length} claims not run: ${hint}`),
  ];
}

/** Our scores beside the quoted ones, on the papers' own datasets; unverified numbers are left out. */
export function quotedComparison(evaluations: readonly Evaluation[]): Table {
  const groups = groupRules(evaluations).filter(({ task, sampling }) => presetTask(task) === task && !sampling);
  const rows = quotedTables.filter(({ mark }) => mark !== "unverified").flatMap((
    { columns, rows, acting = "*", errors, paper, source },
  ) =>
    columns.flatMap((column, i) =>
      Object.entries(rows).flatMap(([task, values]) => {
        const quoted = values[i];
        if (quoted === null) return [];
        return groups.filter(matches({ algorithm: column, acting })).filter((group) => group.task === task).map(
          (group) => {
            const ours = bootstrapMean(group.scores);
            const error = errors?.[task][i];
            return [
              task,
              `${group.method}, ${group.acting}`,
              digits(ours.mean),
              intervalText(ours),
              `${ours.n}`,
              `${quoted}${error === undefined || error === null ? "" : ` ± ${error}`}`,
              `${paper}: ${source}`,
            ];
          },
        );
      })
    )
  );
  return {
    title: "Beside the papers' numbers",
    columns: ["dataset", "method", "ours", "95 %", "seeds", "quoted", "source"],
    rows,
    notes: ["Ours: last checkpoint, all seeds. Quoted numbers are as printed; their plus-minus is the papers' own."],
  };
}

/** Papers and marks by name. */
export const { papers, marks } = quotations;
