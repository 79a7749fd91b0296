/**
 * Training one cell: resumable at any moment, evaluated at its end.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Agent, AnyAlgorithm } from "../../algorithms/core/agent.ts";
import { runStream } from "../../algorithms/core/policy.ts";
import { presetTask } from "../../algorithms/core/train.ts";
import { anyBatch } from "../../algorithms/engine/any_batch.ts";
import { currentGpu, useBackend, useThreads } from "../../algorithms/engine/backend.ts";
import { encodeCheckpoint } from "../../algorithms/engine/checkpoint.ts";
import { together } from "../../algorithms/engine/together.ts";
import { datasetSha256 } from "../../data/dataset.ts";
import { makeFolder, removeParts, writeAtomically } from "../../tools/files.ts";
import type { Holder } from "../../tools/lock_holder.ts";
import { pause } from "../../tools/pause.ts";
import { describeMachine, type Provenance } from "../../tools/machine.ts";
import { readRecord } from "../../tools/records.ts";
import { type Cell, cellFolder, cellLabel, cellRecord } from "./cell.ts";
import { keepFailure } from "./failure.ts";
import { type CellCode, codeHash, moduleOf, partHashes } from "./fingerprint.ts";
import { runLoop } from "./loop.ts";
import { mlflowFolder, type Outcome, runTags } from "./mlflow.ts";
import { type Logs, type MetricsLog, openMetrics } from "./metrics.ts";
import { plainSpec, policyRecord } from "./policy_record.ts";
import { type Evaluation, findEvaluation, type ScorePoint } from "./record.ts";
import { type Identity, lockFolder } from "./run_folder.ts";
import { evaluationStream, type Tools } from "./study.ts";
import { createTurns, type Turn } from "./turns.ts";

/** Where a cell's training stands, for a progress bar. */
export interface Progress {
  done: number;
  total: number;
  note: string;
}

const lockPollMs = 500;

/** Where {@linkcode Acting} is kept. */
export const actingName = "acting.safetensors";
const pointsName = "scores.json";

const readPoints = async (folder: string): Promise<ScorePoint[]> =>
  await readRecord<ScorePoint[]>(join(folder, pointsName), [{ update: "number", scores: ["number"] }]) ?? [];
const writePoints = (folder: string, points: readonly ScorePoint[]) =>
  writeAtomically(join(folder, pointsName), JSON.stringify(points));

/** What a cell's checkpoints are of. */
export const cellIdentity = ({ task, algorithm, seed, hash }: Cell): Identity => ({
  task,
  algorithm,
  seed: `${seed}`,
  hash,
});

const noTurns: Turn = (make) => make();

/**
 * Trains and evaluates a cell, from its last checkpoint if there is one; returns at once if it is done.
 *
 * Waits while another process trains the cell, and then takes what that one made.
 *
 * @param root The results folder.
 * @param turn What makes everything but the updates. @default at once
 * @throws {Error} If training diverges, no checkpoint can be read, or the folder cannot be written.
 */
export async function trainCell(
  cell: Cell,
  code: CellCode,
  root: string,
  onProgress: (p: Progress) => void,
  turn: Turn = noTurns,
): Promise<Evaluation> {
  const folder = cellFolder(root, cell);
  using _lock = await turn(async () => {
    await makeFolder(folder);
    return await waitForFolder(
      folder,
      ({ who, remedy }) => onProgress({ done: 0, total: 1, note: `${who} trains it${remedy}` }),
    );
  });
  await removeParts(folder);
  const at = (name: string) => join(folder, name);
  const { evaluation: done } = await findEvaluation(root, cell, code.study.result);
  if (done) return done;

  await useBackend(cell.backend);
  useThreads(cell.threads ?? 1);
  const { algorithm } = code;
  const rng = runStream({ task: cell.task, algorithm, seed: cell.seed });
  const hashes = partHashes(cell, code);
  const tools: Tools = {
    algorithm,
    sampled: code.sampled,
    folder,
    sharedFolder(settings, algorithms) {
      const parts = [settings, hashes.data, codeHash([code.study.module, ...algorithms.map(moduleOf)])];
      const hash = createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 10);
      return join(folder, "../../../shared", hash, `seed_${cell.seed}`);
    },
    rng,
    onProgress: (note) => onProgress({ done: 0, total: 1, note }),
  };
  const training = await turn(() => code.study.prepare(cell, tools));
  const madeWith = await describeMachine(currentGpu());
  const { presets, source } = algorithm;
  const preset = presets[presetTask(cell.task)]?.source ?? "defaults";
  const { task, seed, config } = cell;
  const identity = cellIdentity(cell);
  const { spec } = training;
  const record = {
    cell: cellRecord(cell),
    ...(spec ? { policy: policyRecord({ algorithm, config, spec, task, seed }, identity) } : {}),
    preset,
    source,
    code: hashes.code,
    datasetSha256: cell.dataset === null ? null : await datasetSha256(cell.dataset),
    madeWith,
  };
  await writeAtomically(at("run.json"), JSON.stringify(record, null, 2));

  const total = training.updates;
  const { curve } = cell.evaluation;
  if (curve && !training.score) {
    throw new Error(`Cannot train ${cellLabel(cell)}: its plan wants a curve, which ${cell.experiment} does not score`);
  }
  let points = await readPoints(folder);
  let log = null as MetricsLog | null;
  let outcome: Outcome = "FAILED";
  await using _ended = { [Symbol.asyncDispose]: async () => await log?.end(outcome) };
  const { state, trainingMs } = await runLoop({
    training,
    rng,
    label: cellLabel(cell),
    kept: {
      folder,
      identity,
      async openMetrics(updates) {
        points = points.filter(({ update }) => update <= updates); // What a killed process did later is done again.
        await writePoints(folder, points);
        return log = await openMetrics(folder, updates, logsOf(cell, root, madeWith, points));
      },
      checkpointMs: cell.checkpointMs,
    },
    onMetrics: (update) => onProgress({ done: update, total, note: "training" }),
    evaluateEvery: curve?.every,
    evaluate: curve && (async (state) => {
      const { updates: update } = state;
      if (update === total || points.some((point) => point.update === update)) return; // The last one has its own.
      const say = (note: string) => onProgress({ done: update, total, note });
      const scores = await turn(() => training.score!(state, curve.episodes, say));
      points = [...points, { update, scores }];
      await writePoints(folder, points);
      await log?.score("score", points);
    }),
  });
  const note = (text: string) => onProgress({ done: total, total, note: text });
  const { policy, environment, result, acting } = await turn(() =>
    training.evaluate(state, evaluationStream(rng), note)
  );
  await writeAtomically(at("policy.onnx"), anyBatch(policy).bytes);
  if (acting) {
    const spec = JSON.stringify(plainSpec(acting.spec));
    await writeAtomically(at(actingName), encodeCheckpoint(acting.arrays, { ...identity, spec }));
  }
  const evaluation: Evaluation = {
    cell,
    trainingMs,
    updates: state.updates,
    madeWith,
    environment,
    ...(curve ? { curve: points } : {}),
    result,
  };
  await writeAtomically(at("evaluation.json"), JSON.stringify({ ...evaluation, cell: cellRecord(cell) }));
  for (const { rule: { id, setting }, scores } of environment?.rules ?? []) {
    await log?.score(`finalScore/${[id, setting ?? []].flat().join(" ")}`, [{ update: total, scores }]);
  }
  outcome = "FINISHED";
  return evaluation;
}

/** What a cell's metrics are written to, beside JSON lines. */
function logsOf(cell: Cell, root: string, { versions }: Provenance, scores: readonly ScorePoint[]): Logs {
  const { profile, experiment, task, algorithm, seed, hash, backend, config } = cell;
  return {
    tensorboard: cell.logs?.includes("tensorboard"),
    mlflow: cell.logs?.includes("mlflow")
      ? {
        store: join(root, mlflowFolder),
        experiment: `${experiment}/${task}`,
        name: `${algorithm} seed ${seed}`,
        identity: JSON.stringify([profile, experiment, task, algorithm, hash, seed]),
        params: config,
        tags: { ...runTags("reproduce", versions), profile, experiment, task, algorithm, seed: `${seed}`, backend },
        scores,
      }
      : undefined,
  };
}

/**
 * Trains cells that differ in their seeds alone {@linkcode together}, and keeps of each that fails why; the others go on.
 *
 * Each has its folder with what it has alone, its numbers up to rounding. Folders are taken and policies judged one after the other, in
 * the order of the cells; each goes on from its own checkpoint, whatever the others' updates are.
 *
 * @param cells In the order of their seeds, so that no two processes wait for each other.
 * @returns What became of each.
 */
export async function trainCells(
  cells: readonly Cell[],
  code: CellCode,
  root: string,
  onProgress: (cell: Cell, p: Progress) => void,
): Promise<(Evaluation | Error)[]> {
  const [turn, shared] = [createTurns(), { ...code, algorithm: withOneAgent(code.algorithm) }];
  return await together(cells.map((cell) => async () => {
    try {
      return await keepFailure(root, cell, () => trainCell(cell, shared, root, (p) => onProgress(cell, p), turn));
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }));
}

/** The algorithm, which gives the same agent for the same settings: updates of one agent can be one call. */
function withOneAgent(algorithm: AnyAlgorithm): AnyAlgorithm {
  const agents = new Map<string, Agent>();
  return {
    ...algorithm,
    create(config, spec) {
      const key = JSON.stringify([config, spec]);
      const agent = agents.get(key) ?? algorithm.create(config, spec);
      agents.set(key, agent);
      return agent;
    },
  };
}

/** Holds a folder as soon as no other process does. */
export async function waitForFolder(folder: string, onWait: (by: Holder) => void): Promise<Disposable> {
  for (;;) {
    const held = await lockFolder(folder, onWait);
    if (held) return held;
    await pause(lockPollMs);
  }
}
