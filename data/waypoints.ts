/**
 * D4RL's Maze2d data: a controller that follows waypoints from one random goal to the next.
 *
 * Source: D4RL's `WaypointController` and its data script (Fu et al. 2020, arXiv 2004.07219): gain 10 on position, -1 on
 * velocity, waypoints jittered by up to 0.2 of a cell. A controller keeps its way until the goal's cell changes: D4RL's reference
 * returns are those of one that was not created afresh for each episode, and so runs into walls. Deviation: the way is found breadth first, where D4RL iterates Q
 * values; both give a shortest one.
 *
 * @module
 */

import type { Rng } from "../algorithms/core/rng.ts";
import type { Environment } from "../environments/environment.ts";
import { readId } from "../environments/ids.ts";
import { type Cell, type Maze, pointMazes, shortestPath } from "../environments/maze.ts";
import { pointMazeReward } from "../environments/point_maze.ts";
import { putRow, type Rows } from "./rows.ts";

/** Coordinates, metres. */
export type Point = readonly [number, number];

const reached = 0.1;
const cellOf = ([x, y]: Point): Cell => [Math.round(x), Math.round(y)];
const distance = (a: Point, b: Point) => Math.hypot(a[0] - b[0], a[1] - b[1]);

/** A controller with memory of its way and of where it was a step ago. */
export interface WaypointController {
  /** The action, and whether the goal's cell is reached and the ball is slow. */
  act(position: Point, velocity: Point, goal: Point): { action: [number, number]; arrived: boolean };
}

/** Creates a {@linkcode WaypointController}. */
export function createWaypointController(maze: Maze, rng: Rng): WaypointController {
  let target: Cell = [-1000, -1000];
  let waypoints: Point[] = [];
  let next = 0;
  let before: Point = [0, 0];
  return {
    act(position, velocity, goal) {
      if (distance(target, cellOf(goal)) > 1e-3) {
        target = cellOf(goal);
        before = cellOf(position);
        next = 0;
        const way = shortestPath(maze, cellOf(position), target).slice(1);
        waypoints = way.map((cell, i) =>
          i === way.length - 1 ? cell : [cell[0] - 0.2 * rng.uniform(), cell[1] - 0.2 * rng.uniform()]
        );
        if (way.length === 0) waypoints = [target];
      }
      const slow = distance(before, position) < 0.1; // Per step.
      const arrived = distance(position, target) < reached && slow;
      const aim = arrived ? target : waypoints[next];
      const action = [0, 1].map((d) => Math.min(Math.max(10 * (aim[d] - position[d]) - velocity[d], -1), 1)) as [
        number,
        number,
      ];
      if (!arrived && distance(position, aim) < reached && slow) next = Math.min(next + 1, waypoints.length - 1);
      before = position;
      return { action, arrived };
    },
  };
}

/**
 * Records the controller until `end` rows are full, in one endless episode as D4RL does: a new goal, near the centre of a
 * random cell, when one is reached or the step limit is. The reward of a row is that of its own observation and of the task's
 * fixed goal, one step off the environment's, as in D4RL's files; `timeouts` mark the rows after which a new goal was drawn. Goes on with
 * a hundred rows each time it is asked.
 */
export function* makeMazeRows(env: Environment, rows: Rows, end: number, rng: Rng): Generator<void> {
  const maze = pointMazes[readId(env.name).size!];
  const controller = createWaypointController(maze, rng.child("waypoints"));
  const drawGoal = () => {
    const cell = maze.free[rng.integer(maze.free.length)];
    return cell.map((x) => x + 0.2 * rng.uniform() - 0.1) as [number, number];
  };
  let goal = drawGoal();
  const observation = Float64Array.from(env.reset(rng.integer(2 ** 31)));
  for (let step = 0; rows.count < end;) {
    const [x, y, vx, vy] = observation;
    const { action, arrived } = controller.act([x, y], [vx, vy], goal);
    const done = arrived || step >= env.maxEpisodeSteps;
    putRow(rows, "observations", observation);
    putRow(rows, "actions", action);
    putRow(rows, "rewards", [pointMazeReward(x, y, maze.goal, "sparse")]);
    putRow(rows, "timeouts", [done ? 1 : 0]);
    putRow(rows, "infos/goal", goal);
    putRow(rows, "infos/qpos", env.qpos);
    putRow(rows, "infos/qvel", env.qvel);
    rows.count++;
    observation.set(env.step(action).observation);
    step++;
    if (done) {
      goal = drawGoal();
      step = 0;
    }
    if (rows.count % 100 === 0) yield;
  }
}
