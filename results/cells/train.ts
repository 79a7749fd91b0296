/**
 * Training one cell: resumable at any moment, evaluated at its end.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { useBackend, useThreads } from "../../algorithms/engine/backend.ts";
import type { NdArray } from "../../algorithms/engine/array.ts";
import { makeFolder, readJson, removeParts, writeAtomically } from "../../tools/files.ts";
import { describeMachine } from "../../tools/machine.ts";
import { type Cell, cellFolder, cellLabel } from "./cell.ts";
import { resume, save } from "./checkpoints.ts";
import { type CellCode, codeHash, moduleOf, partHashes } from "./fingerprint.ts";
import { lockFolder } from "./lock.ts";
import { cellRng, evaluationRng, initRng, nextUpdate } from "./loop.ts";
import { openMetrics } from "./metrics.ts";
import type { Evaluation } from "./record.ts";

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
  using _lock = await lockFolder(folder, () => onProgress({ done: 0, total: 1, note: "another process trains it" }));
  await removeParts(folder);
  const at = (name: string) => join(folder, name);
  const done = await readJson<Evaluation>(at("evaluation.json"));
  if (done) return done;

  await useBackend(cell.backend);
  useThreads(cell.threads ?? 1);
  const rng = cellRng(cell);
  const hashes = partHashes(cell, code);
  const training = await code.study.prepare(cell, {
    algorithm: code.algorithm,
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
  const madeWith = await describeMachine();
  const { presets, source } = code.algorithm;
  const preset = presets[cell.task]?.source ?? "defaults";
  await writeAtomically(at("run.json"), JSON.stringify({ cell, preset, source, ...hashes, madeWith }, null, 2));

  let { state, trainingMs } = await resume(folder, training.init(initRng(rng)));
  const metrics = await openMetrics(folder, state.updates, cell.logs);
  const total = training.updates;
  const every = Math.max(Math.floor(total / logsPerRun), 1);
  let sums: Record<string, number> = {};
  let [last, lastSave] = [performance.now(), performance.now()];
  while (state.updates < total) {
    const k = state.updates;
    const result = await nextUpdate(training, state, rng);
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
  const { policy, environment, result } = await training.evaluate(state, evaluationRng(rng), note);
  await writeAtomically(at("policy.onnx"), policy);
  const evaluation: Evaluation = { cell, trainingMs, updates: state.updates, madeWith, environment, result };
  await writeAtomically(at("evaluation.json"), JSON.stringify(evaluation));
  return evaluation;
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
