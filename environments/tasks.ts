/**
 * Tasks by the names that D4RL and Gymnasium users know.
 *
 * @module
 */

import { closest } from "fastest-levenshtein";
import { ant } from "./ant.ts";
import { antMaze } from "./ant_maze.ts";
import type { TaskDefinition } from "./environment.ts";
import { halfCheetah } from "./half_cheetah.ts";
import { hopper } from "./hopper.ts";
import type { MazeSize } from "./maze.ts";
import { pointMaze } from "./point_maze.ts";
import { walker2d } from "./walker2d.ts";

const sizes: readonly MazeSize[] = ["umaze", "medium", "large"];

/** All tasks by name. */
export const tasks: Readonly<Record<string, TaskDefinition>> = Object.fromEntries(
  [
    halfCheetah,
    hopper,
    walker2d,
    ant,
    ...sizes.flatMap((size) => (["v0", "v2"] as const).map((version) => antMaze(size, version))),
    ...sizes.flatMap((size) => (["sparse", "dense"] as const).map((kind) => pointMaze(size, kind))),
  ].map((task) => [task.name, task]),
);

/**
 * The task of a dataset or environment id: `hopper`, `hopper-medium-v2`, `antmaze-umaze-diverse-v2`,
 * `maze2d-large-dense-v1`, and all of these with `-local` for their version.
 *
 * @throws {RangeError} If there is no such task; for Kitchen and Adroit the message says what their evaluation needs.
 */
export function findTask(id: string): TaskDefinition {
  const [family, ...words] = id.split("-");
  const versioned = (fallback: string) => words.find((word) => /^v\d$/.test(word)) ?? fallback;
  const name = family === "antmaze"
    ? `antmaze-${words[0]}-${versioned("v2")}`
    : family === "maze2d"
    ? `maze2d-${words[0]}${words.includes("dense") ? "-dense" : ""}-v1`
    : family;
  const task = tasks[name];
  if (task) return task;
  if (["kitchen", "pen", "hammer", "door", "relocate"].includes(family)) throw missingModels(id, family);
  throw new RangeError(`Cannot find task "${id}": unknown task; did you mean "${closest(name, Object.keys(tasks))}"?`);
}

function missingModels(id: string, family: string): RangeError {
  const [files, origin] = family === "kitchen"
    ? ["Franka kitchen", "d4rl/kitchen/ in github.com/Farama-Foundation/D4RL and the adept_models it names"]
    : ["Adroit hand", "d4rl/hand_manipulation_suite/assets/ in github.com/Farama-Foundation/D4RL"];
  return new RangeError(
    `Cannot evaluate "${id}": its ${files} model files (meshes and MJCF, from ${origin}) are not part of this package; ` +
      `its dataset and its reference scores are supported`,
  );
}
