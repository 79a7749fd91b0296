/**
 * Walker2d: a planar robot with two legs that is rewarded for moving forward without falling.
 *
 * Source: the Walker2d-v2 task of OpenAI Gym as D4RL recorded it; dimensions after Erez, Tassa & Todorov 2012. State: x,
 * height, pitch, six joints, and their velocities. Observation: all but x, velocities clipped to ±10. Reward per step:
 * forward speed + 1 - 0.001 sum a^2. The right foot's friction is 0.9, the left's 1.9.
 *
 * @module
 */

import { addUniform, observeRunner, squareSum, type TaskDefinition } from "./environment.ts";
import { type Capsule, capsulesXml, type Physics } from "./mjcf.ts";

const torso: Capsule = { name: "torso", from: [0, 0, 0.2], to: [0, 0, -0.2], radius: 0.05, friction: 0.9 };

function walker2dXml(physics: Physics): string {
  const leg = (side: string, footFriction: number) => {
    const part = (name: string, from: Capsule["from"], to: Capsule["to"], radius: number, friction = 0.9) =>
      capsulesXml([{ name: `${name}${side}`, from, to, radius, friction }], physics);
    const hinge = (name: string, position: string, range: string) =>
      `<joint name="${name}${side}" type="hinge" axis="0 -1 0" pos="${position}" range="${range}"/>`;
    return `<body name="thigh${side}" pos="0 0 -0.2">
      ${hinge("thigh", "0 0 0", "-150 0")}${part("thigh", [0, 0, 0], [0, 0, -0.45], 0.05)}
      <body name="leg${side}" pos="0 0 -0.7">
        ${hinge("leg", "0 0 0.25", "-150 0")}${part("leg", [0, 0, 0.25], [0, 0, -0.25], 0.04)}
        <body name="foot${side}" pos="0.2 0 -0.35">
          ${hinge("foot", "-0.2 0 0.1", "-45 45")}${part("foot", [-0.2, 0, 0.1], [0, 0, 0.1], 0.06, footFriction)}
        </body>
      </body>
    </body>`;
  };
  const root = (name: string, type: string, axis: string, more = "") =>
    `<joint name="${name}" type="${type}" axis="${axis}" armature="0" damping="0" limited="false"${more}/>`;
  const motors = ["", "_left"].flatMap((side) =>
    ["thigh", "leg", "foot"].map((name) => `<motor joint="${name}${side}"/>`)
  );
  return `<mujoco model="walker2d">
  <compiler angle="degree"/>
  <option integrator="RK4" timestep="0.002"/>
  <default>
    <joint armature="0.01" damping=".1" limited="true"/>
    <geom contype="1" conaffinity="0" condim="3" friction=".7 .1 .1"/>
    <motor ctrllimited="true" ctrlrange="-1 1" gear="100"/>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="40 40 40" conaffinity="1"/>
    <body name="torso" pos="0 0 1.25">
      ${root("x", "slide", "1 0 0")}${root("z", "slide", "0 0 1", ' ref="1.25"')}${root("pitch", "hinge", "0 1 0")}
      ${capsulesXml([torso], physics)}
      ${leg("", 0.9)}${leg("_left", 1.9)}
    </body>
  </worldbody>
  <actuator>${motors.join("")}</actuator>
</mujoco>`;
}

/** The Walker2d task. */
export const walker2d: TaskDefinition = {
  name: "walker2d",
  module: import.meta.url,
  observationDim: 17,
  actionDim: 6,
  frameSkip: 4,
  maxEpisodeSteps: 1000,
  xml: walker2dXml,
  observe: observeRunner,
  reward: (speed, _, action) => speed + 1 - 1e-3 * squareSum(action),
  terminated: ({ qpos }) => !(qpos[1] > 0.8 && qpos[1] < 2 && Math.abs(qpos[2]) < 1),
  start({ qpos, qvel }, rng) {
    addUniform(qpos, 0.005, rng);
    addUniform(qvel, 0.005, rng);
  },
};
