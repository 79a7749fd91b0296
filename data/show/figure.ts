/**
 * Figures: Vega-Lite specifications, rendered to SVG and PNG without a browser.
 *
 * @module
 */

import "dejavu-fonts-ttf/package.json" with { type: "json" }; // So that the fonts are installed.
import { dirname } from "node:path";
import * as vega from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import { fromFileUrl } from "../../tools/paths.ts";

/** A Vega-Lite specification. */
export type FigureSpec = TopLevelSpec;

/** Told in full, for a registry rewrites no such call; the version is that of `deno.json`. */
const fontFile = "npm:dejavu-fonts-ttf@2.37.3/ttf/DejaVuSans.ttf";
const fontFolder = () => dirname(fromFileUrl(new URL(import.meta.resolve(fontFile))));

const look = {
  background: "white",
  font: "DejaVu Sans",
  axis: { labelFontSize: 11, titleFontSize: 12, titleFontWeight: "normal", gridColor: "#e8e8e8", domainColor: "#888" },
  header: { labelFontSize: 12, titleFontSize: 12 },
  legend: { labelFontSize: 11, titleFontSize: 12, titleFontWeight: "normal" },
  title: { fontSize: 14, subtitleFontSize: 11, subtitleColor: "#555", anchor: "start", fontWeight: "bold", offset: 12 },
  view: { stroke: "#ccc" },
} as const;

/** A figure in every form. */
export interface Figure {
  /** Vega-Lite, with the look of this workspace. */
  spec: FigureSpec;
  /** As SVG. */
  svg: string;
  /** Two pixels per point. */
  png: Uint8Array;
}

/** The figure's picture as a data URL: its SVG, or its PNG where the SVG is large. */
export function pictureUrl({ svg, png }: Figure): string {
  const small = isSmall({ svg });
  const bytes = small ? new TextEncoder().encode(svg) : png;
  return `data:image/${small ? "svg+xml" : "png"};base64,${bytes.toBase64()}`;
}

/** Whether a figure's SVG is small enough to be put into a page or a message. */
export const isSmall = ({ svg }: Pick<Figure, "svg">): boolean => svg.length <= 400_000;

/** Renders a Vega-Lite specification. */
export async function renderFigure(spec: FigureSpec): Promise<Figure> {
  const full = { ...spec, config: { ...look, ...spec.config } } as FigureSpec;
  const view = new vega.View(vega.parse(compile(full).spec), { renderer: "none" });
  const svg = await view.toSVG();
  view.finalize();
  const { Resvg } = await import("@resvg/resvg-js"); // Native: loaded when something is drawn.
  const font = { fontDirs: [fontFolder()], loadSystemFonts: false, defaultFontFamily: "DejaVu Sans" };
  const png = new Resvg(svg, { font, fitTo: { mode: "zoom", value: 2 }, background: "white" }).render().asPng();
  return { spec: full, svg, png };
}
