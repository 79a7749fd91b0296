/**
 * Ant: a four-legged robot that is rewarded for moving along x without falling.
 *
 * Source: the Ant-v2 task of OpenAI Gym as D4RL recorded it; robot of Schulman et al. 2016 (arXiv 1506.02438).
 * Observation: all positions but x and y, all velocities, and 84 contact forces, which the recorder's MuJoCo left at 0 and
 * which are 0 here too. Reward per step: forward speed + 1 - 0.5 sum a^2.
 *
 * @module
 */

import { addNormal, addUniform, squareSum, type TaskDefinition } from "./environment.ts";
import { capsulesXml, geomMargin, type Physics } from "./mjcf.ts";

/** What the ants of Gym and of D4RL's mazes differ in. */
export interface AntModel {
  /** Of the task. */
  name: string;
  /** Seconds of one simulation step. */
  timestep: number;
  /** Attributes of every geom, and of every motor. */
  geom: string;
  /** Attributes of every motor. */
  motor: string;
  /** MJCF to stand in the world beside the ant. */
  world: string;
}

const density = 5; // kg / m^3

/** Legs by number: the signs of x and y they point along. */
const legs = [[1, 1, "30 70"], [-1, 1, "-70 -30"], [-1, -1, "-70 -30"], [1, -1, "30 70"]] as const;

/** The MJCF of an ant. */
export function antXml({ name, timestep, geom, motor, world }: AntModel, physics: Physics): string {
  const leg = ([sx, sy, range]: typeof legs[number], i: number) => {
    const at = (length: number) => [length * sx, length * sy, 0] as const;
    const part = (kind: string, length: number) =>
      capsulesXml([{ name: `${kind}_${i + 1}`, from: [0, 0, 0], to: at(length), radius: 0.08 }], physics, density);
    const next = at(0.2).join(" ");
    return `<body>
      ${part("root", 0.2)}
      <body pos="${next}">
        <joint name="hip_${i + 1}" type="hinge" axis="0 0 1" range="-30 30"/>${part("upper", 0.2)}
        <body pos="${next}">
          <joint name="ankle_${i + 1}" type="hinge" axis="${-sx * sy} 1 0" range="${range}"/>${part("lower", 0.4)}
        </body>
      </body>
    </body>`;
  };
  const motors = [4, 1, 2, 3].flatMap((i) => [`hip_${i}`, `ankle_${i}`]).map((joint) => `<motor joint="${joint}"/>`);
  return `<mujoco model="${name}">
  <compiler angle="degree"/>
  <option integrator="RK4" timestep="${timestep}"/>
  <default>
    <joint armature="1" damping="1" limited="true"/>
    <geom contype="1" conaffinity="0" condim="3" density="${density}" friction="1 .5 .5" margin="${
    geomMargin(0.01, physics)
  }" ${geom}/>
    <motor ctrllimited="true" ${motor}/>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="40 40 40" conaffinity="1"/>
    ${world}
    <body name="torso" pos="0 0 0.75">
      <joint name="root" type="free" armature="0" damping="0" limited="false"/>
      <geom name="torso" type="sphere" size="0.25"/>
      ${legs.map(leg).join("")}
    </body>
  </worldbody>
  <actuator>${motors.join("")}</actuator>
</mujoco>`;
}

/** How an ant starts: positions ±0.1, velocities 0.1 N(0, 1). */
export const startAnt: TaskDefinition["start"] = ({ qpos, qvel }, rng) => {
  addUniform(qpos, 0.1, rng);
  addNormal(qvel, 0.1, rng);
};

/** The Ant task. */
export const ant: TaskDefinition = {
  name: "ant",
  module: import.meta.url,
  observationDim: 111,
  actionDim: 8,
  frameSkip: 5,
  maxEpisodeSteps: 1000,
  xml: (physics) =>
    antXml({ name: "ant", timestep: 0.01, geom: "", motor: 'ctrlrange="-1 1" gear="150"', world: "" }, physics),
  observe({ qpos, qvel }, out) {
    for (let i = 2; i < 15; i++) out[i - 2] = qpos[i];
    for (let i = 0; i < 14; i++) out[13 + i] = qvel[i];
  },
  x: ({ xpos }) => xpos[3], // The torso's, as Gym reads it: that of the integrator's last evaluation.
  reward: (speed, _, action) => speed + 1 - 0.5 * squareSum(action),
  terminated: ({ qpos, qvel }) =>
    !(qpos.every(Number.isFinite) && qvel.every(Number.isFinite) && qpos[2] >= 0.2 && qpos[2] <= 1),
  start: startAnt,
};
