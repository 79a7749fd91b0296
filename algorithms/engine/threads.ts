/**
 * How many threads a compiled function uses.
 *
 * @module
 */

let threads = 1;

/** The threads of a function that is compiled now. */
export function currentThreads(): number {
  return threads;
}

/**
 * Sets how many threads a function compiled from now on uses on `onnx`: one at first, which is best where several runs
 * share the cores. With another number, results may differ in their last bits.
 *
 * @throws {RangeError} If `count` is no integer of at least 1.
 */
export function useThreads(count: number): void {
  if (!Number.isInteger(count) || count < 1) {
    throw new RangeError(
      `Cannot use threads: their number must be an integer of at least 1, current value is ${count}`,
    );
  }
  threads = count;
}
