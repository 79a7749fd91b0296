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
import { textWidth } from "./letters.ts";
import { darkRules, inks } from "./palette.ts";
import { rasterizePoints } from "./rasterize.ts";

/** A Vega-Lite specification. */
export type FigureSpec = TopLevelSpec;

/** Told in full, for a registry rewrites no such call; the version is that of `deno.json`. */
const fontFile = "npm:dejavu-fonts-ttf@2.37.3/ttf/DejaVuSans.ttf";
const fontFolder = () => dirname(fromFileUrl(new URL(import.meta.resolve(fontFile))));

const [ink, soft, frame, line, paper] = [inks.ink, inks.soft, inks.frame, inks.line, inks.paper].map(([light]) =>
  light
);

const axis = { domainColor: frame, tickColor: frame, gridColor: line, labelFontSize: 10, titleFontSize: 11 } as const;
const words = { labelColor: ink, titleColor: ink, titleFontWeight: "normal" } as const;

const look = {
  background: paper,
  font: "DejaVu Sans, Verdana, sans-serif",
  axis: { ...axis, ...words },
  header: { labelFontSize: 11, titleFontSize: 11, ...words },
  legend: { labelFontSize: 10, titleFontSize: 11, labelLimit: 260, symbolOpacity: 1, ...words },
  title: {
    color: ink,
    fontSize: 13,
    subtitleFontSize: 10,
    subtitleColor: soft,
    anchor: "start",
    frame: "bounds",
    fontWeight: "bold",
    offset: 10,
  },
  text: { color: ink, fontSize: 10 },
  rule: { color: ink },
  view: { stroke: line },
} as const;

/** A figure's heading, broken into lines of its width in pixels. */
export function heading(text: string, subtitle: string, width: number): { text: string[]; subtitle: string[] } {
  const broken = (words: string, size: number) => {
    const lines = [""];
    for (const word of words.split(" ")) {
      const longer = `${lines.at(-1)} ${word}`.trim();
      if (textWidth(longer, size) > width && lines.at(-1) !== "") lines.push(word);
      else lines[lines.length - 1] = longer;
    }
    return lines;
  };
  return { text: broken(text, 14), subtitle: broken(subtitle, 10) };
}

/** What a figure is called: the text of its title. */
export function titleOf({ title }: FigureSpec): string | null {
  const text = typeof title === "object" && title !== null && "text" in title ? title.text : title;
  return Array.isArray(text) ? text.join(" ") : typeof text === "string" ? text : null;
}

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
  if (!isSmall({ svg })) return `data:image/png;base64,${png.toBase64()}`;
  const quote = /="[^"]*'/.test(svg) ? "%22" : "'";
  const text = svg.replaceAll(/["%#<>&\n]/g, (c) => c === '"' ? quote : encodeURIComponent(c)); // Shorter than base64.
  return `data:image/svg+xml,${text}`;
}

/** Whether a figure's SVG is small enough to be put into a page or a message. */
export const isSmall = ({ svg }: Pick<Figure, "svg">): boolean => svg.length <= 400_000;

/** Without a canvas Vega takes every letter for wide, cuts labels short and leaves margins empty. */
function measureText() {
  const { textMetrics } = vega as unknown as {
    textMetrics: { width: (item: { fontSize?: number }, text: unknown) => number };
  };
  textMetrics.width = ({ fontSize = 11 }, text) => textWidth(`${text ?? ""}`, fontSize);
}

/** Vega's SVG without what a picture does not need: a description of every mark, and thousandths of pixels. */
const slim = (svg: string) =>
  svg.replaceAll(/ (?:aria-[a-z]+|role)="[^"]*"/g, "")
    .replaceAll(/(\.\d\d)\d+/g, "$1");

/** What draws an SVG as a PNG, with so many pixels per unit. */
export async function drawing(): Promise<(svg: string, zoom: number, background?: string) => Uint8Array> {
  const { Resvg } = await import("@resvg/resvg-js"); // Native: loaded when something is drawn.
  const font = { fontDirs: [fontFolder()], loadSystemFonts: false, defaultFontFamily: "DejaVu Sans" };
  return (svg, value, background) =>
    new Resvg(svg, { font, fitTo: { mode: "zoom", value }, background }).render().asPng();
}

/** Renders a Vega-Lite specification. */
export async function renderFigure(spec: FigureSpec): Promise<Figure> {
  const full = { ...spec, config: { ...look, ...spec.config } } as FigureSpec;
  measureText();
  const view = new vega.View(vega.parse(compile(full).spec), { renderer: "none" });
  const drawn = slim(await view.toSVG());
  view.finalize();
  const draw = await drawing();
  const svg = rasterizePoints(drawn, draw).replace(/<svg [^>]*>/, (open) => `${open}<style>${darkRules}</style>`);
  return { spec: full, svg, png: draw(svg, 2, paper) };
}
