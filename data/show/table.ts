/**
 * Tables for the terminal, for Markdown, CSV and LaTeX.
 *
 * @module
 */

/** Rows of text under named columns. */
export interface Table {
  /** Its heading. */
  title: string;
  /** Headings. */
  columns: string[];
  /** Cells, one per column. */
  rows: string[][];
  /** What the reader must know about the numbers. */
  notes: string[];
  /** Names of the columns whose cells are numbers, or blank where one is not known; what others hold is text, whatever it looks like. @default none */
  numbers?: readonly string[];
}

/** Names of columns for files, each its own: a repeated one follows the name of the column before it. */
export function columnNames({ columns }: Pick<Table, "columns">): string[] {
  const names: string[] = [];
  columns.forEach((column, i) => {
    let name = names.includes(column) ? `${columns[i - 1]}, ${column}` : column;
    for (let k = 2; names.includes(name); k++) name = `${column} (${k})`;
    names.push(name);
  });
  return names;
}

/**
 * The cells of column `i` by its type: numbers with null for blanks, or texts.
 *
 * @throws {TypeError} If a cell of a column of numbers is none.
 */
export function columnValues({ title, columns, rows, numbers = [] }: Table, i: number): (number | null)[] | string[] {
  if (!numbers.includes(columns[i])) return rows.map((row) => row[i]);
  return rows.map((row, r) => {
    if (row[i] === "") return null;
    if (/^[-+]?[\d.]/.test(row[i]) && Number.isFinite(Number(row[i]))) return Number(row[i]);
    throw new TypeError(
      `Cannot write table "${title}": column "${columns[i]}" must hold numbers, row ${r} is "${row[i]}"`,
    );
  });
}

const isNumber = (text: string) => /^[-+]?[\d.]/.test(text);

/** Columns aligned with spaces, numbers to the right. */
export function toText({ title, columns, rows, notes }: Table): string {
  const widths = columns.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i].length)));
  const toRight = columns.map((_, i) => rows.every((row) => isNumber(row[i]) || row[i] === ""));
  const line = (cells: string[]) =>
    cells.map((cell, i) => toRight[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i])).join("  ").trimEnd();
  const rule = widths.map((n) => "-".repeat(n)).join("  ");
  return [title, rule, line(columns), rule, ...rows.map(line), rule, ...notes].join("\n");
}

/** A text in Markdown that shows as it is: no markup, no link, no other cell or line. */
export const escapeMarkdown = (text: string): string =>
  text
    .replaceAll(/[\\`*~$|]/g, "\\$&")
    .replaceAll(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, "\\_") // Within a word it marks nothing.
    .replaceAll(/\](?=[(\[:])/g, "\\]")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(/\s*[\r\n]+\s*/g, " ");

/** A sentence in Markdown, code in backticks and all, without HTML. */
const escapeNote = (text: string) =>
  text.replaceAll(/[\r\n]+/g, " ").replaceAll(/`[^`]*`|<(?=[a-z/!?])/gi, (part) => part === "<" ? "&lt;" : part);

/** A Markdown table under a heading; title and cells are shown as they are. */
export function toMarkdown({ title, columns, rows, notes }: Table): string {
  const line = (cells: string[]) => `| ${cells.map(escapeMarkdown).join(" | ")} |`;
  const body = [line(columns), `| ${columns.map(() => "---").join(" | ")} |`, ...rows.map(line)];
  return [`## ${escapeMarkdown(title)}`, "", ...body, "", ...notes.map(escapeNote), ""].join("\n");
}

/** Comma-separated values with a header row of distinct names. */
export function toCsv(table: Table): string {
  const quote = (cell: string) => /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
  return [columnNames(table), ...table.rows].map((row) => row.map(quote).join(",")).join("\n") + "\n";
}

/** A table for LaTeX's `booktabs`: numbers to the right, what the reader must know as comments. */
export function toLatex({ title, columns, rows, notes, numbers = [] }: Table): string {
  const marks: Record<string, string> = {
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
  };
  const escape = (text: string) =>
    text.replace(
      /[\\~^&%$#_{}<>]/g,
      (mark) => marks[mark] ?? (mark === "<" || mark === ">" ? `$${mark}$` : `\\${mark}`),
    );
  const line = (cells: readonly string[]) => `  ${cells.map(escape).join(" & ")} \\\\`;
  return [
    ...notes.map((note) => `% ${note.replace(/\s+/g, " ")}`),
    "\\begin{table}",
    "  \\centering",
    `  \\caption{${escape(title)}}`,
    `  \\begin{tabular}{${columns.map((name) => numbers.includes(name) ? "r" : "l").join("")}}`,
    "  \\toprule",
    line(columns),
    "  \\midrule",
    ...rows.map(line),
    "  \\bottomrule",
    "  \\end{tabular}",
    "\\end{table}",
    "",
  ].join("\n");
}
