/**
 * All claims at a glance: per paper, each with its estimate, interval and threshold.
 *
 * @module
 */

import { escapeHtml } from "../../data/show/display.ts";
import { papers } from "../experiments/papers.ts";
import { type Answer, digits, intervalText, shownQuote, type Verdict, wanted } from "./claims.ts";
import { tableHtml } from "./table_html.ts";
import { claimsTable } from "./claims.ts";

/** Where a paper is. */
export const arxivUrl = (source: string): string | null => {
  const id = source.match(/arXiv (\d{4}\.\d{5})/)?.[1];
  return id === undefined ? null : `https://arxiv.org/abs/${id}`;
};

/** A verdict as a class of the page; of words that it does not know it makes no colour. */
const className = (verdict: string) => verdict.replaceAll(/[^a-z]+/g, "-");

const [width, height, radius] = [240, 26, 5];

/**
 * One row's picture: its own scale, the threshold in the middle, what the claim wants to the right. A ring is one seed; the shape
 * says the verdict, as the colour does.
 */
function rowPicture({ claim, ours, verdict }: Answer): string {
  const threshold = claim.atLeast ?? claim.atMost ?? 0;
  const sign = claim.atLeast === undefined ? -1 : 1;
  const { mean, low, high, n } = ours!;
  const away = [mean, low ?? mean, high ?? mean].map((x) => sign * (x - threshold));
  const most = 1.15 * Math.max(...away.map(Math.abs)) || 1;
  const at = (x: number) => ((width / 2) * (1 + x / most)).toFixed(1);
  const [x, from, to] = away.map(at);
  const [y, hollow] = [height / 2, n === 1 ? " hollow" : ""];
  const center = Number(x);
  const circle = `<circle cx="${x}" cy="${y}" r="${radius}"/>`;
  const shapes: Partial<Record<Verdict, string>> = {
    "holds": circle,
    "seen once": circle,
    "does not hold": `<path d="M${center - radius},${y - radius}h${2 * radius}v${2 * radius}h${-2 * radius}z"/>`,
  };
  const other = `<path d="M${center},${y - radius - 1}l${radius + 1},${radius + 1}l${-radius - 1},${radius + 1}l${
    -radius - 1
  },${-radius - 1}z"/>`;
  const bar = low === null ? "" : `<path class="bar" d="M${from},${y}H${to}"/>`;
  return `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" aria-hidden="true" class="${
    className(verdict)
  }${hollow}"><rect class="wanted" x="${width / 2}" width="${width / 2}" height="${height}"/>` +
    `<path class="threshold" d="M${width / 2},0V${height}"/>${bar}<g class="mark">${
      shapes[verdict] ?? other
    }</g></svg>`;
}

/** @param isPart Whether the row above has the claim, over several tasks, of which this is one. */
function rowHtml(answer: Answer, notes: readonly string[], isPart: boolean): string {
  const { claim, task, ours, verdict, why, how, over, protocol } = answer;
  const quote = shownQuote(claim);
  const note = notes.length > 1 && protocol ? `<sup>${notes.indexOf(protocol) + 1}</sup>` : "";
  const said = `<strong>${escapeHtml(verdict)}</strong>${why && ` (${escapeHtml(why)})`}`;
  const words = isPart
    ? `${said} ${escapeHtml(task!)}`
    : `${said} ${escapeHtml(claim.claim)}${note}<small>${escapeHtml(task ?? "")}; ${escapeHtml(claim.source)}${
      quote && `: ${escapeHtml(quote)}`
    }</small>`;
  const kind = isPart ? " part" : over === "tasks" ? " over" : "";
  return `<li class="${className(verdict)}${kind}"><div class="said">${words}</div>${
    rowPicture(answer)
  }<div class="number"><b>${digits(ours!.mean)}</b> ${intervalText(ours!)}<small>${escapeHtml(wanted(claim))}; ${
    escapeHtml(how)
  }</small></div></li>`;
}

/** A paper's claims: those that were run as a forest, the others in one line, the protocol once. */
function paperHtml(paper: keyof typeof papers, answers: readonly Answer[]): string {
  const { title, source } = papers[paper];
  const run = answers.filter(({ ours }) => ours !== null);
  const missing = answers.filter(({ ours }) => ours === null);
  const notes = [...new Set(run.map(({ protocol }) => protocol).filter(Boolean))];
  const url = arxivUrl(source);
  const cited = url ? `<a href="${url}">${escapeHtml(source)}</a>` : escapeHtml(source);
  const protocols = notes.length === 0
    ? ""
    : notes.length === 1
    ? `<p class="note">Here: ${escapeHtml(notes[0])}.</p>`
    : `<details><summary>How it was done here</summary><ol class="note">${
      notes.map((note) => `<li>${escapeHtml(note)}.</li>`).join("")
    }</ol></details>`;
  const hints = [...new Set(missing.map(({ why }) => why))];
  const left = missing.length === 0
    ? ""
    : `<details><summary>Not run: ${missing.length} of ${answers.length} claims (${
      hints.map((hint) => `<code>${escapeHtml(hint)}</code>`).join(", ")
    })</summary><ul class="note">${
      missing.map(({ claim }) => `<li>${escapeHtml(claim.claim)}</li>`).join("")
    }</ul></details>`;
  const table = run.length === 0
    ? ""
    : `<details><summary>Quoted beside ours, as a table</summary>${
      tableHtml(`claims_${paper}`, { ...claimsTable(answers), title: `Claims: ${title}` })
    }</details>`;
  return `<section class="paper"><h3 id="paper_${paper}">${escapeHtml(title)}</h3><p class="note">${cited}</p>${
    run.length === 0
      ? ""
      : `<ul class="forest">${
        run.map((answer, i) => rowHtml(answer, notes, answer.claim === run[i - 1]?.claim)).join("\n")
      }</ul>`
  }${protocols}${table}${left}</section>`;
}

/** All papers. */
export function forestHtml(answers: readonly Answer[]): string {
  const names = [...new Set(answers.map(({ claim }) => claim.paper))];
  return `<p class="note">Each row has its own scale: the line in the middle is the threshold, the shaded side what the claim wants,
the bar the 95 % interval over seeds. Filled marks: several seeds; hollow: one seed, which has no interval and decides nothing. Circles
hold or were seen once, squares do not hold, diamonds are undecided.</p>` +
    names.map((paper) => paperHtml(paper, answers.filter(({ claim }) => claim.paper === paper))).join("\n");
}

/** What the claims come to, in a line; of several tasks what they come to together. */
export function answerTitle(all: readonly Answer[]): { title: string; more: string } {
  const answers = all.filter(({ claim }, i) => claim !== all[i - 1]?.claim);
  const run = answers.filter(({ ours }) => ours !== null);
  const of = (verdict: Verdict) => run.filter((answer) => answer.verdict === verdict);
  const others = [...new Set(run.map(({ verdict }) => verdict))].filter((verdict) => verdict !== "holds");
  const words: Partial<Record<Verdict, string>> = {
    "does not hold": "do not hold",
    "seen once": "were seen on one seed alone",
  };
  const parts = [
    ...others.map((verdict) => `${of(verdict).length} ${words[verdict] ?? verdict}`),
    ...(run.length < answers.length ? [`${answers.length - run.length} were not run`] : []),
  ];
  return {
    title: run.length === 0 ? "No claim was tested yet" : `${of("holds").length} of ${run.length} tested claims hold`,
    more: parts.length === 0 ? "" : `${parts.join("; ")}.`,
  };
}
