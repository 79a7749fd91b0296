/**
 * What a distilled set is worth: policies trained on it, and on sets of the same size that were not distilled.
 *
 * @module
 */

import { join } from "node:path";
import { bc } from "../../../algorithms/bc.ts";
import type { AgentState, AnyAlgorithm, Spec } from "../../../algorithms/core/agent.ts";
import type { CommonConfig } from "../../../algorithms/core/config.ts";
import type { Maf } from "../../../algorithms/core/maf.ts";
import { type NdArray, ndarray } from "../../../algorithms/engine/array.ts";
import { normalizeObservations, observationScale } from "../../../algorithms/core/normalization.ts";
import { createRng, type Rng, shuffle } from "../../../algorithms/core/rng.ts";
import { distinctRows, takeRows } from "../../../algorithms/core/rows.ts";
import type { Stage } from "../../../algorithms/core/stage.ts";
import { trajectoryStarts } from "../../../algorithms/core/trajectories.ts";
import {
  type BehaviorDistillationConfig,
  type Distillation,
  type DistillationArrays,
  effectiveSampleSize,
  type Pairs,
  quantile,
  type StudentArrays,
  type StudentVariant,
  trainVariant,
} from "../../../algorithms/offline_behavior_distillation/mod.ts";
import { drawBatch, type Transitions } from "../../../data/d4rl.ts";
import type { Dataset } from "../../../data/dataset.ts";
import { writeHdf5 } from "../../../data/hdf5.ts";
import { pairsArrays, pairsCsv } from "../../../data/pairs.ts";
import { datasetTrajectories } from "../../../data/trajectories.ts";
import { createPlayers } from "../../../environments/play.ts";
import type { Cell } from "../../cells/cell.ts";
import type { Rule, RuleResult } from "../../cells/record.ts";
import type { StudyTraining } from "../../cells/study.ts";
import { mean } from "../../scores/mean.ts";
import { physics, playCell } from "../../scores/play.ts";
import { disturbed } from "./disturbed.ts";
import { type DistillationResult, weightingOf } from "./result.ts";
import { writeAtomically } from "../../../tools/files.ts";
import { substitution, type SubstitutionArrays, type SubstitutionConfig } from "./substitution.ts";
import type { Teacher } from "./teacher.ts";
import { timeCalls } from "../../../tools/timing.ts";

/** Rules of policies of other architectures and optimizers, whose ids start so. */
export const variantPrefix = "variant/";

/** What labels say of the setting that an experiment varies. */
const settingWords: Record<string, (config: BehaviorDistillationConfig) => Pick<Rule, "label" | "setting">> = {
  pairs: ({ pairs }) => ({ label: `${pairs} pairs`, setting: pairs }),
  densityExponent: (config) => ({ label: weightingOf(config), setting: weightingOf(config) }),
};

/** Shares of the states in which the teacher acts. */
const substitutedShares = [0.1, 0.2];

/** States on which errors are measured. Ours. */
const errorSample = 20_000;

/** A trained distillation and what it came from. */
export interface DistillationWork {
  cell: Cell;
  algorithm: AnyAlgorithm;
  config: BehaviorDistillationConfig;
  folder: string;
  dataset: Dataset;
  data: Transitions;
  normalized: Float32Array;
  spec: Spec;
  teacher: Teacher | null;
  weights: Float64Array;
  /** The density model of the states, and their log densities; null if none was trained. */
  flow: Maf<NdArray> | null;
  densities: ArrayLike<number> | null;
  heldOut: DistillationResult["heldOut"];
  distillation: Distillation;
  pairsOf(rows: Int32Array): Pairs;
  /** The pairs that distillation started from. */
  first: Pairs;
  state: AgentState;
  rng: Rng;
  stage: Stage;
  onProgress(note: string): void;
}

/** Scores policies of the distilled pairs, of random ones and of the best episodes', and the teacher. */
export async function evaluateDistillation(
  work: DistillationWork,
): ReturnType<StudyTraining<DistillationResult>["evaluate"]> {
  const { cell, algorithm, config, data, spec, teacher, weights, distillation, rng, first } = work;
  const { pairs } = work.state.arrays as DistillationArrays;
  const agent = algorithm.create(config, spec);
  const one = ndarray(new Float32Array(spec.observationDim), [1, spec.observationDim]);
  const rules: RuleResult[] = [];
  /** The rule of a set of policies; `id` is what claims and quoted tables name. */
  const ruleOf = (id: string, label: string): Rule => {
    const name = cell.evaluation.setting;
    if (!name) return { id, label };
    const own = settingWords[name](config);
    return { id, label: `${own.label}: ${label}`, setting: own.setting };
  };
  using players = createPlayers();
  const play = (label: string, state: AgentState, played = algorithm, settings: CommonConfig = config) => {
    const seed = `${cell.task}/${cell.algorithm}/${cell.seed}/evaluation/${label}`;
    return playCell(players, cell, { algorithm: played, config: settings, spec, state, seed, label }, work.onProgress);
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
  const together = (parts: Awaited<ReturnType<typeof play>>[]) => ({
    episodes: parts.flatMap(({ episodes }) => episodes),
    scores: parts.flatMap(({ scores }) => scores),
  });
  const addEach = async (id: string, label: string, policies: StudentArrays["policies"], settings = config) => {
    const parts = [];
    for (const policy of policies) parts.push(await play(label, stateOf([policy]), algorithm, settings));
    const own = algorithm.create(settings, spec);
    const actMs = await timeCalls(() => own.act(stateOf([policies[0]]), one, 1, rng), 50, 200);
    rules.push({ rule: ruleOf(id, label), ...together(parts), actMs });
  };
  await exportPairs(work, pairs);
  const students = await train(() => pairs, "distilled pairs");
  await addEach("distilled", "distilled pairs", students);
  const ensemble = stateOf(students);
  rules.push({
    rule: ruleOf("ensemble", `distilled pairs, ensemble of ${students.length}`),
    ...await play("ensemble", ensemble),
    actMs: await timeCalls(() => agent.act(ensemble, one, 1, rng), 50, 200),
  });
  if (config.densityErrors === "reported") rules.push(await disturb());
  const random = (k: number) =>
    work.pairsOf(distinctRows(data.count, config.pairs, rng.child(`random/${k}`).child("rows")));
  await addEach("random", "random pairs", await train(random, "random pairs"));
  const best = topPairs(work);
  await addEach(
    "best",
    "pairs of the best episodes",
    await train((k) => best(rng.child(`best/${k}`)), "the best episodes' pairs"),
  );
  for (const [name, variant] of Object.entries(config.variants > 0 ? studentVariants(config.depth) : {})) {
    const settings = { ...config, architecture: variant.architecture };
    const policies = [];
    for (let k = 0; k < config.variants; k++) {
      policies.push(
        await trainVariant(
          pairs,
          variant,
          { ...config, maxAction: spec.maxAction },
          rng.child(`variants/${name}/${k}`),
        ),
      );
    }
    await addEach(`${variantPrefix}${name}`, `distilled pairs, ${name}`, policies, settings);
  }
  const whole = await cloneData(work);
  rules.push({
    rule: ruleOf("whole", "BC of the whole data"),
    ...await play("whole", whole.state, bc as unknown as AnyAlgorithm, whole.config),
    actMs: await timeCalls(() => whole.agent.act(whole.state, one, 1, rng), 50, 200),
  });
  if (teacher) {
    rules.push({
      rule: ruleOf("teacher", "teacher"),
      ...await play("teacher", teacher.state, teacher.algorithm, teacher.config),
      actMs: await timeCalls(() => teacher.agent.act(teacher.state, one, 1, rng), 50, 200),
    });
  }
  if (config.densityErrors === "reported" && weightingOf(config) === "none") rules.push(...await substitute());
  return {
    environment: {
      physics,
      datasetMean: mean(data.episodeReturns),
      datasetTransitions: data.count,
      rules,
    },
    result: {
      pairs: config.pairs,
      weighting: weightingOf(config),
      effectiveShare: effectiveSampleSize(weights) / weights.length,
      heldOut: work.heldOut,
      densityErrors: config.densityErrors === "reported" ? await densityErrors(work, ensemble) : null,
      curve: await readCurve(join(work.folder, "metrics.jsonl")),
      projection: project(work.normalized, data.count, first.observation, pairs.observation),
    },
    policy: agent.exportPolicy(ensemble),
    acting: { spec, arrays: pairs },
  };

  /** Each student after random steps, the same ones for all students of a task and seed. */
  async function disturb(): Promise<RuleResult> {
    const settings = { ...disturbed.defaults, student: config };
    const label = `distilled pairs, after ${settings.steps} random steps`;
    const seed = `${cell.task}/obd/${cell.seed}/disturbed`;
    const player = { algorithm: disturbed as unknown as AnyAlgorithm, config: settings, spec, seed, label };
    const parts = [];
    for (const policy of students) {
      parts.push(await playCell(players, cell, { ...player, state: stateOf([policy]) }, work.onProgress));
    }
    return { rule: ruleOf("disturbed", label), ...together(parts), actMs: 0 }; // As without.
  }

  /** Each student with the teacher in its place in the rarest states, and in as many random ones. */
  async function substitute(): Promise<RuleResult[]> {
    const { flow, densities } = work;
    if (!teacher || !flow || !densities) return [];
    const sorted = Float64Array.from(densities).filter(Number.isFinite).sort();
    const found: RuleResult[] = [];
    for (const share of substitutedShares) {
      for (const where of ["rare", "random"] as const) {
        const name = teacher.algorithm.name;
        const settings: SubstitutionConfig = {
          ...substitution.defaults,
          student: config,
          teacher: { name, config: teacher.config },
          where,
          share,
        };
        const threshold = ndarray([quantile(sorted, share)], [1]);
        const label = `distilled pairs, teacher in ${where === "rare" ? "the rarest" : "random"} ${
          100 * share
        } % of states`;
        const parts = [];
        for (const policy of students) {
          const arrays: SubstitutionArrays = {
            student: { policies: [policy] },
            teacher: teacher.state.arrays,
            flow,
            threshold,
          };
          const played = substitution as unknown as AnyAlgorithm;
          parts.push(await play(label, { updates: 0, arrays }, played, settings));
        }
        found.push({ rule: ruleOf(`${where} ${share}`, label), ...together(parts), actMs: 0 }); // Nobody would act so.
      }
    }
    return found;
  }
}

/** Mean square error of a policy against the teacher's actions, by tenths of a sample of states, the rarest first. */
async function densityErrors(work: DistillationWork, state: AgentState): Promise<number[] | null> {
  const { cell, algorithm, config, data, spec, teacher, densities, rng } = work;
  if (!teacher || !densities) return null;
  const { observationDim, actionDim, count } = data;
  const sample = distinctRows(count, Math.min(count, errorSample), createRng(`${cell.task}/density errors`));
  const rows = sample.sort((a, b) => densities[a] - densities[b]);
  const observation = takeRows(data.observation, observationDim, rows);
  const policy = algorithm.create(config, spec);
  const [own, wanted] = await Promise.all([
    policy.act(state, observation, 1, rng),
    teacher.agent.act(teacher.state, observation, 1, rng),
  ]);
  const squares = (own.data as Float32Array).map((x, i) => (x - wanted.data[i]) ** 2);
  const cut = (tenth: number) => Math.floor(tenth * rows.length / 10) * actionDim;
  return Array.from({ length: 10 }, (_, i) => Number(mean([...squares.subarray(cut(i), cut(i + 1))]).toFixed(5)));
}

/** BC of the whole data, one per task and seed. */
async function cloneData({ data, config, spec, cell, stage }: DistillationWork) {
  const { cloningUpdates: updates, hidden } = config;
  const settings = { ...bc.defaults, updates, hidden, learningRate: 1e-3, normalizeObservations: true };
  const agent = bc.create(settings, spec);
  const stream = createRng(`${cell.task}/obd/${cell.seed}/cloning`);
  const arrays = await stage("BC of the whole data", async (said) => {
    let state = agent.init(stream.child("init"));
    for (let k = 0; k < settings.updates; k++) {
      const batch = drawBatch(data, settings.batchSize, stream.child(`batch/${k}`));
      ({ state } = await agent.update(state, batch, stream.child(`update/${k}`)));
      if (k % 500 === 0) said(k / settings.updates);
    }
    return state.arrays;
  });
  return { agent, config: settings, state: { updates: settings.updates, arrays } };
}

/** The paper's other architectures, and other optimizers of the same one (Tables 2 and 3); layers count the output's. */
function studentVariants(depth: number): Record<string, StudentVariant> {
  const same = { depth, architecture: "plain", optimizer: "sgd" } as const;
  return {
    ...Object.fromEntries([1, 2, 4, 5].map((hidden) => [`${hidden + 1} layers`, { ...same, depth: hidden }])),
    residual: { ...same, depth: 3, architecture: "residual" },
    "with momentum": { ...same, optimizer: "sgdm" },
    "by Adam": { ...same, optimizer: "adam" },
    "by AdamW": { ...same, optimizer: "adamw" },
  };
}

/** Writes the pairs, observations in raw units, as `pairs.hdf5` (D4RL's layout) and `pairs.csv`. */
async function exportPairs({ folder, spec, cell, algorithm }: DistillationWork, { observation, action }: Pairs) {
  const [{ mean }, scale] = [spec.observationStatistics!, observationScale(spec.observationStatistics!)];
  const [count, dim] = observation.shape;
  const raw = (observation.data as Float32Array).map((x, i) => x * scale[i % dim] + mean[i % dim]);
  const pairs = { observation: raw, action: action.data as Float32Array, count };
  await writeHdf5(join(folder, "pairs.hdf5"), pairsArrays(pairs), {
    id: `${cell.task}-${cell.algorithm}-${cell.seed}`,
    origin: `distilled from ${cell.task}; not a D4RL file`,
    method: algorithm.source,
  });
  await writeAtomically(join(folder, "pairs.csv"), pairsCsv(pairs));
}

/** Draws pairs from the best episodes, as many of these as hold ten times the pairs. */
function topPairs({ dataset, spec, config }: DistillationWork): (rng: Rng) => Pairs {
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
  const observation = normalizeObservations(data.observation, spec.observationStatistics!);
  return (rng) => {
    const picked = shuffle(Int32Array.from(rows), rng).slice(0, config.pairs);
    return {
      observation: takeRows(observation, spec.observationDim, picked),
      action: takeRows(data.action, spec.actionDim, picked),
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
