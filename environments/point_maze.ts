/**
 * Maze2d: a ball that is rewarded for every step near the goal of a maze. It never terminates.
 *
 * Source: D4RL's maze2d-{umaze,medium,large}, of which version 0 has shorter episodes (Fu et al. 2020, arXiv 2004.07219).
 * Positions are in cells, a cell 1 m wide. Observation: position and velocity. Reward per step: sparse, 1 within 0.5 of the
 * goal; dense, `exp(-distance)`.
 *
 * @module
 */

import { addNormal, addUniform, type TaskDefinition } from "./environment.ts";
import { type MazeSize, pointMazes } from "./maze.ts";
import { geomMargin } from "./mjcf.ts";

const maxSteps = {
  v0: { umaze: 150, medium: 250, large: 600 },
  v1: { umaze: 300, medium: 600, large: 800 },
};

/** Reward of being at `(x, y)` with a goal. */
export function pointMazeReward(x: number, y: number, goal: ArrayLike<number>, kind: "sparse" | "dense"): number {
  const distance = Math.hypot(x - goal[0], y - goal[1]);
  return kind === "dense" ? Math.exp(-distance) : distance <= 0.5 ? 1 : 0;
}

/** The Maze2d task of a size, kind of reward and version. */
export function pointMaze(size: MazeSize, kind: "sparse" | "dense", version: "v0" | "v1" = "v1"): TaskDefinition {
  const maze = pointMazes[size];
  const walls = maze.rows.flatMap((row, i) =>
    [...row].flatMap((mark, j) =>
      mark === "#" ? [`<geom type="box" pos="${i + 1} ${j + 1} 0" size="0.5 0.5 0.2" contype="2"/>`] : []
    )
  );
  return {
    name: `maze2d-${size}${kind === "dense" ? "-dense" : ""}-${version}`,
    module: import.meta.url,
    observationDim: 4,
    actionDim: 2,
    frameSkip: 1,
    maxEpisodeSteps: maxSteps[version][size],
    xml: (physics) =>
      `<mujoco model="maze2d-${size}">
  <option integrator="Euler" timestep="0.01" gravity="0 0 0" iterations="20"/>
  <default>
    <joint type="slide" damping="1" limited="false"/>
    <geom contype="1" conaffinity="1" condim="1" friction=".5 .1 .1" density="1000" margin="${
        geomMargin(0.002, physics)
      }"/>
    <motor ctrllimited="true" ctrlrange="-1 1" gear="100"/>
  </default>
  <worldbody>
    <geom name="floor" type="plane" pos="0 0 -0.1" size="40 40 0.25" conaffinity="0"/>
    ${walls.join("")}
    <body name="ball" pos="1.2 1.2 0">
      <joint name="x" axis="1 0 0"/><joint name="y" axis="0 1 0"/>
      <geom name="ball" type="sphere" size="0.1"/>
    </body>
  </worldbody>
  <actuator><motor joint="x"/><motor joint="y"/></actuator>
</mujoco>`,
    observe({ qpos, qvel }, out) {
      out.set(qpos);
      out.set(qvel, 2);
    },
    prepare({ qvel }) {
      for (let i = 0; i < 2; i++) qvel[i] = Math.min(Math.max(qvel[i], -5), 5);
    },
    reward: (_, { qpos, goal }) => pointMazeReward(qpos[0], qpos[1], goal, kind),
    terminated: () => false,
    start({ qpos, qvel }, rng) {
      qpos.set(maze.free[rng.integer(maze.free.length)]);
      addUniform(qpos, 0.1, rng);
      addNormal(qvel, 0.1, rng);
    },
    goal: { drawn: "once", draw: () => [maze.goal[0], maze.goal[1]] },
  };
}
