/**
 * Environments in MuJoCo's WebAssembly build: Gymnasium's names and order of things.
 *
 * @module
 */

import { createRng, type Rng } from "../algorithms/core/rng.ts";
import { type Physics, physicsModes } from "./mjcf.ts";
import { loadModel, type ModelFiles, type Named, nameViews, startMujoco } from "./model.ts";

/** A bounded box of numbers. */
export interface Box {
  /** Lengths of its axes. */
  shape: readonly [number];
  /** Least value of every element. */
  low: number;
  /** Largest value of every element. */
  high: number;
}

/** What one step returns. */
export interface StepResult {
  /** The new observation; overwritten by the next step. */
  observation: Float64Array;
  /** Of the step. */
  reward: number;
  /** The environment ended the episode. */
  terminated: boolean;
  /** The time limit ended it. */
  truncated: boolean;
}

/** A geom's shape, in MuJoCo's half sizes: a capsule's and a sphere's radius is first, a capsule's half-length second. */
export interface Shape {
  /** Of the primitives that the tasks here use. */
  type: "plane" | "sphere" | "capsule" | "box";
  /** Metres. */
  size: readonly [number, number, number];
}

/** What there is to draw. */
export interface Scene {
  /** Every geom's shape, in their order. */
  readonly shapes: readonly Shape[];
  /** Their centres, `[geoms, 3]`, live. */
  readonly position: Float64Array;
  /** Their rotations, `[geoms, 3, 3]` by rows, live. */
  readonly rotation: Float64Array;
}

/** An environment. Dispose of it (`using env = ...`): its model lives outside of JavaScript's heap. */
export interface Environment extends Disposable {
  /** Of the task. */
  readonly name: string;
  /** Generation of the physics. */
  readonly physics: Physics;
  /** What is observed. */
  readonly observationSpace: Box;
  /** What may be done. */
  readonly actionSpace: Box;
  /** Steps until truncation. */
  readonly maxEpisodeSteps: number;
  /** Seconds per step. */
  readonly controlTimestep: number;
  /**
   * Starts an episode. The same seed, an integer from 0 on, gives the same start. Without one it is a new start each time, the
   * next of a stream that the last seed began, or, as in Gymnasium, chance if there was none.
   */
  reset(seed?: number): Float64Array;
  /** Applies an action, clipped to the bounds. */
  step(action: ArrayLike<number>): StepResult;
  /** Sets positions and velocities, and the step count to 0; the goal stays. */
  setState(qpos: ArrayLike<number>, qvel: ArrayLike<number>): Float64Array;
  /** Positions and velocities now (live views). */
  readonly qpos: Float64Array;
  /** Velocities of all joints. */
  readonly qvel: Float64Array;
  /** Where a maze's goal is, `[x, y]`, live; null for a task without. */
  readonly goal: Float64Array | null;
  /**
   * What else of the world a reset draws, live, by D4RL's names: an Adroit task's `door_body_pos`, `board_pos`, `desired_orien`,
   * or `obj_pos` and `target_pos`. To return to a recorded state, write them, then call `setState`.
   */
  readonly placement: Readonly<Record<string, Float64Array>>;
  /** Geoms and where they are. */
  readonly scene: Scene;
}

/** What a task sees of the simulation: live views. */
export interface Simulation {
  /** Positions of all joints. */
  qpos: Float64Array;
  /** Velocities of all joints. */
  qvel: Float64Array;
  /** Positions of all bodies, `[bodies, 3]`, as the integrator's last evaluation left them. */
  xpos: Float64Array;
  /** Where to go; tasks without a goal leave it alone. */
  goal: Float64Array;
  /** Bounds of all actuators' controls, `[actuators, 2]`. */
  controlRange: Float64Array;
  /** What the model's names stand for. */
  named: Named;
}

/** A task whose model is in files that this package does not have; see `model_files.ts`. */
export interface FileTask {
  /** Of the task. */
  name: string;
  /** `import.meta.url` of the file that defines it: a part of what its scores depend on. */
  module?: string;
  /** Reads its files. */
  load(): Promise<TaskDefinition>;
}

/** A task: its model and what is read off it. */
export interface TaskDefinition {
  /** Of the task. */
  name: string;
  /** `import.meta.url` of the file that defines it: a part of what its scores depend on. */
  module?: string;
  /** Numbers per observation. */
  observationDim: number;
  /** Numbers per action. */
  actionDim: number;
  /** Simulation steps per action. */
  frameSkip: number;
  /** Steps until the time limit. */
  maxEpisodeSteps: number;
  /** Physics that its name stands for. @default "d4rl" */
  physics?: Physics;
  /** Control per unit of action. @default 1 */
  actionScale?: number;
  /** Controls of an action, clipped to the bounds. @default `actionScale` times the action */
  control?(action: Float64Array, now: Simulation, out: Float64Array): void;
  /** The model, in MJCF. */
  xml(physics: Physics): string;
  /** The files of the model, of which `xml` is the main one. */
  files?: ModelFiles;
  /** Changes the model once, when it is loaded. */
  configure?(now: Simulation): void;
  /** See {@linkcode Environment.placement}. */
  placement?(now: Simulation): Record<string, Float64Array>;
  /** Writes the observation. */
  observe(now: Simulation, out: Float64Array): void;
  /** Changes the state before each step. */
  prepare?(now: Simulation): void;
  /** Where along x the robot is, for its speed. @default qpos[0] */
  x?(now: Simulation): number;
  /** Reward of a step, given the speed along x, the state after it and the clipped action. */
  reward(speed: number, now: Simulation, action: Float64Array): number;
  /** Whether the state ends the episode. */
  terminated(now: Simulation): boolean;
  /** Perturbs the initial state. */
  start(now: Simulation, rng: Rng): void;
  /** Draws the goal `[x, y]`, once per environment or at every reset. */
  goal?: { drawn: "once" | "at reset"; draw(rng: Rng): [number, number] };
}

const shapeTypes: Record<number, Shape["type"]> = { 0: "plane", 2: "sphere", 3: "capsule", 6: "box" }; // mjtGeom
const cylinder = 5; // Drawn as a box, as is any other shape.

/**
 * Creates an environment for a task; loads MuJoCo on first use.
 *
 * A goal that is drawn once per environment is the same in every environment of the task; set `goal` for another.
 *
 * @param chosen Generation of the physics. @default the task's own, `d4rl` for all but Gymnasium's newer versions
 */
export async function createEnvironment(given: TaskDefinition | FileTask, chosen?: Physics): Promise<Environment> {
  const mujoco = await startMujoco();
  const task = "load" in given ? await given.load() : given;
  const physics = chosen ?? task.physics ?? "d4rl";
  if (!physicsModes.includes(physics)) {
    throw new RangeError(
      `Cannot create ${task.name}: physics must be one of ${physicsModes.join(", ")}, current value is ${physics}`,
    );
  }
  const model = await loadModel(mujoco, task.name, task.files ?? task.xml(physics), physics);
  const options = model.opt;
  options.disableflags |= mujoco.mjtDisableBit.mjDSBL_ISLAND.value; // The same trajectories, faster.
  const seconds = options.timestep * task.frameSkip;
  const data = new mujoco.MjData(model);
  const initial = Float64Array.from(model.qpos0 as Float64Array);
  const { frameSkip, actionDim, actionScale = 1, x = ({ qpos }) => qpos[0] } = task;
  const named = nameViews(mujoco, model, data, task.name);

  // Views of MuJoCo's memory; when that grows they lose their length and must be taken again.
  const goal = Float64Array.from(task.goal?.draw(createRng(`goal/${task.name}`)) ?? []);
  const take = () => ({
    qpos: data.qpos as Float64Array,
    qvel: data.qvel as Float64Array,
    xpos: data.xpos as Float64Array,
    ctrl: data.ctrl as Float64Array,
    controlRange: model.actuator_ctrlrange as Float64Array,
    goal,
    named,
  });
  let cached = take();
  const views = () => cached.qpos.length > 0 ? cached : cached = take();
  task.configure?.(views());

  const observation = new Float64Array(task.observationDim);
  const clipped = new Float64Array(actionDim);
  let steps = 0;
  const observe = () => {
    task.observe(views(), observation);
    return observation;
  };
  const begin = (set: (now: Simulation) => void) => {
    mujoco.mj_resetData(model, data);
    const now = views();
    set(now);
    mujoco.mj_forward(model, data);
    if (physics !== "stock") mujoco.mj_normalizeQuat(model, now.qpos); // As mj_forward did, once.
    steps = 0;
    return observe();
  };

  const [types, sizes] = [model.geom_type as Int32Array, model.geom_size as Float64Array];
  const shapes = Array.from(types, (type, i): Shape => {
    const [a, b, c] = sizes.subarray(3 * i, 3 * i + 3);
    return { type: shapeTypes[type] ?? "box", size: type === cylinder ? [a, a, b] : [a, b, c] };
  });

  let stream = [...crypto.getRandomValues(new Uint32Array(4))].join("/"); // Of the starts, until there is a seed.
  let unseeded = 0;

  return {
    name: task.name,
    physics,
    observationSpace: { shape: [task.observationDim], low: -Infinity, high: Infinity },
    actionSpace: { shape: [actionDim], low: -1, high: 1 },
    maxEpisodeSteps: task.maxEpisodeSteps,
    controlTimestep: seconds,
    get qpos() {
      return views().qpos;
    },
    get qvel() {
      return views().qvel;
    },
    goal: task.goal ? goal : null,
    get placement() {
      return task.placement?.(views()) ?? {};
    },
    scene: {
      shapes,
      get position() {
        return data.geom_xpos as Float64Array;
      },
      get rotation() {
        return data.geom_xmat as Float64Array;
      },
    },
    reset(seed) {
      if (seed !== undefined) {
        if (!Number.isSafeInteger(seed) || seed < 0) {
          throw new RangeError(
            `Cannot reset ${task.name}: seed must be an integer from 0 on, current value is ${seed}`,
          );
        }
        stream = `${seed}`;
        unseeded = 0;
      }
      const rng = createRng(`reset/${task.name}/${stream}${seed === undefined ? `/${unseeded++}` : ""}`);
      return begin((now) => {
        now.qpos.set(initial);
        task.start(now, rng);
        if (task.goal?.drawn === "at reset") goal.set(task.goal.draw(rng.child("goal")));
      });
    },
    setState: (qpos, qvel) =>
      begin((now) => {
        now.qpos.set(qpos);
        now.qvel.set(qvel);
      }),
    step(action) {
      const now = views();
      for (let i = 0; i < actionDim; i++) {
        const a = action[i];
        if (!(Math.abs(a) < Infinity)) {
          throw new RangeError(`Cannot step ${task.name}: action ${i} must be a finite number, current value is ${a}`);
        }
        clipped[i] = a < -1 ? -1 : a > 1 ? 1 : a;
        now.ctrl[i] = actionScale * clipped[i];
      }
      task.control?.(clipped, now, now.ctrl);
      task.prepare?.(now);
      const before = x(now);
      for (let i = 0; i < frameSkip; i++) mujoco.mj_step(model, data);
      steps++;
      task.observe(now, observation);
      return {
        observation,
        reward: task.reward((x(now) - before) / seconds, now, clipped),
        terminated: task.terminated(now),
        truncated: steps >= task.maxEpisodeSteps,
      };
    },
    [Symbol.dispose]() {
      data.delete();
      model.delete();
    },
  };
}

// What tasks share.

/** The observation of Hopper and Walker2d: positions but x, and velocities clipped to ±10. */
export function observeRunner({ qpos, qvel }: Simulation, out: Float64Array) {
  const n = qpos.length;
  for (let i = 1; i < n; i++) out[i - 1] = qpos[i];
  for (let i = 0; i < n; i++) out[n - 1 + i] = Math.min(Math.max(qvel[i], -10), 10);
}

/** Adds `U(-size, size)` to each element. */
export function addUniform(values: Float64Array, size: number, rng: Rng) {
  for (let i = 0; i < values.length; i++) values[i] += size * (2 * rng.uniform() - 1);
}

/** Adds `size N(0, 1)` to each element. */
export function addNormal(values: Float64Array, size: number, rng: Rng) {
  rng.fillNormal(new Float64Array(values.length)).forEach((z, i) => values[i] += size * z);
}

/** Sum of squares. */
export function squareSum(values: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return sum;
}
