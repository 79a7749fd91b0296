/**
 * What the playground's page and its workers tell each other.
 *
 * @module
 */

import type { Shape } from "../../../environments/environment.ts";

/** A policy that can be watched; one entry of `policies.json`. */
export interface PlayPolicy {
  /** For the page's menus. */
  id: string;
  title: string;
  /** Id of the dataset that it was trained on, which names the task. */
  task: string;
  kind: "one-step" | "iterative";
  /** Folder of its files, relative to the page. */
  folder: string;
  /** Network calls that it can take per action: 1 for a one-step policy. */
  calls: number[];
  /** Mean D4RL score of its own evaluation; null for an iterative policy that was not evaluated by itself. */
  score: number | null;
}

/** From the page to a worker. */
export type Command =
  | { type: "task"; task: string; seed: number }
  | { type: "policy"; policy: PlayPolicy; calls: number }
  | { type: "calls"; calls: number }
  | { type: "run"; running: boolean }
  | { type: "speed"; speed: number }
  | { type: "push" }
  | { type: "restart"; seed: number };

/** How a side is doing. */
export interface Stats {
  /** Control steps so far, all episodes. */
  steps: number;
  /** Return of the running episode. */
  episodeReturn: number;
  episodeSteps: number;
  /** D4RL scores of the finished episodes. */
  scores: number[];
  /** Milliseconds from an observation to its action, mean of the last ones. */
  msPerAction: number;
  /** Network calls per action. */
  calls: number;
  /** Control steps per second, and how many make real time. */
  stepsPerSecond: number;
  realTime: number;
  /** Metres along x since the start, all episodes one after the other, and seconds of running. */
  distance: number;
  seconds: number;
}

/** From a worker to the page. */
export type Report =
  | { type: "scene"; shapes: readonly Shape[]; goal: boolean }
  | { type: "frame"; position: Float32Array; rotation: Float32Array; goal: readonly number[] | null; distance: number }
  | { type: "stats"; stats: Stats }
  | { type: "failed"; message: string };
