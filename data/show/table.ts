/**
 * Tables for the terminal, for Markdown and for CSV.
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

/** A Markdown table under a heading. */
export function toMarkdown({ title, columns, rows, notes }: Table): string {
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  const body = [line(columns), line(columns.map(() => "---")), ...rows.map(line)];
  return [`## ${title}`, "", ...body, "", ...notes, ""].join("\n");
}

/** Comma-separated values with a header row. */
export function toCsv({ columns, rows }: Table): string {
  const quote = (cell: string) => /[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
  return [columns, ...rows].map((row) => row.map(quote).join(",")).join("\n") + "\n";
}
