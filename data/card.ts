/**
 * Dataset cards: what is in a dataset, at a glance, for a terminal, a page or a notebook.
 *
 * @module
 */

import type { Family } from "../environments/ids.ts";
import { catalog, datasetScore, familyOf, findEntry } from "./catalog.ts";
import { sequenceDataset, transitionRows } from "./d4rl.ts";
import type { Dataset } from "./dataset.ts";
import { type FigureSpec, renderFigure } from "./show/figure.ts";
import { asVersion5, pictureHtml, type Shown, shown } from "./show/display.ts";
import { describe, episodesFrame, statisticsFrame } from "./frames.ts";
import { type Table, toMarkdown, toText } from "./show/table.ts";

/** A dataset card. In a Deno notebook it shows itself. */
export interface DatasetCard extends Shown {
  /** Facts, and statistics of every dimension. */
  tables: Table[];
  /** Histogram of returns beside a map of the states. */
  figure: FigureSpec;
  /** For a page. */
  toMarkdown(): string;
}

const bins = 20;

/** Where a robot's observation has its forward speed. */
const speeds: Partial<Record<Family, number>> = { hopper: 5, halfcheetah: 8, walker2d: 8, ant: 13 };

/** What to draw the states of a task by: two observations and their names. */
function coverageAxes(name: string, dim: number): [number, string, number, string] {
  const family = familyOf(name);
  if (family === "maze2d" || family === "antmaze") return [0, "x", 1, "y"];
  const speed = family === null ? undefined : speeds[family];
  return speed !== undefined && speed < dim
    ? [speed, "forward speed (m/s)", 0, "height (m)"]
    : [0, "s0", dim > 1 ? 1 : 0, "s1"];
}

const round = (x: number) => Math.abs(x) >= 1000 ? x.toFixed(0) : String(Number(x.toPrecision(4)));
const percent = (n: number, of: number) => `${n} (${of === 0 ? 0 : Number((100 * n / of).toPrecision(3))} %)`;

/** The score of a return, where the dataset's family has reference returns. */
const scoreOf = (name: string, value: number): string => datasetScore(name, value)?.toFixed(1) ?? "none";

/** What a file's hash says. */
function hashRow({ name, sha256 }: Dataset): string {
  if (sha256 === null) return "none: it is of no file";
  if (!catalog.has(name)) return sha256;
  return `${sha256}, ${
    findEntry(name).sha256 === null ? "none is published; as it was first seen here" : "as published"
  }`;
}

/** Makes the card of a dataset. */
export function datasetCard(dataset: Dataset): DatasetCard {
  // Where no time limit is known, terminals alone end episodes.
  const data = { ...dataset, maxEpisodeSteps: dataset.maxEpisodeSteps ?? Infinity };
  const episodes = [...sequenceDataset(data)];
  const returns = episodesFrame(data).array("return") as Float64Array;
  const lengths = Float64Array.from(episodes, ({ start, end }) => end - start);
  const of = (values: ArrayLike<number>) => {
    const { mean, deviation, least, largest } = describe(values);
    return values.length === 0 ? "none" : `${round(mean)} ± ${round(deviation)} (${round(least)} to ${round(largest)})`;
  };
  const origin = catalog.has(data.name) ? `D4RL, ${findEntry(data.name).licence}` : data.attributes.get("origin") ??
    (data.layout === "minari" ? "a file in Minari's layout" : "a file in D4RL's layout");
  const tail = data.rows - (episodes.at(-1)?.end ?? 0);
  const kept = transitionRows(data).length;
  const count = (flags: Int8Array | null) => flags ? flags.reduce((sum, flag) => sum + flag, 0) : 0;
  const both = data.timeouts ? data.timeouts.reduce((sum, t, i) => sum + (t & data.terminals[i]), 0) : 0;
  const limit = data.maxEpisodeSteps === Infinity
    ? "no time limit is known"
    : `the task's limit is ${data.maxEpisodeSteps} steps`;
  const rows: [string, string][] = [
    ["origin", origin],
    ["SHA-256", hashRow(data)],
    ["transitions", `${data.rows}; observation ${data.observationDim}, action ${data.actionDim}`],
    ["episodes", `${episodes.length}, length ${of(lengths)}`],
    ["return", of(returns)],
    ["normalized score", returns.length === 0 ? "none" : `${scoreOf(data.name, describe(returns).mean)} on average`],
    ["terminals", percent(count(data.terminals), data.rows)],
    ["timeouts", data.timeouts ? percent(count(data.timeouts), data.rows) : `the file has none; ${limit}`],
    ["rows that are both", `${both}`],
    ["unfinished tail", `${tail} rows, in no episode`],
    ["dropped for training", `${percent(data.rows - kept, data.rows)}: rows at time limits and the last one`],
  ];
  const statistics = statisticsFrame(data).objects() as Record<string, number>[];
  const tables: Table[] = [
    { title: `Dataset ${data.name}`, columns: ["what", "value"], rows, notes: [] },
    {
      title: "Dimensions",
      columns: ["name", "mean", "deviation", "least", "largest"],
      rows: statistics.map(({ name, mean, deviation, least, largest }) => [
        String(name),
        ...[mean, deviation, least, largest].map(round),
      ]),
      notes: [],
    },
  ];
  const histogram = histogramOf(returns);
  const figure = cardFigure(data, histogram);
  const text = () => [toText(tables[0]), histogramText(histogram), toText(tables[1])].join("\n\n");
  const markdown = () => tables.map(toMarkdown).join("\n");
  return {
    tables,
    figure,
    toMarkdown: markdown,
    ...shown(text, async () => {
      const rendered = await renderFigure(figure);
      return {
        "text/markdown": `${markdown()}\n${pictureHtml(rendered, data.name)}`,
        "application/vnd.vegalite.v5+json": asVersion5(rendered.spec),
      };
    }),
  };
}

interface Bin {
  from: number;
  to: number;
  episodes: number;
}

function histogramOf(values: Float64Array): Bin[] {
  if (values.length === 0) return [];
  const { least, largest } = describe(values);
  const width = (largest - least) / bins || 1;
  const out = Array.from({ length: bins }, (_, i): Bin => ({
    from: least + i * width,
    to: least + (i + 1) * width,
    episodes: 0,
  }));
  for (const x of values) out[Math.min(Math.floor((x - least) / width), bins - 1)].episodes++;
  return out;
}

/** The histogram of returns in text, one line per bin. */
function histogramText(histogram: Bin[]): string {
  if (histogram.length === 0) return "No complete episode, so no returns.";
  const most = Math.max(...histogram.map(({ episodes }) => episodes));
  const label = histogram.map(({ from }) => round(from));
  const width = Math.max(...label.map((text) => text.length));
  const bars = histogram.map(({ episodes }, i) =>
    `${label[i].padStart(width)} ${"█".repeat(Math.ceil(40 * episodes / most))} ${episodes || ""}`.trimEnd()
  );
  return ["Episodes by return, from", ...bars].join("\n");
}

const mapCells = 40;

/** How often each cell of a grid over two observations is visited. */
function coverage(data: Dataset, x: number, y: number) {
  const axis = (d: number) => {
    const values = Float64Array.from({ length: data.rows }, (_, i) => data.observations[i * data.observationDim + d]);
    const sorted = values.toSorted();
    const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))];
    const [low, high] = [at(0.001), at(0.999)]; // Without the few that would squeeze the rest.
    const width = (high - low) / mapCells || 1;
    return {
      low,
      width,
      cell: (i: number) => Math.min(Math.max(Math.floor((values[i] - low) / width), 0), mapCells - 1),
    };
  };
  const [across, up] = [axis(x), axis(y)];
  const counts = new Map<number, number>();
  for (let i = 0; i < data.rows; i++) {
    const key = across.cell(i) * mapCells + up.cell(i);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts].map(([key, steps]) => {
    const [i, j] = [Math.floor(key / mapCells), key % mapCells];
    const at = (a: typeof across, k: number) => Number((a.low + k * a.width).toPrecision(5));
    return { x: at(across, i), x2: at(across, i + 1), y: at(up, j), y2: at(up, j + 1), steps };
  });
}

function cardFigure(data: Dataset, histogram: Bin[]): FigureSpec {
  const [x, xName, y, yName] = coverageAxes(data.name, data.observationDim);
  return {
    title: { text: data.name, subtitle: data.attributes.get("origin") ?? "" },
    hconcat: [
      {
        width: 300,
        height: 260,
        data: { values: histogram },
        mark: "bar",
        encoding: {
          x: { field: "from", type: "quantitative", title: "return of an episode", bin: { binned: true } },
          x2: { field: "to" },
          y: { field: "episodes", type: "quantitative", title: "episodes" },
        },
      },
      {
        width: 300,
        height: 260,
        data: { values: coverage(data, x, y) },
        mark: "rect",
        encoding: {
          x: { field: "x", type: "quantitative", title: xName, scale: { zero: false } },
          x2: { field: "x2" },
          y: { field: "y", type: "quantitative", title: yName, scale: { zero: false } },
          y2: { field: "y2" },
          color: { field: "steps", type: "quantitative", title: "steps", scale: { type: "log", scheme: "viridis" } },
        },
      },
    ],
  } as FigureSpec;
}
