/**
 * Training one cell: resumable at any moment, evaluated at its end.
 *
 * @module
 */

import { join } from "node:path";
import type { AgentState } from "../algorithms/core/agent.ts";
import { useBackend, useThreads } from "../algorithms/engine/backend.ts";
import { decodeCheckpoint, encodeCheckpoint, restoreTree } from "../algorithms/engine/checkpoint.ts";
import type { NdArray } from "../algorithms/engine/array.ts";
import { createRng } from "../algorithms/core/rng.ts";
import type { Episode } from "../environments/mod.ts";
import { algorithms, type Cell, cellConfig, cellFolder, cellLabel, type SamplingRule } from "./cell.ts";
import type { DiagnosisPoint } from "./diagnosis.ts";
import type { DistillationResult } from "./distillation.ts";
import type { Latency } from "./latency.ts";
import { makeFolder, readJson, removeParts, writeAtomically, writeError } from "../tools/files.ts";
import { codeFingerprint, dataFingerprint } from "./fingerprint.ts";
import { describeMachine, type Provenance } from "../tools/machine.ts";
import { openMetrics } from "./metrics.ts";
import type { StitchingResult } from "./stitching.ts";
import { createTask } from "./tasks.ts";
import type { ToyResult } from "./toy.ts";

/** What a finished cell says. */
export interface Evaluation {
  cell: Cell;
  trainingMs: number;
  /** Gradient steps of its training. */
  updates: number;
  madeWith: Provenance;
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
  diagnosis?: DiagnosisPoint[];
  latency?: Latency[];
}

/** What a cell's own kind of evaluation says. */
export type Outcome = Omit<Evaluation, "cell" | "trainingMs" | "updates" | "madeWith">;

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

const logsPerRun = 100;

/**
 * Trains and evaluates a cell, from its last checkpoint if there is one; returns at once if it is done.
 *
 * @param root The results folder.
 * Waits while another process trains the cell, and then takes what that one made.
 *
 * @throws {Error} If training diverges, no checkpoint can be read, or the folder cannot be written.
 */
export async function trainCell(cell: Cell, root: string, onProgress: (p: Progress) => void): Promise<Evaluation> {
  const folder = cellFolder(root, cell);
  await makeFolder(folder);
  using _lock = await lockFolder(folder, () => onProgress({ done: 0, total: 1, note: "another process trains it" }));
  await removeParts(folder);
  const at = (name: string) => join(folder, name);
  const done = await readJson<Evaluation>(at("evaluation.json"));
  if (done) return done;

  await useBackend(cell.backend);
  useThreads(cell.threads ?? 1);
  const config = cellConfig(cell);
  const rng = createRng(`${cell.task}/${cell.algorithm}/${cell.seed}`);
  const task = await createTask(cell, folder, rng, (note) => onProgress({ done: 0, total: config.updates, note }));
  const madeWith = await describeMachine();
  await writeAtomically(at("run.json"), JSON.stringify({ ...describeRun(cell), madeWith }, null, 2));

  let { state, trainingMs } = await resume(folder, task.init(rng.child("init")));
  const metrics = await openMetrics(folder, state.updates, cell.logs);
  const total = task.updates ?? config.updates;
  const every = Math.max(Math.floor(total / logsPerRun), 1);
  let sums: Record<string, number> = {};
  let [last, lastSave] = [performance.now(), performance.now()];
  while (state.updates < total) {
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
    if (state.updates % every !== 0 && state.updates < total) continue;
    onProgress({ done: state.updates, total, note: "training" });
    const means = Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / every]));
    await metrics.append(state.updates, means);
    sums = {};
    if (now - lastSave < cell.checkpointMs && state.updates < total) continue;
    await save(folder, cell, state, trainingMs);
    lastSave = last = performance.now();
  }

  const note = (text: string) => onProgress({ done: total, total, note: text });
  const { policy, ...outcome } = await task.evaluate(state, rng.child("evaluation"), note);
  await writeAtomically(at("policy.onnx"), policy);
  const evaluation: Evaluation = { cell, trainingMs, updates: state.updates, madeWith, ...outcome };
  await writeAtomically(at("evaluation.json"), JSON.stringify(evaluation));
  return evaluation;
}

const lockPollMs = 500;

/** Holds the folder for this process; the lock ends with it, however it ends. */
async function lockFolder(folder: string, onWait: () => void): Promise<Disposable> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(join(folder, "lock"), { create: true, write: true });
  } catch (error) {
    throw writeError(join(folder, "lock"), error);
  }
  while (!await file.tryLock(true)) {
    onWait();
    await new Promise((done) => setTimeout(done, lockPollMs));
  }
  return file;
}

const checkpointName = "checkpoint.safetensors";
const previousName = "checkpoint.previous.safetensors";

interface Resumed {
  state: AgentState;
  trainingMs: number;
}

/** From the last checkpoint, or the one before if that one is damaged; from the start if there is none. */
async function resume(folder: string, fresh: AgentState): Promise<Resumed> {
  const problems: string[] = [];
  for (const name of [checkpointName, previousName]) {
    let bytes: Uint8Array;
    try {
      bytes = await Deno.readFile(join(folder, name));
    } catch {
      continue;
    }
    try {
      const checkpoint = decodeCheckpoint(bytes);
      const arrays = restoreTree(fresh.arrays, checkpoint);
      return {
        state: { updates: Number(checkpoint.metadata.updates), arrays },
        trainingMs: Number(checkpoint.metadata.trainingMs),
      };
    } catch (error) {
      problems.push(`Cannot resume from "${join(folder, name)}": ${(error as Error).message}`);
    }
  }
  if (problems.length > 0) throw new Error(problems[0]);
  return { state: fresh, trainingMs: 0 };
}

async function save(folder: string, cell: Cell, state: AgentState, trainingMs: number) {
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
  await writeAtomically(join(folder, checkpointName), bytes, join(folder, previousName));
}

/** Why training stopped at a metric that is not finite: the batch's tensor that holds such a value, or the loss itself. */
export function divergenceError(
  cell: Cell,
  update: number,
  name: string,
  value: number,
  batch: object,
): Error {
  const bad = Object.entries<NdArray>({ ...batch }).find(([, { data }]) => data.some((x) => !Number.isFinite(x)));
  const cause = bad ? `the batch's ${bad[0]} must be finite` : "the loss diverged; a lower learning rate may help";
  return new Error(
    `Cannot train ${cellLabel(cell)}: at update ${update} ${name} is ${value}: ${cause}; the last checkpoint is kept`,
  );
}

function describeRun(cell: Cell) {
  return {
    cell,
    config: cellConfig(cell),
    preset: algorithms[cell.algorithm].presets[cell.task]?.source ?? "defaults",
    source: algorithms[cell.algorithm].source,
    code: codeFingerprint(cell),
    data: dataFingerprint(cell.dataset),
  };
}
