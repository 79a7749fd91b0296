/**
 * A walking ant for AntMaze data: a trot in open loop, steered from cell to cell.
 *
 * D4RL's own data come from a policy that was not published. This one is ours: each hip swings in proportion to how far its leg
 * stands across the wanted direction, diagonal legs in antiphase, ankles lift in time; a random search over seven numbers
 * (`data/behaviour/train_gait.ts`) found one that walks 1.3 m/s in any direction under D4RL's action noise.
 *
 * @module
 */

import type { MeanPolicy } from "./behaviours.ts";
import type { Environment } from "../environments/environment.ts";
import { antMazeCentre } from "../environments/ant_maze.ts";
import { readId } from "../environments/ids.ts";
import { antMazes, type Cell, shortestPath } from "../environments/maze.ts";

/** A trot: amplitude of the hips (rad), steps per second, lift and rest of the ankles (rad), gains, and the lift's phase. */
export type Gait = readonly [
  swing: number,
  frequency: number,
  lift: number,
  rest: number,
  gain: number,
  damping: number,
  phase: number,
];

/** The best gait of the search. */
export const trot: Gait = [0.580, 1.246, 0.176, 0.654, 69.362, 6.416, -0.996];

const legAngles = [1, 3, 5, 7].map((k) => k * Math.PI / 4);
const ankleSigns = [1, -1, -1, 1];
const motorLegs = [3, 0, 1, 2]; // The order of the ant's motors.
const torque = 30; // N m per unit of action.

/** Actions `[8]` of a gait at `seconds` into it, towards `heading` (radians in the world). */
export function gaitAction(gait: Gait, seconds: number, heading: number, { qpos, qvel }: Environment): Float64Array {
  const [swing, frequency, lift, rest, gain, damping, phase] = gait;
  const [w, x, y, z] = qpos.subarray(3, 7);
  const yaw = Math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z));
  const action = new Float64Array(8);
  motorLegs.forEach((leg, k) => {
    const cycle = 2 * Math.PI * frequency * seconds + (leg % 2) * Math.PI;
    const hip = swing * Math.SQRT2 * Math.sin(legAngles[leg] - (heading - yaw)) * Math.sin(cycle);
    const ankle = ankleSigns[leg] * (rest + lift * Math.cos(cycle + phase));
    const pull = (goal: number, joint: number) =>
      (gain * (goal - qpos[7 + joint]) - damping * qvel[6 + joint]) / torque;
    action[2 * k] = pull(hip, 2 * leg);
    action[2 * k + 1] = pull(ankle, 2 * leg + 1);
  });
  return action.map((a) => Math.min(Math.max(a, -1), 1));
}

const centring = 0.8; // Per metre off the middle.

/** Walks an AntMaze towards its goal: a policy for the state that `env` itself is in. */
export function createAntWalker(env: Environment): MeanPolicy {
  const maze = antMazes[readId(env.name).size!];
  const cellOf = (x: number, y: number): Cell => [Math.round(y / 4) + 1, Math.round(x / 4) + 1];
  let last: Cell = [1, 1];
  return (_, step) => {
    const [x, y] = env.qpos;
    const here = cellOf(x, y);
    if (!maze.isWall(...here)) last = here; // Leaning over a wall's edge.
    const next = shortestPath(maze, last, maze.goal)[1];
    let [dx, dy] = [env.goal![0] - x, env.goal![1] - y];
    if (next) { // Along the middle of the corridor.
      const [[fromX, fromY], [toX, toY]] = [antMazeCentre(last), antMazeCentre(next)];
      dx = toX === fromX ? centring * (fromX - x) : Math.sign(toX - fromX);
      dy = toY === fromY ? centring * (fromY - y) : Math.sign(toY - fromY);
    }
    return gaitAction(trot, step * env.controlTimestep, Math.atan2(dy, dx), env);
  };
}
