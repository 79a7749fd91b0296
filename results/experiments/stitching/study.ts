/**
 * Trajectory stitching: planner, generated trajectories, stitched data, shallow policies, their scores.
 *
 * A cell's training is the planner's; what follows it is kept step by step.
 *
 * @module
 */

import { join } from "node:path";
import { bc } from "../../../algorithms/bc.ts";
import type { Agent, AgentState, AnyAlgorithm, Spec } from "../../../algorithms/core/agent.ts";
import { column, type NdArray, ndarray } from "../../../algorithms/engine/array.ts";
import type { CommonConfig } from "../../../algorithms/core/config.ts";
import type { Rng } from "../../../algorithms/core/rng.ts";
import { sharedRows, takeRows } from "../../../algorithms/core/rows.ts";
import type { Stage } from "../../../algorithms/core/stage.ts";
import {
  joinTrajectories,
  type Trajectories,
  trajectoryReturns,
  type TrajectorySet,
  trajectoryStarts,
} from "../../../algorithms/core/trajectories.ts";
import { treeLeaves } from "../../../algorithms/engine/tree.ts";
import {
  createPlanner,
  createRelativePlanner,
  createRelativeWindows,
  createWindows,
  fitNormalizers,
  fitRelative,
  generateTrajectories,
  keepAbove,
  type PassReport,
  type Planner,
  type PlannerArrays,
  plannerDefaults,
  type PlannerSpec,
  type RelativePlannerArrays,
  type RelativePlannerSpec,
  stitch,
  trajectoriesOf,
  trajectoryArrays,
} from "../../../algorithms/stitching/mod.ts";
import { observationStatistics } from "../../../data/d4rl.ts";
import { loadDataset } from "../../../data/dataset.ts";
import { datasetTrajectories } from "../../../data/trajectories.ts";
import { createEnvironment } from "../../../environments/environment.ts";
import { createPlayers } from "../../../environments/play.ts";
import { findTask } from "../../../environments/tasks.ts";
import { timeCalls } from "../../../tools/timing.ts";
import type { Shape } from "../../../tools/records.ts";
import type { Cell } from "../../cells/cell.ts";
import type { Rule, RuleResult } from "../../cells/record.ts";
import { keepStages } from "../../cells/stages.ts";
import type { Study, StudyTraining } from "../../cells/study.ts";
import { mean } from "../../scores/mean.ts";
import { physics, playCell } from "../../scores/play.ts";
import {
  changesPolicy,
  type CloningConfig,
  plannerPolicy,
  policyConfig,
  stitchingStudy,
  type StitchingStudyConfig,
  studySettings,
} from "./algorithm.ts";

/** An algorithm and its settings. */
interface Played {
  algorithm: AnyAlgorithm;
  config: CommonConfig;
}

/** What a stitching cell says beside its scores. */
export interface StitchingResult {
  parameters: { planner: number; policy: number };
  /** Milliseconds per action of the policy as a plain function, `createActor()`. */
  actorMs: number;
  /** Passes over the data alone, and over the data with what was generated. */
  passes: { stitched: PassReport[]; both: PassReport[] };
  /** Returns of trajectories in each set, by the data's rewards or the models'. */
  returns: Record<"data" | "generated" | "stitched" | "both", number[]>;
  /** Generated trajectories that were good enough to be used. */
  kept: number;
  /** What the environment would have paid for the generated ones. */
  trueReturns: number[];
  /** An untrained planner of the published size: its parameters, milliseconds per training step of two windows, and per action. */
  publishedSize: { parameters: number; trainingMs: number; actMs: number } | null;
  /** First two dimensions of one trajectory before and after stitching, point by point. */
  example: { before: [number, number][]; after: [number, number][] };
}

/** Trajectories made side by side. */
const generationBlock = 10;
/** Start states of generated trajectories, far from those of datasets and evaluations. */
const generationSeed = (i: number) => 2_000_000 + i;

const passShape: Shape = { stitches: "number", accepted: "number", meanReturn: "number" };

/** The study. */
export const stitching: Study<StitchingResult> = {
  module: import.meta.url,
  data: "dataset",
  result: {
    parameters: { planner: "number", policy: "number" },
    actorMs: "number",
    passes: { stitched: [passShape], both: [passShape] },
    returns: { data: ["number"], generated: ["number"], stitched: ["number"], both: ["number"] },
    kept: "number",
    trueReturns: ["number"],
    publishedSize: ["or null", { parameters: "number", trainingMs: "number", actMs: "number" }],
    example: { before: [["number"]], after: [["number"]] },
  },
  async prepare(cell, { folder }) {
    const config = cell.config as StitchingStudyConfig;
    const settings = studySettings(config, cell.task);
    const dataset = await loadDataset(cell.dataset!, { id: cell.task });
    const offline = datasetTrajectories(dataset, config.rows);
    const { observationDim, actionDim } = offline.data;
    const sizes = {
      observationDim,
      actionDim,
      maxAction: 1,
      observationStatistics: observationStatistics(offline.data),
    };
    const used = preparePlanner(offline, sizes, settings);
    return {
      updates: config.updates,
      init: used.init,
      update: used.update,
      evaluate: (state, rng, onProgress) =>
        evaluateStitching({ cell, config, offline, used, state, folder, rng, onProgress }),
    };
  },
};

/** The planner that a cell uses: its training, its plans, and how it is played. */
interface UsedPlanner
  extends Pick<StudyTraining<unknown>, "init" | "update">, Pick<Planner, "startPlanning" | "startActing"> {
  /** With what it knows of the data. */
  spec: Spec;
  played: Played;
  /** What acts, of its arrays. */
  acting(arrays: unknown): object;
  /** Steps after which it acts on a full memory. */
  context: number;
}

function preparePlanner(
  { data, terminal }: TrajectorySet,
  sizes: Spec,
  { planner: published, changes }: ReturnType<typeof studySettings>,
): UsedPlanner {
  const training = <B extends object>(
    planner: Planner<B>,
    draw: (rows: number, rng: Rng) => B,
    { batchSize }: { batchSize: number },
  ): Pick<StudyTraining<unknown>, "update"> => ({
    async update(state, batchRng, rng) {
      const batch = draw(batchSize, batchRng);
      return { ...await planner.update(state, batch, rng), batch };
    },
  });
  if (changes) {
    const statistics = fitRelative(data, terminal, changes);
    const spec: RelativePlannerSpec = { ...sizes, statistics };
    const planner = createRelativePlanner(changes, spec);
    return {
      ...planner,
      ...training(planner, createRelativeWindows(data, terminal, statistics, changes), changes),
      spec,
      played: { algorithm: changesPolicy, config: { ...changesPolicy.defaults, ...changes } as CommonConfig },
      acting(arrays) {
        const { average, inverse: { params } } = arrays as RelativePlannerArrays;
        return { average, inverse: { params } };
      },
      context: changes.context,
    };
  }
  const normalizers = fitNormalizers(data);
  const spec: PlannerSpec = { ...sizes, normalizers };
  const planner = createPlanner(published, spec);
  return {
    ...planner,
    ...training(planner, createWindows(data, terminal, normalizers, published), published),
    spec,
    played: { algorithm: plannerPolicy, config: { ...plannerPolicy.defaults, ...published } as CommonConfig },
    acting: (arrays) => ({ average: (arrays as PlannerArrays).average }),
    context: published.context,
  };
}

interface Work {
  cell: Cell;
  config: StitchingStudyConfig;
  offline: TrajectorySet;
  used: UsedPlanner;
  state: AgentState;
  folder: string;
  rng: Rng;
  onProgress: (note: string) => void;
}

async function evaluateStitching(work: Work): ReturnType<StudyTraining<StitchingResult>["evaluate"]> {
  const { cell, config, offline, state, used, rng, onProgress } = work;
  const { spec } = used;
  const settings = studySettings(config, cell.task);
  const stage = await keepStages(join(work.folder, "stages"), onProgress);
  const made = await generate(work, stage);
  const kept = keepAbove(made, offline.data, config.generatedQuantile);
  const pool = joinTrajectories(offline, kept);
  const stitchSet = (name: string, set: TrajectorySet) =>
    stitch(
      set.data,
      set.terminal,
      settings.stitcher,
      rng.child(`stitch/${name}`),
      (part, compute) => stage(`${name}, ${part}`, compute),
    );
  const stitched = await stitchSet("stitched", offline);
  const both = await stitchSet("both", pool);

  const agent = stitchingStudy.create(config, spec);
  const clones = async (name: string, data: Trajectories, ofPlanner = 0) => {
    const share = ofPlanner / config.generated * settings.cloning.generatedShare;
    const set = { data, ofPlanner, share };
    const arrays = [];
    for (let k = 1; k <= settings.cloning.policies; k++) {
      const stream = rng.child(`clone/${k}`);
      arrays.push(
        await stage(`policy ${k}, ${name}`, (said) => trainClone(agent, set, settings.cloning, stream, said)),
      );
    }
    return arrays;
  };
  const keptCount = trajectoryStarts(kept.data).length;
  const students = [
    { id: "data", label: "BC of the data", policies: await clones("data", offline.data) },
    { id: "stitched", label: "BC of stitched data", policies: await clones("stitched", stitched.data) },
    { id: "both", label: "BC of generated and stitched data", policies: await clones("both", both.data, keptCount) },
  ];
  const rules: RuleResult[] = [];
  using players = createPlayers();
  /** Plays several policies of a rule, one after the other. */
  const add = async (
    rule: Rule,
    { algorithm, config: settings }: Played,
    states: readonly AgentState[],
    actMs: number,
  ) => {
    const parts = [];
    for (const [k, state] of states.entries()) {
      const seed = `${cell.task}/${cell.algorithm}/${cell.seed}/evaluation/${rule.label}/${k + 1}`;
      const label = `${rule.label}, ${k + 1} of ${states.length}`;
      parts.push(await playCell(players, cell, { algorithm, config: settings, spec, state, seed, label }, onProgress));
    }
    const [episodes, scores] = [parts.flatMap((part) => part.episodes), parts.flatMap((part) => part.scores)];
    rules.push({ rule, episodes, scores, actMs });
  };
  const one = ndarray(new Float32Array(spec.observationDim), [1, spec.observationDim]);
  const acts = used.startActing(state, 1, rng.child("time"));
  await add(
    { id: "planner", label: "planner" },
    used.played,
    [{ updates: state.updates, arrays: used.acting(state.arrays) }],
    await timeCalls(() => acts(one), used.context + 1, 20),
  );
  for (const { id, label, policies } of students) {
    const own = policies.map((arrays) => ({ updates: 0, arrays }));
    await add(
      { id, label },
      { algorithm: bc, config: policyConfig(config) },
      own,
      await timeCalls(() => agent.act(own[0], one, 1, rng), 50, 200),
    );
  }
  const publishedSize = config.publishedSize === "timed" && cell.seed === 0
    ? (await stage("planner of the published size", () => timePublished(work))).times.data
    : null;
  const [last] = students[2].policies;
  const actor = agent.createActor!({ updates: 0, arrays: last }, rng);
  const calls = 1000; // Of a microsecond or a few each.
  const actorMs = await timeCalls(
    () => {
      for (let i = 0; i < calls; i++) actor(one.data);
      return Promise.resolve();
    },
    5,
    20,
  ) / calls;
  return {
    environment: {
      physics,
      datasetMean: mean(trajectoryReturns(offline.data)),
      datasetTransitions: offline.data.count,
      rules,
    },
    result: {
      parameters: {
        planner: sizeOf(used.acting(state.arrays)),
        policy: sizeOf((last as { policy: { params: unknown } }).policy.params),
      },
      actorMs,
      passes: { stitched: stitched.passes, both: both.passes },
      returns: {
        data: rounded(trajectoryReturns(offline.data)),
        generated: rounded(trajectoryReturns(made.data)),
        stitched: rounded(trajectoryReturns(stitched.data)),
        both: rounded(trajectoryReturns(both.data)),
      },
      kept: keptCount,
      trueReturns: rounded(made.trueReturns),
      publishedSize: publishedSize &&
        { parameters: publishedSize[0], trainingMs: publishedSize[1], actMs: publishedSize[2] },
      example: largestGain(offline.data, stitched.data),
    },
    policy: agent.exportPolicy({ updates: 0, arrays: last }),
    acting: {
      spec,
      arrays: students[2].policies.map((arrays) => (arrays as { policy: { params: unknown } }).policy.params),
    },
  };
}

const sizeOf = (tree: unknown) => treeLeaves<NdArray>(tree).reduce((sum, { data }) => sum + data.length, 0);

/** Builds the planner with Decision Diffuser's settings, trains it for one step and lets it act once. */
async function timePublished({ offline, used, rng, onProgress }: Work): Promise<{ times: NdArray }> {
  const config = { ...plannerDefaults, batchSize: 2 }; // Of 64, whose activations take 14 GiB.
  const spec: PlannerSpec = { ...used.spec, normalizers: fitNormalizers(offline.data) };
  const planner = createPlanner(config, spec);
  let state = planner.init(rng.child("published"));
  const draw = createWindows(offline.data, offline.terminal, spec.normalizers, config);
  const times: number[] = [];
  for (let i = 0; i < 2; i++) { // The first one compiles.
    onProgress(`planner of the published size, training step ${i + 1} of 2`);
    const start = performance.now();
    ({ state } = await planner.update(state, draw(config.batchSize, rng.child("batch")), rng.child("update")));
    times[0] = performance.now() - start;
  }
  onProgress("planner of the published size, one action");
  const act = planner.startActing(state, 1, rng.child("act"));
  times.push(
    await timeCalls(() => act(ndarray(new Float32Array(spec.observationDim), [1, spec.observationDim])), 0, 1),
  );
  const parameters = sizeOf((state.arrays as PlannerArrays).average);
  return { times: ndarray(Int32Array.from([parameters, ...times], Math.round), [3]) };
}

const rounded = (xs: number[]) => xs.map((x) => Number(x.toFixed(1)));

/** The planner's trajectories, some at a time; `trueReturns` are for the report alone. */
async function generate(
  { cell, config, used: planner, state, offline, rng, onProgress }: Work,
  stage: Stage,
): Promise<TrajectorySet & { trueReturns: number[] }> {
  let all = noTrajectories(offline.data);
  const trueReturns: number[] = [];
  for (let from = 0; from < config.generated; from += generationBlock) {
    const n = Math.min(generationBlock, config.generated - from);
    const name = `generated, ${from + 1} to ${from + n} of ${config.generated}`;
    const block = await stage(name, async () => {
      const environments = await Promise.all(
        Array.from({ length: n }, () => createEnvironment(findTask(cell.task), "d4rl")),
      );
      const sums = new Float32Array(n);
      try {
        const blind = environments.map((env, i) => ({
          reset: (seed: number) => env.reset(seed),
          step(action: ArrayLike<number>) {
            const { reward, ...rest } = env.step(action);
            sums[i] += reward;
            return rest;
          },
        }));
        const seeds = blind.map((_, i) => generationSeed(from + i));
        const stream = rng.child(`generate/${from}`);
        const result = await generateTrajectories(planner, state, blind, seeds, stream, (running, step) => {
          if (step % 20 === 0) onProgress(`${name}, step ${step}, ${running} running`);
        });
        return {
          trajectories: trajectoryArrays(result.data),
          terminal: column(result.terminal),
          trueReturns: column(sums),
        };
      } finally {
        for (const env of environments) env[Symbol.dispose]();
      }
    });
    const made = { data: trajectoriesOf(block.trajectories), terminal: block.terminal.data as Float32Array };
    all = joinTrajectories(all, made);
    trueReturns.push(...block.trueReturns.data);
  }
  return { ...all, trueReturns };
}

function noTrajectories({ observationDim, actionDim }: Trajectories): TrajectorySet {
  const empty = new Float32Array(0);
  const rows = { observation: empty, action: empty, reward: empty, nextObservation: empty, done: empty };
  return { data: { count: 0, observationDim, actionDim, ...rows }, terminal: empty };
}

/** Behaviour cloning of trajectories, with a share of the last ones, which are the planner's; the policy's arrays. */
async function trainClone(
  agent: Agent,
  { data, ofPlanner, share }: { data: Trajectories; ofPlanner: number; share: number },
  { updates, batchSize }: CloningConfig,
  rng: Rng,
  onProgress: (share: number) => void,
): Promise<unknown> {
  const { observationDim: s, actionDim: a, count } = data;
  const last = ofPlanner === 0 ? 0 : count - trajectoryStarts(data).at(-ofPlanner)!;
  let state = agent.init(rng.child("init"));
  const zeros = column(new Float32Array(batchSize));
  for (let k = 0; k < updates; k++) {
    const stream = rng.child(`batch/${k}`);
    const rows = sharedRows(count, { last, share }, batchSize, stream);
    const observation = takeRows(data.observation, s, rows);
    const action = takeRows(data.action, a, rows);
    const batch = { observation, action, reward: zeros, nextObservation: observation, terminal: zeros };
    ({ state } = await agent.update(state, batch, stream));
    if (k % 100 === 0) onProgress(k / updates);
  }
  return state.arrays;
}

/** The trajectory whose return grew most, before and after, in the first two dimensions. */
function largestGain(before: Trajectories, after: Trajectories): StitchingResult["example"] {
  const [old, now] = [before, after].map(trajectoryReturns);
  const gains = old.map((x, i) => now[i] - x);
  const best = gains.indexOf(gains.reduce((a, b) => Math.max(a, b)));
  const path = (t: Trajectories): [number, number][] => {
    const starts = trajectoryStarts(t);
    const rows = Array.from({ length: (starts[best + 1] ?? t.count) - starts[best] }, (_, i) => starts[best] + i);
    return rows.map((row) => [0, 1].map((d) => Number(t.observation[row * t.observationDim + d].toFixed(4)))) as [
      number,
      number,
    ][];
  };
  return { before: path(before), after: path(after) };
}
