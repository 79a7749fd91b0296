/**
 * The report as one page that needs no network: the answer first, then each claim, each experiment, each run.
 *
 * @module
 */

import { relative } from "node:path";
import { compile } from "vega-lite";
import { escapeHtml } from "../../data/show/display.ts";
import { type Figure, type FigureSpec, pictureUrl, titleOf } from "../../data/show/figure.ts";
import { noticesOf, readLocked } from "../../tools/notices.ts";
import { fromFileUrl, workspaceFolder } from "../../tools/paths.ts";
import type { Evaluation } from "../cells/record.ts";
import { experiments } from "../experiments/mod.ts";
import { groupRules } from "../scores/groups.ts";
import { bootstrapMean } from "../scores/statistics.ts";
import { type Answer, digits, intervalText } from "./claims.ts";
import { answerTitle, forestHtml } from "./forest.ts";
import { foldContents, script } from "./page_script.ts";
import { style } from "./page_style.ts";
import { type LoggedRun, runHtml, unfolded } from "./runs.ts";
import type { Section } from "./section.ts";
import { tableHtml } from "./table_html.ts";

/** What the page may load: nothing. Its scripts, styles and pictures stand in it; Vega makes functions of expressions. */
const contentPolicy = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; " +
  "img-src data: blob:; base-uri 'none'; form-action 'none'";

/** Vega for browsers, in one file. */
const vegaBundle = () => new URL("vega.min.js", import.meta.resolve("vega"));

/** Characters of a specification above which its picture stays a picture. */
const liveLimit = 100_000;

/** What a figure shows, for those who do not see it. */
function alternative({ title }: FigureSpec, name: string): string {
  const subtitle = typeof title === "object" && title !== null && "subtitle" in title ? title.subtitle : "";
  const words = Array.isArray(subtitle) ? subtitle.join(" ") : `${subtitle ?? ""}`;
  return `${titleOf({ title } as FigureSpec) ?? name}. ${words}`.trim();
}

/** A figure's picture, buttons that hand it out, and what draws it live. */
function figureHtml(name: string, figure: Figure | undefined): string {
  if (!figure) return "";
  const withTooltips = { ...figure.spec, config: { ...figure.spec.config, mark: { tooltip: true } } };
  const live = JSON.stringify(compile(withTooltips as FigureSpec).spec).replaceAll("<", "\\u003c");
  const title = escapeHtml(titleOf(figure.spec) ?? name);
  const [, width, height] = figure.svg.match(/<svg[^>]* width="([\d.]+)" height="([\d.]+)"/) ?? []; // So that nothing moves.
  const takes = ["SVG", "PNG", "PDF"].map((form) =>
    `<button type="button" data-take="${form}" aria-label="${form} of ${title}">${form}</button>`
  ).join("");
  return `<figure class="picture" id="figure_${name}" data-name="${name}"><div class="frame" tabindex="0" role="group" aria-label="Figure: ${title}"><img ` +
    `loading="lazy" width="${width}" height="${height}" src="${pictureUrl(figure)}" alt="${
      escapeHtml(alternative(figure.spec, name))
    }"></div>` +
    `<div class="tools">${takes}</div>` +
    `${live.length > liveLimit ? "" : `<script type="application/json">${live}</script>`}</figure>`;
}

/** Score, speed and seeds in three numbers; those that were measured. */
function numbersHtml(answers: readonly Answer[], evaluations: readonly Evaluation[]): string {
  const cards: [value: string, interval: string, what: string][] = [];
  const oneStep = groupRules(evaluations).find(({ experiment, algorithm, rule }) =>
    ["dtql", "srpo"].includes(experiment) && algorithm === experiment && rule.id === "own"
  );
  if (oneStep) {
    const score = bootstrapMean(oneStep.scores);
    const { method, task, datasetMean } = oneStep;
    cards.push([
      digits(score.mean),
      intervalText(score),
      `D4RL score of one-step ${method} on ${task}; the data's own mean is ${digits(datasetMean)}`,
    ]);
  }
  const faster = answers.filter(({ claim, ours }) => ours && claim.id.endsWith("faster"));
  const speed = faster.find(({ claim }) => claim.paper === "srpo") ?? faster[0];
  if (speed) {
    const [what] = speed.claim.claim.split(": ");
    cards.push([`${digits(speed.ours!.mean)} ×`, intervalText(speed.ours!), `time per action: ${what.toLowerCase()}`]);
  }
  const counts = [
    ...Map.groupBy(evaluations, ({ cell }) => [cell.experiment, cell.task, cell.algorithm, cell.hash].join("/")),
  ]
    .map(([, runs]) => runs.length);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  cards.push([
    least === most ? `${most}` : `${least} to ${most}`,
    "",
    `seed${most === 1 ? "" : "s"} per method and task, in ${evaluations.length} runs`,
  ]);
  return `<dl class="numbers">${
    cards.map(([value, interval, what]) =>
      `<div><dt>${escapeHtml(what)}</dt><dd>${escapeHtml(value)} <small>${escapeHtml(interval)}</small></dd></div>`
    ).join("")
  }</dl>`;
}

/** All that the page shows. */
export interface ReportContent {
  /** The folder that the page lies in. */
  root: string;
  heading: string;
  description: string;
  answers: readonly Answer[];
  sections: readonly Section[];
  rendered: ReadonlyMap<string, Figure>;
  evaluations: readonly Evaluation[];
  runs: readonly LoggedRun[];
  bibtex: string;
}

/** Where an experiment's code lies, from the page; not as a link where the page lies elsewhere, which would say where this folder is. */
function codeHtml(root: string, name: string): string {
  const study = experiments.find((experiment) => experiment.name === name)?.study;
  if (!study?.module.startsWith("file:")) return "";
  const [href, shown] = [root, workspaceFolder].map((from) =>
    escapeHtml(relative(from, fromFileUrl(new URL(study.module))).replaceAll("\\", "/"))
  );
  const isBeside = !relative(workspaceFolder, root).startsWith("..");
  return `<p class="note">Code: ${isBeside ? `<a href="${href}">${shown}</a>` : shown}</p>`;
}

/** The page. */
export async function reportPage(content: ReportContent): Promise<string> {
  const { root, heading, description, answers, sections, rendered, evaluations, runs, bibtex } = content;
  const vega = await Deno.readTextFile(vegaBundle());
  const notices = noticesOf(["vega"], readLocked("deno.lock"));
  const { title, more } = answerTitle(answers);
  const [{ madeWith }] = evaluations;
  const made = `${madeWith.machine.processor}, ${madeWith.machine.cores} cores; commit ${
    madeWith.versions.commit ?? "unknown"
  }`;
  const body = sections.map(({ name, title, tables, figures }) => {
    const own = runs.filter(({ evaluation }) => evaluation.cell.experiment === name);
    const pictures = Object.keys(figures).map((figure) => figureHtml(figure, rendered.get(figure)));
    const shown = Object.entries(tables).filter(([table]) => table !== "claims")
      .map(([name, table]) => tableHtml(name, table));
    const folds = own.length === 0 ? [] : [
      `<details><summary>Runs, one by one: ${own.length}</summary>`,
      ...own.map(runHtml),
      ...(evaluations.length > runs.length
        ? [`<p class="note">The first ${unfolded} runs unfold; the table of cells has the folders of all.</p>`]
        : []),
      `</details>`,
    ];
    const forest = name === "claims" ? [forestHtml(answers)] : [];
    return `<section aria-labelledby="${name}"><h2 id="${name}">${escapeHtml(title)}</h2>\n${codeHtml(root, name)}${
      [...forest, ...pictures, ...shown, ...folds].join("\n")
    }</section>`;
  });
  const links = sections.map(({ name, title }) => `<li><a href="#${name}">${escapeHtml(title)}</a></li>`).join("\n");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${contentPolicy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Onestep: ${escapeHtml(title)}</title><link rel="icon" href="data:,"><style>${style}</style></head>
<body><a class="skip" href="#main">To the results</a><div class="page columns">
<nav aria-label="Contents"><details open><summary>Contents</summary><ul>${links}
<li><a href="#cite">Cite</a></li></ul></details></nav><script>${foldContents}</script>
<main id="main"><header><h1>${escapeHtml(title)}</h1>
<p class="note">${escapeHtml(more)} ${escapeHtml(heading)}: ${escapeHtml(description)}. Made on ${
    escapeHtml(made)
  }.</p></header>
${numbersHtml(answers, evaluations)}
${body.join("\n")}
<section aria-labelledby="cite"><h2 id="cite">Cite</h2><p class="note">The papers, data and simulator that these runs used.</p>
<div class="tools"><button type="button" data-copy="BibTeX">Copy BibTeX</button></div>
<div class="scroll" tabindex="0" role="group" aria-label="BibTeX"><pre id="bibtex">${
    escapeHtml(bibtex)
  }</pre></div></section>
</main></div>
<footer class="page"><details><summary>Licences of the software in this page</summary><pre>${
    escapeHtml(notices)
  }</pre></details>
<p id="status" role="status" class="note"></p></footer>
<div class="tooltip" aria-hidden="true"></div>
<script>${vega}</script><script>${script}</script></body></html>
`;
}
