/**
 * SRPO's toy study: a learned density, and where its score and the exact one take actions.
 *
 * @module
 */

import type { Agent, AgentState, Batch } from "../../../algorithms/core/agent.ts";
import type { Rng } from "../../../algorithms/core/rng.ts";
import { agentTraining } from "../../../algorithms/core/train.ts";
import { ndarray } from "../../../algorithms/engine/array.ts";
import { banditSets, mixtureDensity, pointMixtures } from "../../../data/bandits.ts";
import type { Shape } from "../../../tools/records.ts";
import type { Study } from "../../cells/study.ts";
import { exactNoise, learnedNoise, type NoiseModel, regularizeActions } from "./model.ts";

/** The sets of the study. */
export const toySets = Object.keys(pointMixtures) as (keyof typeof pointMixtures)[];

/** Where the actions of one score went. */
export interface ToySweep {
  /** Per weight of {@linkcode toyWeights}, the 49 actions, `[x, y]` in a row. */
  actions: number[][];
  /** Of the targets at weight 1: share that ended at the mode nearest to the target. */
  nearest: number;
  /** Share whose density is at least the target's, and the largest loss of log density. */
  denser: number;
  largestLoss: number;
}

/** What a toy cell says. */
export interface ToyResult {
  samples: number[];
  learned: ToySweep;
  exact: ToySweep;
}

const grid = [-4.5, -3, -1.5, 0, 1.5, 3, 4.5];

/** The 49 optima of the value, and the weights 1 / beta of the score (spacing ours). */
export const toyTargets = grid.flatMap((x) => grid.map((y) => [x, y]));
export const toyWeights = Array.from({ length: 21 }, (_, i) => i / 20);

/** Where a score takes the actions of every target and weight. */
export async function sweepToy(
  set: keyof typeof pointMixtures,
  model: NoiseModel,
  rng: Rng,
  onStep: (step: number, steps: number) => void = () => {},
): Promise<ToySweep> {
  const mixture = pointMixtures[set]();
  const n = toyWeights.length * toyTargets.length;
  const targets = ndarray(toyWeights.flatMap(() => toyTargets.flat()), [n, 2]);
  const weights = ndarray(toyWeights.flatMap((w) => toyTargets.map(() => w)), [n, 1]);
  const { data } = await regularizeActions(model, targets, weights, rng, onStep);
  const size = 2 * toyTargets.length;
  const actions = toyWeights.map((_, i) =>
    Array.from(data.subarray(size * i, size * (i + 1)), (x) => Number(x.toFixed(4)))
  );
  const last = actions[actions.length - 1];
  const gains: number[] = [];
  let near = 0;
  toyTargets.forEach(([x, y], i) => {
    const [from, to] = [mixtureDensity(mixture, x, y), mixtureDensity(mixture, last[2 * i], last[2 * i + 1])];
    const mode = to.distances.indexOf(Math.min(...to.distances));
    if (from.distances[mode] <= Math.min(...from.distances) + 1e-4) near++; // Targets between modes have several.
    gains.push(to.logDensity - from.logDensity);
  });
  return {
    actions,
    nearest: near / toyTargets.length,
    denser: gains.filter((gain) => gain >= 0).length / toyTargets.length,
    largestLoss: Math.max(0, -Math.min(...gains)),
  };
}

/** The exact score of a set. */
export function exactModel(set: keyof typeof pointMixtures): NoiseModel {
  const { centres, deviation, mode } = pointMixtures[set]();
  return exactNoise({ centres: ndarray(centres, [mode.length, 2]), deviation });
}

/** Samples the learned density and sweeps both scores. */
async function evaluateToy(
  set: keyof typeof pointMixtures,
  agent: Agent,
  state: AgentState,
  rng: Rng,
  onProgress: (note: string) => void,
): Promise<ToyResult> {
  const sweep = (name: string, model: NoiseModel) =>
    sweepToy(set, model, rng.child(name), (step, steps) => {
      if (step % 20 === 0) onProgress(`${name} score, step ${step} of ${steps}`);
    });
  const samples = await agent.act(state, ndarray(new Float32Array(2000), [2000, 1]), 1, rng.child("samples"));
  return {
    samples: Array.from(samples.data, (x) => Number(x.toFixed(3))),
    exact: await sweep("exact", exactModel(set)),
    learned: await sweep("learned", learnedNoise(state)),
  };
}

const sweepShape: Shape = {
  actions: [["number"]],
  nearest: "number",
  denser: "number",
  largestLoss: "number",
};

/** The study; tasks are {@linkcode toySets}. */
export const toyStudy: Study<ToyResult> = {
  module: import.meta.url,
  data: "none",
  result: { samples: ["number"], learned: sweepShape, exact: sweepShape },
  prepare(cell, { algorithm }) {
    const set = cell.task as keyof typeof pointMixtures;
    const agent = algorithm.create(cell.config, { observationDim: 1, actionDim: 2, maxAction: 5 });
    const draw = (rows: number, rng: Rng): Batch => { // Fresh points at every update, where the authors draw from a million.
      const z = ndarray(new Float32Array(rows), [rows, 1]);
      const action = ndarray(banditSets[set](rows, rng), [rows, 2]);
      return { observation: z, action, reward: z, nextObservation: z, terminal: z };
    };
    return Promise.resolve({
      ...agentTraining(agent, cell.config, draw),
      evaluate: async (state, rng, onProgress) => ({
        environment: null,
        result: await evaluateToy(set, agent, state, rng, onProgress),
        policy: agent.exportPolicy(state),
      }),
    });
  },
};
