/**
 * HalfCheetah: a planar two-legged robot that is rewarded for running forward. It never terminates.
 *
 * Source: the HalfCheetah-v2 task of OpenAI Gym as D4RL recorded it; robot of Wawrzynski 2009. State: x, height, pitch, six
 * joints, and their velocities. Observation: all but x. Reward per step: forward speed - 0.1 sum a^2.
 *
 * @module
 */

import { addNormal, addUniform, squareSum, type TaskDefinition } from "./environment.ts";
import { type Capsule, capsuleAt, capsulesXml, type Physics } from "./mjcf.ts";

const radius = 0.046;

interface Joint {
  range: string;
  damping: number;
  stiffness: number;
  gear: number;
}
type Limb = readonly [name: string, position: string, joint: Joint, geom: Capsule];

const limb = (
  name: string,
  position: string,
  joint: [range: string, damping: number, stiffness: number, gear: number],
  [x, z, angle, halfLength]: [number, number, number, number],
): Limb => {
  const [range, damping, stiffness, gear] = joint;
  return [name, position, { range, damping, stiffness, gear }, capsuleAt(name, [x, 0, z], angle, halfLength, radius)];
};

const back = [
  limb("bthigh", "-.5 0 0", ["-.52 1.05", 6, 240, 120], [0.1, -0.13, -3.8, 0.145]),
  limb("bshin", ".16 0 -.25", ["-.785 .785", 4.5, 180, 90], [-0.14, -0.07, -2.03, 0.15]),
  limb("bfoot", "-.28 0 -.14", ["-.4 .785", 3, 120, 60], [0.03, -0.097, -0.27, 0.094]),
];
const front = [
  limb("fthigh", ".5 0 0", ["-1 .7", 4.5, 180, 120], [-0.07, -0.12, 0.52, 0.133]),
  limb("fshin", "-.14 0 -.24", ["-1.2 .87", 3, 120, 60], [0.065, -0.09, -0.6, 0.106]),
  limb("ffoot", ".13 0 -.18", ["-.5 .5", 1.5, 60, 30], [0.045, -0.07, -0.6, 0.07]),
];
const torso: Capsule[] = [
  { name: "torso", from: [-0.5, 0, 0], to: [0.5, 0, 0], radius },
  capsuleAt("head", [0.6, 0, 0.1], 0.87, 0.15, radius),
];

function halfCheetahXml(physics: Physics): string {
  const leg = ([[name, position, { range, damping, stiffness }, geom], ...rest]: readonly Limb[]): string =>
    `<body name="${name}" pos="${position}">
      <joint name="${name}" axis="0 1 0" range="${range}" damping="${damping}" stiffness="${stiffness}"/>
      ${capsulesXml([geom], physics)}${rest.length > 0 ? leg(rest) : ""}
    </body>`;
  const root = (name: string, type: string, axis: string) =>
    `<joint name="${name}" type="${type}" axis="${axis}" armature="0" damping="0" stiffness="0" limited="false"/>`;
  const motors = [...back, ...front].map(([name, , { gear }]) => `<motor joint="${name}" gear="${gear}"/>`).join("");
  return `<mujoco model="half_cheetah">
  <compiler angle="radian" settotalmass="14"/>
  <option timestep="0.01"/>
  <default>
    <joint type="hinge" armature=".1" damping=".01" limited="true" stiffness="8" solimplimit="0 .8 .03" solreflimit=".02 1"/>
    <geom contype="1" conaffinity="0" condim="3" friction=".4 .1 .1" solimp="0 .8 .01" solref=".02 1"/>
    <motor ctrllimited="true" ctrlrange="-1 1"/>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="40 40 40" conaffinity="1"/>
    <body name="torso" pos="0 0 .7">
      ${root("x", "slide", "1 0 0")}${root("z", "slide", "0 0 1")}${root("pitch", "hinge", "0 1 0")}
      ${capsulesXml(torso, physics)}
      ${leg(back)}${leg(front)}
    </body>
  </worldbody>
  <actuator>${motors}</actuator>
</mujoco>`;
}

/** The HalfCheetah task. */
export const halfCheetah: TaskDefinition = {
  name: "halfcheetah",
  module: import.meta.url,
  observationDim: 17,
  actionDim: 6,
  frameSkip: 5,
  maxEpisodeSteps: 1000,
  xml: halfCheetahXml,
  observe({ qpos, qvel }, out) {
    for (let i = 0; i < 8; i++) out[i] = qpos[i + 1];
    for (let i = 0; i < 9; i++) out[8 + i] = qvel[i];
  },
  reward: (speed, _, action) => speed - 0.1 * squareSum(action),
  terminated: () => false,
  start({ qpos, qvel }, rng) {
    addUniform(qpos, 0.1, rng);
    addNormal(qvel, 0.1, rng);
  },
};
