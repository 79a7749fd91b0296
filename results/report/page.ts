/**
 * The report as one page that needs no network: tables, pictures, and the same figures live where scripts run.
 *
 * @module
 */

import { compile } from "vega-lite";
import { escapeHtml } from "../../data/show/display.ts";
import { type Figure, pictureUrl } from "../../data/show/figure.ts";
import { noticesOf, readLocked } from "../../tools/notices.ts";
import type { Table } from "../../data/show/table.ts";
import { papers } from "../experiments/papers.ts";
import { type Answer, digits, intervalText, shownQuote, type Verdict, wanted } from "./claims.ts";
import type { Section } from "./section.ts";

/** Vega for browsers, in one file. */
const vegaBundle = () => new URL("vega.min.js", import.meta.resolve("vega"));

/** Rows of a table above which it is folded. */
const longTable = 40;

const style = `
:root { color-scheme: light dark; --ink: #1c2024; --soft: #60646c; --line: #d9dce1; --back: #ffffff; --card: #f6f7f9;
  --yes: #18794e; --no: #b4231f; --open: #946800; --none: #60646c; --link: #0b5fc0; }
@media (prefers-color-scheme: dark) { :root { --ink: #edeef0; --soft: #b0b4ba; --line: #3a3f45; --back: #15181b;
  --card: #1f2327; --yes: #4cc38a; --no: #ff8f85; --open: #f0c24b; --none: #b0b4ba; --link: #70b8ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1200px; padding: 1rem; background: var(--back); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
h3 { margin-bottom: .4rem; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1rem; } a { color: var(--link); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .87rem; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { white-space: nowrap; } td.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.note { color: var(--soft); font-size: .87rem; max-width: 75ch; }
figure { margin: 1rem 0; padding: .6rem; background: #fff; border: 1px solid var(--line); border-radius: 6px;
  overflow-x: auto; } figure img { max-width: 100%; height: auto; display: block; }
.claims { list-style: none; padding: 0; display: grid; gap: .5rem; }
.claims li { background: var(--card); border-left: 4px solid var(--none); border-radius: 4px; padding: .5rem .8rem; }
.claims .holds { border-color: var(--yes); } .claims .does-not-hold { border-color: var(--no); }
.claims .undecided { border-color: var(--open); }
.claims b { font-weight: 600; } .holds b { color: var(--yes); } .does-not-hold b { color: var(--no); }
.undecided b { color: var(--open); } .claims small { color: var(--soft); display: block; }
summary { cursor: pointer; } pre { white-space: pre-wrap; font-size: .8rem; } .tooltip { position: fixed; pointer-events: none; background: var(--ink);
  color: var(--back); font-size: .8rem; padding: .3rem .5rem; border-radius: 4px; display: none; max-width: 60ch; }
`;

/** Draws each figure live when it comes into view; without scripts its picture stays. */
const script = `
const tip = document.querySelector(".tooltip");
const write = (handler, event, item, value) => {
  if (value === null || value === undefined || value === "") { tip.style.display = "none"; return; }
  tip.textContent = typeof value === "object"
    ? Object.entries(value).map(([k, v]) => k + ": " + (typeof v === "object" ? JSON.stringify(v) : v)).join(", ")
    : String(value);
  tip.style.display = "block";
  tip.style.left = Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 4) + "px";
  tip.style.top = event.clientY + 14 + "px";
};
const draw = async (figure) => {
  const spec = JSON.parse(figure.querySelector("script").textContent);
  const box = document.createElement("div");
  const view = new vega.View(vega.parse(spec), { renderer: "canvas", container: box, hover: true });
  view.tooltip(write);
  await view.runAsync();
  figure.querySelector("img").replaceWith(box);
  figure.dataset.live = "true";
};
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    draw(target).catch((error) => console.error(error));
  }
}, { rootMargin: "200px" });
document.querySelectorAll("figure").forEach((figure) => seen.observe(figure));
`;

const isNumber = (text: string) => /^[-+]?[\d.[]/.test(text);

function tableHtml({ title, columns, rows, notes }: Table): string {
  const right = columns.map((_, i) => rows.every((row) => row[i] === "" || isNumber(row[i])));
  const cell = (text: string, i: number) => {
    const inner = columns[i] === "folder" ? `<a href="${escapeHtml(text)}/">${escapeHtml(text)}</a>` : escapeHtml(text);
    return right[i] ? `<td class="n">${inner}</td>` : `<td>${inner}</td>`;
  };
  const head = columns.map((name) => `<th scope="col">${escapeHtml(name)}</th>`).join("");
  const body = rows.map((row) => `<tr>${row.map(cell).join("")}</tr>`).join("\n");
  const table =
    `<div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(title)}"><table><thead><tr>${head}</tr>` +
    `</thead><tbody>\n${body}\n</tbody></table></div>`;
  const folded = rows.length > longTable ? `<details><summary>${rows.length} rows</summary>${table}</details>` : table;
  return `<h3>${escapeHtml(title)}</h3>\n${folded}\n` +
    notes.map((note) => `<p class="note">${escapeHtml(note)}</p>`).join("\n");
}

/** A figure's picture, and what draws it live. */
function figureHtml(name: string, figure: Figure | undefined): string {
  if (!figure) return "";
  const title = figure.spec.title;
  const label = typeof title === "object" && title !== null && "text" in title ? String(title.text) : name;
  const withTooltips = { ...figure.spec, config: { ...figure.spec.config, mark: { tooltip: true } } };
  const live = JSON.stringify(compile(withTooltips).spec).replaceAll("<", "\\u003c");
  return `<figure id="${name}"><img loading="lazy" src="${pictureUrl(figure)}" alt="${escapeHtml(label)}">` +
    `<script type="application/json">${live}</script></figure>`;
}

const verdicts: readonly Verdict[] = ["holds", "does not hold", "undecided", "seen once", "not run"];

function claimsHtml(answers: readonly Answer[]): string {
  const items = answers.map(({ claim, task, ours, verdict, why, protocol }) => {
    const interval = ours && ours.low !== null ? ` ${intervalText(ours)}, ${ours.n} seeds` : "";
    const measured = ours ? `${task}: ${digits(ours.mean)}${interval}; wanted ${wanted(claim)}` : `run ${why}`;
    const quote = shownQuote(claim);
    return `<li class="${verdict.replaceAll(" ", "-")}"><b>${verdict}${ours && why ? `, ${why}` : ""}</b> ` +
      `${escapeHtml(claim.claim)}<small>${escapeHtml(measured)}</small>` +
      `<small>${escapeHtml(papers[claim.paper].source)}, ${escapeHtml(claim.source)}${
        quote && `: ${escapeHtml(quote)}`
      }.${protocol && ` Here: ${escapeHtml(protocol)}.`}</small></li>`;
  });
  return `<ul class="claims">\n${items.join("\n")}\n</ul>`;
}

/** The page. */
export async function reportPage(
  heading: string,
  description: string,
  answers: readonly Answer[],
  sections: readonly Section[],
  rendered: ReadonlyMap<string, Figure>,
): Promise<string> {
  const vega = await Deno.readTextFile(vegaBundle());
  const notices = noticesOf(["vega"], readLocked("deno.lock"));
  const count = (verdict: Verdict) => answers.filter((a) => a.verdict === verdict).length;
  const summary = verdicts.map((verdict) => `${count(verdict)} ${verdict}`).join(", ");
  const body = sections.map(({ name, title, tables, figures }) => {
    const pictures = Object.keys(figures).map((figure) => figureHtml(figure, rendered.get(figure)));
    const own = name === "claims" ? [claimsHtml(answers)] : [];
    const shown = Object.entries(tables).filter(([table]) => table !== "claims").map(([, table]) => tableHtml(table));
    return `<section id="${name}"><h2>${escapeHtml(title)}</h2>\n${
      [...own, ...pictures, ...shown].join("\n")
    }</section>`;
  });
  const links = sections.map(({ name, title }) => `<a href="#${name}">${escapeHtml(title)}</a>`).join("\n");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(heading)}</title><link rel="icon" href="data:,"><style>${style}</style></head>
<body><h1>${escapeHtml(heading)}</h1>
<p class="note">The profile: ${escapeHtml(description)}. Claims: ${summary}.</p>
<nav aria-label="Sections">${links}</nav>
${body.join("\n")}
<details><summary>Licences of the software in this page</summary><pre>${escapeHtml(notices)}</pre></details>
<div class="tooltip" role="status"></div>
<script>${vega}</script><script>${script}</script></body></html>
`;
}
