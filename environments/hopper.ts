/**
 * Hopper: a one-legged robot that is rewarded for moving forward without falling.
 *
 * Source: the Hopper-v2 task of OpenAI Gym as D4RL recorded it; dimensions after Erez, Tassa & Todorov 2012. State: x,
 * height, pitch, three joints, and their velocities. Observation: all but x, velocities clipped to ±10. Reward per step:
 * forward speed + 1 - 0.001 sum a^2.
 *
 * @module
 */

import { addUniform, observeRunner, squareSum, type TaskDefinition } from "./environment.ts";
import { type Capsule, capsulesXml, geomMargin, type Physics } from "./mjcf.ts";

const capsules: Record<"torso" | "thigh" | "leg" | "foot", Capsule> = {
  torso: { name: "torso", from: [0, 0, 0.2], to: [0, 0, -0.2], radius: 0.05, friction: 0.9 },
  thigh: { name: "thigh", from: [0, 0, 0], to: [0, 0, -0.45], radius: 0.05, friction: 0.9 },
  leg: { name: "leg", from: [0, 0, 0.25], to: [0, 0, -0.25], radius: 0.04, friction: 0.9 },
  foot: { name: "foot", from: [-0.13, 0, 0], to: [0.26, 0, 0], radius: 0.06, friction: 2 },
};

function hopperXml(physics: Physics): string {
  const part = (name: keyof typeof capsules) => capsulesXml([capsules[name]], physics);
  const hinge = (name: string, z: number, range: string) =>
    `<joint name="${name}" type="hinge" axis="0 -1 0" pos="0 0 ${z}" range="${range}"/>`;
  return `<mujoco model="hopper">
  <compiler angle="degree"/>
  <option integrator="RK4" timestep="0.002"/>
  <default>
    <joint armature="1" damping="1" limited="true"/>
    <geom contype="1" conaffinity="1" condim="1" margin="${
    geomMargin(0.001, physics)
  }" solref=".02 1" solimp=".8 .8 .01"/>
    <motor ctrllimited="true" ctrlrange="-1 1" gear="200"/>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="20 20 .125" condim="3"/>
    <body name="torso" pos="0 0 1.25">
      <joint name="x" type="slide" axis="1 0 0" armature="0" damping="0" limited="false"/>
      <joint name="z" type="slide" axis="0 0 1" armature="0" damping="0" limited="false" ref="1.25"/>
      <joint name="pitch" type="hinge" axis="0 1 0" armature="0" damping="0" limited="false"/>
      ${part("torso")}
      <body name="thigh" pos="0 0 -0.2">
        ${hinge("thigh", 0, "-150 0")}${part("thigh")}
        <body name="leg" pos="0 0 -0.7">
          ${hinge("leg", 0.25, "-150 0")}${part("leg")}
          <body name="foot" pos="0 0 -0.25">
            ${hinge("foot", 0, "-45 45")}${part("foot")}
          </body>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator><motor joint="thigh"/><motor joint="leg"/><motor joint="foot"/></actuator>
</mujoco>`;
}

/** The Hopper task. */
export const hopper: TaskDefinition = {
  name: "hopper",
  module: import.meta.url,
  observationDim: 11,
  actionDim: 3,
  frameSkip: 4,
  maxEpisodeSteps: 1000,
  xml: hopperXml,
  observe: observeRunner,
  reward: (speed, _, action) => speed + 1 - 1e-3 * squareSum(action),
  terminated({ qpos, qvel }) {
    const bounded = (x: number) => Math.abs(x) < 100; // False for NaN.
    const healthy = qpos.subarray(2).every(bounded) && qvel.every(bounded);
    return !(healthy && qpos[1] > 0.7 && Math.abs(qpos[2]) < 0.2);
  },
  start({ qpos, qvel }, rng) {
    addUniform(qpos, 0.005, rng);
    addUniform(qvel, 0.005, rng);
  },
};
