/**
 * New trajectories by a planner: with the states of a real environment, or imagined.
 *
 * Source: a reconstruction of the generator in Li & Zhang 2024, arXiv 2402.00807; rewards are the planner's, never the environment's.
 *
 * @module
 */

import type { AgentState } from "../core/agent.ts";
import type { Rng } from "../core/rng.ts";
import { takeRows } from "../core/rows.ts";
import { type Trajectories, trajectoryReturns, type TrajectorySet } from "../core/trajectories.ts";
import type { Planner } from "./planner.ts";

/** What generation sees of an environment: states, and whether an episode ended. */
export interface StateOnlyEnvironment {
  /** Starts an episode; its first observation. */
  reset(seed: number): ArrayLike<number>;
  /** One step; its reward is never seen. */
  step(action: ArrayLike<number>): { observation: ArrayLike<number>; terminated: boolean; truncated: boolean };
}

interface Step {
  observation: Float32Array;
  action: Float32Array;
  reward: number;
  nextObservation: Float32Array;
  terminal: boolean;
}

function assemble(
  episodes: readonly (readonly Step[])[],
  observationDim: number,
  actionDim: number,
): TrajectorySet {
  const steps = episodes.flat();
  const rows = (dim: number, f: (step: Step) => Float32Array) => {
    const out = new Float32Array(steps.length * dim);
    steps.forEach((step, i) => out.set(f(step), i * dim));
    return out;
  };
  const ends = new Set(episodes.map((episode) => episode.at(-1)));
  return {
    data: {
      count: steps.length,
      observationDim,
      actionDim,
      observation: rows(observationDim, (step) => step.observation),
      action: rows(actionDim, (step) => step.action),
      reward: Float32Array.from(steps, (step) => step.reward),
      nextObservation: rows(observationDim, (step) => step.nextObservation),
      done: Float32Array.from(steps, (step) => Number(ends.has(step))),
    },
    terminal: Float32Array.from(steps, (step) => Number(step.terminal)),
  };
}

/**
 * Acts in environments by the first action of a new plan at every step, and takes down states, actions and the planner's rewards.
 *
 * @param environments One per trajectory, all of one task.
 * @param seeds Of their start states.
 * @param onStep Called after each step with the number of trajectories that go on.
 */
export async function generateTrajectories(
  planner: Pick<Planner, "startPlanning">,
  state: AgentState,
  environments: readonly StateOnlyEnvironment[],
  seeds: readonly number[],
  rng: Rng,
  onStep: (running: number, step: number) => void = () => {},
): Promise<TrajectorySet> {
  const rows = environments.length;
  const session = planner.startPlanning(state, rows, rng);
  const starts = environments.map((env, i) => Float32Array.from(env.reset(seeds[i])));
  const dim = starts[0].length;
  let observation = Float32Array.from(starts.flatMap((start) => [...start]));
  let reward = new Float32Array(rows);
  let actionDim = 0;
  const episodes = environments.map((): Step[] => []);
  const running = new Set(environments.keys());
  for (let step = 1; running.size > 0; step++) {
    const plan = await session.plan(observation, reward);
    actionDim = plan.action.length / (rows * plan.steps);
    observation = observation.slice();
    reward = Float32Array.from({ length: rows }, (_, i) => plan.reward[i * plan.steps]);
    for (const i of running) {
      const at = i * plan.steps * actionDim;
      const action = plan.action.slice(at, at + actionDim);
      const before = observation.slice(i * dim, (i + 1) * dim);
      const result = environments[i].step(action);
      observation.set(result.observation, i * dim);
      const nextObservation = observation.slice(i * dim, (i + 1) * dim);
      episodes[i].push({
        observation: before,
        action,
        reward: reward[i],
        nextObservation,
        terminal: result.terminated,
      });
      if (result.terminated || result.truncated) running.delete(i);
    }
    onStep(running.size, step);
  }
  return assemble(episodes, dim, actionDim);
}

/**
 * Imagines trajectories, no environment touched: each plan is followed to its end and gone on from. They end after `steps`, as
 * nothing tells when an environment would have ended them.
 *
 * @param starts First observations, `[rows, observationDim]`.
 */
export async function imagineTrajectories(
  planner: Pick<Planner, "startPlanning">,
  state: AgentState,
  starts: Float32Array,
  rows: number,
  steps: number,
  rng: Rng,
): Promise<TrajectorySet> {
  const session = planner.startPlanning(state, rows, rng);
  const dim = starts.length / rows;
  const episodes = Array.from({ length: rows }, (): Step[] => []);
  let [observation, reward]: [Float32Array, Float32Array] = [starts, new Float32Array(rows)];
  let actionDim = 0;
  while (episodes[0].length < steps) {
    const plan = await session.plan(observation, reward);
    actionDim = plan.action.length / (rows * plan.steps);
    ({ observation, reward } = plan);
    for (let i = 0; i < rows; i++) {
      for (let k = 0; k < plan.steps && episodes[i].length < steps; k++) {
        const at = i * plan.steps + k;
        episodes[i].push({
          observation: episodes[i].at(-1)?.nextObservation ?? starts.slice(i * dim, (i + 1) * dim),
          action: plan.action.slice(at * actionDim, (at + 1) * actionDim),
          reward: plan.reward[at],
          nextObservation: plan.observation.slice(at * dim, (at + 1) * dim),
          terminal: false,
        });
      }
    }
  }
  return assemble(episodes, dim, actionDim);
}

/**
 * Those generated trajectories whose return, by the planner's rewards, is above a quantile of the data's returns. Ours: a planner
 * that fails shows it by its own rewards, and what it made would only spoil the data.
 *
 * @param quantile In [0, 1]; the data's best trajectory is at 1.
 */
export function keepAbove(
  { data: made, terminal }: TrajectorySet,
  data: Trajectories,
  quantile: number,
): TrajectorySet {
  const sorted = trajectoryReturns(data).sort((a, b) => a - b);
  const least = sorted[Math.floor(quantile * (sorted.length - 1))];
  const returns = trajectoryReturns(made);
  let trajectory = 0;
  const rows: number[] = [];
  for (let row = 0; row < made.count; row++) {
    if (returns[trajectory] > least) rows.push(row);
    if (made.done[row] === 1) trajectory++;
  }
  const { observationDim: s, actionDim: a } = made;
  const index = Int32Array.from(rows);
  const take = (values: Float32Array, dim = 1) => takeRows(values, dim, index).data as Float32Array;
  return {
    data: {
      count: rows.length,
      observationDim: s,
      actionDim: a,
      observation: take(made.observation, s),
      action: take(made.action, a),
      reward: take(made.reward),
      nextObservation: take(made.nextObservation, s),
      done: take(made.done),
    },
    terminal: take(terminal),
  };
}
