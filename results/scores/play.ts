/**
 * Evaluation of a trained agent on all cores: one worker each, no TF.js while acting.
 *
 * @module
 */

import type { Agent, AnyAlgorithm, Spec } from "../../algorithms/core/agent.ts";
import type { CommonConfig } from "../../algorithms/core/config.ts";
import { type Backend, currentThreads, useBackend, useThreads } from "../../algorithms/engine/backend.ts";
import type { NdArray } from "../../algorithms/engine/array.ts";
import { createRng, type Rng } from "../../algorithms/core/rng.ts";
import { createPlanner, type PlannerSpec } from "../../algorithms/stitching/planner.ts";
import type { PlannerConfig } from "../../algorithms/stitching/planner_model.ts";
import { registry } from "../../algorithms/registry.ts";
import { createEnvironment } from "../../environments/environment.ts";
import { type Episode, evaluationSeed, playEpisodes } from "../../environments/episodes.ts";
import type { Physics } from "../../environments/mjcf.ts";
import { findTask } from "../../environments/tasks.ts";
import { coresHere } from "../../tools/machine.ts";

/** What to evaluate, as plain data that a worker can be given. */
export interface EvaluationJob {
  /** Its name in the registry. */
  algorithm: string;
  config: CommonConfig;
  spec: Spec;
  /** Instead of the algorithm's agent, the planner whose state `state` is. */
  planner?: { config: PlannerConfig; spec: PlannerSpec };
  backend: Backend;
  /** The agent's state. */
  state: { updates: number; arrays: unknown };
  /** Id of a task or dataset. */
  task: string;
  physics: Physics;
  episodes: number;
  /** Actions drawn per observation; see {@linkcode Agent.act}. */
  candidates: number;
  /** Seed of the policy's noise. */
  seed: string;
}

/** Episodes that are played side by side; fixed, so that results do not depend on the number of cores. */
const blockSize = 5;

/** The job's policy for some episodes from their start. */
function startActing(job: EvaluationJob, episodes: number, rng: Rng): (observation: NdArray) => Promise<NdArray> {
  if (job.planner) return createPlanner(job.planner.config, job.planner.spec).startActing(job.state, episodes, rng);
  const agent: Agent = (registry as Record<string, AnyAlgorithm>)[job.algorithm].create(job.config, job.spec);
  let calls = 0;
  return (observation) => agent.act(job.state, observation, job.candidates, rng.child(`${calls++}`));
}

/**
 * Plays block `block` of a job: its episodes start as those of every other job do, whatever their training seed.
 * It acts on one thread, here as in a worker.
 */
export async function playBlock(
  job: EvaluationJob,
  block: number,
  onProgress: (running: number, step: number) => void = () => {},
): Promise<Episode[]> {
  await useBackend(job.backend);
  const first = block * blockSize;
  const seeds = Array.from({ length: Math.min(blockSize, job.episodes - first) }, (_, i) => evaluationSeed(first + i));
  const environments = await Promise.all(seeds.map(() => createEnvironment(findTask(job.task), job.physics)));
  const rng = createRng(`${job.seed}/${block}`);
  const threads = currentThreads();
  useThreads(1);
  const act = startActing(job, seeds.length, rng);
  try {
    return await playEpisodes(environments, act, { seeds, onStep: onProgress });
  } finally {
    useThreads(threads);
    for (const env of environments) env[Symbol.dispose]();
  }
}

/** What a worker says: that it listens, how far it is, its episodes, or why it failed. */
export type WorkerMessage =
  | { kind: "up" }
  | { kind: "progress"; running: number; step: number }
  | { kind: "episodes"; episodes: Episode[] }
  | { kind: "error"; message: string };

/**
 * Plays all episodes of a job.
 *
 * @param workers Workers at once; 1 plays in this thread. @default the cores of the Slurm job, or of the machine
 * @returns Every episode, in the order of their start states: the same for any number of workers.
 */
export async function evaluateAgent(
  job: EvaluationJob,
  onProgress: (running: number, step: number) => void = () => {},
  workers: number = coresHere(),
): Promise<Episode[]> {
  const blocks = Math.ceil(job.episodes / blockSize);
  const results: Episode[][] = [];
  const alone = workers === 1 || blocks === 1 || job.backend !== "onnx";
  let next = 0;
  const work = async (play: (block: number) => Promise<Episode[]>) => {
    while (next < blocks) {
      const block = next++;
      results[block] = await play(block);
    }
  };
  if (alone) await work((block) => playBlock(job, block, onProgress));
  else {
    const pool = Array.from({ length: Math.min(workers, blocks) }, () => startWorker(job, onProgress));
    try {
      await Promise.all(pool.map(({ play }) => work(play)));
    } finally {
      for (const { worker } of pool) worker.terminate();
    }
  }
  return results.flat();
}

function startWorker(job: EvaluationJob, onProgress: (running: number, step: number) => void) {
  const worker = new Worker(new URL("./play_worker.ts", import.meta.url), { type: "module" });
  let [resolve, reject] = [(_: Episode[]) => {}, (_: Error) => {}];
  const up = new Promise<void>((isUp, failed) => {
    reject = failed;
    worker.onmessage = ({ data }: MessageEvent<WorkerMessage>) => {
      if (data.kind === "up") isUp(); // Before this, messages to it are lost.
      else if (data.kind === "progress") onProgress(data.running, data.step);
      else if (data.kind === "episodes") resolve(data.episodes);
      else reject(new Error(data.message));
    };
  });
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(`Cannot evaluate ${job.task}: a worker failed: ${event.message}`));
  };
  const play = async (block: number) => {
    await up;
    return await new Promise<Episode[]>((done, failed) => {
      [resolve, reject] = [done, failed];
      worker.postMessage({ job, block });
    });
  };
  return { worker, play };
}
