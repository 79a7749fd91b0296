/**
 * What the task and the page that films tell each other.
 *
 * @module
 */

import type { PlayPolicy } from "../play/messages.ts";

/** A policy on the film, with its network calls per action. */
export interface FilmPart {
  policy: PlayPolicy;
  calls: number;
}

/** What is to be filmed. */
export interface FilmOrder {
  task: string;
  parts: FilmPart[];
  seed: number;
  seconds: number;
  framesPerSecond: number;
  /** Of one robot's picture, in pixels. */
  width: number;
  height: number;
  /** Poses of the strip. */
  stripPoses: number;
}

/** What is written on each part, and how far it came. */
export type FilmResult = { words: string[]; metres: number }[];
