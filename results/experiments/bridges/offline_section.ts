/**
 * The grid on datasets: scores, what students keep of their teachers' score, and how far their actions are from the data's.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import { type BridgeName, bridges } from "../../../algorithms/bridges/mod.ts";
import type { Table } from "../../../data/show/table.ts";
import type { Evaluation } from "../../cells/record.ts";
import { differencesOf, groupRules } from "../../scores/groups.ts";
import { mean } from "../../scores/mean.ts";
import { type Measured, measured } from "../../scores/measures.ts";
import { bootstrapMean, type Interval } from "../../scores/statistics.ts";
import { range, speedFigure } from "../../scores/tables.ts";
import type { Claim, Exhibits } from "../experiment.ts";
import { scoredSection } from "../scored_section.ts";
import { bridgeOverTeacher, configOf, isStudent, perSeed, sharesOf } from "./claims.ts";
import { type BridgeDistances, bridgeLabel } from "./offline.ts";
import { teacherTitles } from "./titles.ts";

/** A finished cell on a dataset. */
export type BridgeOfflineRun = Evaluation<BridgeDistances>;

/** The mean score of a cell's own rule. */
const scoreOf = ({ environment }: BridgeOfflineRun): number =>
  mean(environment!.rules.find(({ rule }) => rule.id === "own")!.scores);

/** Every student's scores beside those of its teacher, whose candidates the same critic judged. */
function besideTeachers(runs: readonly BridgeOfflineRun[]) {
  const groups = groupRules(runs);
  const of = (run: BridgeOfflineRun, id: string) =>
    groups.find(({ task, algorithm, rule }) =>
      task === run.cell.task && algorithm === run.cell.algorithm && rule.id === id &&
      rule.label.startsWith(bridgeLabel(run.cell))
    );
  const students = [...Map.groupBy(runs.filter(isStudent), ({ cell }) => `${cell.task} ${bridgeLabel(cell)}`).values()];
  return students.flatMap((cells) => {
    const teacher = runs.find((run) =>
      !isStudent(run) && run.cell.task === cells[0].cell.task && configOf(run).teacher === configOf(cells[0]).teacher
    );
    const [own, other] = [of(cells[0], "own")!, teacher && of(teacher, "softmax")];
    return [{ cells, own, differences: other ? differencesOf(own, other) : null }];
  });
}

const retention = ({ differences }: { differences: number[][] | null }) => differences && bootstrapMean(differences);

const scoreColumns = ["weight", "score", "95 %", "less the teacher's", "its 95 %"];

/** A row per student: score, score less the teacher's, distance, times. */
export function bridgeScores(runs: readonly BridgeOfflineRun[], notes: string[]): Table {
  const rows = besideTeachers(runs).map((row) => {
    const { cells, own } = row;
    const [score, kept] = [bootstrapMean(own.scores), retention(row)];
    const { teacher, bridge, bridgeWeight } = configOf(cells[0]);
    const diverged = cells.flatMap(({ cell, result }) =>
      result.diverged ? [`seed ${cell.seed}: ${result.diverged}`] : []
    );
    return [
      own.task,
      teacherTitles[teacher],
      bridges[bridge].title,
      `${bridgeWeight}`,
      score.mean.toFixed(1),
      range(score),
      kept ? kept.mean.toFixed(1) : "",
      kept ? range(kept) : "",
      mean(cells.map(({ result }) => result.distance)).toFixed(3),
      mean(cells.map(({ result }) => result.data)).toFixed(3),
      mean(cells.map(({ trainingMs }) => trainingMs / 1000)).toFixed(0),
      mean(own.actMs).toFixed(3),
      `${score.n}`,
      diverged.join("; "),
    ];
  });
  const numbers = [
    "weight",
    "score",
    "less the teacher's",
    "distance",
    "the data's",
    "training, s",
    "ms per action",
    "seeds",
  ];
  return {
    title: "Teachers and bridges on datasets",
    columns: ["dataset", "teacher", "bridge", ...scoreColumns, ...numbers.slice(3), "remark"],
    numbers,
    rows,
    notes: [
      "Less the teacher's: paired by seed and start state with the teacher's own samples, one of 16 drawn by softmax of the same critic. " +
      "Distance: root mean square per dimension from the action to the nearest of those that the data took in the 16 nearest of 20,000 states, " +
      "in 500 states; the data's: of their own actions. Training: the student's alone; teacher and critic are the same for a row.",
      ...notes,
    ],
  };
}

/** Mean over some students of their score less their teacher's, seed by seed; null where no teacher is. */
function keptBySeed(rows: ReturnType<typeof besideTeachers>): number[][] | null {
  const taught = rows.flatMap(({ differences }) => differences === null ? [] : [differences]);
  if (taught.length === 0) return null;
  const seeds = Math.min(...taught.map((differences) => differences.length));
  return Array.from({ length: seeds }, (_, i) => [mean(taught.map((differences) => mean(differences[i])))]);
}

/** What each bridge does over the teachers of a dataset, with intervals over seeds, and shares of variance. */
export function bridgeOfflineSummary(runs: readonly BridgeOfflineRun[]): Table {
  const text = (interval: Interval, digits = 1) => [interval.mean.toFixed(digits), range(interval, digits)];
  const rows = [...Map.groupBy(runs, ({ cell }) => cell.task)].flatMap(([task, own]) => {
    const beside = besideTeachers(own);
    const each = (Object.keys(bridges) as BridgeName[]).flatMap((bridge) => {
      const over = (number: (run: BridgeOfflineRun) => number) =>
        perSeed(own, (students) => {
          const found = students.filter((run) => configOf(run).bridge === bridge && configOf(run).teacher !== "none");
          return found.length === 0 ? null : mean(found.map(number));
        });
      const [score] = over(scoreOf);
      if (!score) return [];
      const students = beside.filter(({ cells }) => configOf(cells[0]).bridge === bridge);
      const less = keptBySeed(students);
      return [[
        task,
        bridges[bridge].title,
        `${configOf(students[0].cells[0]).bridgeWeight}`,
        ...text(score.ours),
        ...(less ? text(bootstrapMean(less)) : ["", ""]),
        over(({ result }) => result.distance)[0].ours.mean.toFixed(3),
        over(({ trainingMs }) => trainingMs / 1000)[0].ours.mean.toFixed(0),
        mean(students.flatMap(({ own }) => own.actMs)).toFixed(3),
      ]];
    });
    const share = (who: "bridge" | "teacher") =>
      perSeed(own, (students) => {
        const shares = sharesOf(students, scoreOf);
        return shares && 100 * shares[who];
      }).map(({ ours }) => [task, `% of variance: ${who}`, "", ...text(ours, 0), "", "", "", "", ""]);
    return [...each, ...share("bridge"), ...share("teacher")];
  });
  const costs = ["distance", "training, s", "ms per action"];
  return {
    title: "What bridges do on datasets, over all teachers",
    columns: ["dataset", "bridge", ...scoreColumns, ...costs],
    numbers: ["weight", "score", "less the teacher's", ...costs],
    rows,
    notes: [
      "Means over teachers of what the students' table has; intervals: bootstrap over seeds. Variance: sums of squares between bridges and between teachers over the total " +
      "one; the rest is what both do together.",
    ],
  };
}

/** Scores as a grid: rows teachers, columns the teacher by its own sampler and the bridges. */
function scoresFigure(runs: readonly BridgeOfflineRun[]): TopLevelSpec {
  const own = "The teacher";
  const panels = [...Map.groupBy(runs, ({ cell }) => cell.task)].map(([task, cells]) => {
    const values = [
      ...besideTeachers(cells).map(({ cells, own }) => ({
        teacher: teacherTitles[configOf(cells[0]).teacher],
        bridge: bridges[configOf(cells[0]).bridge].title,
        score: bootstrapMean(own.scores).mean,
      })),
      ...groupRules(cells.filter((run) => !isStudent(run))).filter(({ rule }) => rule.id === "softmax").map((
        group,
      ) => ({
        teacher: Object.values(teacherTitles).find((title) => group.rule.label.startsWith(title))!,
        bridge: own,
        score: bootstrapMean(group.scores).mean,
      })),
    ].map((value) => ({ ...value, text: value.score.toFixed(1) }));
    const encoding = {
      x: {
        field: "bridge",
        type: "nominal",
        title: null,
        sort: [own, ...Object.values(bridges).map(({ title }) => title)],
        axis: { orient: "top", labelAngle: 0, ticks: false, domain: false },
      },
      y: {
        field: "teacher",
        type: "nominal",
        title: null,
        sort: Object.values(teacherTitles),
        axis: { ticks: false, domain: false },
      },
    };
    const most = Math.max(...values.map(({ score }) => score));
    return {
      title: { text: task, fontSize: 12, fontWeight: "normal" },
      width: { step: 102 },
      height: { step: 30 },
      data: { values },
      layer: [
        {
          mark: "rect",
          encoding: {
            ...encoding,
            color: {
              field: "score",
              type: "quantitative",
              legend: null,
              scale: { range: ["#f2f4f8", "#2b5c8a"], domain: [0, most] },
            },
          },
        },
        {
          mark: { type: "text", fontSize: 12 },
          encoding: {
            ...encoding,
            text: { field: "text" },
            color: { condition: { test: `datum.score > ${0.6 * most}`, value: "#ffffff" }, value: "#1c2733" },
          },
        },
      ],
      resolve: { scale: { color: "independent" } },
    };
  });
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: "Teachers and bridges on datasets",
      subtitle: [
        "D4RL normalized score, mean over seeds. Rows: teachers. Columns: one-step students by bridge; the teacher itself by",
        "its sampler, one of 16 samples by softmax of the same critic. Local data.",
      ],
    },
    vconcat: panels,
    resolve: { scale: { color: "independent" } },
  } as TopLevelSpec;
}

/** Pictures of the grid on datasets. */
export const bridgeOfflineFigures = (runs: readonly BridgeOfflineRun[]): Record<string, TopLevelSpec> =>
  runs.some(isStudent)
    ? { bridges_offline_scores: scoresFigure(runs), bridges_offline_distance: distanceFigure(runs) }
    : {};

/** Score against distance to the data, by bridge. */
function distanceFigure(runs: readonly BridgeOfflineRun[]): TopLevelSpec {
  const tasks = [...new Set(runs.map(({ cell }) => cell.task))];
  const panels = tasks.map((task) => {
    const own = runs.filter((run) => isStudent(run) && run.cell.task === task);
    const values = own.map((run) => ({
      bridge: bridges[configOf(run).bridge].title,
      teacher: teacherTitles[configOf(run).teacher],
      score: scoreOf(run),
      distance: run.result.distance,
    }));
    const scale = { zero: false };
    return {
      title: { text: task, fontSize: 12, fontWeight: "normal" },
      width: 380,
      height: 280,
      layer: [
        {
          data: { values: [{ distance: mean(own.map(({ result }) => result.data)) }] },
          mark: { type: "rule", strokeDash: [5, 4], color: "#d94801" },
          encoding: { x: { field: "distance", type: "quantitative" } },
        },
        {
          data: { values },
          mark: { type: "point", filled: true, size: 60, opacity: 0.85 },
          encoding: {
            x: { field: "distance", type: "quantitative", title: "distance of actions to the data's", scale },
            y: { field: "score", type: "quantitative", title: "D4RL normalized score", scale },
            color: { field: "bridge", type: "nominal", title: null },
            shape: { field: "teacher", type: "nominal", title: null },
          },
        },
      ],
    };
  });
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: "Teachers and bridges: score against distance to the data",
      subtitle: "A point per student and seed; dashed: the data's own actions. Local data.",
    },
    hconcat: panels,
  } as TopLevelSpec;
}

/** The part of the report. */
export function bridgeOfflineSection(runs: readonly BridgeOfflineRun[], notes: string[]): Exhibits {
  const { tables, figures } = scoredSection("bridges_offline", runs, notes);
  return {
    tables: {
      ...tables,
      ...(runs.some(isStudent)
        ? { bridges_offline_summary: bridgeOfflineSummary(runs), bridges_offline: bridgeScores(runs, notes) }
        : {}),
    },
    figures: {
      ...figures,
      bridges_offline_speed: speedFigure(runs),
      ...bridgeOfflineFigures(runs),
    },
  };
}

/** Scores of every weight that was tried, the best one marked, by dataset and bridge. */
export function weightsTable(runs: readonly BridgeOfflineRun[], notes: string[]): Table {
  const tried = [...Map.groupBy(runs, (run) => `${run.cell.task} ${configOf(run).bridge}`).values()];
  return {
    title: "Weights of bridges",
    columns: ["dataset", "bridge", "teacher", "weight", "score", "distance", "chosen"],
    numbers: ["weight", "score", "distance"],
    rows: tried.flatMap((own) => {
      const weights = [...Map.groupBy(own, (run) => configOf(run).bridgeWeight)]
        .map(([weight, seeds]) => ({ weight, score: mean(seeds.map(scoreOf)), seeds }));
      const best = Math.max(...weights.map(({ score }) => score));
      return weights.map(({ weight, score, seeds }) => [
        own[0].cell.task,
        bridges[configOf(own[0]).bridge].title,
        teacherTitles[configOf(own[0]).teacher],
        `${weight}`,
        score.toFixed(1),
        mean(seeds.map(({ result }) => result.distance)).toFixed(3),
        score === best ? "yes" : "",
      ]);
    }),
    notes: ["As many trials for each bridge, with the teacher of its paper, on a seed of its own.", ...notes],
  };
}

/** Mean over students of a dataset of their score less their teacher's, seed by seed. */
const kept = (runs: readonly BridgeOfflineRun[]): Measured[] =>
  [...Map.groupBy(besideTeachers(runs), ({ own }) => own.task)].flatMap(([task, students]) => {
    const bySeed = keptBySeed(students);
    return bySeed ? [measured(task, bySeed)] : [];
  });

const common = {
  paper: "grid",
  source: "our question, of the grid of teachers and bridges",
  mark: "ours",
  quoted: "no number",
} as const;

/** The claims of the datasets; thresholds are ours, from before any run. */
export const bridgeOfflineClaims: readonly Claim<BridgeDistances>[] = [
  {
    ...common,
    id: "bridges-retention",
    claim: "One-step students keep their teacher's score: mean of the students' scores minus their teachers'",
    protocol:
      "teachers: one of 16 samples by softmax of the same critic; at most 5 points lost, a threshold of ours; that teachers " +
      "must have learnt was added after the runs",
    floor: { algorithm: "bridge_teacher", rule: "softmax", above: "data and BC" },
    atLeast: -5,
    measure: kept,
  },
  {
    ...common,
    id: "bridges-over-teachers-offline",
    claim:
      "The bridge matters more than the teacher on datasets: its share of the scores' variance minus the teacher's",
    protocol: "four teachers by seven bridges",
    atLeast: 0,
    measure: (runs) => bridgeOverTeacher(runs, scoreOf),
  },
];
