/**
 * Runs one by one: their curves, their settings, their files; and all runs of an experiment as learning curves.
 *
 * @module
 */

import { join, relative } from "node:path";
import type { TopLevelSpec } from "vega-lite";
import { escapeHtml } from "../../data/show/display.ts";
import { heading } from "../../data/show/figure.ts";
import { methodScale } from "../../data/show/palette.ts";
import { cellFolder, cellLabel } from "../cells/cell.ts";
import { readMetrics } from "../cells/metrics.ts";
import type { Evaluation } from "../cells/record.ts";
import { groupRules } from "../scores/groups.ts";
import { mean } from "../scores/mean.ts";

/** Runs that the page unfolds; of more, the table of cells names the folders. */
export const unfolded = 120;
/** Points of a curve. */
const points = 60;

/** A run with what it said on its way. */
export interface LoggedRun {
  evaluation: Evaluation;
  /** Relative to the page. */
  folder: string;
  /** By name, `[update, value]`, at most 60 means of as many values. */
  curves: Map<string, [number, number][]>;
}

function thinned(values: readonly [number, number][]): [number, number][] {
  if (values.length <= points) return [...values];
  return Array.from({ length: points }, (_, i) => {
    const part = values.slice(Math.floor(i * values.length / points), Math.floor((i + 1) * values.length / points));
    return [part.at(-1)![0], mean(part.map(([, value]) => value))];
  });
}

/** The first runs with their metrics. */
export async function loggedRuns(root: string, evaluations: readonly Evaluation[]): Promise<LoggedRun[]> {
  return await Promise.all(
    evaluations.slice(0, unfolded).map(async (evaluation) => {
      const folder = cellFolder(root, evaluation.cell);
      const curves = new Map<string, [number, number][]>();
      for (const { update, ...values } of await readMetrics(folder)) {
        for (const [name, value] of Object.entries(values)) {
          if (!Number.isFinite(value)) continue;
          if (!curves.has(name)) curves.set(name, []);
          curves.get(name)!.push([update, value]);
        }
      }
      for (const [name, values] of curves) curves.set(name, thinned(values));
      return { evaluation, folder: relative(root, folder).replaceAll("\\", "/"), curves };
    }),
  );
}

const short = (x: number) => String(Number(x.toPrecision(3)));

function sparkline(name: string, values: readonly [number, number][]): string {
  const [width, height] = [180, 40];
  const [first, last] = [values[0], values.at(-1)!];
  const all = values.map(([, value]) => value);
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const x = (update: number) => 2 + (width - 4) * (update - first[0]) / (last[0] - first[0] || 1);
  const y = (value: number) => height - 3 - (height - 6) * (value - least) / (most - least || 1);
  const path = values.map(([update, value]) => `${x(update).toFixed(1)},${y(value).toFixed(1)}`).join("L");
  const said = `${short(first[1])} to ${short(last[1])}`;
  return `<figure class="spark"><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${
    escapeHtml(name)
  }: ${said}, ` +
    `between ${short(least)} and ${short(most)}"><path d="M${path}"/></svg><figcaption>${escapeHtml(name)}<br>${said}` +
    `</figcaption></figure>`;
}

const said = (value: unknown) => typeof value === "object" ? JSON.stringify(value) : `${value}`;

/** A run to unfold. */
export function runHtml({ evaluation, folder, curves }: LoggedRun): string {
  const { cell, updates, trainingMs } = evaluation;
  const scores = groupRules([evaluation]).map(({ acting, scores }) => `${mean(scores[0]).toFixed(1)} (${acting})`);
  const summary = [
    cellLabel({ ...cell, algorithm: cell.title }),
    `${updates} updates`,
    `${(trainingMs / 1000).toFixed(0)} s`,
  ]
    .join(", ");
  const files = ["run.json", "metrics.jsonl", "evaluation.json", "policy.onnx"].map((name) =>
    `<a href="${escapeHtml(join(folder, name).replaceAll("\\", "/"))}">${name}</a>`
  ).join(", ");
  const settings = Object.entries(cell.config).map(([name, value]) =>
    `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(said(value))}</dd></div>`
  ).join("");
  const source = cell.overridesSource ? `<p class="note">${escapeHtml(cell.overridesSource)}.</p>` : "";
  return `<details class="run"><summary>${escapeHtml(summary)}${
    scores.length === 0 ? "" : `<small> score ${escapeHtml(scores.slice(0, 3).join(", "))}</small>`
  }</summary><div class="sparks">${
    [...curves].filter(([, values]) => values.length > 1).map(([name, values]) => sparkline(name, values)).join("")
  }</div>${source}<dl>${settings}</dl><p class="note">Files: ${files}.</p></details>`;
}

/** Most panels of {@linkcode learningFigure}. */
const most = 12;

/** What runs of an experiment logged over their updates: means over seeds, bands from the least to the largest; null without. */
export function learningFigure(title: string, runs: readonly LoggedRun[]): TopLevelSpec | null {
  const values = runs.flatMap(({ evaluation: { cell }, curves }) =>
    [...curves].filter(([, all]) => all.length > 1).flatMap(([metric, all]) =>
      all.map(([update, value]) => ({ method: cell.title, task: cell.task, metric, update, value }))
    )
  );
  const counts = Map.groupBy(values, ({ metric }) => metric);
  const metrics = [...counts].toSorted((a, b) => b[1].length - a[1].length).slice(0, most).map(([name]) => name);
  const tasks = new Set(values.map(({ task }) => task)).size;
  if (metrics.length === 0) return null;
  const groups = Map.groupBy(
    values,
    ({ method, task, metric, update }) => JSON.stringify([method, task, metric, update]),
  );
  const rows = [...groups.values()].map((group) => {
    const all = group.map(({ value }) => value);
    return { ...group[0], value: mean(all), low: Math.min(...all), high: Math.max(...all) };
  });
  const x = { field: "update", type: "quantitative", title: "update", axis: { tickCount: 3, format: "~s" } };
  const y = (field: string) => ({
    field,
    type: "quantitative",
    title: null,
    scale: { zero: false },
    axis: { tickCount: 4, format: "~g" },
  });
  const color = {
    field: "method",
    type: "nominal",
    title: null,
    scale: methodScale(rows.map(({ method }) => method)),
    legend: { orient: "bottom", columns: 5, symbolType: "stroke", symbolStrokeWidth: 2 },
  };
  const detail = { field: "task" };
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: heading(
      `${title}: learning curves`,
      "What training logged; means over seeds, bands from the least to the largest seed" +
        (tasks > 1 ? "; one line per task" : "") + ".",
      620,
    ),
    columns: Math.min(4, metrics.length),
    concat: metrics.map((metric) => ({
      title: { text: metric, fontSize: 10, fontWeight: "normal", offset: 3 },
      width: 125,
      height: 85,
      data: { values: rows.filter((row) => row.metric === metric) },
      layer: [
        { mark: { type: "area", opacity: 0.2 }, encoding: { x, y: y("low"), y2: { field: "high" }, color, detail } },
        { mark: { type: "line", strokeWidth: 1.3 }, encoding: { x, y: y("value"), color, detail } },
      ],
    })),
    spacing: 16,
    resolve: { scale: { color: "shared" } },
  } as TopLevelSpec;
}
