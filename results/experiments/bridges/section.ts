/**
 * The grid on bandits as tables and as one picture.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import { type BridgeName, bridges, teacherNames } from "../../../algorithms/bridges/mod.ts";
import type { Table } from "../../../data/show/table.ts";
import { mean } from "../../scores/mean.ts";
import { bootstrapMean } from "../../scores/statistics.ts";
import { range } from "../../scores/tables.ts";
import { type BridgeRun, configOf, imitating, isStudent, sharesOf, valued } from "./claims.ts";
import { bridgeBandit, type BridgeMetrics } from "./study.ts";
import { teacherTitles } from "./titles.ts";

const allBridges = Object.keys(bridges) as BridgeName[];
/** Columns of the grid: the teacher's own samples, then the bridges. */
const columns = ["teacher", ...allBridges] as const;

/** The column of a cell. */
const columnOf = (run: BridgeRun) => isStudent(run) ? configOf(run).bridge : "teacher";
const columnTitle = (column: typeof columns[number]) => column === "teacher" ? "The teacher" : bridges[column].title;

/** The two conditions: what a student follows. */
const conditions = [
  { name: "imitation", title: "Without a value", runs: imitating },
  { name: "value", title: "With a value", runs: valued },
] as const;

/** The cells of one place of the grid, over seeds. */
function cellsOf(runs: readonly BridgeRun[]) {
  const key = (run: BridgeRun) => JSON.stringify([run.cell.task, configOf(run).teacher, columnOf(run)]);
  return [...Map.groupBy(runs, key).values()];
}

/** Means over seeds, a row per teacher and bridge. */
export function bridgeTable(runs: readonly BridgeRun[], notes: string[]): Table {
  const numbers = ["distance", "largest", "reward", "modes, %", "at the best, %", "training, s", "seeds"];
  const rows = conditions.flatMap(({ title, runs: of }) =>
    cellsOf(of(runs.filter((run) => isStudent(run) || of === valued))).map((own) => {
      const [{ cell }] = own;
      const measured = own.flatMap(({ result }) => result.metrics ?? []);
      const number = (name: keyof BridgeMetrics, factor = 1, digits = 2) =>
        measured.length === 0 ? "" : (factor * mean(measured.map((m) => m[name]))).toFixed(digits);
      const diverged = own.flatMap(({ cell, result }) =>
        result.diverged === null ? [] : [`seed ${cell.seed} diverged: ${result.diverged}`]
      );
      return [
        cell.task,
        isStudent(own[0]) ? title : "",
        teacherTitles[configOf(own[0]).teacher],
        columnTitle(columnOf(own[0])),
        number("nearestMean"),
        number("nearestMax"),
        number("reward"),
        number("covered", 100, 0),
        number("best", 100, 0),
        mean(own.map(({ trainingMs }) => trainingMs / 1000)).toFixed(1),
        `${own.length}`,
        diverged.join("; "),
      ];
    })
  );
  return {
    title: "Teachers and bridges on bandits",
    columns: ["bandit", "student", "teacher", "bridge", ...numbers, "remark"],
    numbers,
    rows,
    notes: [
      "Distance of a sample to the nearest data action (mean, largest) and that action's reward; modes: the share that has at least a quarter " +
      "of its share of samples; at the best: the share of samples within three deviations of a mode of the best mean reward. Means over seeds. " +
      "A cell counts as diverged if a loss is no finite number or more than half of its samples are at the bound of actions. Training is the " +
      "student's alone.",
      ...notes,
    ],
  };
}

/** What each bridge does over all teachers, with intervals over seeds, and shares of variance. */
export function bridgeSummary(runs: readonly BridgeRun[]): Table {
  const rows = conditions.flatMap(({ title, runs: of }) =>
    [...Map.groupBy(of(runs).filter(isStudent), ({ cell }) => cell.task)].flatMap(([task, own]) => {
      const bySeed = [...Map.groupBy(own, ({ cell }) => cell.seed).values()];
      const text = (numbers: number[], factor = 1, digits = 2) => {
        const { mean: middle, low, high, n } = bootstrapMean(numbers.map((x) => [factor * x]));
        return [middle.toFixed(digits), range({ mean: middle, low, high, n }, digits)];
      };
      const taught = bySeed.map((students) => students.filter((run) => configOf(run).teacher !== "none"));
      const each = allBridges.map((bridge) => {
        const per = taught.map((students) => students.filter((run) => configOf(run).bridge === bridge))
          .filter((students) => students.length > 0);
        if (per.length === 0) return null;
        const number = (name: keyof BridgeMetrics, factor = 1) =>
          text(
            per.map((students) => mean(students.map(({ result }) => result.diverged ? 0 : result.metrics![name]))),
            factor,
          );
        return [
          task,
          title,
          bridges[bridge].title,
          ...number("reward"),
          ...number("covered", 100),
          ...number("best", 100),
        ];
      }).filter((row) => row !== null);
      const shares = (name: keyof BridgeMetrics) =>
        taught.map((students) => sharesOf(students, ({ result }) => result.diverged ? 0 : result.metrics![name]))
          .filter((found) => found !== null);
      const share = (who: "teacher" | "bridge") =>
        (["reward", "covered", "best"] as const).flatMap((name) => text(shares(name).map((s) => 100 * s[who]), 1, 0));
      if (shares("reward").length === 0) return each;
      return [
        ...each,
        [task, title, "% of variance: bridge", ...share("bridge")],
        [task, title, "% of variance: teacher", ...share("teacher")],
      ];
    })
  );
  return {
    title: "What bridges do, over all teachers",
    columns: ["bandit", "student", "bridge", "reward", "95 %", "modes, %", "95 %", "at the best, %", "95 %"],
    numbers: ["reward", "modes, %", "at the best, %"],
    rows,
    notes: [
      "Means over teachers, a diverged cell counting as 0; intervals: bootstrap over seeds. Variance: sums of squares between bridges and " +
      "between teachers over the total one; the rest is what both do together.",
    ],
  };
}

/** Samples that a panel shows. */
const shown = 300;

/** The grid of one bandit and condition: rows teachers, columns bridges, the data's density in grey, samples in red. */
function gridFigure(task: string, condition: typeof conditions[number], runs: readonly BridgeRun[]): TopLevelSpec {
  const { bandit } = bridgeBandit(task);
  const edge = 1.15 * bandit.maxAction;
  const size = 2 * edge / 48;
  const counts = new Map<string, number>();
  for (let i = 0; i < bandit.rewards.length; i++) {
    const at = [0, 1].map((d) => Math.floor(bandit.actions[2 * i + d] / size));
    counts.set(`${at}`, (counts.get(`${at}`) ?? 0) + 1);
  }
  const density = [...counts].map(([key, count]) => {
    const [x, y] = key.split(",").map((k) => Number((Number(k) * size).toFixed(3)));
    return { x, y, x2: x + size, y2: y + size, count };
  });
  const scale = { domain: [-edge, edge] };
  const place = {
    x: { field: "x", type: "quantitative", scale, axis: null },
    y: { field: "y", type: "quantitative", scale, axis: null },
  };
  const background = {
    data: { name: "density" },
    mark: { type: "rect", clip: true },
    encoding: {
      ...place,
      x2: { field: "x2" },
      y2: { field: "y2" },
      color: {
        field: "count",
        type: "quantitative",
        legend: null,
        scale: { range: ["#d9dce1", "#60646c"] },
      },
    },
  };
  const seed = Math.min(...runs.map(({ cell }) => cell.seed));
  const own = runs.filter(({ cell }) => cell.task === task && cell.seed === seed);
  const used = columns.filter((column) => own.some((run) => columnOf(run) === column));
  const said = (text: string) => ({
    data: { values: [{ x: 0, y: 0, text }] },
    mark: { type: "text", fontSize: 9, color: "#b4231f", lineBreak: "|" },
    encoding: { ...place, text: { field: "text" } },
  });
  const rows = teacherNames.filter((name) => own.some((run) => configOf(run).teacher === name)).map((teacher) => ({
    hconcat: used.map((column) => {
      const run = own.find((run) => configOf(run).teacher === teacher && columnOf(run) === column);
      const frame = {
        width: 92,
        height: 92,
        title: { text: [teacherTitles[teacher], columnTitle(column)], fontSize: 8.5 },
      };
      if (!run) return { ...frame, layer: [{ ...said("undefined"), encoding: { ...place, text: { field: "text" } } }] };
      const { samples, diverged } = run.result;
      const values = Array.from({ length: Math.min(samples.length / 2, shown) }, (_, i) => ({
        x: samples[2 * i],
        y: samples[2 * i + 1],
      }));
      const points = {
        data: { values },
        mark: { type: "circle", size: 5, color: "#e6194b", opacity: 1, fillOpacity: 0.55, clip: true },
        encoding: place,
      };
      return { ...frame, layer: [background, points, ...(diverged === null ? [] : [said("diverged")])] };
    }),
  }));
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: `Teachers and bridges on ${task}: ${condition.title.toLowerCase()}`,
      subtitle:
        `Rows: teachers. Columns: bridges. Grey: the data. Red: ${shown} samples of each one-step student, seed ${seed}.`,
    },
    datasets: { density },
    spacing: 8,
    vconcat: rows,
    config: { concat: { spacing: 6 } },
    resolve: { scale: { color: "independent" } },
  } as TopLevelSpec;
}

/** A picture of each bandit and condition. */
export function bridgeFigures(runs: readonly BridgeRun[]): Record<string, TopLevelSpec> {
  return Object.fromEntries(
    [...new Set(runs.map(({ cell }) => cell.task))].flatMap((task) =>
      conditions.flatMap((condition) => {
        const own = [
          ...condition.runs(runs.filter(isStudent)),
          ...runs.filter((run) => !isStudent(run)),
        ].filter(({ cell }) => cell.task === task);
        return own.some(isStudent) ? [[`bridges_${task}_${condition.name}`, gridFigure(task, condition, own)]] : [];
      })
    ),
  );
}
