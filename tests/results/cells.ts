/**
 * Cells for tests, and what training them left.
 *
 * @module
 */

import { join } from "node:path";
import { decodeCheckpoint } from "../../algorithms/engine/checkpoint.ts";
import { type Cell, cellFolder } from "../../results/cells/cell.ts";
import { cellHash } from "../../results/cells/fingerprint.ts";
import type { Evaluation } from "../../results/cells/record.ts";
import { type Progress, trainCell } from "../../results/cells/train.ts";
import { codeOf } from "../../results/experiments/mod.ts";
import { planCells } from "../../results/plan.ts";

/** A cell with other settings, and the hash that goes with them. */
export function changeCell(cell: Cell, config: object, more: Partial<Cell> = {}): Cell {
  const changed = { ...cell, ...more, config: { ...cell.config, ...config } };
  return { ...changed, hash: cellHash(changed, codeOf(changed)) };
}

/** Trains a cell in this process. */
export const train = (cell: Cell, root: string, onProgress: (p: Progress) => void = () => {}): Promise<Evaluation> =>
  trainCell(cell, codeOf(cell), root, onProgress);

/** DTQL on a bandit, in a second or two. */
export const tinyCell: Cell = changeCell(
  planCells("smoke", { task: "25gaussians-far", algorithm: "dtql" }, "onnx", "")[0],
  { updates: 400, batchSize: 64, hidden: 32, diffusionHidden: 32, pretrainUpdates: 40 },
  { evaluation: { episodes: 50, candidates: 1 }, checkpointMs: 0 },
);

/** What training a cell left: its weights, its metrics and its result. */
export async function outcome(root: string, cell: Cell) {
  const folder = cellFolder(root, cell);
  const { tensors, metadata } = decodeCheckpoint(await Deno.readFile(join(folder, "checkpoint.safetensors")));
  const { result, updates }: Evaluation = JSON.parse(await Deno.readTextFile(join(folder, "evaluation.json")));
  const metrics = await Deno.readTextFile(join(folder, "metrics.jsonl"));
  return { tensors, saved: metadata.updates, updates, metrics, result };
}
