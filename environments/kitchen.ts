/**
 * Kitchen: a Franka arm that is rewarded once for each of four things done in a kitchen.
 *
 * Source: D4RL's kitchen-{complete,partial,mixed}-v0 (Fu et al. 2020, arXiv 2004.07219), after Gupta et al. 2019, arXiv
 * 1910.11956. Observation: 9 robot and 21 object positions with uniform noise, and 30 of the goal. An action is a velocity of
 * every joint over 2 rad/s, which becomes a position from the last noisy observation on; forty steps of 0.002 s each. Reward:
 * the number of things done in this step, judged by the observation; the episode ends when all are done. Model, bounds, noise
 * and first pose are D4RL's own files (see `model_files.ts`).
 *
 * Deviation: boxes that touch face to face are as deep in one another as they are. MuJoCo 2.2.2 counted half of that, which
 * moves the resting kettle by 0.1 mm. The inertias of the kettle and the microwave's door are up to 0.3 % larger than before
 * MuJoCo 2.1.1, which counted capsules otherwise.
 *
 * @module
 */

import { createRng } from "../algorithms/core/rng.ts";
import type { FileTask, TaskDefinition } from "./environment.ts";
import { readModelFiles, readModelText } from "./model_files.ts";

/** What can be done: positions from where on are meant, and where they should be. */
const elements = {
  "bottom burner": [11, [-0.88, -0.01]],
  "light switch": [17, [-0.69, -0.05]],
  "slide cabinet": [19, [0.37]],
  "microwave": [22, [-0.75]],
  "kettle": [23, [-0.23, 0.75, 1.62, 0.99, 0, 0, -0.06]],
} as const;
const reach = 0.3;
const [robotDim, objectDim] = [9, 21];
const positions = robotDim + objectDim;
const fastest = 2; // rad/s per unit of action.
const noiseRatio = 0.1;
const frameSkip = 40;
const controlSeconds = frameSkip * 0.002;

const slider = ["microwave", "kettle", "light switch", "slide cabinet"] as const;
const kinds = {
  complete: slider,
  partial: slider,
  mixed: ["microwave", "kettle", "bottom burner", "light switch"] as const,
};

/** Bounds and noise of the robot's joints and the objects', from `franka_config.xml`. */
interface Specification {
  position: [low: number, high: number][];
  velocity: [low: number, high: number][];
  /** Largest noise of every position at a ratio of 1. */
  noise: number[];
}

/** Reads the specification of the 30 positions: elements `qpos0` to `qpos29` and their attributes. */
function parseSpecification(task: string, xml: string): Specification {
  const read = (i: number, attribute: string, count: number): number[] => {
    const element = xml.match(new RegExp(`<qpos${i}\\s[^>]*>`))?.[0];
    const values = element?.match(new RegExp(`\\s${attribute}\\s*=\\s*["']([^"']*)["']`))?.[1].trim().split(/\s+/).map(
      Number,
    );
    if (values?.length === count && values.every(Number.isFinite)) return values;
    throw new Error(`Cannot load ${task}: franka_config.xml must have ${count} numbers in ${attribute} of qpos${i}`);
  };
  const all = Array.from({ length: positions }, (_, i) => i);
  const pairs = (attribute: string) => all.map((i) => read(i, attribute, 2) as [number, number]);
  return {
    position: pairs("pos_bound"),
    velocity: pairs("vel_bound"),
    noise: all.map((i) => read(i, "pos_noise_amp", 1)[0]),
  };
}

/** The first pose, from the source of D4RL's environment: the 30 numbers of the last `init_qpos` that is not a comment. */
function parsePose(task: string, python: string): number[] {
  const found = [...python.replace(/#.*$/gm, "").matchAll(/init_qpos\s*=\s*np\.array\(\s*\[([^\]]*)\]/g)].at(-1);
  const pose = found?.[1].split(",").filter((x) => x.trim()).map(Number);
  if (pose?.length === positions && pose.every(Number.isFinite)) return pose;
  throw new Error(`Cannot load ${task}: kitchen_multitask_v0.py must set init_qpos to ${positions} numbers`);
}

const clip = (x: number, [low, high]: readonly [number, number]) => Math.min(Math.max(x, low), high);

function kitchen(kind: keyof typeof kinds): FileTask {
  const name = `kitchen-${kind}`;
  return {
    name,
    module: import.meta.url,
    async load(): Promise<TaskDefinition> {
      const files = await readModelFiles(name, "franka_kitchen_jntpos_act_ab.xml");
      const bounds = parseSpecification(name, await readModelText(name, "franka_config.xml"));
      const pose = parsePose(name, await readModelText(name, "kitchen_multitask_v0.py"));
      const goal = new Float64Array(positions);
      for (const element of kinds[kind]) goal.set(elements[element][1], elements[element][0]);

      // An environment's memory: what was seen last, what is left to do, and its noise.
      const seen = new Float64Array(positions);
      let left: readonly (keyof typeof elements)[] = kinds[kind];
      let noise = createRng(`noise/${name}`);
      return {
        name,
        observationDim: 2 * positions,
        actionDim: robotDim,
        frameSkip,
        maxEpisodeSteps: 280,
        xml: () => files.texts.get(files.main)!,
        files,
        control(action, _, out) {
          action.forEach((a, i) => {
            const target = seen[i] + controlSeconds * clip(fastest * a, bounds.velocity[i]);
            out[i] = clip(target, bounds.position[i]);
          });
        },
        observe({ qpos }, out) {
          seen.set(qpos.subarray(0, robotDim));
          seen.set(qpos.subarray(-objectDim), robotDim);
          for (let i = 0; i < positions; i++) seen[i] += noiseRatio * bounds.noise[i] * (2 * noise.uniform() - 1);
          out.set(seen);
          out.set(goal, positions);
        },
        reward() {
          const before = left.length;
          left = left.filter((element) => {
            const [first, wanted] = elements[element];
            return Math.hypot(...wanted.map((x, i) => seen[first + i] - x)) >= reach;
          });
          return before - left.length;
        },
        terminated: () => left.length === 0,
        start({ qpos }, rng) {
          qpos.set(pose); // As it is: D4RL's bounds are those of controls.
          left = kinds[kind];
          noise = rng.child("noise");
        },
      };
    },
  };
}

/** The three Kitchen tasks; `complete` and `partial` differ in their data alone. */
export const kitchenTasks: readonly FileTask[] = (["complete", "partial", "mixed"] as const).map(kitchen);
