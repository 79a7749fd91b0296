/**
 * Figures as files.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import { renderFigure } from "../data/figures.ts";
import { writeAtomically } from "./files.ts";

/** Writes a figure as `<path>.json` (Vega-Lite), `<path>.svg` and `<path>.png`. */
export async function writeFigure(path: string, figure: TopLevelSpec) {
  const { spec, svg, png } = await renderFigure(figure);
  await writeAtomically(`${path}.json`, JSON.stringify(spec));
  await writeAtomically(`${path}.svg`, svg);
  await writeAtomically(`${path}.png`, png);
}
