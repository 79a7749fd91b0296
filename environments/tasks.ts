/**
 * Tasks by the names that D4RL and Gymnasium users know.
 *
 * @module
 */

import { adroitTasks } from "./adroit.ts";
import { ant } from "./ant.ts";
import { antMaze } from "./ant_maze.ts";
import type { FileTask, TaskDefinition } from "./environment.ts";
import { halfCheetah } from "./half_cheetah.ts";
import { hopper } from "./hopper.ts";
import { readId } from "./ids.ts";
import { kitchenTasks } from "./kitchen.ts";
import { mazeSizes } from "./maze.ts";
import { modelsFolder } from "./model_files.ts";
import { pointMaze } from "./point_maze.ts";
import { walker2d } from "./walker2d.ts";

/** Tasks with models of this package, by name. */
export const tasks: Readonly<Record<string, TaskDefinition>> = Object.fromEntries(
  [
    halfCheetah,
    hopper,
    walker2d,
    ant,
    ...mazeSizes.flatMap((size) => (["v0", "v2"] as const).map((version) => antMaze(size, version))),
    ...mazeSizes.flatMap((size) =>
      (["sparse", "dense"] as const).flatMap((kind) =>
        (["v0", "v1"] as const).map((version) => pointMaze(size, kind, version))
      )
    ),
  ].map((task) => [task.name, task]),
);

/** Tasks whose models are files of the user's, by name. */
export const fileTasks: Readonly<Record<string, FileTask>> = Object.fromEntries(
  [...adroitTasks, ...kitchenTasks].map((task) => [task.name, task]),
);

/**
 * The task of a dataset or environment id, see {@linkcode readId}: `hopper`, `hopper-medium-v2`, `antmaze-umaze-diverse-v2`,
 * `pen-human-v1`, `maze2d-large-dense-v1`, all of these with `local` for their version, and Gymnasium's `Hopper-v4`, which
 * stands for that physics too.
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
  const { task: name, physics } = readId(id);
  const task = tasks[name];
  return task && physics !== "d4rl" ? { ...task, physics } : task ?? fileTasks[name];
}
