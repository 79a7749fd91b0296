/**
 * Tasks by the names that D4RL and Gymnasium users know.
 *
 * @module
 */

import { closest } from "fastest-levenshtein";
import { adroitTasks } from "./adroit.ts";
import { ant } from "./ant.ts";
import { antMaze } from "./ant_maze.ts";
import type { FileTask, TaskDefinition } from "./environment.ts";
import { halfCheetah } from "./half_cheetah.ts";
import { hopper } from "./hopper.ts";
import { kitchenTasks } from "./kitchen.ts";
import type { MazeSize } from "./maze.ts";
import { modelsFolder } from "./model_files.ts";
import { pointMaze } from "./point_maze.ts";
import { walker2d } from "./walker2d.ts";

const sizes: readonly MazeSize[] = ["umaze", "medium", "large"];

/** Tasks with models of this package, by name. */
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

/** Tasks whose models are files of the user's, by name. */
export const fileTasks: Readonly<Record<string, FileTask>> = Object.fromEntries(
  [...adroitTasks, ...kitchenTasks].map((task) => [task.name, task]),
);

/**
 * The task of a dataset or environment id: `hopper`, `hopper-medium-v2`, `antmaze-umaze-diverse-v2`, `pen-human-v1`,
 * `maze2d-large-dense-v1`, and all of these with `-local` for their version.
 *
 * @throws {RangeError} If there is no such task; for Kitchen and Adroit also if `D4RL_MODELS_DIR` names no folder of their models.
 */
export function findTask(id: string): TaskDefinition | FileTask {
  const task = knownTask(id);
  if (!("load" in task) || modelsFolder()) return task;
  throw new RangeError(
    `Cannot evaluate "${id}": its model files are not part of this package; set D4RL_MODELS_DIR to a checkout of ` +
      `github.com/Farama-Foundation/D4RL (its dataset and its reference scores need no such files)`,
  );
}

/**
 * A task by an id of it, whether or not its model files are there.
 *
 * @throws {RangeError} If there is no such task.
 */
export function knownTask(id: string): TaskDefinition | FileTask {
  const [family, ...words] = id.split("-");
  const versioned = (fallback: string) => words.find((word) => /^v\d$/.test(word)) ?? fallback;
  const name = family === "antmaze"
    ? `antmaze-${words[0]}-${versioned("v2")}`
    : family === "maze2d"
    ? `maze2d-${words[0]}${words.includes("dense") ? "-dense" : ""}-v1`
    : family === "kitchen"
    ? `kitchen-${words[0]}`
    : family;
  const task = tasks[name] ?? fileTasks[name];
  if (task) return task;
  const names = Object.keys({ ...tasks, ...fileTasks });
  throw new RangeError(`Cannot find task "${id}": unknown task; did you mean "${closest(name, names)}"?`);
}
