/**
 * What each kind of cell trains, and how it is evaluated.
 *
 * @module
 */

import type { Agent, AgentState, Batch } from "../algorithms/core/agent.ts";
import { ndarray } from "../algorithms/engine/array.ts";
import { createRng, type Rng } from "../algorithms/core/rng.ts";
import {
  type Bandit,
  banditMetrics,
  type BanditReward,
  type BanditSet,
  banditSets,
  drawBanditBatch,
  makeBandit,
  type pointMixtures,
  shareNearModes,
} from "../data/bandits.ts";
import { loadTransitions } from "../data/d4rl.ts";
import { findTask, normalizedScore, type Physics } from "../environments/mod.ts";
import { algorithms, type Cell, cellConfig } from "./cell.ts";
import { diagnosisTask } from "./diagnosis.ts";
import { distillationTask } from "./distillation.ts";
import { evaluateAgent } from "./evaluation.ts";
import { latencyTask } from "./latency.ts";
import { stitchingTask } from "./stitching.ts";
import { timeCalls } from "./timing.ts";
import { evaluateToy } from "./toy.ts";
import type { Outcome, RuleResult } from "./train.ts";

/** A cell's training and evaluation. */
export interface Task {
  /** Gradient steps. @default those of the configuration */
  updates?: number;
  init(rng: Rng): AgentState;
  /** One gradient step; `state` is spent by the call. The batch comes back for messages. */
  update(
    state: AgentState,
    batchRng: Rng,
    rng: Rng,
  ): Promise<{ state: AgentState; metrics: Record<string, number>; batch: object }>;
  /** What the finished cell says, and its policy. */
  evaluate(
    state: AgentState,
    rng: Rng,
    onProgress: (note: string) => void,
  ): Promise<Outcome & { policy: Uint8Array }>;
}

/** The training of an agent from minibatches of transitions. */
function agentTraining(
  agent: Agent,
  batchSize: number,
  draw: (rows: number, rng: Rng) => Batch,
): Pick<Task, "init" | "update"> {
  return {
    init: agent.init,
    async update(state, batchRng, rng) {
      const batch = draw(agent.batchRows?.(state.updates) ?? batchSize, batchRng);
      return { ...await agent.update(state, batch, rng), batch };
    },
  };
}

/** The task of a cell; `onProgress` hears of what must be made first. */
export async function createTask(
  cell: Cell,
  folder: string,
  rng: Rng,
  onProgress: (note: string) => void,
): Promise<Task> {
  switch (cell.kind) {
    case "bandit":
      return banditTask(cell, rng);
    case "toy":
      return toyTask(cell);
    case "stitching":
      return await plannerTask(cell, folder);
    case "distillation":
      return await distillationTask(cell, folder, onProgress);
    case "latency":
      return await latencyTask(cell);
    case "diagnosis":
      return await diagnosisTask(cell, folder);
    case "environment":
      return await environmentTask(cell);
  }
}

function banditTask(cell: Cell, rng: Rng): Task {
  const [set, rule] = cell.task.split("-") as [BanditSet, BanditReward];
  const bandit: Bandit = makeBandit(set, rule, 10_000, createRng(`bandit/${cell.task}`));
  const config = cellConfig(cell);
  const agent = algorithms[cell.algorithm].create(config, {
    observationDim: 1,
    actionDim: 2,
    maxAction: bandit.maxAction,
  });
  return {
    ...agentTraining(agent, config.batchSize, (rows, rng) => drawBanditBatch(bandit, rows, rng)),
    async evaluate(state) {
      const n = cell.evaluation.episodes;
      const { data } = await agent.act(state, ndarray(new Float32Array(n), [n, 1]), 1, rng.child("samples"));
      const modes = set === "25gaussians" ? shareNearModes(data, 1) : null;
      return {
        bandit: { samples: Array.from(data, (x) => Number(x.toFixed(4))), ...banditMetrics(bandit, data), modes },
        policy: agent.exportPolicy(state),
      };
    },
  };
}

function toyTask(cell: Cell): Task {
  const set = cell.task as keyof typeof pointMixtures;
  const config = cellConfig(cell);
  const agent = algorithms[cell.algorithm].create(config, { observationDim: 1, actionDim: 2, maxAction: 5 });
  const draw = (rows: number, rng: Rng): Batch => { // Fresh points at every update, where the authors draw from a million.
    const z = ndarray(new Float32Array(rows), [rows, 1]);
    const action = ndarray(banditSets[set](rows, rng), [rows, 2]);
    return { observation: z, action, reward: z, nextObservation: z, terminal: z };
  };
  return {
    ...agentTraining(agent, config.batchSize, draw),
    evaluate: async (state, rng, onProgress) => ({
      toy: await evaluateToy(set, agent, state, rng, onProgress),
      policy: agent.exportPolicy(state),
    }),
  };
}

async function plannerTask(cell: Cell, folder: string): Promise<Task> {
  const { batchSize } = cellConfig(cell);
  const { planner, drawBatch, evaluate } = await stitchingTask(cell);
  return {
    init: planner.init,
    async update(state, batchRng, rng) {
      const batch = drawBatch(batchSize, batchRng);
      return { ...await planner.update(state, batch, rng), batch };
    },
    evaluate: (state, rng, onProgress) => evaluate(state, folder, rng, onProgress),
  };
}

async function environmentTask(cell: Cell): Promise<Task> {
  const config = cellConfig(cell);
  findTask(cell.task); // What it lacks is said before the training, not after.
  const data = await loadTransitions(cell.dataset!);
  const { observationDim, actionDim } = data;
  const spec = { observationDim, actionDim, maxAction: 1, observationStatistics: data.observationStatistics };
  const algorithm = algorithms[cell.algorithm];
  const agent = algorithm.create(config, spec);
  const draw = data.batches({
    rewardTransform: config.rewardTransform,
    nextAction: algorithm.needs?.nextAction ?? false,
  });
  const physics: Physics = "d4rl";
  return {
    ...agentTraining(agent, config.batchSize, draw),
    async evaluate(state, rng, onProgress) {
      const rules: RuleResult[] = [];
      const plain = [...new Set([1, cell.evaluation.candidates])].map((candidates) => ({
        candidates,
        sampling: undefined,
      }));
      const sampled = (cell.evaluation.sampling ?? []).map((sampling) => ({
        candidates: sampling.candidates,
        sampling,
      }));
      for (const { candidates, sampling } of [...plain, ...sampled]) {
        const label = sampling ? `${sampling.sampler}, ${sampling.calls} calls` : `${candidates} candidate(s)`;
        const report = (running: number, step: number) =>
          step % 50 === 0 && onProgress(`evaluating, ${label}, step ${step}, ${running} running`);
        const algorithm = sampling ? "behaviour_sampling" as const : cell.algorithm;
        const settings = sampling
          ? { ...config, sampler: sampling.sampler, nfe: sampling.calls, choice: sampling.choice }
          : config;
        const job = {
          algorithm,
          config: settings,
          spec,
          backend: cell.backend,
          state,
          task: cell.task,
          physics,
          episodes: cell.evaluation.episodes,
          candidates,
          seed: `${cell.task}/${cell.algorithm}/${cell.seed}/evaluation/${candidates}`,
        };
        const episodes = await evaluateAgent(job, report);
        const scores = episodes.map(({ episodeReturn }) => normalizedScore(cell.task, episodeReturn));
        const acting = sampling ? algorithms[algorithm].create(settings, spec) : agent;
        const one = ndarray(new Float32Array(observationDim), [1, observationDim]);
        const actMs = await timeCalls((i) => acting.act(state, one, candidates, rng.child(`time/${i}`)), 50, 200);
        rules.push({ candidates, sampling, episodes, scores, actMs });
      }
      const datasetMean = data.episodeReturns.reduce((a, b) => a + b, 0) / data.episodeReturns.length;
      return {
        environment: { physics, datasetMean, datasetTransitions: data.count, rules },
        policy: agent.exportPolicy(state),
      };
    },
  };
}
