/**
 * Adroit: a hand of 24 joints that turns a pen, drives a nail, opens a door or carries a ball.
 *
 * Source: D4RL's `hand_manipulation_suite` (Fu et al. 2020, arXiv 2004.07219), after Rajeswaran et al. 2018, arXiv 1709.10087:
 * versions 0 and 1, which are the same environments; `longhorizon` has longer episodes. An action is a position for every
 * actuator, 0 the middle of its range; five steps of 0.002 s each. The models are D4RL's own files (see `model_files.ts`).
 * Human demonstrations of the door replay to 1e-5 of their recorded observations, through grasp and turn.
 *
 * @module
 */

import type { FileTask, Simulation, TaskDefinition } from "./environment.ts";
import { readModelFiles } from "./model_files.ts";

const minus = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a, (x, i) => x - b[i]);
const distance = (a: ArrayLike<number>, b: ArrayLike<number>) => Math.hypot(...minus(a, b));
const clip = (x: number, bound: number) => Math.min(Math.max(x, -bound), bound);

/** A direction from one site to another, of length 1. */
function direction({ named }: Simulation, from: string, to: string): number[] {
  const [a, b] = [from, to].map((name) => named.position("site", name));
  return minus(b, a).map((x) => x / distance(a, b));
}

/** What differs between the four. */
interface HandTask {
  file: string;
  dims: [observation: number, action: number];
  maxEpisodeSteps: { usual: number; longhorizon: number };
  observe(now: Simulation): number[];
  reward(now: Simulation): number;
  terminated?(now: Simulation): boolean;
  /** What is new in an episode, live, by D4RL's names. */
  placement(now: Simulation): Record<string, Float64Array>;
  /** Draws it; `uniform(a, b)` draws between a and b. */
  place(placement: Record<string, Float64Array>, uniform: (low: number, high: number) => number): void;
}

const dropped = ({ named }: Simulation) => named.position("body", "Object")[2] < 0.075;

const pen: HandTask = {
  file: "DAPG_pen.xml",
  dims: [45, 24],
  maxEpisodeSteps: { usual: 100, longhorizon: 200 },
  observe(now) {
    const [object, target] = [now.named.position("body", "Object"), now.named.position("site", "eps_ball")];
    const own = direction(now, "object_bottom", "object_top");
    const wanted = direction(now, "target_bottom", "target_top");
    const velocity = now.qvel.subarray(-6);
    const errors = [...minus(object, target), ...minus(own, wanted)];
    return [...now.qpos.subarray(0, -6), ...object, ...velocity, ...own, ...wanted, ...errors];
  },
  reward(now) {
    const far = distance(now.named.position("body", "Object"), now.named.position("site", "eps_ball"));
    const wanted = direction(now, "target_bottom", "target_top");
    const alike = direction(now, "object_bottom", "object_top").reduce((sum, x, i) => sum + x * wanted[i], 0);
    const near = far < 0.075;
    return alike - far + (near && alike > 0.9 ? 10 : 0) + (near && alike > 0.95 ? 50 : 0) - (dropped(now) ? 5 : 0);
  },
  terminated: dropped,
  placement: ({ named }) => ({ desired_orien: named.turn("target") }),
  place({ desired_orien }, uniform) {
    desired_orien.set(quaternionOf([uniform(-1, 1), uniform(-1, 1), 0]));
  },
};

const hammer: HandTask = {
  file: "DAPG_hammer.xml",
  dims: [46, 26],
  maxEpisodeSteps: { usual: 200, longhorizon: 600 },
  observe({ qpos, qvel, named }) {
    return [
      ...qpos.subarray(0, -6),
      ...Array.from(qvel.subarray(-6), (v) => clip(v, 1)),
      ...named.position("site", "S_grasp"),
      ...named.position("body", "Object"),
      ...anglesOf(named.quaternion("Object")),
      ...named.position("site", "S_target"),
      clip(named.sensor("S_nail"), 1),
    ];
  },
  reward({ qvel, named }) {
    const [palm, tool, target, goal] = ["S_grasp", "tool", "S_target", "nail_goal"].map((name) =>
      named.position("site", name)
    );
    const object = named.position("body", "Object");
    const left = distance(target, goal);
    const effort = 0.1 * distance(palm, object) + distance(tool, target) + 10 * left + 0.01 * Math.hypot(...qvel);
    const lifted = object[2] > 0.04 && tool[2] > 0.04;
    return (lifted ? 2 : 0) + (left < 0.02 ? 25 : 0) + (left < 0.01 ? 75 : 0) - effort;
  },
  placement: ({ named }) => ({ board_pos: named.place("body", "nail_board") }),
  place({ board_pos }, uniform) {
    board_pos[2] = uniform(0.1, 0.25);
  },
};

const door: HandTask = {
  file: "DAPG_door.xml",
  dims: [39, 28],
  maxEpisodeSteps: { usual: 200, longhorizon: 300 },
  observe({ qpos, named }) {
    const [palm, handle] = ["S_grasp", "S_handle"].map((name) => named.position("site", name));
    const angle = named.joint("door_hinge");
    const latch = qpos[qpos.length - 1];
    return [...qpos.subarray(1, -2), latch, angle, ...palm, ...handle, ...minus(palm, handle), angle > 1 ? 1 : -1];
  },
  reward({ qvel, named }) {
    const reach = distance(named.position("site", "S_grasp"), named.position("site", "S_handle"));
    const angle = named.joint("door_hinge");
    const effort = 0.1 * reach + 0.1 * (angle - 1.57) ** 2 + 1e-5 * Math.hypot(...qvel) ** 2;
    return (angle > 0.2 ? 2 : 0) + (angle > 1 ? 8 : 0) + (angle > 1.35 ? 10 : 0) - effort;
  },
  placement: ({ named }) => ({ door_body_pos: named.place("body", "frame") }),
  place({ door_body_pos }, uniform) {
    door_body_pos.set([uniform(-0.3, -0.2), uniform(0.25, 0.35), uniform(0.252, 0.35)]);
  },
};

const relocate: HandTask = {
  file: "DAPG_relocate.xml",
  dims: [39, 30],
  maxEpisodeSteps: { usual: 200, longhorizon: 500 },
  observe({ qpos, named }) {
    const [palm, target] = ["S_grasp", "target"].map((name) => named.position("site", name));
    const object = named.position("body", "Object");
    return [...qpos.subarray(0, -6), ...minus(palm, object), ...minus(palm, target), ...minus(object, target)];
  },
  reward({ named }) {
    const [palm, target] = ["S_grasp", "target"].map((name) => named.position("site", name));
    const object = named.position("body", "Object");
    const left = distance(object, target);
    const carried = object[2] > 0.04 ? 1 - 0.5 * distance(palm, target) - 0.5 * left : 0;
    return carried - 0.1 * distance(palm, object) + (left < 0.1 ? 10 : 0) + (left < 0.05 ? 20 : 0);
  },
  placement: ({ named }) => ({ obj_pos: named.place("body", "Object"), target_pos: named.place("site", "target") }),
  place({ obj_pos, target_pos }, uniform) {
    obj_pos.set([uniform(-0.15, 0.15), uniform(-0.15, 0.3)]);
    target_pos.set([uniform(-0.2, 0.2), uniform(-0.2, 0.2), uniform(0.15, 0.35)]);
  },
};

/** Position gains of the actuators from one name to another: 10 in the wrist, 1 in the fingers. */
const servos = [["A_WRJ1", "A_WRJ0", 10], ["A_FFJ3", "A_THJ0", 1]] as const;
const paramsPerActuator = 10; // mjNGAIN and mjNBIAS.

function handTask(name: string, task: HandTask, maxEpisodeSteps: number): FileTask {
  const [observationDim, actionDim] = task.dims;
  return {
    name,
    module: import.meta.url,
    async load(): Promise<TaskDefinition> {
      const files = await readModelFiles(name, task.file);
      return {
        name,
        observationDim,
        actionDim,
        frameSkip: 5,
        maxEpisodeSteps,
        xml: () => files.texts.get(files.main)!,
        files,
        configure({ named }) {
          const { gain, bias } = named.actuators();
          for (const [first, last, stiffness] of servos) {
            for (let i = named.actuator(first); i <= named.actuator(last); i++) {
              gain.set([stiffness, 0, 0], paramsPerActuator * i);
              bias.set([0, -stiffness, 0], paramsPerActuator * i);
            }
          }
        },
        control(action, { controlRange }, out) {
          action.forEach((a, i) => {
            const [low, high] = controlRange.subarray(2 * i, 2 * i + 2);
            out[i] = (low + high) / 2 + a * (high - low) / 2;
          });
        },
        observe: (now, out) => out.set(task.observe(now)),
        reward: (_, now) => task.reward(now),
        terminated: (now) => task.terminated?.(now) ?? false,
        placement: (now) => task.placement(now),
        start: (now, rng) => task.place(task.placement(now), (low, high) => low + (high - low) * rng.uniform()),
      };
    },
  };
}

/** The four Adroit tasks, and each with D4RL's long horizon. */
export const adroitTasks: readonly FileTask[] = Object.entries({ pen, hammer, door, relocate }).flatMap((
  [name, task],
) => [
  handTask(name, task, task.maxEpisodeSteps.usual),
  handTask(`${name}-longhorizon`, task, task.maxEpisodeSteps.longhorizon),
]);

/** The unit quaternion of three Euler angles, radians, in the convention of the authors' rotation module. */
export function quaternionOf([x, y, z]: readonly [number, number, number]): [number, number, number, number] {
  const [i, j, k] = [z / 2, -y / 2, x / 2];
  const [si, sj, sk] = [i, j, k].map(Math.sin);
  const [ci, cj, ck] = [i, j, k].map(Math.cos);
  const [cc, cs, sc, ss] = [ci * ck, ci * sk, si * ck, si * sk];
  return [cj * cc + sj * ss, cj * cs - sj * sc, -(cj * ss + sj * cc), cj * sc - sj * cs];
}

/** The inverse of {@linkcode quaternionOf} for any unit quaternion. */
export function anglesOf([w, x, y, z]: ArrayLike<number> & Iterable<number>): [number, number, number] {
  const m = (i: number, j: number) => rotation[3 * i + j];
  const rotation = [
    1 - 2 * (y * y + z * z),
    2 * (x * y - w * z),
    2 * (x * z + w * y),
    2 * (x * y + w * z),
    1 - 2 * (x * x + z * z),
    2 * (y * z - w * x),
    2 * (x * z - w * y),
    2 * (y * z + w * x),
    1 - 2 * (x * x + y * y),
  ];
  const cosine = Math.hypot(m(2, 2), m(1, 2));
  const second = -Math.atan2(-m(0, 2), cosine);
  return cosine > 4 * Number.EPSILON
    ? [-Math.atan2(m(1, 2), m(2, 2)), second, -Math.atan2(m(0, 1), m(0, 0))]
    : [0, second, -Math.atan2(-m(1, 0), m(1, 1))];
}
