/**
 * Colours of figures and pages: one per method wherever it is drawn, inks that turn with light and dark.
 *
 * @module
 */

/** Text, lines and paper: in the light and in the dark. */
export const inks = {
  ink: ["#1c2024", "#edeef0"],
  soft: ["#5b6068", "#b0b4ba"],
  frame: ["#8a9097", "#757b83"],
  line: ["#e4e6e9", "#30353a"],
  cloud: ["#c3ccd6", "#46525f"],
  paper: ["#fefefe", "#15181b"],
} as const;

/** Every one stands out from white and from the dark paper by 3 to 1 at least. */
const named: Readonly<Record<string, string>> = {
  "SRPO": "#1f78d1",
  "DTQL": "#00937b",
  "DQL-KL": "#8f5fc9",
  "Diffusion-QL": "#d9661f",
  "Behaviour diffusion": "#cf4f86",
  "BC": "#7d8590",
  "IQL": "#8a8420",
  "TD3+BC": "#a0744f",
  "ReBRAC": "#c2553f",
  "FQL": "#655fdc",
  "SSCP": "#3f9350",
  "BFQ": "#b0569f",
  "CPQL": "#2f8f9d",
  "Consistency-AC": "#9a79b8",
  "Planner": "#d9661f",
  "Planner of changes": "#c07708",
  "Trajectory stitching": "#1f78d1",
  "DBC": "#a0744f",
  "PBC": "#8f5fc9",
  "Av-PBC": "#d9661f",
  "SDW-OBD": "#1f78d1",
};

/** For methods that have no colour of their own: by a sum of their letters. */
const spare = ["#2f8f9d", "#6f8f2f", "#b0569f", "#5f78c9", "#9a6b6b", "#3f9350", "#b8701f", "#8b6fae"];

/** Marks of meaning rather than of a method: what is pointed at, and the dataset's own level. */
export const accents = { point: "#e0314b", data: "#9a7400", before: "#8a9097", after: "#d9661f" } as const;

/** A method's colour, the same in every figure. */
export const methodColor = (method: string): string =>
  named[method] ?? spare[[...method].reduce((sum, letter) => sum + letter.codePointAt(0)!, 0) % spare.length];

/** A Vega-Lite scale that gives each method its colour. */
export const methodScale = (methods: Iterable<string>): { domain: string[]; range: string[] } => {
  const domain = [...new Set(methods)];
  return { domain, range: domain.map(methodColor) };
};

/** A drawing's text (SVG or a specification) with the inks of the dark. */
export const inTheDark = (text: string): string =>
  Object.values(inks).reduce((dark, [light, other]) => dark.replaceAll(light, other), text);

/** Rules for an SVG that follow the reader's choice of light or dark. */
export const darkRules: string = `@media (prefers-color-scheme: dark) {${
  Object.values(inks).map(([light, dark]) => `[fill="${light}"]{fill:${dark}}[stroke="${light}"]{stroke:${dark}}`)
    .join("")
}}`;
