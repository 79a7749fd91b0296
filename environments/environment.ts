/**
 * Environments in MuJoCo's WebAssembly build: Gymnasium's names and order of things.
 *
 * @module
 */

import loadMujoco, { type MainModule } from "@mujoco/mujoco";
import type { Rng } from "../algorithms/core/rng.ts";
import { createRng } from "../algorithms/core/rng.ts";
import type { Physics } from "./mjcf.ts";

/** A bounded box of numbers. */
export interface Box {
  shape: readonly [number];
  low: number;
  high: number;
}

/** What one step returns. */
export interface StepResult {
  /** The new observation; overwritten by the next step. */
  observation: Float64Array;
  reward: number;
  /** The environment ended the episode. */
  terminated: boolean;
  /** The time limit ended it. */
  truncated: boolean;
}

/** An environment. Dispose of it (`using env = ...`): its model lives outside of JavaScript's heap. */
export interface Environment extends Disposable {
  readonly name: string;
  readonly physics: Physics;
  readonly observationSpace: Box;
  readonly actionSpace: Box;
  /** Steps until truncation. */
  readonly maxEpisodeSteps: number;
  /** Seconds per step. */
  readonly controlTimestep: number;
  /** Starts an episode; the same seed gives the same start. */
  reset(seed: number): Float64Array;
  /** Applies an action, clipped to the bounds. */
  step(action: ArrayLike<number>): StepResult;
  /** Sets positions and velocities, and the step count to 0. */
  setState(qpos: ArrayLike<number>, qvel: ArrayLike<number>): Float64Array;
  /** Positions and velocities now (live views). */
  readonly qpos: Float64Array;
  readonly qvel: Float64Array;
}

/** A task: its model and what is read off it. */
export interface TaskDefinition {
  name: string;
  observationDim: number;
  actionDim: number;
  frameSkip: number;
  maxEpisodeSteps: number;
  xml(physics: Physics): string;
  /** Writes the observation. */
  observe(qpos: Float64Array, qvel: Float64Array, out: Float64Array): void;
  /** Reward of a step, given the root's x before and after and the clipped action. */
  reward(xBefore: number, xAfter: number, seconds: number, action: Float64Array): number;
  terminated(qpos: Float64Array, qvel: Float64Array): boolean;
  /** Perturbs the initial state. */
  perturb(qpos: Float64Array, qvel: Float64Array, rng: Rng): void;
}

let loading: Promise<MainModule> | undefined;

/** Creates an environment for a task; loads MuJoCo on first use. */
export async function createEnvironment(task: TaskDefinition, physics: Physics): Promise<Environment> {
  const mujoco = await (loading ??= loadMujoco());
  const model = mujoco.MjModel.from_xml_string(task.xml(physics));
  if (!model) throw new Error(`Cannot create ${task.name}: MuJoCo refused its model`);
  const options = model.opt;
  options.disableflags |= mujoco.mjtDisableBit.mjDSBL_ISLAND.value; // The same trajectories, faster.
  const seconds = options.timestep * task.frameSkip;
  const data = new mujoco.MjData(model);
  const initial = Float64Array.from(model.qpos0 as Float64Array);

  // Views of MuJoCo's memory; when that grows they lose their length and must be taken again.
  const take = () => ({
    qpos: data.qpos as Float64Array,
    qvel: data.qvel as Float64Array,
    ctrl: data.ctrl as Float64Array,
  });
  let cached = take();
  const views = () => cached.qpos.length > 0 ? cached : cached = take();

  const observation = new Float64Array(task.observationDim);
  const clipped = new Float64Array(task.actionDim);
  let steps = 0;
  const observe = () => {
    const { qpos, qvel } = views();
    task.observe(qpos, qvel, observation);
    return observation;
  };

  return {
    name: task.name,
    physics,
    observationSpace: { shape: [task.observationDim], low: -Infinity, high: Infinity },
    actionSpace: { shape: [task.actionDim], low: -1, high: 1 },
    maxEpisodeSteps: task.maxEpisodeSteps,
    controlTimestep: seconds,
    get qpos() {
      return views().qpos;
    },
    get qvel() {
      return views().qvel;
    },
    reset(seed) {
      const { qpos, qvel } = views();
      mujoco.mj_resetData(model, data);
      qpos.set(initial);
      task.perturb(qpos, qvel, createRng(`reset/${task.name}/${seed}`));
      mujoco.mj_forward(model, data);
      steps = 0;
      return observe();
    },
    setState(newQpos, newQvel) {
      const { qpos, qvel } = views();
      mujoco.mj_resetData(model, data);
      qpos.set(newQpos);
      qvel.set(newQvel);
      mujoco.mj_forward(model, data);
      steps = 0;
      return observe();
    },
    step(action) {
      const { qpos, qvel, ctrl } = views();
      for (let i = 0; i < task.actionDim; i++) {
        if (Number.isNaN(action[i])) {
          throw new RangeError(`Cannot step ${task.name}: action ${i} must be a number, current value is NaN`);
        }
        ctrl[i] = clipped[i] = Math.min(Math.max(action[i], -1), 1);
      }
      const before = qpos[0];
      for (let i = 0; i < task.frameSkip; i++) mujoco.mj_step(model, data);
      steps++;
      return {
        observation: observe(),
        reward: task.reward(before, qpos[0], seconds, clipped),
        terminated: task.terminated(qpos, qvel),
        truncated: steps >= task.maxEpisodeSteps,
      };
    },
    [Symbol.dispose]() {
      data.delete();
      model.delete();
    },
  };
}
