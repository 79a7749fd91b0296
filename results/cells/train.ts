/**
 * Training one cell: resumable at any moment, evaluated at its end.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { runStream } from "../../algorithms/core/policy.ts";
import { presetTask } from "../../algorithms/core/train.ts";
import { anyBatch } from "../../algorithms/engine/any_batch.ts";
import { currentGpu, useBackend, useThreads } from "../../algorithms/engine/backend.ts";
import { encodeCheckpoint } from "../../algorithms/engine/checkpoint.ts";
import { datasetSha256 } from "../../data/dataset.ts";
import { makeFolder, removeParts, writeAtomically } from "../../tools/files.ts";
import { describeMachine, type Provenance } from "../../tools/machine.ts";
import { readRecord } from "../../tools/records.ts";
import { type Cell, cellFolder, cellLabel, cellRecord } from "./cell.ts";
import { type CellCode, codeHash, moduleOf, partHashes } from "./fingerprint.ts";
import { runLoop } from "./loop.ts";
import { mlflowFolder, type Outcome, runTags } from "./mlflow.ts";
import { type Logs, type MetricsLog, openMetrics } from "./metrics.ts";
import { plainSpec, policyRecord } from "./policy_record.ts";
import { type Evaluation, findEvaluation, type ScorePoint } from "./record.ts";
import { type Identity, lockFolder } from "./run_folder.ts";
import { evaluationStream } from "./study.ts";

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

/**
 * Trains and evaluates a cell, from its last checkpoint if there is one; returns at once if it is done.
 *
 * Waits while another process trains the cell, and then takes what that one made.
 *
 * @param root The results folder.
 * @throws {Error} If training diverges, no checkpoint can be read, or the folder cannot be written.
 */
export async function trainCell(
  cell: Cell,
  code: CellCode,
  root: string,
  onProgress: (p: Progress) => void,
): Promise<Evaluation> {
  const folder = cellFolder(root, cell);
  await makeFolder(folder);
  using _lock = await waitForFolder(folder, () => onProgress({ done: 0, total: 1, note: "another process trains it" }));
  await removeParts(folder);
  const at = (name: string) => join(folder, name);
  const { evaluation: done } = await findEvaluation(root, cell, code.study.result);
  if (done) return done;

  await useBackend(cell.backend);
  useThreads(cell.threads ?? 1);
  const { algorithm } = code;
  const rng = runStream({ task: cell.task, algorithm, seed: cell.seed });
  const hashes = partHashes(cell, code);
  const training = await code.study.prepare(cell, {
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
  });
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
      const scores = await training.score!(state, curve.episodes, (note) => onProgress({ done: update, total, note }));
      points = [...points, { update, scores }];
      await writePoints(folder, points);
      await log?.score("score", points);
    }),
  });
  const note = (text: string) => onProgress({ done: total, total, note: text });
  const { policy, environment, result, acting } = await training.evaluate(state, evaluationStream(rng), note);
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

/** Holds a folder as soon as no other process does. */
export async function waitForFolder(folder: string, onWait: () => void): Promise<Disposable> {
  for (;;) {
    const held = await lockFolder(folder);
    if (held) return held;
    onWait();
    await new Promise((done) => setTimeout(done, lockPollMs));
  }
}
