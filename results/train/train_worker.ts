/**
 * A worker that trains one seed after the other, each in a folder of its own: seeds side by side take a core each.
 *
 * @module
 */

import { useBackend } from "../../algorithms/engine/backend.ts";
import { loadTransitions } from "../../data/d4rl.ts";
import { findAlgorithm } from "./policy_folder.ts";
import { type TrainOptions, trainShown } from "./train.ts";

/** What to train, as plain data. */
export interface TrainJob {
  /** Name of the algorithm, or the file that exports it. */
  algorithm: string;
  /** Id or path. */
  dataset: string;
  task?: string;
  backend: string;
  options: Omit<TrainOptions, "onMetrics" | "signal"> & { seed: number; folder: string };
}

/** What a worker says: that it listens, how far a seed is, that it is done, or why it failed. */
export type TrainMessage =
  | { kind: "up" }
  | { kind: "progress"; share: number; note: string }
  | { kind: "done" }
  | { kind: "error"; message: string };

const scope = self as unknown as {
  onmessage: (event: MessageEvent<TrainJob>) => void;
  postMessage(message: TrainMessage): void;
};

const sayEveryMs = 200;
let data: Awaited<ReturnType<typeof loadTransitions>> | undefined; // Every job of a worker has the same.

scope.onmessage = async ({ data: job }) => {
  let next = 0;
  try {
    await useBackend(job.backend);
    data ??= await loadTransitions(job.dataset, job.task === undefined ? {} : { task: job.task });
    await trainShown(await findAlgorithm(job.algorithm), data, job.options, {
      update(share, note) {
        if (performance.now() < next) return;
        next = performance.now() + sayEveryMs;
        scope.postMessage({ kind: "progress", share, note });
      },
      around: (print) => print(),
      stop: () => {},
    });
    scope.postMessage({ kind: "done" });
  } catch (error) {
    scope.postMessage({ kind: "error", message: error instanceof Error ? error.message : String(error) });
  }
};
scope.postMessage({ kind: "up" });
