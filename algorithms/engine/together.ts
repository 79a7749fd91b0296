/**
 * Several runs at once: calls that runs make of one compiled function, each with a state of its own, become one call with an axis of runs.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";
import type { NdArray } from "./array.ts";

/** A run's call of a function: its leaves, and what waits for its result. */
export interface Call {
  leaves: readonly NdArray[];
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** Runs calls of one function, of arrays of the same shapes. */
export type RunCalls = (calls: readonly Call[]) => Promise<unknown[]>;

/** Runs that wait for each other. */
export interface Gang {
  /** Waits until every run calls something or has ended; calls of the same function and shapes then run as one. */
  call(id: object, key: string, leaves: readonly NdArray[], run: RunCalls): Promise<unknown>;
}

const gangs = new AsyncLocalStorage<Gang>();

/** The runs that this one waits for; undefined for a run by itself. */
export const currentGang = (): Gang | undefined => gangs.getStore();

/** Makes calls within a run that are its own: no other run waits for them, nor do they wait. */
export const byItself = <T>(make: () => T): T => gangs.exit(make);

/**
 * Runs trainings together: at every update each waits for the others, and updates of the same kind are one call. Each training's numbers
 * are those of the training alone, up to rounding. It pays on a GPU, which one small network does not fill.
 *
 * @returns What each start gave, in their order.
 * @throws {Error} That of the first that fails, once the others have ended: their next call fails as well.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { compile } from "./compile.ts";
 * import { type NdArray, ndarray } from "./array.ts";
 * import { together } from "./together.ts";
 * import { tf } from "./tensor.ts";
 * type Point = { state: { x: NdArray } };
 * const step = compile<Point>("double", ({ state }) => ({ state: { x: tf.mul(state.x, 2) } }));
 * const starts = [1, 2, 3].map((x) => () => step({ state: { x: ndarray([x], [1]) } }));
 * const doubled = await together(starts);
 * assert(doubled[2].state.x.data[0] === 6);
 * ```
 */
export async function together<T>(starts: readonly (() => Promise<T>)[]): Promise<T[]> {
  let running = starts.length;
  let failed: { error: unknown } | undefined;
  let waiting: { id: object; key: string; run: RunCalls; call: Call }[] = [];

  const goOn = () => {
    if (waiting.length < running || waiting.length === 0) return;
    const all = waiting;
    waiting = [];
    const groups = Map.groupBy(all, ({ id, key }) => `${numberOf(id)} ${key}`);
    for (const group of groups.values()) {
      const calls = group.map(({ call }) => call);
      group[0].run(calls).then(
        (results) => calls.forEach(({ resolve }, i) => resolve(results[i])),
        (error) => calls.forEach(({ reject }) => reject(error)),
      );
    }
  };
  const gang: Gang = {
    call: (id, key, leaves, run) =>
      new Promise((resolve, reject) => {
        if (failed) return reject(failed.error);
        waiting.push({ id, key, run, call: { leaves, resolve, reject } });
        goOn();
      }),
  };
  const ended = await gangs.run(gang, () =>
    Promise.allSettled(starts.map(async (start) => {
      try {
        return await start();
      } catch (error) {
        failed ??= { error };
        for (const { call } of waiting.splice(0)) call.reject(failed.error);
        throw error;
      } finally {
        running--;
        goOn();
      }
    })));
  if (failed) throw (failed as { error: unknown }).error;
  return ended.map((one) => (one as PromiseFulfilledResult<T>).value);
}

const numbers = new WeakMap<object, number>();
let count = 0;

/** The same number for the same object. */
function numberOf(id: object): number {
  const known = numbers.get(id) ?? count++;
  numbers.set(id, known);
  return known;
}
