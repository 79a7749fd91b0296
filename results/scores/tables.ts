/**
 * Scores as tables and figures.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import { heading } from "../../data/show/figure.ts";
import { placeLabels, type Rectangle } from "../../data/show/labels.ts";
import { accents, inks, methodScale } from "../../data/show/palette.ts";
import type { Table } from "../../data/show/table.ts";
import type { Evaluation } from "../cells/record.ts";
import { differencesOf, groupRules, wayLabel } from "./groups.ts";
import { mean } from "./mean.ts";
import { type Acting, actsAs } from "./measures.ts";
import { bootstrapMean, type Interval } from "./statistics.ts";

const number = (x: number, digits = 1) => x.toFixed(digits);

/** An interval as text. */
export const range = ({ low, high }: Interval, digits = 1) =>
  low === null || high === null ? "none (n = 1)" : `[${number(low, digits)}, ${number(high, digits)}]`;

const shift = ({ mean, low, high, n }: Interval, by: number): Interval => ({
  mean: mean + by,
  low: low === null ? null : low + by,
  high: high === null ? null : high + by,
  n,
});

/** Whether all times are of one sitting, not of each run's machine and moment. */
const ofOneSitting = (evaluations: readonly Evaluation[]) =>
  evaluations.every(({ environment }) => environment!.rules.every(({ together }) => together));

/** Scores of every way to act, their gain over the data, and their time. */
export function scoreTable(evaluations: readonly Evaluation[], notes: string[]): Table {
  const rows = groupRules(evaluations).map(({ task, method, acting, scores, actMs, datasetMean }) => {
    const score = bootstrapMean(scores);
    const gain = shift(score, -datasetMean);
    return [
      task,
      method,
      acting,
      number(score.mean),
      range(score),
      `${score.n} x ${scores[0].length}`,
      number(datasetMean),
      number(gain.mean),
      range(gain),
      number(mean(actMs), 3),
    ];
  });
  return {
    title: "Scores",
    numbers: ["score", "data", "gain", "ms per action"],
    columns: [
      "dataset",
      "method",
      "acting",
      "score",
      "95 %",
      "seeds x episodes",
      "data",
      "gain",
      "gain's 95 %",
      "ms per action",
    ],
    rows,
    notes: [
      "D4RL normalized score in d4rl physics. Intervals: bootstrap over seeds, then episodes; with fewer than five seeds take " +
      "them as exploratory. Data: the mean score of the dataset's own episodes; gain: score minus that. Datasets named -local " +
      "were made here, so their scores are not comparable with published tables." +
      (ofOneSitting(evaluations) ? " Times per action: untrained networks of the same settings, in one sitting." : ""),
      ...notes,
    ],
  };
}

/** The score of one way to act minus that of every other on the same task, and their times. */
export function differenceTable(
  evaluations: readonly Evaluation[],
  leading: Acting,
): Table {
  const groups = groupRules(evaluations);
  const rows = groups.filter(actsAs(leading)).flatMap((own) =>
    groups.filter((g) => g !== own && g.experiment === own.experiment && g.task === own.task).flatMap((other) => {
      const pairs = differencesOf(own, other);
      if (pairs === null) return [];
      const difference = bootstrapMean(pairs);
      return [[
        own.task,
        wayLabel(own),
        wayLabel(other),
        number(difference.mean),
        range(difference),
        `${pairs.length} x ${pairs[0].length}`,
        number(mean(other.actMs) / mean(own.actMs)),
      ]];
    })
  );
  return {
    title: "Paired differences",
    numbers: ["score", "times its time per action"],
    columns: ["dataset", "method", "minus", "score", "95 %", "seeds x episodes", "times its time per action"],
    rows,
    notes: ["Paired by seed and start state; intervals: bootstrap over seeds, then episodes. Times at batch 1."],
  };
}

/** What a figure says of data that are no benchmark's. */
export const ofLocal = (tasks: readonly string[]) =>
  tasks.some((task) => task.endsWith("-local")) ? " Data made here, not D4RL's." : "";

const several = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`;

/** Scores with intervals per method and acting rule, each seed's mean as a ring, the dataset's mean as a line. */
export function environmentFigure(evaluations: readonly Evaluation[]): TopLevelSpec {
  const groups = groupRules(evaluations);
  const summary = groups.map((g) => {
    const { mean, low, high, n } = bootstrapMean(g.scores);
    return { row: wayLabel(g), method: g.method, mean, low: low ?? mean, high: high ?? mean, n, said: number(mean) };
  });
  const seeds = groups.flatMap((g) => g.scores.map((s) => ({ row: wayLabel(g), method: g.method, score: mean(s) })));
  const { task, datasetMean } = groups[0];
  const y = { field: "row", type: "nominal", title: null, sort: null, axis: { labelLimit: 330, grid: true } };
  const most = Math.max(datasetMean, ...summary.map(({ high }) => high), ...seeds.map(({ score }) => score));
  const least = Math.min(0, datasetMean, ...summary.map(({ low }) => low), ...seeds.map(({ score }) => score));
  const scale = { domain: [least, least + (most - least) * 1.14 || 1], nice: false };
  const color = { field: "method", type: "nominal", scale: methodScale(summary.map((s) => s.method)), legend: null };
  const x = (field: string) => ({ field, type: "quantitative", title: "D4RL normalized score", scale });
  const counts = [...new Set(summary.map(({ n }) => several(n, "seed")))].join(" or ");
  const bars = summary.some(({ n }) => n > 1) ? " with its 95 % interval; rings: seeds" : ", which has no interval";
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: heading(
      task,
      `Dot: mean over ${counts}${bars}; dashed: the dataset's own mean, ${number(datasetMean)}.${ofLocal([task])}`,
      560,
    ),
    width: 340,
    height: { step: 22 },
    layer: [
      {
        data: { values: [{ mean: datasetMean }] },
        mark: { type: "rule", strokeDash: [5, 4], color: accents.data, size: 1.5 },
        encoding: { x: x("mean") },
      },
      {
        data: { values: summary.filter(({ n }) => n > 1) },
        mark: { type: "rule", size: 3, opacity: 0.55 },
        encoding: { y, x: x("low"), x2: { field: "high" }, color },
      },
      {
        data: { values: seeds },
        mark: { type: "point", size: 26, opacity: 1, strokeWidth: 1 },
        encoding: { y, x: x("score"), color },
      },
      {
        data: { values: summary },
        mark: { type: "circle", size: 70, opacity: 1 },
        encoding: { y, x: x("mean"), color },
      },
      {
        data: { values: summary.map((s) => ({ ...s, end: Math.max(s.high, s.mean) })) },
        mark: { type: "text", align: "left", dx: 8 },
        encoding: { y, x: x("end"), text: { field: "said" } },
      },
    ],
  } as TopLevelSpec;
}

interface SpeedPoint {
  method: string;
  kind: "one-step" | "iterative" | "own";
  line: string;
  label: string;
  ms: number;
  score: number;
  low: number;
  high: number;
}

function speedPoints(evaluations: readonly Evaluation[]): SpeedPoint[] {
  return groupRules(evaluations).map((g): SpeedPoint => {
    const { mean: score, low, high } = bootstrapMean(g.scores);
    const { sampling } = g.rule;
    const best = sampling && sampling.candidates > 1 ? `, best of ${sampling.candidates}` : "";
    return {
      method: g.method,
      kind: sampling ? "iterative" : g.rule.id === "own" ? "one-step" : "own",
      line: sampling ? `${g.method}, ${sampling.candidates > 1}` : wayLabel(g),
      label: sampling
        ? several(sampling.calls, "call") + best
        : g.rule.id === "own"
        ? g.method
        : g.acting.replace("softmax", "one"),
      ms: mean(g.actMs),
      score,
      low: low ?? score,
      high: high ?? score,
    };
  });
}

/** Pixels from which a label has a line to its point. */
const farLabel = 12;

/** What a line between two points takes of a panel. */
const dots = (from: { x: number; y: number }, to: { x: number; y: number }): Rectangle[] =>
  Array.from({ length: 21 }, (_, i) => {
    const [x, y] = [from.x + (to.x - from.x) * i / 20, from.y + (to.y - from.y) * i / 20];
    return { left: x - 2, right: x + 2, top: y - 1, bottom: y + 1 };
  });

/** Those that no other beats in both score and time, fastest first. */
const frontierOf = (points: readonly SpeedPoint[]): SpeedPoint[] =>
  points.filter((p) => !points.some((q) => q !== p && q.ms <= p.ms && q.score >= p.score))
    .toSorted((a, b) => a.ms - b.ms);

/**
 * Score against milliseconds per action: one-step policies, iterative sampling at each number of calls, the frontier of what none
 * beats, and how many times faster the best one-step policy is than the best iterative one, as an arrow.
 */
export function speedFigure(evaluations: readonly Evaluation[]): TopLevelSpec {
  const tasks = [...new Set(evaluations.map(({ cell }) => cell.task))];
  const [width, height] = [tasks.length > 1 ? 320 : 420, 290];
  const methods = methodScale(groupRules(evaluations).map(({ method }) => method));
  const panels = tasks.map((task) => {
    const values = speedPoints(evaluations.filter(({ cell }) => cell.task === task));
    const times = values.map(({ ms }) => Math.log10(ms));
    const [fast, slow] = [Math.min(...times) - 0.4, Math.max(...times) + 0.8];
    const ends = values.flatMap(({ low, high }) => [low, high]);
    const least = Math.min(0, ...ends);
    const span = Math.max(...ends) - least || 1;
    const [bottom, top] = [least - 0.06 * span, least + 1.12 * span];
    const pixel = ({ ms, score }: { ms: number; score: number }) => ({
      x: (Math.log10(ms) - fast) / (slow - fast) * width,
      y: (top - score) / (top - bottom) * height,
    });
    const iterative = values.filter(({ kind }) => kind === "iterative");
    const lines = [...Map.groupBy(iterative, ({ line }) => line).values()].flatMap((own) =>
      own.slice(1).flatMap((v, i) => dots(pixel(own[i]), pixel(v)))
    );
    const places = placeLabels(
      values.map((v) => ({
        ...pixel(v),
        label: v.label,
        bar: [pixel({ ...v, score: v.high }).y, pixel({ ...v, score: v.low }).y] as const,
      })),
      width,
      height,
      10,
      [
        { left: 0, right: width, top: 0, bottom: 26 },
        ...frontierOf(values).slice(0, -1).map((v, i, all) => ({
          left: pixel(v).x,
          right: pixel(all[i + 1] ?? frontierOf(values).at(-1)!).x,
          top: pixel(v).y - 1,
          bottom: pixel(v).y + 1,
        })),
        ...lines,
      ], // The arrow, the frontier and the lines.
    );
    const valueAt = ({ x, y }: { x: number; y: number }) => ({
      ms: 10 ** (fast + x / width * (slow - fast)),
      score: top - y / height * (top - bottom),
    });
    const labels = values.map((v, i) => ({ ...v, ...valueAt(places[i]) }));
    const far = values.flatMap((v, i) => {
      const [{ x, y }, { near }] = [pixel(v), places[i]];
      const isAlongBar = Math.abs(near.x - x) < 3; // It would seem part of the interval.
      if (isAlongBar || Math.hypot(near.x - x, near.y - y) < farLabel) return [];
      const end = valueAt(near);
      return [{ ...v, endMs: end.ms, endScore: end.score }];
    });
    const x = {
      field: "ms",
      type: "quantitative",
      title: "ms per action",
      scale: { type: "log", domain: [10 ** fast, 10 ** slow], nice: false },
      axis: { values: [0.001, 0.01, 0.1, 1, 10, 100, 1000], format: "~g" },
    };
    const y = {
      field: "score",
      type: "quantitative",
      title: "D4RL normalized score",
      scale: { domain: [bottom, top], nice: false },
    };
    const color = { field: "method", type: "nominal", scale: methods, legend: null };
    return {
      title: { text: task, fontSize: 11, fontWeight: "normal", offset: 4 },
      width,
      height,
      layer: [
        {
          data: { values: frontierOf(values) },
          mark: { type: "line", interpolate: "step-after", color: inks.frame[0], strokeDash: [2, 3] },
          encoding: { x, y },
        },
        {
          data: { values: iterative },
          mark: { type: "line", strokeWidth: 1.2 },
          encoding: { x, y, color, detail: { field: "line" } },
        },
        {
          data: { values },
          mark: { type: "rule", strokeWidth: 1.2, opacity: 0.5 },
          encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color },
        },
        {
          data: { values },
          mark: { type: "point", filled: true, size: 55, opacity: 1 },
          encoding: {
            x,
            y,
            color,
            shape: {
              field: "kind",
              type: "nominal",
              scale: { domain: ["one-step", "iterative", "own"], range: ["circle", "diamond", "square"] },
              legend: null,
            },
          },
        },
        {
          data: { values: far },
          mark: { type: "rule", strokeWidth: 0.7 },
          encoding: { x, y, x2: { field: "endMs" }, y2: { field: "endScore" }, color },
        },
        { data: { values: labels }, mark: "text", encoding: { x, y, text: { field: "label" }, color } },
        ...factorArrow(values, x, y, top - (top - bottom) * 0.035),
      ],
    };
  });
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: heading(
      "Score against time per action",
      "Circles: one sample per action; squares: one of several, same colour; diamonds: the same behaviour network, sampled with as many " +
        `calls as said. Bars: 95 % intervals over seeds; dotted: what none beats in both. Batch 1, one thread, ${
          ofOneSitting(evaluations) ? "in one sitting" : "each run's machine"
        }.${ofLocal(tasks)}`,
      Math.min(tasks.length, 2) * (width + 50),
    ),
    concat: panels,
    columns: 2,
    spacing: 24,
  } as TopLevelSpec;
}

/** From the best iterative policy's time to the best one-step policy's. */
function factorArrow(values: readonly SpeedPoint[], x: object, y: object, score: number): unknown[] {
  const bestOf = (kind: SpeedPoint["kind"]) =>
    values.filter((v) => v.kind === kind).toSorted((a, b) => b.score - a.score)[0];
  const [one, many] = [bestOf("one-step"), bestOf("iterative")];
  if (!one || !many || many.ms < 1.2 * one.ms) return [];
  const factor = many.ms / one.ms;
  const row = { ms: one.ms, from: many.ms, middle: Math.sqrt(one.ms * many.ms), score };
  const data = { values: [{ ...row, text: `${factor < 10 ? factor.toFixed(1) : factor.toFixed(0)} times faster` }] };
  const [color] = inks.ink;
  return [
    { data, mark: { type: "rule", color }, encoding: { x, x2: { field: "from" }, y } },
    {
      data,
      mark: { type: "point", shape: "triangle-left", filled: true, size: 45, color, opacity: 1 },
      encoding: { x, y },
    },
    {
      data,
      mark: { type: "text", dy: 10, fontWeight: "bold" },
      encoding: { x: { ...x, field: "middle" }, y, text: { field: "text" } },
    },
  ];
}
