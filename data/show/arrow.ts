/**
 * Tables as Arrow files.
 *
 * @module
 */

import { float64, utf8 } from "@uwdata/flechette";
import { table as frame } from "arquero";
import { columnNames, columnValues, type Table } from "./table.ts";

/**
 * A table as an Arrow file. Its columns decide the types, not what their cells look like: those in `numbers` are float64, with null
 * for a blank; all others are text.
 *
 * @throws {TypeError} If a cell of a column of numbers is none.
 */
export function toArrow(table: Table): Uint8Array {
  const names = columnNames(table);
  const isNumber = (i: number) => table.numbers?.includes(table.columns[i]) ?? false;
  const types = Object.fromEntries(names.map((name, i) => [name, isNumber(i) ? float64() : utf8()]));
  const values = Object.fromEntries(names.map((name, i) => [name, columnValues(table, i)]));
  return frame(values, names).toArrowIPC({ format: "file", types });
}
