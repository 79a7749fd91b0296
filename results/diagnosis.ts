/**
 * What makes a set of states good to clone from, as a cell: their quality or their diversity, at several training losses.
 *
 * The question of Lei, Cheng & Tao 2025 (arXiv 2512.06692), whose abstract alone was at hand; the protocol is ours. Two sets of
 * as many states, one that the expert visits and one from the dataset, both labelled by the expert; cloned policies after more
 * and more updates; their error on the expert's path (pivotal states) and beside it (surrounding ones).
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import type { AgentState, Batch, Spec } from "../algorithms/core/agent.ts";
import { ndarray } from "../algorithms/engine/array.ts";
import { observationScale } from "../algorithms/core/normalization.ts";
import type { Rng } from "../algorithms/core/rng.ts";
import { distinctRows, takeRows } from "../algorithms/core/rows.ts";
import { loadBehaviours, type MeanPolicy } from "../data/behaviours.ts";
import { loadTransitions, observationStatistics } from "../data/d4rl.ts";
import { localRecipes } from "../data/recipes.ts";
import type { Table } from "../data/show/table.ts";
import { createEnvironment, findTask, normalizedScore } from "../environments/mod.ts";
import { algorithms, type Cell, cellConfig } from "./cell.ts";
import { evaluateAgent } from "./evaluation.ts";
import { keepStages } from "./stages.ts";
import { mean } from "./statistics.ts";
import type { Task } from "./tasks.ts";
import type { Evaluation, RuleResult } from "./train.ts";

/** A cloned policy after some updates; errors are mean squares over states and action dimensions. */
export interface DiagnosisPoint {
  states: "expert" | "diverse";
  updates: number;
  trainingLoss: number;
  pivotalError: number;
  surroundingError: number;
}

/** States of each set. All sizes are ours. */
const setSize = 20_000;
/** Updates after which a policy is looked at, as far as the cell's settings go. */
const allLevels = [30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000];
/** Noise that takes the expert's states to those beside its path, in deviations of the dataset's. */
const besidePath = 0.1;
/** Start states of the expert's rollouts, far from those of datasets and evaluations. */
const expertSeed = (episode: number) => 3_000_000 + episode;

const words = { expert: "the expert's states", diverse: "the dataset's states" } as const;

/** The task of a diagnosis cell; all its training is in stages of its evaluation. */
export async function diagnosisTask(cell: Cell, folder: string): Promise<Task> {
  const config = cellConfig(cell);
  const levels = allLevels.filter((updates) => updates <= config.updates);
  const data = await loadTransitions(cell.dataset!);
  const robot = findTask(cell.task).name;
  const behaviour = localRecipes[`${robot}-expert-local`].behaviours[0];
  if (behaviour.kind !== "policies") throw new TypeError(`Cannot diagnose ${cell.task}: ${robot} has no expert`);
  const { snapshots } = await loadBehaviours(robot);
  const { observationDim, actionDim } = data;
  const statistics = observationStatistics(data);
  const spec: Spec = { observationDim, actionDim, maxAction: 1, observationStatistics: statistics };
  const agent = algorithms.bc.create(config, spec);
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
          const episodes = await evaluateAgent({
            algorithm: "bc",
            config,
            spec,
            backend: cell.backend,
            state,
            task: cell.task,
            physics: "d4rl",
            episodes: cell.evaluation.episodes,
            candidates: 1,
            seed: `${cell.task}/${cell.seed}/diagnosis`,
          }, (running, step) => {
            if (step % 50 === 0) onProgress(`evaluating ${name}, ${updates} updates, step ${step}, ${running} running`);
          });
          const scores = episodes.map(({ episodeReturn }) => normalizedScore(cell.task, episodeReturn));
          rules.push({ candidates: 1, acting: `${words[name]}, ${updates} updates`, episodes, scores, actMs: 0 });
        }
        last = state;
      }
      const datasetMean = mean(Float64Array.from(data.episodeReturns));
      return {
        diagnosis: points,
        environment: { physics: "d4rl", datasetMean, datasetTransitions: data.count, rules },
        policy: agent.exportPolicy(last),
      };
    },
  };
}

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

/**
 * Score of the policies cloned from diverse states minus that of those from the expert's, at the largest or smallest training loss
 * that both reached; between points, scores are linear in the loss's logarithm.
 */
export function scoreGapAtLoss({ diagnosis, environment }: Evaluation, loss: "largest" | "smallest"): number {
  const curve = (states: DiagnosisPoint["states"]) =>
    diagnosis!.map((point, i) => ({
      ...point,
      at: Math.log(point.trainingLoss),
      score: mean(environment!.rules[i].scores),
    }))
      .filter((point) => point.states === states).sort((a, b) => a.at - b.at);
  const [diverse, expert] = [curve("diverse"), curve("expert")];
  const at = loss === "largest"
    ? Math.min(diverse[diverse.length - 1].at, expert[expert.length - 1].at)
    : Math.max(diverse[0].at, expert[0].at);
  const scoreAt = (points: typeof diverse) => {
    const k = Math.min(Math.max(points.findIndex((point) => point.at >= at), 1), points.length - 1);
    const [a, b] = [points[k - 1], points[k]];
    return a.score + (b.score - a.score) * (at - a.at) / (b.at - a.at);
  };
  return scoreAt(diverse) - scoreAt(expert);
}

/** Every point, means over seeds. */
export function diagnosisTable(evaluations: readonly Evaluation[], notes: string[]): Table {
  return {
    title: "State quality and state diversity",
    columns: [
      "dataset",
      "cloned from",
      "updates",
      "training loss",
      "pivotal error",
      "surrounding error",
      "score",
      "seeds",
    ],
    rows: averagedPoints(evaluations).map((p) => [
      p.task,
      words[p.states],
      `${p.updates}`,
      p.trainingLoss.toFixed(4),
      p.pivotalError.toFixed(4),
      p.surroundingError.toFixed(4),
      p.score.toFixed(1),
      `${p.seeds}`,
    ]),
    notes: [
      `Two sets of ${setSize} states, all labelled by the expert: those that it visits (with its dataset's action noise), and random ones ` +
      `of the dataset. Errors: mean squares against the expert's actions on its path (pivotal) and beside it (surrounding: its states ` +
      `with noise of ${besidePath} deviations). The protocol is ours.`,
      ...notes,
    ],
  };
}

function averagedPoints(evaluations: readonly Evaluation[]) {
  const all = evaluations.flatMap(({ cell, diagnosis, environment }) =>
    diagnosis!.map((point, i) => ({ task: cell.task, ...point, score: mean(environment!.rules[i].scores) }))
  );
  const groups = Map.groupBy(all, ({ task, states, updates }) => `${task}/${states}/${updates}`);
  return [...groups.values()].map((group) => {
    const of = (field: "trainingLoss" | "pivotalError" | "surroundingError" | "score") =>
      mean(group.map((p) => p[field]));
    return {
      ...group[0],
      trainingLoss: of("trainingLoss"),
      pivotalError: of("pivotalError"),
      surroundingError: of("surroundingError"),
      score: of("score"),
      seeds: group.length,
    };
  });
}

/** Score against training loss for both sets. */
export function diagnosisFigure(evaluations: readonly Evaluation[]): TopLevelSpec {
  const points = averagedPoints(evaluations).map((p) => ({ ...p, from: words[p.states] }));
  const x = {
    field: "trainingLoss",
    type: "quantitative",
    title: "training loss (falls to the right)",
    scale: { type: "log", reverse: true },
  };
  const color = { field: "from", type: "nominal", title: "cloned from", legend: { orient: "bottom", labelLimit: 300 } };
  const y = { field: "score", type: "quantitative", title: "D4RL normalized score" };
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: "State quality against state diversity",
      subtitle:
        "Policies cloned from as many states, labelled by one expert, after more and more updates; means over seeds.",
    },
    hconcat: [...new Set(points.map(({ task }) => task))].map((task) => ({
      title: { text: task, fontSize: 12, fontWeight: "normal" },
      width: 360,
      height: 240,
      data: { values: points.filter((p) => p.task === task) },
      layer: [
        { mark: { type: "line", strokeWidth: 1.5 }, encoding: { x, y, color, order: { field: "updates" } } },
        { mark: { type: "circle", size: 50, opacity: 1 }, encoding: { x, y, color } },
        {
          mark: { type: "text", dx: 6, dy: -7, align: "left", fontSize: 10 },
          encoding: { x, y, text: { field: "updates" } },
        },
      ],
    })),
  } as TopLevelSpec;
}
