/**
 * Whole trajectories as flat arrays.
 *
 * @module
 */

/** Trajectories one after the other, row-major; a trajectory ends with a row of `done` 1. */
export interface Trajectories {
  /** Rows. */
  count: number;
  /** Numbers per observation. */
  observationDim: number;
  /** Numbers per action. */
  actionDim: number;
  /** `[count, observationDim]` */
  observation: Float32Array;
  /** `[count, actionDim]` */
  action: Float32Array;
  /** `[count]` */
  reward: Float32Array;
  /** `[count, observationDim]` */
  nextObservation: Float32Array;
  /** `[count]`, 1 at the last row of each trajectory, terminal or not. */
  done: Float32Array;
}

/** Trajectories, and `terminal [count]`: 1 where the environment, not a time limit, ended one. */
export interface TrajectorySet {
  /** The rows. */
  data: Trajectories;
  /** `[count]`, 1 where the environment ended the trajectory. */
  terminal: Float32Array;
}

/** First rows of the trajectories. */
export function trajectoryStarts({ count, done }: Pick<Trajectories, "count" | "done">): number[] {
  return Array.from({ length: count }, (_, i) => i).filter((i) => i === 0 || done[i - 1] === 1);
}

/** Return of each trajectory. */
export function trajectoryReturns(t: Pick<Trajectories, "count" | "done" | "reward">): number[] {
  const starts = trajectoryStarts(t);
  return starts.map((start, i) => t.reward.subarray(start, starts[i + 1] ?? t.count).reduce((sum, r) => sum + r, 0));
}

/**
 * One set of trajectories after the other.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { joinTrajectories, trajectoryStarts } from "./trajectories.ts";
 * const one = Float32Array.of(1);
 * const rows = { observation: one, action: one, reward: one, nextObservation: one, done: one };
 * const set = { data: { count: 1, observationDim: 1, actionDim: 1, ...rows }, terminal: one };
 * assertEquals(trajectoryStarts(joinTrajectories(set, set).data), [0, 1]);
 * ```
 */
export function joinTrajectories(a: TrajectorySet, b: TrajectorySet): TrajectorySet {
  const join = (f: (t: TrajectorySet) => Float32Array) => {
    const out = new Float32Array(f(a).length + f(b).length);
    out.set(f(a));
    out.set(f(b), f(a).length);
    return out;
  };
  return {
    data: {
      count: a.data.count + b.data.count,
      observationDim: a.data.observationDim,
      actionDim: a.data.actionDim,
      observation: join((t) => t.data.observation),
      action: join((t) => t.data.action),
      reward: join((t) => t.data.reward),
      nextObservation: join((t) => t.data.nextObservation),
      done: join((t) => t.data.done),
    },
    terminal: join((t) => t.terminal),
  };
}
