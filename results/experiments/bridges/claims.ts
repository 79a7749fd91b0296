/**
 * What the grid is asked; thresholds are ours, written down before any run.
 *
 * @module
 */

import { type BridgedConfig, type BridgeName, bridges, teacherNames } from "../../../algorithms/bridges/mod.ts";
import type { Evaluation } from "../../cells/record.ts";
import { mean } from "../../scores/mean.ts";
import { type Measured, measured } from "../../scores/measures.ts";
import type { Claim } from "../experiment.ts";
import type { BridgeMetrics, BridgeResult } from "./study.ts";

/** A finished cell on a bandit. */
export type BridgeRun = Evaluation<BridgeResult>;

/** The settings of a cell. */
export const configOf = ({ cell }: Pick<Evaluation, "cell">) => cell.config as BridgedConfig;
/** Whether a cell has a student, and not the teacher alone. */
export const isStudent = ({ cell }: Pick<Evaluation, "cell">): boolean => cell.algorithm === "bridged";

const allBridges = Object.keys(bridges) as BridgeName[];
const taughtBy = teacherNames.filter((name) => name !== "none");

/** Bridges whose pull is a gradient at the student's own action, without its entropy, and all others. */
export const seeking: readonly BridgeName[] = ["trust region", "score"];
export const covering: readonly BridgeName[] = allBridges.filter((bridge) => !seeking.includes(bridge));

/** A number of a cell; a diverged one has covered nothing and earned nothing. */
const numberOf = ({ result: { diverged, metrics } }: BridgeRun, name: keyof BridgeMetrics): number =>
  diverged === null ? metrics![name] : 0;

/** What `of` says of each seed's students on each task; nothing where it says nothing. */
export function perSeed<R>(
  runs: readonly Evaluation<R>[],
  of: (students: readonly Evaluation<R>[]) => number | null,
): Measured[] {
  return [...Map.groupBy(runs.filter(isStudent), ({ cell }) => cell.task)].flatMap(([task, own]) => {
    const bySeed = [...Map.groupBy(own, ({ cell }) => cell.seed).values()];
    const numbers = bySeed.map(of).filter((x) => x !== null);
    return numbers.length === 0 ? [] : [measured(task, numbers.map((x) => [x]))];
  });
}

/** The mean of a number over teachers, of some bridges; null without all of their cells. */
function meanOf(students: readonly BridgeRun[], names: readonly BridgeName[], number: keyof BridgeMetrics) {
  const own = students.filter((run) => names.includes(configOf(run).bridge) && configOf(run).teacher !== "none");
  return own.length < names.length * taughtBy.length ? null : mean(own.map((run) => numberOf(run, number)));
}

/** Shares of the variance of a number in the grid of teachers and bridges, without the cells that have no teacher. */
export interface VarianceShares {
  teacher: number;
  bridge: number;
}

/**
 * Sums of squares between rows and between columns over the total one, of numbers `[teacher][bridge]`; the rest is what a teacher and a
 * bridge do together.
 */
export function varianceShares(grid: readonly (readonly number[])[]): VarianceShares {
  const [rows, columns] = [grid.length, grid[0].length];
  const middle = mean(grid.flat());
  const sum = (values: readonly number[]) => values.reduce((total, x) => total + (x - middle) ** 2, 0);
  const total = sum(grid.flat());
  if (total === 0) return { teacher: 0, bridge: 0 };
  return {
    teacher: columns * sum(grid.map((row) => mean(row))) / total,
    bridge: rows * sum(grid[0].map((_, k) => mean(grid.map((row) => row[k])))) / total,
  };
}

/** The shares of students of one seed; null without the whole grid. */
export function sharesOf<R>(
  students: readonly Evaluation<R>[],
  number: (run: Evaluation<R>) => number,
): VarianceShares | null {
  const grid = taughtBy.map((teacher) =>
    allBridges.map((bridge) => {
      const found = students.find((run) => configOf(run).teacher === teacher && configOf(run).bridge === bridge);
      return found ? number(found) : NaN;
    })
  );
  return grid.flat().some(Number.isNaN) ? null : varianceShares(grid);
}

/** How much more of the variance is due to the bridge than to the teacher. */
export const bridgeOverTeacher = <R>(runs: readonly Evaluation<R>[], number: (run: Evaluation<R>) => number) =>
  perSeed(runs, (students) => {
    const shares = sharesOf(students, number);
    return shares && shares.bridge - shares.teacher;
  });

/** Cells whose students follow the value too, or the teacher alone. */
export const valued = (runs: readonly BridgeRun[]) => runs.filter((run) => configOf(run).valueWeight > 0);
export const imitating = (runs: readonly BridgeRun[]) => runs.filter((run) => configOf(run).valueWeight === 0);

const common = {
  paper: "grid",
  source: "our question, of the grid of teachers and bridges",
  mark: "ours",
  quoted: "no number",
  protocol: "mean over four teachers; a diverged cell counts as 0; the threshold is ours, from before any run",
} as const;

/** The claims of the bandits. */
export const bridgeClaims: readonly Claim<BridgeResult>[] = [
  {
    ...common,
    id: "bridges-trust-region-seeks",
    claim: "A trust region alone seeks modes: share of modes that its students cover, without a value",
    atMost: 0.5,
    measure: (runs) => perSeed(imitating(runs), (students) => meanOf(students, ["trust region"], "covered")),
  },
  {
    ...common,
    id: "bridges-others-cover",
    claim:
      "KL, paired regression, completion, consistency and composition cover modes: share of modes, without a value",
    atLeast: 0.8,
    measure: (runs) => perSeed(imitating(runs), (students) => meanOf(students, covering, "covered")),
  },
  {
    ...common,
    id: "bridges-seeking-finds-the-best",
    claim:
      "With a value, mode-seeking bridges are more at the best modes than covering ones: difference of shares of samples",
    atLeast: 0,
    measure: (runs) =>
      perSeed(valued(runs), (students) => {
        const [a, b] = [meanOf(students, seeking, "best"), meanOf(students, covering, "best")];
        return a === null || b === null ? null : a - b;
      }),
  },
  {
    ...common,
    id: "bridges-over-teachers",
    claim: "The bridge matters more than the teacher: its share of the rewards' variance minus the teacher's",
    protocol: "four teachers by seven bridges, with a value; a diverged cell counts as 0",
    atLeast: 0,
    measure: (runs) => bridgeOverTeacher(valued(runs), (run) => numberOf(run, "reward")),
  },
];
