/**
 * The arithmetic mean.
 *
 * @module
 */

/** Arithmetic mean. */
export function mean(values: readonly number[] | Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum / values.length;
}
