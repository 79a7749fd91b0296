/**
 * Things that show themselves: in a Deno notebook as pictures and tables, in a terminal as text.
 *
 * Figures are labelled Vega-Lite 5, which every Jupyter front end draws; Deno's kernel would label them 6, which few do.
 *
 * @module
 */

import type { ColumnTable } from "arquero";
import { type Figure, type FigureSpec, isSmall, pictureUrl, renderFigure, titleOf } from "./figure.ts";
import { type Table, toText } from "./table.ts";

/** Representations by MIME type. */
export type MimeBundle = Record<string, unknown>;

/** The name under which Deno's notebook kernel looks for a bundle. */
export const jupyterDisplay: unique symbol = Symbol.for("Jupyter.display");

/** Something that shows itself. */
export interface Shown {
  /** For a terminal. */
  toText(): string;
  /** What Deno's notebook kernel asks for. */
  [jupyterDisplay](): Promise<MimeBundle>;
}

/** Something with a text and a bundle. */
export function shown(toText: () => string, bundle: () => Promise<MimeBundle>): Shown {
  return {
    toText,
    async [jupyterDisplay]() {
      return { "text/plain": toText(), ...await bundle() };
    },
    [Symbol.for("Deno.customInspect")]: toText, // What console.log prints.
  };
}

/** A specification under Vega-Lite 5's name; those of this workspace are valid in both versions. */
export const asVersion5 = (spec: FigureSpec): object => ({
  ...spec,
  $schema: "https://vega.github.io/schema/vega-lite/v5.json",
});

/** Text inside HTML. */
export const escapeHtml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** A figure as an HTML image. */
export const pictureHtml = (figure: Figure, label: string): string =>
  `<img alt="${escapeHtml(label)}" src="${pictureUrl(figure)}"/>`;

/**
 * A Vega-Lite figure.
 *
 * @param text What a terminal shows of it; by default its title.
 */
export async function showFigure(spec: FigureSpec, text?: string): Promise<Shown> {
  const title = titleOf(spec) ?? "figure";
  const figure = await renderFigure(spec); // Before it is shown: a kernel does not wait for its last cell's picture.
  return shown(() => text ?? `[${title}]`, () =>
    Promise.resolve({
      "application/vnd.vegalite.v5+json": asVersion5(figure.spec),
      // A kernel drops messages of several megabytes; converters clean paths out of an SVG that stands by itself.
      ...(isSmall(figure) ? { "text/html": pictureHtml(figure, title), "image/svg+xml": figure.svg } : {}),
      "image/png": figure.png.toBase64(),
    }));
}

/** A table. */
export function showTable(table: Table): Shown {
  const row = (cells: readonly string[], tag: string) =>
    cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join("");
  return shown(() => toText(table), () =>
    Promise.resolve({
      "text/html": `<table><caption>${escapeHtml(table.title)}</caption><thead><tr>${
        row(table.columns, "th")
      }</tr></thead><tbody>${table.rows.map((cells) => `<tr>${row(cells, "td")}</tr>`).join("")}</tbody></table>${
        table.notes.map((note) => `<p><small>${escapeHtml(note)}</small></p>`).join("")
      }`,
    }));
}

/**
 * The first rows of an Arquero frame.
 *
 * @param rows How many.
 */
export function showFrame(frame: ColumnTable, rows = 10): Shown {
  const names = frame.columnNames();
  const format = (value: unknown) =>
    typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(5))) : String(value);
  const shownRows = Math.min(rows, frame.numRows());
  return showTable({
    title: `${frame.numRows()} rows`,
    columns: names,
    rows: Array.from({ length: shownRows }, (_, i) => names.map((name) => format(frame.get(name, i)))),
    notes: [],
  });
}

const bars = "▁▂▃▄▅▆▇█";

/**
 * A curve as one line of text.
 *
 * @param width Characters; each stands for the mean of as many values.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { curveText } from "./display.ts";
 * assertEquals(curveText([0, 1, 2, 3, 4, 5, 6, 7]), "▁▂▃▄▅▆▇█ 0 to 7, last 7");
 * ```
 */
export function curveText(values: readonly number[], width = 40): string {
  if (values.length === 0) return "no values";
  const count = Math.min(width, values.length);
  const means = Array.from({ length: count }, (_, i) => {
    const part = values.slice(Math.floor(i * values.length / count), Math.floor((i + 1) * values.length / count));
    return part.reduce((sum, x) => sum + x, 0) / part.length;
  });
  const [least, most] = [Math.min(...means), Math.max(...means)];
  const at = (x: number) => bars[Math.min(Math.floor(8 * (x - least) / (most - least || 1)), 7)];
  const round = (x: number) => String(Number(x.toPrecision(4)));
  return `${means.map(at).join("")} ${round(least)} to ${round(most)}, last ${round(values[values.length - 1])}`;
}
