/**
 * A worker that plays blocks of an evaluation.
 *
 * @module
 */

import { type EvaluationJob, playBlock, type WorkerMessage } from "./play.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<{ job: EvaluationJob; block: number }>) => void;
  postMessage(message: WorkerMessage): void;
};

scope.onmessage = async ({ data: { job, block } }) => {
  try {
    const report = (running: number, step: number) =>
      step % 50 === 0 && scope.postMessage({ kind: "progress", running, step });
    scope.postMessage({ kind: "episodes", episodes: await playBlock(job, block, report) });
  } catch (error) {
    scope.postMessage({ kind: "error", message: error instanceof Error ? error.message : String(error) });
  }
};
scope.postMessage({ kind: "up" });
