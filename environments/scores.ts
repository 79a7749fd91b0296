/**
 * D4RL's normalized scores: 0 is a random policy's return, 100 an expert's.
 *
 * @module
 */

import { readId } from "./ids.ts";

/**
 * Reference returns of a family, or of a task of Maze2d, from D4RL's `infos.py` (Fu et al. 2020, arXiv 2004.07219). The
 * "expert" of Maze2d's version 1 is a controller that keeps its plan from one episode to the next: one that plans afresh
 * scores 150 to 200.
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
  "maze2d-umaze-v0": { random: 0.94, expert: 62.6 },
  "maze2d-medium-v0": { random: 5.77, expert: 85.14 },
  "maze2d-large-v0": { random: 4.83, expert: 191.99 },
  "maze2d-umaze-v1": { random: 23.85, expert: 161.86 },
  "maze2d-medium-v1": { random: 13.13, expert: 277.39 },
  "maze2d-large-v1": { random: 6.7, expert: 273.99 },
  "maze2d-umaze-dense-v0": { random: 23.249793, expert: 81.78995240126592 },
  "maze2d-medium-dense-v0": { random: 19.47762, expert: 96.03474232952358 },
  "maze2d-large-dense-v0": { random: 27.38831, expert: 215.09965671563742 },
  "maze2d-umaze-dense-v1": { random: 68.537689, expert: 193.66285642381482 },
  "maze2d-medium-dense-v1": { random: 44.264742, expert: 297.4552547777125 },
  "maze2d-large-dense-v1": { random: 30.569041, expert: 303.4857382709002 },
};

/**
 * `100 (return - random) / (expert - random)` for a dataset or environment id such as `hopper-medium-v2`.
 *
 * @throws {RangeError} If {@linkcode readId} does not know the id.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { normalizedScore } from "./scores.ts";
 * assert(normalizedScore("hopper-medium-v2", 3234.3) === 100);
 * ```
 */
export function normalizedScore(id: string, episodeReturn: number): number {
  const { family, task } = readId(id);
  const { random, expert } = referenceReturns[family] ?? referenceReturns[task];
  return 100 * (episodeReturn - random) / (expert - random);
}
