/**
 * Tables of the page, with what copies them.
 *
 * @module
 */

import { escapeHtml } from "../../data/show/display.ts";
import type { Table } from "../../data/show/table.ts";

/** Rows of a table above which it is folded. */
const longTable = 40;

const isNumber = (text: string) => /^[-+]?[\d.[]/.test(text);

/** A table in a region that scrolls, its notes, and buttons that copy it. */
export function tableHtml(name: string, { title, columns, rows, notes, numbers = [] }: Table): string {
  const right = columns.map((_, i) => rows.every((row) => row[i] === "" || isNumber(row[i])));
  const cell = (text: string, i: number) => {
    const inner = columns[i] === "folder" ? `<a href="${escapeHtml(text)}/">${escapeHtml(text)}</a>` : escapeHtml(text);
    return right[i] ? `<td class="n">${inner}</td>` : `<td>${inner}</td>`;
  };
  const head = columns.map((name, i) =>
    `<th scope="col"${right[i] ? ' class="n"' : ""}${numbers.includes(name) ? " data-number" : ""}>${
      escapeHtml(name)
    }</th>`
  ).join("");
  const body = rows.map((row) => `<tr>${row.map(cell).join("")}</tr>`).join("\n");
  const copies = ["CSV", "LaTeX"].map((form) =>
    `<button type="button" data-copy="${form}" aria-label="Copy ${form}: ${escapeHtml(title)}">Copy ${form}</button>`
  ).join("");
  const table =
    `<div class="tools">${copies}</div><div class="scroll" tabindex="0" role="group" aria-label="Table: ${
      escapeHtml(title)
    }"><table id="table_${name}"><caption class="hidden">${
      escapeHtml(title)
    }</caption><thead><tr>${head}</tr></thead><tbody>\n` +
    `${body}\n</tbody></table></div>`;
  const folded = rows.length > longTable ? `<details><summary>${rows.length} rows</summary>${table}</details>` : table;
  return `<div class="table"><h3>${escapeHtml(title)}</h3>\n${folded}\n${
    notes.map((note) => `<p class="note">${escapeHtml(note)}</p>`).join("\n")
  }</div>`;
}
