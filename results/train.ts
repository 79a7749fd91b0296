/**
 * Training one cell: resumable at any moment, evaluated at its end.
 *
 * @module
 */

import { join } from "node:path";
import type { Agent, AgentState, Batch } from "../algorithms/core/agent.ts";
import { useBackend } from "../algorithms/core/backend.ts";
import { decodeCheckpoint, encodeCheckpoint, restoreTree } from "../algorithms/core/checkpoint.ts";
import { type NdArray, ndarray } from "../algorithms/core/compile.ts";
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
import type { OuterBatch } from "../algorithms/offline_behavior_distillation/mod.ts";
import type { WindowBatch } from "../algorithms/stitching/mod.ts";
import { drawBatch, loadTransitions, observationStatistics, transformRewards } from "../data/d4rl.ts";
import { type Episode, normalizedScore, type Physics } from "../environments/mod.ts";
import { algorithms, type Cell, cellConfig, cellFolder, cellLabel, type SamplingRule } from "./cell.ts";
import { type DistillationResult, distillationTask } from "./distillation.ts";
import { evaluateAgent } from "./evaluation.ts";
import { makeFolder, readJson, writeAtomically, writeError } from "./files.ts";
import { type StitchingResult, stitchingTask } from "./stitching.ts";
import { timeCalls } from "./timing.ts";
import { evaluateToy, type ToyResult } from "./toy.ts";

/** What a finished cell says. */
export interface Evaluation {
  cell: Cell;
  trainingMs: number;
  bandit?: {
    samples: number[];
    nearestMean: number;
    nearestMax: number;
    reward: number;
    /** Share of samples within 1.0 of a mode centre; 25 Gaussians only. */
    modes: number | null;
  };
  environment?: {
    physics: string;
    datasetMean: number;
    datasetTransitions: number;
    rules: RuleResult[];
  };
  toy?: ToyResult;
  stitching?: StitchingResult;
  distillation?: DistillationResult;
}

/** How one way of acting did. */
export interface RuleResult {
  candidates: number;
  sampling?: SamplingRule;
  /** In words, where the policy is not the algorithm's own. */
  acting?: string;
  episodes: Episode[];
  scores: number[];
  actMs: number;
}

/** Where a cell's training stands, for a progress bar. */
export interface Progress {
  done: number;
  total: number;
  note: string;
}

interface Task {
  init(rng: Rng): AgentState;
  /** One gradient step; `state` is spent by the call. The batch comes back for messages. */
  update(
    state: AgentState,
    batchRng: Rng,
    rng: Rng,
  ): Promise<{ state: AgentState; metrics: Record<string, number>; batch: Batch | WindowBatch | OuterBatch }>;
  /** What the finished cell says, and its policy. */
  evaluate(
    state: AgentState,
    rng: Rng,
    onProgress: (note: string) => void,
  ): Promise<Omit<Evaluation, "cell" | "trainingMs"> & { policy: Uint8Array }>;
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

const logsPerRun = 100;

/**
 * Trains and evaluates a cell, from its last checkpoint if there is one; returns at once if it is done.
 *
 * @param root The results folder.
 * @throws {Error} If training diverges, another process holds the cell, or the folder cannot be written.
 */
export async function trainCell(cell: Cell, root: string, onProgress: (p: Progress) => void): Promise<Evaluation> {
  const folder = cellFolder(root, cell);
  await makeFolder(folder);
  using _lock = await lockFolder(folder, cell);
  const at = (name: string) => join(folder, name);
  const done = await readJson<Evaluation>(at("evaluation.json"));
  if (done) return done;

  await useBackend(cell.backend);
  const config = cellConfig(cell);
  const rng = createRng(`${cell.task}/${cell.algorithm}/${cell.seed}`);
  const task = cell.kind === "bandit"
    ? banditTask(cell, rng)
    : cell.kind === "toy"
    ? toyTask(cell)
    : cell.kind === "stitching"
    ? await plannerTask(cell, folder)
    : cell.kind === "distillation"
    ? await distillationTask(cell, folder, (note) => onProgress({ done: 0, total: config.updates, note }))
    : await environmentTask(cell);
  await writeAtomically(at("run.json"), JSON.stringify(describeRun(cell), null, 2));

  let { state, trainingMs } = await resume(at("checkpoint.safetensors"), task.init(rng.child("init")));
  await keepMetricsUntil(at("metrics.jsonl"), state.updates);
  const every = Math.max(Math.floor(config.updates / logsPerRun), 1);
  let sums: Record<string, number> = {};
  let [last, lastSave] = [performance.now(), performance.now()];
  while (state.updates < config.updates) {
    const k = state.updates;
    const result = await task.update(state, rng.child(`batch/${k}`), rng.child(`update/${k}`));
    for (const [name, value] of Object.entries(result.metrics)) {
      if (!Number.isFinite(value)) throw divergenceError(cell, k, name, value, result.batch);
      sums[name] = (sums[name] ?? 0) + value;
    }
    state = result.state;
    const now = performance.now();
    trainingMs += now - last;
    last = now;
    if (state.updates % every !== 0 && state.updates < config.updates) continue;
    onProgress({ done: state.updates, total: config.updates, note: "training" });
    const means = Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / every]));
    await appendLine(at("metrics.jsonl"), JSON.stringify({ update: state.updates, ...means }));
    sums = {};
    if (now - lastSave < cell.checkpointMs && state.updates < config.updates) continue;
    await save(at("checkpoint.safetensors"), cell, state, trainingMs);
    lastSave = last = performance.now();
  }

  const note = (text: string) => onProgress({ done: config.updates, total: config.updates, note: text });
  const { policy, ...outcome } = await task.evaluate(state, rng.child("evaluation"), note);
  await writeAtomically(at("policy.onnx"), policy);
  const evaluation: Evaluation = { cell, trainingMs, ...outcome };
  await writeAtomically(at("evaluation.json"), JSON.stringify(evaluation));
  return evaluation;
}

async function lockFolder(folder: string, cell: Cell): Promise<Disposable> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(join(folder, "lock"), { create: true, write: true });
  } catch (error) {
    throw writeError(join(folder, "lock"), error);
  }
  if (!await file.tryLock(true)) {
    file.close();
    throw new Error(
      `Cannot train ${cellLabel(cell)}: another process is training it in ${folder}; wait for it or stop it`,
    );
  }
  return file; // The lock ends with the file, or with the process.
}

async function resume(path: string, fresh: AgentState): Promise<{ state: AgentState; trainingMs: number }> {
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(path);
  } catch {
    return { state: fresh, trainingMs: 0 };
  }
  try {
    const checkpoint = decodeCheckpoint(bytes);
    const arrays = restoreTree(fresh.arrays, checkpoint);
    return {
      state: { updates: Number(checkpoint.metadata.updates), arrays },
      trainingMs: Number(checkpoint.metadata.trainingMs),
    };
  } catch (cause) {
    throw new Error(`Cannot resume from "${path}": ${(cause as Error).message}`, { cause });
  }
}

async function save(path: string, cell: Cell, state: AgentState, trainingMs: number) {
  let bytes: Uint8Array;
  try {
    bytes = encodeCheckpoint(state.arrays, { updates: `${state.updates}`, trainingMs: `${Math.round(trainingMs)}` });
  } catch (cause) {
    const text = (cause as Error).message;
    throw new Error(
      `Cannot train ${cellLabel(cell)}: it diverged by update ${state.updates}: ${text}; the last checkpoint is kept`,
      { cause },
    );
  }
  await writeAtomically(path, bytes);
}

/** Why training stopped at a metric that is not finite: the batch's tensor that holds such a value, or the loss itself. */
export function divergenceError(
  cell: Cell,
  update: number,
  name: string,
  value: number,
  batch: Batch | WindowBatch | OuterBatch,
): Error {
  const bad = Object.entries<NdArray>({ ...batch }).find(([, { data }]) => data.some((x) => !Number.isFinite(x)));
  const cause = bad ? `the batch's ${bad[0]} must be finite` : "the loss diverged; a lower learning rate may help";
  return new Error(
    `Cannot train ${cellLabel(cell)}: at update ${update} ${name} is ${value}: ${cause}; the last checkpoint is kept`,
  );
}

async function appendLine(path: string, line: string) {
  try {
    await Deno.writeTextFile(path, `${line}\n`, { append: true });
  } catch (error) {
    throw writeError(path, error);
  }
}

/** Drops the metrics that a killed process wrote after its last checkpoint. */
async function keepMetricsUntil(path: string, updates: number) {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch {
    return;
  }
  const kept = text.split("\n").filter((line) => {
    try {
      return JSON.parse(line).update <= updates;
    } catch {
      return false;
    }
  });
  await writeAtomically(path, kept.map((line) => `${line}\n`).join(""));
}

function describeRun(cell: Cell) {
  return {
    cell,
    config: cellConfig(cell),
    preset: algorithms[cell.algorithm].presets[cell.task]?.source ?? "defaults",
    source: algorithms[cell.algorithm].source,
    versions: Deno.version,
    machine: { os: Deno.build.os, arch: Deno.build.arch, cores: navigator.hardwareConcurrency },
  };
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
  const data = await loadTransitions(cell.dataset!, { nextActions: true });
  data.reward = transformRewards(data, config.rewardTransform);
  const { observationDim, actionDim } = data;
  const spec = { observationDim, actionDim, maxAction: 1, observationStatistics: observationStatistics(data) };
  const agent = algorithms[cell.algorithm].create(config, spec);
  if (!agent.needsNextAction) delete data.nextAction;
  const physics: Physics = "d4rl";
  return {
    ...agentTraining(agent, config.batchSize, (rows, rng) => drawBatch(data, rows, rng)),
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
          ? { ...config, sampler: sampling.sampler, calls: sampling.calls, choice: sampling.choice }
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
