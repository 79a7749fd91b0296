/**
 * A worker that plays blocks of a job; it imports the algorithm's own module, so that users' algorithms play in it too.
 *
 * @module
 */

import { importAlgorithm, playBlock, type PlayJob, type WorkerMessage } from "./play.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<{ job: PlayJob; block: number }>) => void;
  postMessage(message: WorkerMessage): void;
};

scope.onmessage = async ({ data: { job, block } }) => {
  try {
    const report = (running: number, step: number) =>
      step % 50 === 0 && scope.postMessage({ kind: "progress", running, step });
    const algorithm = await importAlgorithm(job.module!, job.name);
    scope.postMessage({ kind: "episodes", episodes: await playBlock(job, algorithm, block, report) });
  } catch (error) {
    scope.postMessage({ kind: "error", message: error instanceof Error ? error.message : String(error) });
  }
};
scope.postMessage({ kind: "up" });
