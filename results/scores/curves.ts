/**
 * Scores over updates, of cells that were evaluated on their way.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import { heading } from "../../data/show/figure.ts";
import { accents, methodScale } from "../../data/show/palette.ts";
import { normalizedScore } from "../../environments/scores.ts";
import type { Evaluation, ScorePoint } from "../cells/record.ts";
import { bootstrapMean } from "./statistics.ts";

/** A run's evaluations on its way and at its end, in their order; none of studies without a policy of their own. */
export function scorePoints({ curve = [], environment, updates }: Evaluation): ScorePoint[] {
  const own = environment!.rules.find(({ rule }) => rule.id === "own");
  return [...curve, ...(own ? [{ update: updates, scores: own.scores }] : [])];
}

/** A panel per task: the mean over seeds of each method, with a band of its 95 % interval; the last point is the final evaluation. */
export function curvesFigure(evaluations: readonly Evaluation[]): TopLevelSpec {
  const points = evaluations.flatMap((run) =>
    scorePoints(run).map((point) => ({ task: run.cell.task, method: run.cell.title, ...point }))
  );
  const groups = Map.groupBy(points, ({ task, method, update }) => `${task}/${method}/${update}`);
  const values = [...groups.values()].map((own) => {
    const { mean, low, high } = bootstrapMean(own.map(({ scores }) => scores));
    const { task, method, update } = own[0];
    return { task, method, updates: update / 1000, score: mean, low: low ?? mean, high: high ?? mean };
  });
  const x = { field: "updates", type: "quantitative", title: "thousand updates", scale: { domainMin: 0 } };
  const y = (field: string) => ({ field, type: "quantitative", title: "D4RL normalized score" });
  const scale = methodScale(values.map(({ method }) => method));
  const color = { field: "method", type: "nominal", title: null, scale, legend: { orient: "bottom", columns: 4 } };
  const panels = [...new Set(values.map(({ task }) => task))].map((task) => {
    const { environment } = evaluations.find(({ cell }) => cell.task === task)!;
    const data = { values: [{ mean: normalizedScore(task, environment!.datasetMean) }] };
    return {
      title: { text: task, fontSize: 11, fontWeight: "normal" },
      width: 260,
      height: 170,
      data: { values: values.filter((value) => value.task === task) },
      layer: [
        {
          data,
          mark: { type: "rule", strokeDash: [5, 4], color: accents.data },
          encoding: { y: { field: "mean", type: "quantitative" } },
        },
        { mark: { type: "area", opacity: 0.15 }, encoding: { x, y: y("low"), y2: { field: "high" }, color } },
        { mark: { type: "line", strokeWidth: 2, point: { size: 20 } }, encoding: { x, y: y("score"), color } },
      ],
    };
  });
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: heading(
      "Scores over updates",
      "Means over seeds; bands: 95 % bootstrap over seeds and episodes; dashed: the dataset's own mean.",
      560,
    ),
    columns: 2,
    concat: panels,
    resolve: { scale: { color: "shared" } },
  } as TopLevelSpec;
}
