/**
 * D4RL's normalized scores: 0 is a random policy's return, 100 an expert's.
 *
 * @module
 */

/**
 * Reference returns of a task family, from D4RL's `infos.py` (Fu et al. 2020, arXiv 2004.07219); Maze2d's are those of
 * version 1, whose "expert" is a controller that keeps its plan from one episode to the next: one that plans afresh scores
 * 150 to 200.
 */
export const referenceReturns: Readonly<Record<string, { random: number; expert: number }>> = {
  halfcheetah: { random: -280.178953, expert: 12135.0 },
  hopper: { random: -20.272305, expert: 3234.3 },
  walker2d: { random: 1.629008, expert: 4592.3 },
  ant: { random: -325.6, expert: 3879.7 },
  antmaze: { random: 0, expert: 1 },
  kitchen: { random: 0, expert: 4 },
  pen: { random: 96.262799, expert: 3076.8331017826877 },
  hammer: { random: -274.856578, expert: 12794.134825156867 },
  door: { random: -56.512833, expert: 2880.5693087298737 },
  relocate: { random: -6.425911, expert: 4233.877797728884 },
  "maze2d-umaze": { random: 23.85, expert: 161.86 },
  "maze2d-medium": { random: 13.13, expert: 277.39 },
  "maze2d-large": { random: 6.7, expert: 273.99 },
  "maze2d-umaze-dense": { random: 68.537689, expert: 193.66285642381482 },
  "maze2d-medium-dense": { random: 44.264742, expert: 297.4552547777125 },
  "maze2d-large-dense": { random: 30.569041, expert: 303.4857382709002 },
};

/**
 * `100 (return - random) / (expert - random)` for a dataset or environment id such as `hopper-medium-v2`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { normalizedScore } from "./scores.ts";
 * assert(normalizedScore("hopper-medium-v2", 3234.3) === 100);
 * ```
 */
export function normalizedScore(id: string, episodeReturn: number): number {
  const [robot, size, kind] = id.split("-");
  const family = robot === "maze2d" ? `${robot}-${size}${kind === "dense" ? "-dense" : ""}` : robot;
  const reference = referenceReturns[family];
  if (!reference) {
    throw new RangeError(
      `Cannot normalize the return of "${id}": family must be one of ${Object.keys(referenceReturns).join(", ")}`,
    );
  }
  return 100 * (episodeReturn - reference.random) / (reference.expert - reference.random);
}
