/**
 * Turns: what runs that train together do one after the other.
 *
 * @module
 */

import { byItself } from "../../algorithms/engine/together.ts";

/** Makes a call when those before it have ended; no run waits for what it calls. */
export type Turn = <T>(make: () => Promise<T>) => Promise<T>;

/** Turns in the order in which they are asked for. */
export function createTurns(): Turn {
  let last: Promise<unknown> = Promise.resolve();
  return (make) => {
    const turn = byItself(() => last.then(make));
    last = turn.catch(() => {}); // Whoever waits for this one hears of it.
    return turn;
  };
}
