/**
 * Settings that are one of a few words.
 *
 * @module
 */

/**
 * Throws a RangeError that names the setting unless `value` is one of `words`.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { assertWord } from "./words.ts";
 * assertThrows(
 *   () => assertWord("FQL", "nextValue", "max", ["mean", "min"]),
 *   RangeError,
 *   'Cannot create FQL: nextValue must be one of "mean", "min", current value is "max"',
 * );
 * ```
 */
export function assertWord<W extends string>(algorithm: string, name: string, value: W, words: readonly W[]) {
  if (words.includes(value)) return;
  const known = words.map((word) => `"${word}"`).join(", ");
  throw new RangeError(`Cannot create ${algorithm}: ${name} must be one of ${known}, current value is "${value}"`);
}
