/**
 * What makes a set of states good to clone from: their quality or their diversity, at several training losses.
 *
 * The question of Lei, Cheng & Tao 2025 (arXiv 2512.06692), whose abstract alone was at hand; the protocol is ours. Two sets of
 * as many states, one that the expert visits and one from the dataset, both labelled by the expert; cloned policies after more
 * and more updates; their error on the expert's path (pivotal states) and beside it (surrounding ones).
 *
 * @module
 */

import type { AgentState, Batch, Spec } from "../../../algorithms/core/agent.ts";
import { ndarray } from "../../../algorithms/engine/array.ts";
import { observationScale } from "../../../algorithms/core/normalization.ts";
import type { Rng } from "../../../algorithms/core/rng.ts";
import { distinctRows, takeRows } from "../../../algorithms/core/rows.ts";
import { loadBehaviours, type MeanPolicy } from "../../../data/behaviours.ts";
import { loadTransitions, observationStatistics } from "../../../data/d4rl.ts";
import { localRecipes } from "../../../data/recipes.ts";
import { createEnvironment } from "../../../environments/environment.ts";
import { createPlayers } from "../../../environments/play.ts";
import { findTask } from "../../../environments/tasks.ts";
import type { RuleResult } from "../../cells/record.ts";
import { keepStages } from "../../cells/stages.ts";
import type { Study } from "../../cells/study.ts";
import { mean } from "../../scores/mean.ts";
import { physics, playCell } from "../../scores/play.ts";

/** A cloned policy after some updates; errors are mean squares over states and action dimensions. */
export interface DiagnosisPoint {
  states: "expert" | "diverse";
  updates: number;
  trainingLoss: number;
  pivotalError: number;
  surroundingError: number;
}

/** States of each set. All sizes are ours. */
export const setSize = 20_000;
/** Updates after which a policy is looked at, as far as the cell's settings go. */
const allLevels = [30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000];
/** Noise that takes the expert's states to those beside its path, in deviations of the dataset's. */
export const besidePath = 0.1;
/** Start states of the expert's rollouts, far from those of datasets and evaluations. */
const expertSeed = (episode: number) => 3_000_000 + episode;

/** The sets in words. */
export const stateSets = { expert: "the expert's states", diverse: "the dataset's states" } as const;

/** The study; all training of a cell is in stages of its evaluation. */
export const diagnosisStudy: Study<DiagnosisPoint[]> = {
  module: import.meta.url,
  data: "dataset",
  result: [{
    states: "string",
    updates: "number",
    trainingLoss: "number",
    pivotalError: "number",
    surroundingError: "number",
  }],
  async prepare(cell, { algorithm, folder }) {
    const { config } = cell;
    const levels = allLevels.filter((updates) => updates <= config.updates);
    const data = await loadTransitions(cell.dataset!, { id: cell.task });
    const robot = findTask(cell.task).name;
    const behaviour = localRecipes[`${robot}-expert-local`].behaviours[0];
    if (behaviour.kind !== "policies") throw new TypeError(`Cannot diagnose ${cell.task}: ${robot} has no expert`);
    const { snapshots } = await loadBehaviours(robot);
    const { observationDim, actionDim } = data;
    const statistics = observationStatistics(data);
    const spec: Spec = { observationDim, actionDim, maxAction: 1, observationStatistics: statistics };
    const agent = algorithm.create(config, spec);
    const empty = (rows: number) => ndarray(new Float32Array(rows), [rows, 1]);
    return {
      updates: 0,
      init: agent.init,
      update: () => Promise.reject(new Error(`Cannot train ${cell.task}: its cell trains in stages`)),
      async evaluate(first, rng, onProgress) {
        const stage = await keepStages(`${folder}/stages`, onProgress);
        const expert = snapshots[behaviour.to].start(0, rng.child("expert"));
        const label = (observations: Float32Array) => labelStates(expert, observations, observationDim, actionDim);
        const { path } = await stage("expert's states", async () => ({
          path: ndarray(
            await rollOut(robot, expert, behaviour.actionNoise, setSize, rng.child("path")),
            [setSize, observationDim],
          ),
        }));
        const visited = path.data as Float32Array;
        const noise = rng.child("beside").fillNormal(new Float32Array(visited.length));
        const scale = observationScale(statistics);
        const beside = visited.map((x, i) => x + besidePath * scale[i % observationDim] * noise[i]);
        const drawn = distinctRows(data.count, Math.min(setSize, data.count), rng.child("rows"));
        const sets = {
          expert: visited,
          diverse: takeRows(data.observation, observationDim, drawn).data as Float32Array,
        };
        const error = async (state: AgentState, observations: Float32Array) => {
          const rows = observations.length / observationDim;
          const { data: action } = await agent.act(state, ndarray(observations, [rows, observationDim]), 1, rng);
          const wanted = label(observations);
          return mean(Float64Array.from(wanted, (x, i) => (x - action[i]) ** 2));
        };
        const points: DiagnosisPoint[] = [];
        const rules: RuleResult[] = [];
        using players = createPlayers();
        let last = first;
        for (const [name, observations] of Object.entries(sets) as [keyof typeof sets, Float32Array][]) {
          const action = label(observations);
          const rows = observations.length / observationDim;
          let state = agent.init(rng.child("policy")); // The same for both sets.
          for (const updates of levels) {
            const kept = await stage(`${name}, ${updates} updates`, async (said) => {
              for (let k = state.updates; k < updates; k++) {
                const stream = rng.child(`${name}/${k}`);
                const picked = Int32Array.from({ length: config.batchSize }, () => stream.integer(rows));
                const observation = takeRows(observations, observationDim, picked);
                const zero = empty(config.batchSize);
                const batch: Batch = {
                  observation,
                  action: takeRows(action, actionDim, picked),
                  reward: zero,
                  nextObservation: observation,
                  terminal: zero,
                };
                ({ state } = await agent.update(state, batch, stream.child("update")));
                if (k % 500 === 0) said(k / updates);
              }
              return state.arrays;
            });
            state = { updates, arrays: kept };
            points.push({
              states: name,
              updates,
              trainingLoss: await error(state, observations),
              pivotalError: await error(state, visited),
              surroundingError: await error(state, beside),
            });
            const rule = { id: name, label: `${stateSets[name]}, ${updates} updates`, setting: updates };
            const player = { algorithm, config, spec, state, seed: `${cell.task}/${cell.seed}/diagnosis` };
            const played = await playCell(players, cell, { ...player, label: rule.label }, onProgress);
            rules.push({ rule, ...played, actMs: 0 });
          }
          last = state;
        }
        const datasetMean = mean(Float64Array.from(data.episodeReturns));
        return {
          result: points,
          environment: { physics, datasetMean, datasetTransitions: data.count, rules },
          policy: agent.exportPolicy(last),
        };
      },
    };
  },
};

/** States that the expert visits with noise on its actions, one row each. */
async function rollOut(
  robot: string,
  expert: MeanPolicy,
  noise: number,
  count: number,
  rng: Rng,
): Promise<Float32Array> {
  using env = await createEnvironment(findTask(robot), "d4rl");
  const [dim] = env.observationSpace.shape;
  const out = new Float32Array(count * dim);
  for (let row = 0, episode = 0; row < count; episode++) {
    let observation = env.reset(expertSeed(episode));
    for (let step = 0; row < count; step++) {
      out.set(observation, row++ * dim);
      const action = Float32Array.from(expert(observation, step));
      const z = rng.fillNormal(new Float32Array(action.length));
      const result = env.step(action.map((x, i) => Math.min(Math.max(x + noise * z[i], -1), 1)));
      observation = result.observation;
      if (result.terminated || result.truncated) break;
    }
  }
  return out;
}

/** The expert's actions, within bounds. */
function labelStates(expert: MeanPolicy, observations: Float32Array, dim: number, actionDim: number): Float32Array {
  const rows = observations.length / dim;
  const out = new Float32Array(rows * actionDim);
  for (let i = 0; i < rows; i++) {
    const action = expert(observations.subarray(i * dim, (i + 1) * dim), 0);
    out.set(action.map((x) => Math.min(Math.max(x, -1), 1)), i * actionDim);
  }
  return out;
}
