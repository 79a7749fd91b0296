/**
 * Scores over updates: what evaluations on the way said, kept, as a table and as a figure.
 *
 * @module
 */

import { type ColumnTable, table } from "arquero";
import { join } from "node:path";
import type { FigureSpec } from "../../data/show/figure.ts";
import { methodScale } from "../../data/show/palette.ts";
import { curveText, jupyterDisplay, showFigure, type Shown, shown } from "../../data/show/display.ts";
import type { Episode } from "../../environments/mod.ts";
import { writeAtomically, writeError } from "../../tools/files.ts";
import { bootstrapMean } from "../scores/statistics.ts";

/** One evaluation on the way. */
export interface ScorePoint {
  /** Gradient steps before it. */
  update: number;
  /** Candidates per action. */
  candidates: number;
  /** D4RL's normalized score of each episode. */
  scores: number[];
  /** The episodes. */
  episodes: Episode[];
}

const scoresName = "scores.jsonl";

/** The evaluations that a folder keeps; a line cut short is left out. */
export async function readScores(folder: string): Promise<ScorePoint[]> {
  let text: string;
  try {
    text = await Deno.readTextFile(join(folder, scoresName));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return text.split("\n").flatMap((line) => {
    try {
      const { update, candidates, scores, episodes } = JSON.parse(line);
      return Number.isInteger(update) && Array.isArray(scores) && Array.isArray(episodes)
        ? [{ update, candidates, scores, episodes }]
        : [];
    } catch {
      return [];
    }
  });
}

const lineOf = (point: ScorePoint) => `${JSON.stringify(point)}\n`;

/** Keeps exactly these evaluations. */
export const writeScores = (folder: string, points: readonly ScorePoint[]): Promise<void> =>
  writeAtomically(join(folder, scoresName), points.map(lineOf).join(""));

/** Adds an evaluation. */
export async function appendScore(folder: string, point: ScorePoint) {
  const path = join(folder, scoresName);
  try {
    await Deno.writeTextFile(path, lineOf(point), { append: true });
  } catch (error) {
    throw writeError(path, error);
  }
}

/** Whose curve it is. */
export interface CurveRun {
  /** Its name in the legend. */
  title: string;
  /** Where it played. */
  task: string | null;
  /** Of its training. */
  seed: number;
  /** Its evaluations. */
  points: readonly ScorePoint[];
}

/** Scores over updates: shows itself as a figure in a notebook and as a line in a terminal. */
export interface Curve extends Shown {
  /** One row per run and evaluation: `algorithm, task, seed, update, candidates, score, episodeReturn, episodes`. */
  readonly frame: ColumnTable;
  /** Every evaluation, in the order of the runs and their updates. */
  readonly points: readonly ScorePoint[];
  /** A Vega-Lite figure: the mean over seeds, with a band of its 95 % interval where there are several. */
  readonly figure: FigureSpec;
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** The curve of one run, or of several together. */
export function createCurve(runs: readonly CurveRun[]): Curve {
  const rows = runs.flatMap(({ title, task, seed, points }) =>
    points.map((point) => ({
      algorithm: title,
      task,
      seed,
      update: point.update,
      candidates: point.candidates,
      score: mean(point.scores),
      episodeReturn: mean(point.episodes.map(({ episodeReturn }) => episodeReturn)),
      episodes: point.episodes.length,
    }))
  );
  const names = ["algorithm", "task", "seed", "update", "candidates", "score", "episodeReturn", "episodes"] as const;
  const text = () =>
    runs.filter(({ points }) => points.length > 0).map(({ title, seed, points }) =>
      `${title}, seed ${seed}: ${curveText(points.map(({ scores }) => mean(scores)))}`
    ).join("\n") || "no score yet; give evaluateEvery";
  const figure = curveFigure(runs);
  return {
    frame: table(Object.fromEntries(names.map((name) => [name, rows.map((row) => row[name])]))),
    points: runs.flatMap(({ points }) => points),
    figure,
    ...shown(text, async () => {
      if (rows.length === 0) return {};
      return { ...await (await showFigure(figure))[jupyterDisplay](), "text/plain": text() };
    }),
  };
}

function curveFigure(runs: readonly CurveRun[]): FigureSpec {
  const groups = Map.groupBy(
    runs.flatMap((run) => run.points.map((point) => ({ ...run, ...point }))),
    (point) => `${point.title}/${point.task}/${point.update}`,
  );
  const values = [...groups.values()].map((points) => {
    const { mean, low, high, n } = bootstrapMean(points.map(({ scores }) => scores));
    const { title, task, update } = points[0];
    return { algorithm: title, task, update, score: mean, low: low ?? mean, high: high ?? mean, seeds: n };
  });
  const x = { field: "update", type: "quantitative", title: "updates", scale: { domainMin: 0 } };
  const y = (field: string) => ({ field, type: "quantitative", title: "D4RL normalized score" });
  const legend = {
    orient: "bottom",
    columns: 1,
    labelLimit: 420,
    symbolType: "stroke",
    symbolOpacity: 1,
    symbolStrokeWidth: 2,
  };
  const scale = methodScale(values.map(({ algorithm }) => algorithm));
  const color = { field: "algorithm", type: "nominal", title: null, scale, legend };
  const seeds = new Set(runs.map(({ seed }) => seed)).size;
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: "Scores over updates",
      subtitle: seeds > 1 ? `Means over ${seeds} seeds; bands: 95 % bootstrap over seeds and episodes.` : "One seed.",
    },
    width: 420,
    height: 240,
    data: { values },
    layer: [
      { mark: { type: "area", opacity: 0.18 }, encoding: { x, y: y("low"), y2: { field: "high" }, color } },
      { mark: { type: "line", strokeWidth: 2, point: { size: 25 } }, encoding: { x, y: y("score"), color } },
    ],
  } as FigureSpec;
}
