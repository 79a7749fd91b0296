/**
 * Training in one call: data and algorithm in, policy out; with a folder resumable, measured and scored on the way.
 *
 * @module
 */

import { closest } from "fastest-levenshtein";
import { join } from "node:path";
import type { Algorithm } from "../../algorithms/core/agent.ts";
import type { CommonConfig } from "../../algorithms/core/config.ts";
import type { Policy } from "../../algorithms/core/policy.ts";
import {
  type PreparedTraining,
  prepareSeeds,
  type TrainingData,
  trainingPreset,
  type TrainSettings,
} from "../../algorithms/core/train.ts";
import { currentBackend, currentGpu, currentThreads, isOnGpu } from "../../algorithms/engine/backend.ts";
import { together } from "../../algorithms/engine/together.ts";
import { evaluateWith } from "../../environments/evaluate.ts";
import { createPlayers, type Players } from "../../environments/play.ts";
import { sha256Hex } from "../../tools/digest.ts";
import { makeFolder, readJson, removeParts, writeAtomically } from "../../tools/files.ts";
import { describeMachine } from "../../tools/machine.ts";
import { type Progress, silentProgress, startProgress } from "../../tools/progress.ts";
import { runLoop } from "../cells/loop.ts";
import { logFormats, type Logs, type MetricsLog, openMetrics } from "../cells/metrics.ts";
import { mlflowFolder, runTags } from "../cells/mlflow.ts";
import { policyRecord } from "../cells/policy_record.ts";
import { createTurns, type Turn } from "../cells/turns.ts";
import { mean } from "../scores/mean.ts";
import { type Identity, lockFolder } from "../cells/run_folder.ts";
import { exportingAnyBatch, findAlgorithm, savePolicy } from "./policy_folder.ts";
import { appendScore, createCurve, type Curve, readScores, type ScorePoint, writeScores } from "./scores.ts";

/** Where a training says how far it is. */
export const logTargets = ["terminal", "jsonl", ...logFormats] as const;

/** One of {@linkcode logTargets}. */
export type LogTarget = typeof logTargets[number];

/** How {@linkcode train} trains. */
export interface TrainOptions<C extends CommonConfig = CommonConfig> extends TrainSettings<C> {
  /**
   * Where the run is kept: settings, checkpoints, metrics, scores. A second call with the same folder goes on where the first one
   * stopped and ends in the same bytes; one of a finished run returns at once. @default nothing is kept
   */
  folder?: string;
  /** Updates between evaluations in the simulator; the last update has one too. @default none */
  evaluateEvery?: number;
  /** Episodes of each evaluation. @default 10 */
  episodes?: number;
  /** Actions drawn per observation in evaluations. @default 1 */
  candidates?: number;
  /**
   * Where progress goes: `terminal` (a bar in a terminal, a live display in a notebook, elsewhere a line now and then), and with a
   * folder `jsonl` (`metrics.jsonl`, which is always written), `tensorboard` (an event file) and `mlflow` (a run in a store that
   * `mlflow ui --backend-store-uri` shows). @default ["terminal"]
   */
  log?: readonly LogTarget[];
  /** The store of `mlflow`, which several trainings may share. @default mlruns in the folder */
  mlruns?: string;
  /** Called a hundred times in a training, with each metric's mean since the last call. */
  onMetrics?(step: { seed: number; update: number; metrics: Record<string, number> }): void;
  /** Aborting it stops the training; what the folder has stays, for the next call. */
  signal?: AbortSignal;
}

/** How {@linkcode train} trains several seeds. */
export interface SeedsOptions<C extends CommonConfig = CommonConfig> extends Omit<TrainOptions<C>, "seed"> {
  /** Seeds, of which each is a run by itself, kept in `seed_<n>` below the folder. */
  seeds: readonly number[];
  /** `seeds` has it. */
  seed?: undefined;
}

/** A trained policy and how it came about. */
export interface Run extends Policy {
  /** Where it is kept. */
  readonly folder: string | null;
  /** Milliseconds of training, without evaluations. */
  readonly trainingMs: number;
  /** Scores over updates. */
  readonly curve: Curve;
  /** Saves the policy into a folder, for `loadPolicy()`. */
  save(folder: string): Promise<void>;
}

/** The runs of several seeds, in their order. */
export interface Runs extends ReadonlyArray<Run> {
  /** Scores over updates: the mean over seeds, with a band of its 95 % interval. */
  readonly curve: Curve;
}

const ownOptions = [
  "folder",
  "evaluateEvery",
  "episodes",
  "candidates",
  "log",
  "mlruns",
  "onMetrics",
  "signal",
] as const;
const settingNames = ["seed", "updates", "preset", "overrides"] as const;
/** Least time between checkpoints. */
const checkpointMs = 10_000;

function assertOptions(name: string, options: TrainOptions<never> | SeedsOptions<never>) {
  const known: string[] = [...settingNames, "seeds", ...ownOptions];
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    throw new RangeError(
      `Cannot train ${name}: unknown option "${key}"; did you mean "${
        closest(key, known)
      }"? Settings of the algorithm go into overrides`,
    );
  }
  if (options.seed !== undefined && "seeds" in options && options.seeds !== undefined) {
    throw new RangeError(`Cannot train ${name}: seed and seeds are both given; give one of them`);
  }
  for (const key of ["evaluateEvery", "episodes", "candidates"] as const) {
    const value = options[key];
    if (value === undefined || Number.isInteger(value) && value >= 1) continue;
    throw new RangeError(`Cannot train ${name}: ${key} must be a positive integer, current value is ${value}`);
  }
  for (const target of options.log ?? []) {
    if (logTargets.includes(target)) continue;
    throw new RangeError(
      `Cannot train ${name}: log must be of ${logTargets.join(", ")}, current is "${target}"; did you mean "${
        closest(target, [...logTargets])
      }"?`,
    );
  }
  if (options.folder === undefined && options.log?.some((target) => target !== "terminal")) {
    throw new RangeError(`Cannot train ${name}: log "jsonl", "tensorboard" and "mlflow" need a folder; give one`);
  }
}

/**
 * Trains an algorithm on data.
 *
 * What the algorithm needs is seen to here: its published settings for the dataset, its rewards, its batch sizes, statistics of the
 * observations, actions in the successors.
 *
 * Several `seeds` are several runs. On a backend on a GPU they train together: each update waits for those of all seeds, and is one call,
 * which fills the GPU better; the numbers of each run are those of the run alone, up to rounding. Elsewhere one seed follows the other.
 *
 * @param algorithm An algorithm, or the path of a file that exports one.
 * @param data Transitions, a bandit, or any {@linkcode TrainingData}.
 * @returns The run, or with `seeds` one run for each of them, in their order, with a curve of all.
 * @throws {RangeError} If an option or setting is unknown or out of range.
 * @throws {Error} If training diverges, another process trains in the folder, or the folder holds another run.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { createRng, dtql, makeBandit, train } from "@onestep/onestep";
 *
 * const bandit = makeBandit("25gaussians", "near", 10_000, createRng(0));
 * const policy = await train(dtql, bandit, { updates: 20, overrides: { hidden: 32, batchSize: 64 } });
 * const action = await policy.act([0]);
 * assert(action.length === 2);
 * ```
 */
export async function train<C extends CommonConfig>(
  algorithm: Algorithm<C>,
  data: TrainingData,
  options: SeedsOptions<C>,
): Promise<Runs>;
/** As above, for one seed. */
export async function train<C extends CommonConfig>(
  algorithm: Algorithm<C>,
  data: TrainingData,
  options?: TrainOptions<C>,
): Promise<Run>;
/** As above, for several seeds and the path or the name of an algorithm. */
export async function train(
  algorithm: string,
  data: TrainingData,
  options: SeedsOptions<CommonConfig & Record<string, unknown>>,
): Promise<Runs>;
/** As above, for the path or the name of an algorithm. */
export async function train(
  algorithm: string,
  data: TrainingData,
  options?: TrainOptions<CommonConfig & Record<string, unknown>>,
): Promise<Run>;
export async function train<C extends CommonConfig>(
  given: Algorithm<C> | string,
  data: TrainingData,
  options: TrainOptions<C> | SeedsOptions<C> = {},
): Promise<Run | Runs> {
  const algorithm = typeof given === "string" ? await findAlgorithm(given) as unknown as Algorithm<C> : given;
  const progress = options.log && !options.log.includes("terminal")
    ? silentProgress
    : startProgress(`training ${algorithm.name}`);
  try {
    return "seeds" in options && options.seeds !== undefined
      ? await trainSeeds(algorithm, data, options, progress)
      : await trainShown(algorithm, data, options as TrainOptions<C>, progress);
  } finally {
    progress.stop();
  }
}

/** {@linkcode train} for one seed, with its progress shown elsewhere. */
export async function trainShown<C extends CommonConfig>(
  algorithm: Algorithm<C>,
  data: TrainingData,
  options: TrainOptions<C>,
  progress: Progress,
): Promise<Run> {
  const prepared = prepare(algorithm, data, options)(options.seed ?? 0);
  using players = createPlayers();
  return await trainPrepared(prepared, data, options, progress, players, createTurns());
}

/** Where a seed's run is kept. */
export const seedFolder = (folder: string, seed: number): string => join(folder, `seed_${seed}`);

/** The progress of each seed, of which the mean is shown. */
export function shareProgress(progress: Progress, seeds: readonly number[]): (seed: number) => Progress {
  const shares = new Map(seeds.map((seed) => [seed, 0]));
  return (seed) => ({
    ...progress,
    update(share, note) {
      shares.set(seed, share);
      progress.update(mean([...shares.values()]), `seed ${seed}, ${note}`);
    },
  });
}

/** {@linkcode train} for several seeds, with its progress shown elsewhere. */
export async function trainSeeds<C extends CommonConfig>(
  algorithm: Algorithm<C>,
  data: TrainingData,
  options: SeedsOptions<C>,
  progress: Progress,
): Promise<Runs> {
  const { seeds, folder, ...rest } = options;
  const mlruns = rest.mlruns ?? (folder === undefined ? undefined : join(folder, mlflowFolder));
  if (!Array.isArray(seeds) || seeds.length === 0 || new Set(seeds).size < seeds.length) {
    throw new RangeError(
      `Cannot train ${algorithm.name}: seeds must be a list of different seeds, current value is ${
        JSON.stringify(seeds)
      }`,
    );
  }
  const prepared = seeds.map(prepare(algorithm, data, options));
  const progressOf = seeds.length > 1 ? shareProgress(progress, seeds) : () => progress;
  using players = createPlayers();
  const turn = createTurns(); // An evaluation takes all cores.
  const starts = seeds.map((seed, i) => async () => {
    const own = folder === undefined ? rest : { ...rest, folder: seedFolder(folder, seed), mlruns };
    const run = await trainPrepared(prepared[i], data, own, progressOf(seed), players, turn);
    progressOf(seed).update(1, "trained");
    return run;
  });
  const runs: Run[] = [];
  if (isOnGpu(currentBackend())) runs.push(...await together(starts));
  else for (const start of starts) runs.push(await start());
  const curve = createCurve(runs.map(({ algorithm: { title }, task, seed, curve: { points } }) => ({
    title,
    task,
    seed,
    points,
  })));
  return Object.assign(runs, { curve });
}

/** Checks options, and prepares the training of any seed. */
function prepare<C extends CommonConfig>(
  algorithm: Algorithm<C>,
  data: TrainingData,
  options: TrainOptions<C> | SeedsOptions<C>,
): (seed: number) => PreparedTraining<C> {
  assertOptions(algorithm.name, options as TrainOptions<never>);
  const settings = Object.fromEntries(
    settingNames.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]),
  ) as TrainSettings<C>;
  return prepareSeeds(algorithm, data, settings);
}

async function trainPrepared<C extends CommonConfig>(
  prepared: PreparedTraining<C>,
  data: TrainingData,
  options: Omit<TrainOptions<C>, "seed">,
  progress: Progress,
  players: Players,
  turn: Turn,
): Promise<Run> {
  const { training, rng, label, policy } = prepared;
  const { folder = null, evaluateEvery, episodes = 10, candidates = 1, signal, onMetrics } = options;
  const identity = identityOf(prepared, data);
  using _lock = folder === null ? null : await openFolder(folder, prepared, data, identity, options.preset);
  const total = training.updates;
  const { seed } = policy({ updates: 0, arrays: null });
  let points = folder === null ? [] : await readScores(folder);
  let log = null as MetricsLog | null;
  let isDone = false;
  await using _ended = {
    [Symbol.asyncDispose]: async () => await log?.end(isDone ? "FINISHED" : signal?.aborted ? "KILLED" : "FAILED"),
  };

  const resumed = await runLoop({
    training,
    rng,
    label,
    signal,
    kept: folder === null ? null : {
      folder,
      identity,
      checkpointMs,
      async openMetrics(updates) {
        points = points.filter((point) => point.update <= updates); // What a killed process did later is done again.
        await writeScores(folder, points);
        return log = await openMetrics(folder, updates, await logsOf(prepared, folder, identity, options, points));
      },
    },
    onMetrics(update, metrics) {
      const [name, value] = Object.entries(metrics).at(-1) ?? ["", 0];
      progress.update(update / total, `update ${update} of ${total}, ${name} ${value.toPrecision(4)}`);
      if (onMetrics) progress.around(() => onMetrics({ seed, update, metrics }));
    },
    evaluateEvery,
    evaluate: evaluateEvery === undefined ? undefined : async (state) => {
      const { updates } = state;
      const others = points.filter((point) => point.update !== updates);
      const kept = points.find((point) => point.update === updates);
      if (kept?.candidates === candidates && kept.episodes.length === episodes) return;
      const now = policy(state);
      const stream = `${now.task}/${now.algorithm.name}/${now.seed}/evaluation/${updates}/${candidates}`;
      const inner = {
        ...progress,
        update: (_: number, note: string) => progress.update(updates / total, `evaluating, ${note}`),
      };
      const play = () => evaluateWith(players, now, { episodes, candidates, seed: stream }, inner);
      const score = await turn(play);
      const point: ScorePoint = { update: updates, candidates, scores: score.scores, episodes: score.episodes };
      points = [...others, point];
      if (folder !== null) await (kept ? writeScores(folder, points) : appendScore(folder, point));
      await log?.score("score", points);
      progress.update(updates / total, `score ${score.normalized.toFixed(1)}`);
    },
  });
  isDone = true;
  const trained = exportingAnyBatch(policy(resumed.state));
  const { algorithm, task } = trained;
  return {
    ...trained,
    folder,
    trainingMs: resumed.trainingMs,
    curve: createCurve([{ title: algorithm.title, task, seed, points }]),
    save: (to) => savePolicy(trained, to),
  };
}

/** What metrics are written to, beside JSON lines. */
async function logsOf<C extends CommonConfig>(
  { policy, config }: PreparedTraining<C>,
  folder: string,
  identity: Identity,
  { log, mlruns = join(folder, mlflowFolder) }: Pick<TrainOptions, "log" | "mlruns">,
  scores: readonly ScorePoint[],
): Promise<Logs> {
  const tensorboard = log?.includes("tensorboard");
  if (!log?.includes("mlflow")) return { tensorboard };
  const { algorithm, task, seed } = policy({ updates: 0, arrays: null });
  const { versions } = await describeMachine(currentGpu());
  const names = { algorithm: algorithm.name, task: `${task ?? "data"}`, seed: `${seed}`, backend: currentBackend() };
  return {
    tensorboard,
    mlflow: {
      store: mlruns,
      experiment: names.task,
      name: `${algorithm.name} seed ${seed}`,
      identity: JSON.stringify(identity),
      params: config,
      tags: { ...runTags("train", versions), ...names },
      scores,
    },
  };
}

/** What the run is: anything that changes its result changes its hash. */
function identityOf<C extends CommonConfig>({ config, policy }: PreparedTraining<C>, data: TrainingData): Identity {
  const { algorithm, task, seed, spec } = policy({ updates: 0, arrays: null });
  const { observationDim, actionDim, maxAction } = spec;
  const sizes = { observationDim, actionDim, maxAction };
  const hash = sha256Hex(
    JSON.stringify([algorithm.name, config, sizes, data.fingerprint?.() ?? null, currentBackend(), currentThreads()]),
  );
  return { task: `${task}`, algorithm: algorithm.name, seed: `${seed}`, hash: hash.slice(0, 16) };
}

interface KeptRun {
  policy: { config: object; identity: Identity };
  data: string | null;
}

/** Locks the folder, checks that it is this run's or empty, and writes what the run is. */
async function openFolder<C extends CommonConfig>(
  folder: string,
  prepared: PreparedTraining<C>,
  data: TrainingData,
  identity: Identity,
  wanted: string | undefined,
): Promise<Disposable> {
  const { config, label, policy } = prepared;
  await makeFolder(folder);
  let holder = { who: "another process", remedy: "" };
  const lock = await lockFolder(folder, (by) => holder = by);
  if (!lock) {
    throw new Error(
      `Cannot train ${label}: ${holder.who} trains in "${folder}"; wait for it, or give another folder${holder.remedy}`,
    );
  }
  try {
    await removeParts(folder);
    const { algorithm, task } = policy({ updates: 0, arrays: null });
    const fingerprint = data.fingerprint?.() ?? null;
    const kept = await readJson<KeptRun>(join(folder, "run.json"));
    if (kept) {
      assertSameRun(label, folder, kept, { policy: { config: { ...config } as object, identity }, data: fingerprint });
    }
    const preset = algorithm.presets[trainingPreset(algorithm, task, { preset: wanted })]?.source ?? "defaults";
    const record = {
      policy: policyRecord(policy({ updates: 0, arrays: null }), identity),
      preset,
      source: algorithm.source,
      data: fingerprint,
      transitions: "count" in data ? data.count : null,
      datasetSha256: data.sha256 ?? null,
      backend: currentBackend(),
      madeWith: await describeMachine(currentGpu()),
    };
    await writeAtomically(join(folder, "run.json"), JSON.stringify(record, null, 2));
    return lock;
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

/** Refuses a folder of another run, naming what differs. */
function assertSameRun(label: string, folder: string, kept: KeptRun, wanted: KeptRun) {
  if (JSON.stringify(kept.policy?.identity) === JSON.stringify(wanted.policy.identity)) return;
  const differences: string[] = [];
  for (const key of ["task", "algorithm", "seed"] as const) {
    const [was, is] = [kept.policy?.identity?.[key], wanted.policy.identity[key]];
    if (was !== is) differences.push(`${key} ${is} for ${was}`);
  }
  const [before, after] = [kept.policy?.config ?? {}, wanted.policy.config] as Record<string, unknown>[];
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [was, is] = [JSON.stringify(before[key]), JSON.stringify(after[key])];
    if (was !== is) differences.push(`${key} ${is} for ${was}`);
  }
  if (kept.data !== wanted.data) differences.push("other data");
  const what = differences.join(", ") || "another backend or number of threads";
  throw new Error(`Cannot train ${label}: "${folder}" holds another run (now ${what}); give another folder`);
}
