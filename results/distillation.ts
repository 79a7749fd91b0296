/**
 * Offline behavior distillation as a cell: teacher, density model, distilled pairs, and the policies they train.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Agent, AgentState, Spec } from "../algorithms/core/agent.ts";
import { compile, type NdArray, ndarray } from "../algorithms/core/compile.ts";
import { type IqlArrays, type TwinCritic, twinValues } from "../algorithms/core/iql.ts";
import { fitGaussian, gaussianLogLikelihood } from "../algorithms/core/gaussian.ts";
import { logDensities, type Maf, mafDefaults, trainMaf } from "../algorithms/core/maf.ts";
import { createRng, type Rng, shuffle } from "../algorithms/core/rng.ts";
import type { Tensor } from "../algorithms/core/tensor.ts";
import {
  type BehaviorDistillationConfig,
  createDistillation,
  densityWeightDefaults,
  type Distillation,
  type DistillationArrays,
  effectiveSampleSize,
  type OuterBatch,
  type Pairs,
  stateDensityWeights,
  type StudentArrays,
} from "../algorithms/offline_behavior_distillation/mod.ts";
import type { Stage } from "../algorithms/stitching/mod.ts";
import { trajectoryStarts } from "../algorithms/stitching/stitcher.ts";
import {
  drawBatch,
  observationStatistics,
  qlearningDataset,
  transformRewards,
  type Transitions,
} from "../data/d4rl.ts";
import { type Dataset, loadDataset } from "../data/dataset.ts";
import { writeHdf5 } from "../data/hdf5.ts";
import { pairsArrays, pairsCsv } from "../data/pairs.ts";
import { datasetTrajectories } from "../data/trajectories.ts";
import { normalizedScore } from "../environments/mod.ts";
import { algorithms, type Cell, cellConfig } from "./cell.ts";
import { evaluateAgent } from "./evaluation.ts";
import { writeAtomically } from "./files.ts";
import { keepStages } from "./stages.ts";
import { mean } from "./statistics.ts";
import { timeCalls } from "./timing.ts";
import type { Evaluation, RuleResult } from "./train.ts";

/** What a distillation cell says beside its scores. */
export interface DistillationResult {
  pairs: number;
  /** Share of rows that the weights leave effective; 1 without. */
  effectiveShare: number;
  /** Mean log density of held-out states under the flow and under a Gaussian, in nats; null without weights. */
  heldOut: { flow: number; gaussian: number } | null;
  /** `[update, outer loss]`, means over a hundredth of the run. */
  curve: [number, number][];
  /** Normalized states in the data's first two principal components. */
  projection: { data: [number, number][]; before: [number, number][]; after: [number, number][] };
}

/** Says which actions are wanted, and what they are worth; raw observations. */
interface Teacher {
  agent: Agent;
  state: AgentState;
  value(observation: NdArray, action: NdArray): Promise<NdArray>;
}

/** What the distillation's training needs. */
export interface DistillationTask {
  init(rng: Rng): AgentState;
  update(
    state: AgentState,
    batchRng: Rng,
    rng: Rng,
  ): Promise<{ state: AgentState; metrics: Record<string, number>; batch: OuterBatch }>;
  evaluate(
    state: AgentState,
    rng: Rng,
    onProgress: (note: string) => void,
  ): Promise<
    { environment: NonNullable<Evaluation["environment"]>; distillation: DistillationResult; policy: Uint8Array }
  >;
}

/** Loads the data of a distillation cell and trains what it needs: a teacher, and a density model if weights ask for one. */
export async function distillationTask(
  cell: Cell,
  folder: string,
  onProgress: (note: string) => void,
): Promise<DistillationTask> {
  const config = cellConfig(cell) as BehaviorDistillationConfig;
  const dataset = await loadDataset(cell.dataset!);
  const data = qlearningDataset(dataset);
  const { observationDim, actionDim, count } = data;
  const statistics = observationStatistics(data);
  const spec: Spec = { observationDim, actionDim, maxAction: 1, observationStatistics: statistics };
  const shared = createHash("sha256").update(JSON.stringify([
    config.teacherUpdates,
    config.teacherHidden,
    config.teacherLearningRate,
    config.densityEpochs,
  ])).digest("hex").slice(0, 10);
  const stage = await keepStages(join(folder, "../../../shared", shared, `seed_${cell.seed}`), onProgress);
  const rng = createRng(`${cell.task}/obd/${cell.seed}`); // One teacher and density per task and seed, whatever the objective.
  const normalized = data.observation.map((x, i) =>
    (x - statistics.mean[i % observationDim]) / statistics.deviation[i % observationDim]
  );
  const teacher = config.objective === "dbc"
    ? null
    : await trainTeacher(data, config, spec, rng.child("teacher"), stage);
  const { weights, heldOut } = config.densityExponent === 0
    ? { weights: new Float64Array(count).fill(1), heldOut: null }
    : await densityWeights(normalized, count, config, rng.child("density"), stage);
  const distillation = createDistillation(config, spec);
  const pairsOf = (rows: Int32Array): Pairs => ({
    observation: take(normalized, observationDim, rows),
    action: take(data.action, actionDim, rows),
  });
  const drawRows = (n: number, stream: Rng) => Int32Array.from({ length: n }, () => stream.integer(count));
  const draw = async (stream: Rng): Promise<OuterBatch> => {
    const rows = drawRows(config.batchSize, stream);
    const raw = take(data.observation, observationDim, rows);
    const observation = take(normalized, observationDim, rows);
    const weight = Float32Array.from(rows, (row) => weights[row]);
    if (!teacher) {
      return { observation, action: take(data.action, actionDim, rows), weight: ndarray(weight, [rows.length, 1]) };
    }
    const action = await teacher.agent.act(teacher.state, raw, 1, stream.child("teacher"));
    if (config.objective === "av-pbc") {
      const { data: value } = await teacher.value(raw, action);
      weight.forEach((w, i) => weight[i] = w * config.valueScale * Math.max(value[i], 0)); // Ours: no negative weights.
    }
    return { observation, action, weight: ndarray(weight, [rows.length, 1]) };
  };
  return {
    init: (stream) => distillation.start(pairsOf(distinctRows(count, config.pairs, stream))),
    async update(state, batchRng, stream) {
      const batch = await draw(batchRng);
      return { ...await distillation.update(state, batch, stream), batch };
    },
    evaluate: (state, stream, report) =>
      evaluateDistillation({
        cell,
        config,
        folder,
        dataset,
        data,
        normalized,
        spec,
        teacher,
        weights,
        heldOut,
        distillation,
        pairsOf,
        state,
        rng: stream,
        first: pairsOf(
          distinctRows(count, config.pairs, createRng(`${cell.task}/${cell.algorithm}/${cell.seed}`).child("init")),
        ),
        onProgress: report,
      }),
  };
}

function take(source: Float32Array, dim: number, rows: Int32Array): NdArray {
  const out = new Float32Array(rows.length * dim);
  rows.forEach((row, i) => out.set(source.subarray(row * dim, (row + 1) * dim), i * dim));
  return ndarray(out, [rows.length, dim]);
}

function distinctRows(count: number, n: number, rng: Rng): Int32Array {
  return shuffle(Int32Array.from({ length: count }, (_, i) => i), rng.child("rows")).slice(0, n);
}

const criticValue = compile<{ critic: TwinCritic<NdArray>; s: NdArray; a: NdArray }, { value: Tensor }>(
  "obd/value",
  ({ critic, s, a }) => ({ value: twinValues(critic, s, a)[0] }), // The first critic alone (authors' code).
);

/** IQL of the data, kept as a stage. */
async function trainTeacher(
  data: Transitions,
  config: BehaviorDistillationConfig,
  spec: Spec,
  rng: Rng,
  stage: Stage,
): Promise<Teacher> {
  const { iql } = algorithms;
  const settings = {
    ...iql.defaults,
    updates: config.teacherUpdates,
    hidden: config.teacherHidden,
    learningRate: config.teacherLearningRate,
  };
  const agent = iql.create(settings, spec);
  const rewarded = { ...data, reward: transformRewards(data, settings.rewardTransform) };
  const arrays = await stage("teacher", async (said) => {
    let state = agent.init(rng.child("init"));
    for (let k = 0; k < settings.updates; k++) {
      const batch = drawBatch(rewarded, settings.batchSize, rng.child(`batch/${k}`));
      ({ state } = await agent.update(state, batch, rng.child(`update/${k}`)));
      if (k % 500 === 0) said(k / settings.updates);
    }
    return state.arrays;
  });
  const critic = (arrays as IqlArrays).critic.params;
  return {
    agent,
    state: { updates: settings.updates, arrays },
    value: async (s, a) => (await criticValue({ critic, s, a })).value,
  };
}

/** Weights, and how well flow and Gaussian describe states that neither saw. */
async function densityWeights(
  normalized: Float32Array,
  count: number,
  config: BehaviorDistillationConfig,
  rng: Rng,
  stage: Stage,
): Promise<{ weights: Float64Array; heldOut: { flow: number; gaussian: number } }> {
  const settings = { ...mafDefaults, epochs: config.densityEpochs };
  const dim = normalized.length / count;
  const kept = await stage("density model", async (said) => {
    const order = distinctRows(count, count, rng.child("split"));
    const held = Math.floor(count / 20);
    const [test, train] = [order.subarray(0, held), order.subarray(held)].map((rows) =>
      take(normalized, dim, rows).data as Float32Array
    );
    const n = count - held;
    const flow = await trainMaf(train, n, settings, rng, (epoch) => said((epoch + 1) / settings.epochs));
    const gaussian = gaussianLogLikelihood(fitGaussian(train, n), test, held);
    return { flow, heldOut: ndarray([mean([...await logDensities(flow, test, held)]), gaussian], [2]) };
  });
  const [flow, gaussian] = kept.heldOut.data;
  const densities = await logDensities(kept.flow as Maf<NdArray>, normalized, count);
  const weights = stateDensityWeights(densities, { ...densityWeightDefaults, exponent: config.densityExponent });
  return { weights, heldOut: { flow, gaussian } };
}

interface Work {
  cell: Cell;
  config: BehaviorDistillationConfig;
  folder: string;
  dataset: Dataset;
  data: Transitions;
  normalized: Float32Array;
  spec: Spec;
  teacher: Teacher | null;
  weights: Float64Array;
  heldOut: DistillationResult["heldOut"];
  distillation: Distillation;
  pairsOf(rows: Int32Array): Pairs;
  /** The pairs that distillation started from. */
  first: Pairs;
  state: AgentState;
  rng: Rng;
  onProgress(note: string): void;
}

async function evaluateDistillation(work: Work): ReturnType<DistillationTask["evaluate"]> {
  const { cell, config, data, spec, teacher, weights, distillation, rng, first } = work;
  const { pairs } = work.state.arrays as DistillationArrays;
  const agent = algorithms[cell.algorithm].create(config, spec);
  const one = ndarray(new Float32Array(spec.observationDim), [1, spec.observationDim]);
  const rules: RuleResult[] = [];
  const play = async (name: string, algorithm: Cell["algorithm"], state: AgentState, settings = config as object) => {
    const episodes = await evaluateAgent({
      algorithm,
      config: settings as BehaviorDistillationConfig,
      spec,
      backend: cell.backend,
      state,
      task: cell.task,
      physics: "d4rl",
      episodes: cell.evaluation.episodes,
      candidates: 1,
      seed: `${cell.task}/${cell.algorithm}/${cell.seed}/evaluation/${name}`,
    }, (running, step) => {
      if (step % 50 === 0) work.onProgress(`evaluating ${name}, step ${step}, ${running} running`);
    });
    return { episodes, scores: episodes.map(({ episodeReturn }) => normalizedScore(cell.task, episodeReturn)) };
  };
  const train = async (set: (k: number) => Pairs, name: string) => {
    const policies: StudentArrays["policies"] = [];
    for (let k = 0; k < config.students; k++) {
      policies.push(await distillation.trainPolicy(set(k), rng.child(`students/${k}`)));
      work.onProgress(`training policies on ${name}, ${k + 1} of ${config.students}`);
    }
    return policies;
  };
  const stateOf = (policies: StudentArrays["policies"]): AgentState => ({ updates: 0, arrays: { policies } });
  const addEach = async (acting: string, policies: StudentArrays["policies"]) => {
    const parts = [];
    for (const policy of policies) parts.push(await play(acting, cell.algorithm, stateOf([policy])));
    const actMs = await timeCalls(() => agent.act(stateOf([policies[0]]), one, 1, rng), 50, 200);
    rules.push({
      candidates: 1,
      acting,
      episodes: parts.flatMap((p) => p.episodes),
      scores: parts.flatMap((p) => p.scores),
      actMs,
    });
  };
  await exportPairs(work.folder, pairs, spec, cell);
  const students = await train(() => pairs, "distilled pairs");
  await addEach("distilled pairs", students);
  const together = stateOf(students);
  rules.push({
    candidates: 1,
    acting: `distilled pairs, ensemble of ${students.length}`,
    ...await play("ensemble", cell.algorithm, together),
    actMs: await timeCalls(() => agent.act(together, one, 1, rng), 50, 200),
  });
  const random = (k: number) => work.pairsOf(distinctRows(data.count, config.pairs, rng.child(`random/${k}`)));
  await addEach("random pairs", await train(random, "random pairs"));
  const best = topPairs(work);
  await addEach(
    "pairs of the best episodes",
    await train((k) => best(rng.child(`best/${k}`)), "the best episodes' pairs"),
  );
  if (teacher) {
    const settings = { ...algorithms.iql.defaults, hidden: config.teacherHidden };
    rules.push({
      candidates: 1,
      acting: "teacher",
      ...await play("teacher", "iql", teacher.state, settings),
      actMs: await timeCalls(() => teacher.agent.act(teacher.state, one, 1, rng), 50, 200),
    });
  }
  return {
    environment: {
      physics: "d4rl",
      datasetMean: mean(data.episodeReturns),
      datasetTransitions: data.count,
      rules,
    },
    distillation: {
      pairs: config.pairs,
      effectiveShare: effectiveSampleSize(weights) / weights.length,
      heldOut: work.heldOut,
      curve: await readCurve(join(work.folder, "metrics.jsonl")),
      projection: project(work.normalized, data.count, first.observation, pairs.observation),
    },
    policy: agent.exportPolicy(together),
  };
}

/** Writes the pairs, observations in raw units, as `pairs.hdf5` (D4RL's layout) and `pairs.csv`. */
async function exportPairs(folder: string, { observation, action }: Pairs, spec: Spec, cell: Cell) {
  const { mean: center, deviation } = spec.observationStatistics!;
  const [count, dim] = observation.shape;
  const raw = (observation.data as Float32Array).map((x, i) => x * deviation[i % dim] + center[i % dim]);
  const pairs = { observation: raw, action: action.data as Float32Array, count };
  await writeHdf5(join(folder, "pairs.hdf5"), pairsArrays(pairs), {
    id: `${cell.task}-${cell.algorithm}-${cell.seed}`,
    origin: `distilled from ${cell.task}; not a D4RL file`,
    method: algorithms[cell.algorithm].source,
  });
  await writeAtomically(join(folder, "pairs.csv"), pairsCsv(pairs));
}

/** Draws pairs from the best episodes, as many of these as hold ten times the pairs. */
function topPairs({ dataset, spec, config }: Work): (rng: Rng) => Pairs {
  const { data } = datasetTrajectories(dataset);
  const starts = trajectoryStarts(data);
  const episodes = starts.map((start, i) => {
    const end = starts[i + 1] ?? data.count;
    return { start, end, episodeReturn: data.reward.subarray(start, end).reduce((a, b) => a + b, 0) };
  }).sort((a, b) => b.episodeReturn - a.episodeReturn);
  const rows: number[] = [];
  for (const { start, end } of episodes) {
    if (rows.length >= 10 * config.pairs) break;
    for (let i = start; i < end; i++) rows.push(i);
  }
  const { mean: center, deviation } = spec.observationStatistics!;
  const observation = data.observation.map((x, i) => (x - center[i % center.length]) / deviation[i % center.length]);
  return (rng) => {
    const picked = shuffle(Int32Array.from(rows), rng).slice(0, config.pairs);
    return {
      observation: take(observation, spec.observationDim, picked),
      action: take(data.action, spec.actionDim, picked),
    };
  };
}

async function readCurve(path: string): Promise<[number, number][]> {
  const lines = (await Deno.readTextFile(path)).trim().split("\n");
  return lines.map((line) => JSON.parse(line)).map(({ update, outerLoss }) => [update, Number(outerLoss.toFixed(5))]);
}

/** Rows in the first two principal components of the data, by power iteration on its covariance. */
function project(data: Float32Array, count: number, ...sets: NdArray[]): DistillationResult["projection"] {
  const dim = data.length / count;
  const covariance = Array.from({ length: dim }, () => new Float64Array(dim));
  for (let i = 0; i < count; i++) {
    for (let a = 0; a < dim; a++) {
      for (let b = 0; b < dim; b++) covariance[a][b] += data[i * dim + a] * data[i * dim + b] / count;
    }
  }
  const axes: Float64Array[] = [];
  for (let k = 0; k < 2; k++) {
    let v = Float64Array.from({ length: dim }, (_, i) => 1 + i / dim);
    for (let step = 0; step < 500; step++) {
      for (const axis of axes) {
        const along = v.reduce((sum, x, i) => sum + x * axis[i], 0);
        v = v.map((x, i) => x - along * axis[i]);
      }
      v = Float64Array.from(covariance, (row) => row.reduce((sum, x, i) => sum + x * v[i], 0));
      const norm = Math.hypot(...v);
      v = v.map((x) => x / norm);
    }
    axes.push(v);
  }
  const place = (rows: ArrayLike<number>, at: number) =>
    axes.map((axis) => Number(axis.reduce((sum, x, d) => sum + x * rows[at * dim + d], 0).toFixed(3))) as [
      number,
      number,
    ];
  const shown = 1500;
  const [before, after] = sets.map(({ data: rows, shape: [n] }) => Array.from({ length: n }, (_, i) => place(rows, i)));
  return {
    data: Array.from(
      { length: Math.min(shown, count) },
      (_, i) => place(data, Math.floor(i * count / Math.min(shown, count))),
    ),
    before,
    after,
  };
}
