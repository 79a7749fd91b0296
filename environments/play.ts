/**
 * Playing a policy's episodes on all cores: one worker each, no TF.js while acting.
 *
 * @module
 */

import type { NdArray } from "../algorithms/engine/array.ts";
import { type Backend, currentThreads, isEager, useBackend, useThreads } from "../algorithms/engine/backend.ts";
import type { AgentState, AnyAlgorithm, Spec } from "../algorithms/core/agent.ts";
import type { CommonConfig } from "../algorithms/core/config.ts";
import { createAgent } from "../algorithms/core/normalized_agent.ts";
import { createRng, type Rng } from "../algorithms/core/rng.ts";
import { coresHere } from "../tools/machine.ts";
import { createEnvironment } from "./environment.ts";
import { type Episode, evaluationSeed, playEpisodes } from "./episodes.ts";
import type { Physics } from "./mjcf.ts";
import { findTask } from "./tasks.ts";

/** What to play, as plain data that a worker can be given. */
export interface PlayJob {
  /** URL of the module that exports the algorithm; undefined plays in this thread. */
  module?: string;
  /** The algorithm's name. */
  name: string;
  config: CommonConfig;
  spec: Spec;
  backend: Backend;
  state: AgentState;
  /** Id of a task or dataset. */
  task: string;
  physics: Physics;
  episodes: number;
  /** Actions drawn per observation; see {@linkcode Agent.act}. */
  candidates: number;
  /** Seed of the policy's noise. */
  seed: string;
}

/** Hears how many episodes of a block are running, and at which step. */
export type PlayProgress = (running: number, step: number) => void;

/** Episodes that are played side by side; fixed, so that results do not depend on the number of cores. */
const blockSize = 5;

/** The algorithm of that name among a module's exports. */
export async function importAlgorithm(module: string, name?: string): Promise<AnyAlgorithm> {
  const found = Object.values(await import(module)).filter(isAlgorithm);
  const named = name === undefined ? found : found.filter((algorithm) => algorithm.name === name);
  if (named.length > 0) return named[0];
  const names = found.map((algorithm) => algorithm.name).join(", ") || "none";
  throw new TypeError(`Cannot import ${name ?? "an algorithm"}: ${module} must export it, its algorithms are ${names}`);
}

const isAlgorithm = (value: unknown): value is AnyAlgorithm =>
  typeof value === "object" && value !== null && "create" in value && typeof value.create === "function" &&
  "name" in value && "defaults" in value;

/** The job's policy for some episodes from their start. */
function startActing(
  job: PlayJob,
  algorithm: AnyAlgorithm,
  episodes: number,
  rng: Rng,
): (observation: NdArray) => Promise<NdArray> {
  const agent = createAgent(algorithm, job.config, job.spec);
  if (agent.startActing) return agent.startActing(job.state, episodes, rng);
  let calls = 0;
  return (observation) => agent.act(job.state, observation, job.candidates, rng.child(`${calls++}`));
}

/**
 * Plays block `block` of a job: its episodes start as those of every other job do, whatever their training seed.
 * It acts on one thread, here as in a worker.
 */
export async function playBlock(
  job: PlayJob,
  algorithm: AnyAlgorithm,
  block: number,
  onProgress: PlayProgress,
): Promise<Episode[]> {
  await useBackend(job.backend);
  const first = block * blockSize;
  const seeds = Array.from({ length: Math.min(blockSize, job.episodes - first) }, (_, i) => evaluationSeed(first + i));
  const environments = await Promise.all(seeds.map(() => createEnvironment(findTask(job.task), job.physics)));
  const { observationSpace: { shape: [observationDim] }, actionSpace: { shape: [actionDim] } } = environments[0];
  if (observationDim !== job.spec.observationDim || actionDim !== job.spec.actionDim) {
    for (const env of environments) env[Symbol.dispose]();
    throw new RangeError(
      `Cannot play ${job.task}: the policy must take ${observationDim} numbers and give ${actionDim}, ` +
        `current is ${job.spec.observationDim} and ${job.spec.actionDim}; is it another robot's?`,
    );
  }
  const rng = createRng(`${job.seed}/${block}`);
  const threads = currentThreads();
  useThreads(1);
  const act = startActing(job, algorithm, seeds.length, rng);
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

/** Plays jobs; workers start with the first one and live until it is disposed of. */
export interface Players extends Disposable {
  /**
   * Plays all episodes of a job.
   *
   * @returns Every episode, in the order of their start states: the same for any number of workers.
   */
  play(job: PlayJob, algorithm: AnyAlgorithm, onProgress?: PlayProgress): Promise<Episode[]>;
}

/**
 * Creates players.
 *
 * @param workers Workers at once; 1 plays in this thread. @default the cores of the Slurm job, or of the machine
 */
export function createPlayers(workers: number = coresHere()): Players {
  const pool: PlayWorker[] = [];
  return {
    async play(job, algorithm, onProgress = () => {}) {
      const blocks = Math.ceil(job.episodes / blockSize);
      const results: Episode[][] = [];
      let next = 0;
      const work = async (play: (block: number) => Promise<Episode[]>) => {
        while (next < blocks) {
          const block = next++;
          results[block] = await play(block);
        }
      };
      const alone = workers === 1 || blocks === 1 || isEager(job.backend) || job.module === undefined;
      if (alone) await work((block) => playBlock(job, algorithm, block, onProgress));
      else {
        while (pool.length < Math.min(workers, blocks)) pool.push(startWorker());
        await Promise.all(pool.slice(0, blocks).map(({ play }) => work((block) => play(job, block, onProgress))));
      }
      return results.flat();
    },
    [Symbol.dispose]() {
      for (const { worker } of pool.splice(0)) worker.terminate();
    },
  };
}

interface PlayWorker {
  worker: Worker;
  play(job: PlayJob, block: number, onProgress: PlayProgress): Promise<Episode[]>;
}

function startWorker(): PlayWorker {
  const worker = new Worker(new URL("./play_worker.ts", import.meta.url), { type: "module" });
  let [resolve, reject, report] = [(_: Episode[]) => {}, (_: Error) => {}, (() => {}) as PlayProgress];
  const up = new Promise<void>((isUp, failed) => {
    reject = failed;
    worker.onmessage = ({ data }: MessageEvent<WorkerMessage>) => {
      if (data.kind === "up") isUp(); // Before this, messages to it are lost.
      else if (data.kind === "progress") report(data.running, data.step);
      else if (data.kind === "episodes") resolve(data.episodes);
      else reject(new Error(data.message));
    };
  });
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(`Cannot play: a worker failed: ${event.message}`));
  };
  return {
    worker,
    async play(job, block, onProgress) {
      await up;
      return await new Promise<Episode[]>((done, failed) => {
        [resolve, reject, report] = [done, failed, onProgress];
        worker.postMessage({ job: { ...job, backend: "onnx" }, block }); // Which acts as `gpu` does, without opening the GPU.
      });
    },
  };
}
