/**
 * Reads the ids of datasets and environments, as D4RL and Gymnasium write them.
 *
 * @module
 */

import { closest } from "fastest-levenshtein";
import { type MazeSize, mazeSizes } from "./maze.ts";
import type { Physics } from "./mjcf.ts";

/** What an id begins with: the robot, or what it is to do. */
export type Family =
  | ("halfcheetah" | "hopper" | "walker2d" | "ant" | "antmaze" | "maze2d")
  | ("pen" | "hammer" | "door" | "relocate" | "kitchen");

const robots: readonly Family[] = ["halfcheetah", "hopper", "walker2d", "ant"];
const hands: readonly Family[] = ["pen", "hammer", "door", "relocate"];

/** What an id says. */
export interface ReadId {
  /** The robot, or what it is to do. */
  family: Family;
  /** Name of its task, such as `hopper`, `antmaze-umaze-v2`, `maze2d-large-dense-v1`, `pen-longhorizon` or `kitchen-mixed`. */
  task: string;
  /** Size of the maze; null for what is none. */
  size: MazeSize | null;
  /** Which data: `medium-replay`, `human`, `diverse`, ...; null for the task itself. */
  data: string | null;
  /** `v0`, ..., `local` for data made here, null if it says none. */
  version: string | null;
  /** Physics that the id stands for: `v4` for Gymnasium's newer versions. */
  physics: Physics;
}

/** Every id of D4RL's families that this package knows, with and without data and version, and those of Gymnasium. */
function* knownIds(): Generator<[id: string, read: ReadId]> {
  const combine = function* (
    family: Family,
    stem: string,
    data: readonly (string | null)[],
    versions: readonly string[],
    task: (data: string | null, version: string | null) => string,
    size: MazeSize | null = null,
  ): Generator<[string, ReadId]> {
    for (const kind of data) {
      for (const version of [null, ...versions, "local"]) {
        const id = [stem, kind, version].filter((word) => word !== null).join("-");
        yield [id, { family, task: task(kind, version), size, data: kind, version, physics: "d4rl" }];
      }
    }
  };
  const levels = ["random", "medium", "expert", "medium-replay", "full-replay", "medium-expert", "random-expert"];
  for (const robot of robots) yield* combine(robot, robot, [null, ...levels], ["v0", "v1", "v2"], () => robot);
  for (const size of mazeSizes) {
    // D4RL's version 1 is version 0's environment with other data.
    const version = (said: string | null) => said === "v0" || said === "v1" ? "v0" : "v2";
    const maze = `antmaze-${size}`;
    const starts = [null, "play", "diverse"];
    yield* combine("antmaze", maze, starts, ["v0", "v1", "v2"], (_, said) => `${maze}-${version(said)}`, size);
    for (const reward of ["", "-dense"]) {
      const stem = `maze2d-${size}${reward}`;
      const task = (_: unknown, said: string | null) => `${stem}-${said === "v0" ? "v0" : "v1"}`;
      yield* combine("maze2d", stem, [null], ["v0", "v1"], task, size);
    }
  }
  for (const hand of hands) {
    yield* combine(hand, hand, [null, "human", "cloned", "expert"], ["v0", "v1"], () => hand);
    yield* combine(hand, hand, ["longhorizon", "human-longhorizon"], ["v0", "v1"], () => `${hand}-longhorizon`);
  }
  for (const goal of ["complete", "partial", "mixed"]) {
    yield* combine("kitchen", `kitchen-${goal}`, [null], ["v0"], () => `kitchen-${goal}`);
  }
  const gymnasium = { HalfCheetah: "halfcheetah", Hopper: "hopper", Walker2d: "walker2d", Ant: "ant" } as const;
  for (const [name, family] of Object.entries(gymnasium)) {
    for (const version of ["v2", "v3", "v4", "v5"]) {
      const physics = version < "v4" ? "d4rl" : "v4";
      const read: ReadId = { family, task: family, size: null, data: null, version, physics };
      if (!otherTask(`${name}-${version}`)) yield [`${name}-${version}`, read];
    }
  }
}

/** Tasks of Gymnasium and Gymnasium-Robotics that have D4RL's names and are other tasks: what differs, and what to take. */
const others: readonly [id: RegExp, difference: string, instead: string][] = [
  [/^Ant-v[45]$/, "it observes 27 numbers (v4) or 105 (v5), D4RL's and Gym's older ones 111", "Ant-v3"],
  [/^Hopper-v5$/, "it pays no bonus for the step that falls", "Hopper-v4"],
  [/^Walker2d-v5$/, "it pays no bonus for the step that falls, and its right foot has another friction", "Walker2d-v4"],
  [/^AntMaze_/, "Gym's ant instead of D4RL's, and observations with the goal", "antmaze-umaze-v2"],
  [/^PointMaze_/, "other coordinates, and observations with the goal", "maze2d-umaze-v1"],
  [/^AdroitHand/, "model files and physics of its own, and 200 steps for the pen", "pen-human-v1"],
  [/^FrankaKitchen-/, "observations with velocities, and a choice of goals", "kitchen-complete-v0"],
];
const otherTask = (id: string) => others.find(([pattern]) => pattern.test(id));

let table: ReadonlyMap<string, ReadId> | undefined;

/**
 * Reads an id of a dataset or environment: D4RL's (`hopper-medium-v2`, `pen-human-longhorizon-v1`), the same without data or
 * version (`hopper`, `antmaze-umaze-v2`, `maze2d-large-dense-v1`), with `local` for its version (`hopper-medium-local`), or
 * Gymnasium's where that is D4RL's task (`Hopper-v4`, `HalfCheetah-v5`, `Ant-v2`).
 *
 * @throws {RangeError} If it is none of these; it says what is near, or how a task of that name differs.
 */
export function readId(id: string): ReadId {
  table ??= new Map(knownIds());
  const read = table.get(id);
  if (read) return read;
  const other = otherTask(id);
  if (other) {
    throw new RangeError(
      `Cannot read id "${id}": it is another task than D4RL's (${other[1]}); "${other[2]}" is near and known`,
    );
  }
  const ids = [...table.keys()];
  const near = ids.find((known) => known.toLowerCase() === id.toLowerCase()) ?? closest(id, ids);
  throw new RangeError(`Cannot read id "${id}": unknown id; did you mean "${near}"?`);
}
