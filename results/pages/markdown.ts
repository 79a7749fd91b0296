/**
 * Markdown and notebooks of this workspace as pages.
 *
 * @module
 */

import { Marked, type Tokens } from "marked";
import { escapeHtml } from "../../data/show/display.ts";

/** A heading's anchor, as GitHub makes it. */
export const anchorOf = (text: string): string =>
  text.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").trim().replaceAll(" ", "-");

/** Markdown as HTML; headings have anchors, wide tables and code scroll by themselves. */
export function markdownHtml(text: string): string {
  const marked = new Marked();
  marked.use({
    renderer: {
      heading(
        this: { parser: { parseInline(tokens: Tokens.Generic[]): string } },
        { tokens, depth, text }: Tokens.Heading,
      ) {
        return `<h${depth} id="${anchorOf(text.replaceAll(/[`*]/g, ""))}">${
          this.parser.parseInline(tokens)
        }</h${depth}>\n`;
      },
      code({ text }: Tokens.Code) {
        return `<pre tabindex="0"><code>${escapeHtml(text)}</code></pre>\n`;
      },
    },
  });
  const html = marked.parse(text, { async: false });
  return html.replaceAll(/<th([^>]*)><\/th>/g, "<td$1></td>") // A corner heads nothing.
    .replaceAll("<table>", '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>')
    .replaceAll("</table>", "</table></div>");
}

/** A notebook's file, as far as it is shown. */
export interface Notebook {
  cells: {
    cell_type: string;
    source: string | string[];
    outputs?: { data?: Record<string, string | string[]>; text?: string | string[] }[];
  }[];
}

const joined = (text: string | string[]) => Array.isArray(text) ? text.join("") : text;

/** One output: its picture, its table, or its text. */
function outputHtml(
  { data = {}, text }: NonNullable<Notebook["cells"][number]["outputs"]>[number],
  title: string,
): string {
  const of = (type: string) => data[type] === undefined ? null : joined(data[type]);
  const [png, html, markdown, plain] = ["image/png", "text/html", "text/markdown", "text/plain"].map(of);
  if (png) {
    const [words] = (plain ?? title).split("\n");
    return `<div class="scroll" tabindex="0" role="group" aria-label="Figure"><img alt="${escapeHtml(words)}" ` +
      `src="data:image/png;base64,${png.replaceAll(/\s/g, "")}"></div>`;
  }
  if (html) return `<div class="scroll" tabindex="0" role="group" aria-label="Output">${html}</div>`;
  if (markdown) return markdownHtml(markdown);
  const said = plain ?? (text === undefined ? null : joined(text));
  return said === null ? "" : `<pre tabindex="0">${escapeHtml(said)}</pre>`;
}

/** A notebook as HTML: its text, its code, its outputs as they are committed. */
export function notebookHtml({ cells }: Notebook, title: string): string {
  return cells.map(({ cell_type, source, outputs = [] }) =>
    cell_type === "markdown"
      ? markdownHtml(joined(source))
      : `<pre class="cell" tabindex="0"><code>${escapeHtml(joined(source))}</code></pre>\n${
        outputs.map((output) => outputHtml(output, title)).join("\n")
      }`
  ).join("\n");
}
