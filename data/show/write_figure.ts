/**
 * Figures as files.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import { type Figure, renderFigure } from "./figure.ts";
import { writeAtomically } from "../../tools/files.ts";

/** Writes a figure as `<path>.json` (Vega-Lite), `<path>.svg` and `<path>.png`; returns it. */
export async function writeFigure(path: string, spec: TopLevelSpec): Promise<Figure> {
  const figure = await renderFigure(spec);
  await writeAtomically(`${path}.json`, JSON.stringify(figure.spec));
  await writeAtomically(`${path}.svg`, figure.svg);
  await writeAtomically(`${path}.png`, figure.png);
  return figure;
}
