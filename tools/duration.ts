/**
 * Times as people say them.
 *
 * @module
 */

const spans = [["second", 1], ["minute", 60], ["hour", 3600], ["day", 86_400], ["month", 2_629_800], [
  "year",
  31_557_600,
]] as const;

/**
 * A guess of a time as people say it: `20 seconds`, `12 minutes`, `3 hours`, `2 days`; at most two digits count.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sayDuration } from "./duration.ts";
 * assertEquals([7, 95, 5000, 1e6].map(sayDuration), ["7 seconds", "2 minutes", "83 minutes", "12 days"]);
 * ```
 */
export function sayDuration(seconds: number): string {
  const [name, length] = spans.findLast(([, length]) => seconds >= 1.5 * length) ?? spans[0];
  const count = Math.max(Math.round(seconds / length), 1);
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}
