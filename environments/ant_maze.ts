/**
 * AntMaze: an ant that is rewarded once, when it reaches the goal of a maze.
 *
 * Source: D4RL's antmaze-{umaze,medium,large} (Fu et al. 2020, arXiv 2004.07219), evaluation form: the observation is all
 * positions and velocities, without the goal; reward 1 and the end of the episode within 0.5 of the goal. A cell is 4 m wide
 * and the start cell's centre is the origin. `v0` draws the goal once per environment, `v2` at every reset. The ant differs
 * from Gym's: torques of ±30 N m, stiffer contacts, a 0.02 s timestep.
 *
 * @module
 */

import { antXml, startAnt } from "./ant.ts";
import type { Simulation, TaskDefinition } from "./environment.ts";
import { antMazes, type MazeSize } from "./maze.ts";

const cellSize = 4;
const reach = 0.5;
const maxSteps: Record<MazeSize, number> = { umaze: 700, medium: 1000, large: 1000 };

/** The centre of a cell, metres. */
export function antMazeCentre([row, column]: readonly [number, number]): [number, number] {
  return [cellSize * (column - 1), cellSize * (row - 1)]; // Every start is in row 1, column 1.
}

/** Distance to the goal. */
const distance = ({ qpos, goal }: Simulation) => Math.hypot(qpos[0] - goal[0], qpos[1] - goal[1]);

/** The AntMaze task of a size and version. */
export function antMaze(size: MazeSize, version: "v0" | "v2"): TaskDefinition {
  const maze = antMazes[size];
  const walls = maze.rows.flatMap((row, i) =>
    [...row].flatMap((mark, j) => {
      const [x, y] = antMazeCentre([i, j]);
      return mark === "#" ? [`<geom type="box" pos="${x} ${y} 1" size="2 2 1" conaffinity="1"/>`] : [];
    })
  );
  const model = {
    name: `antmaze-${size}`,
    timestep: 0.02,
    geom: 'solref=".02 1" solimp=".8 .8 .01"',
    motor: 'ctrlrange="-30 30"',
    world: walls.join(""),
  };
  return {
    name: `antmaze-${size}-${version}`,
    module: import.meta.url,
    observationDim: 29,
    actionDim: 8,
    actionScale: 30,
    frameSkip: 5,
    maxEpisodeSteps: maxSteps[size],
    xml: (physics) => antXml(model, physics),
    observe({ qpos, qvel }, out) {
      out.set(qpos);
      out.set(qvel, 15);
    },
    reward: (_, now) => distance(now) <= reach ? 1 : 0,
    terminated: (now) => distance(now) <= reach,
    start: startAnt,
    goal: {
      drawn: version === "v0" ? "once" : "at reset",
      draw(rng) { // Two noises are added: within the cell's quarter, and as much again by half.
        const noise = () => cellSize * 0.25 * (rng.uniform() + 0.5 * rng.uniform());
        const [x, y] = antMazeCentre(maze.goal);
        return [Math.max(x + noise(), 0), Math.max(y + noise(), 0)];
      },
    },
  };
}
