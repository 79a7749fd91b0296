/**
 * Stand-in for `jsr:@std/assert` on networks that block jsr.io: the functions our tests use, over `node:assert`.
 *
 * @module
 */

import nodeAssert from "node:assert/strict";

// deno-lint-ignore no-explicit-any -- constructors take anything, as in the real package
type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;

/** Thrown by every assertion here. */
export { AssertionError } from "node:assert/strict";

/** Fails unless `value` is truthy. */
export function assert(value: unknown, message = ""): asserts value {
  nodeAssert.ok(value, message || "Expected a truthy value");
}

const unequal = (actual: unknown, expected: unknown) =>
  `Values are not equal: actual ${Deno.inspect(actual)}, expected ${Deno.inspect(expected)}`;

/** Fails unless the two are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, message?: string) {
  nodeAssert.deepStrictEqual(actual, expected, message ?? unequal(actual, expected));
}

/** Fails if the two are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, message?: string) {
  nodeAssert.notDeepStrictEqual(actual, expected, message ?? "Expected values to differ");
}

/** Fails unless `|actual - expected| <= tolerance` (default: 1e-7 of `expected`). */
export function assertAlmostEquals(actual: number, expected: number, tolerance?: number, message?: string) {
  const bound = tolerance ?? Math.abs(expected || 1) * 1e-7;
  const close = Object.is(actual, expected) || Math.abs(actual - expected) <= bound;
  nodeAssert.ok(close, message ?? `${actual} is not within ${bound} of ${expected}`);
}

/** Fails unless `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, message?: string) {
  nodeAssert.ok(actual.includes(expected), message ?? `"${actual}" does not contain "${expected}"`);
}

/** Fails unless `actual` matches `expected`. */
export function assertMatch(actual: string, expected: RegExp, message?: string) {
  nodeAssert.match(actual, expected, message ?? `"${actual}" does not match ${expected}`);
}

function check<E extends Error>(error: unknown, errorClass: ErrorClass<E> | undefined, part: string | undefined): E {
  nodeAssert.ok(error instanceof (errorClass ?? Error), `Expected ${errorClass?.name ?? "Error"}, got ${error}`);
  if (part !== undefined) assertStringIncludes(error.message, part);
  return error as E;
}

/** Fails unless `fn` throws; returns the error. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass?: ErrorClass<E>,
  messageIncludes?: string,
): E {
  try {
    fn();
  } catch (error) {
    return check(error, errorClass, messageIncludes);
  }
  return nodeAssert.fail("Expected function to throw");
}

/** Fails unless the promise of `fn` rejects; resolves to the error. */
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass?: ErrorClass<E>,
  messageIncludes?: string,
): Promise<E> {
  try {
    await fn();
  } catch (error) {
    return check(error, errorClass, messageIncludes);
  }
  return nodeAssert.fail("Expected function to reject");
}
