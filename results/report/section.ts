/**
 * Parts of the report.
 *
 * @module
 */

import type { Exhibits } from "../experiments/experiment.ts";

/** A part of the report; tables and figures by the names of their files. */
export interface Section extends Exhibits {
  name: string;
  title: string;
}
