/**
 * `deno task train <algorithm> <dataset>`: trains, keeps, scores.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import type { AnyAlgorithm } from "../../algorithms/core/agent.ts";
import { backends, isOnGpu, useBackend } from "../../algorithms/engine/backend.ts";
import { prepareTraining } from "../../algorithms/core/train.ts";
import * as registry from "../../algorithms/registry.ts";
import { loadTransitions } from "../../data/d4rl.ts";
import { findTask } from "../../environments/tasks.ts";
import { readArguments, readInteger, readSeeds } from "../../tools/arguments.ts";
import { resultsFolder, userPath } from "../../tools/paths.ts";
import { runCommand } from "../../tools/command.ts";
import { coresHere } from "../../tools/machine.ts";
import { onStop } from "../../tools/processes.ts";
import { type Progress, silentProgress, startProgress } from "../../tools/progress.ts";
import { toText } from "../../data/show/table.ts";
import { bootstrapMean } from "../scores/statistics.ts";
import { mean } from "../scores/mean.ts";
import { mlflowFolder } from "../cells/mlflow.ts";
import { findAlgorithm } from "./policy_folder.ts";
import { readOverrides } from "./settings.ts";
import { type LogTarget, logTargets, type Runs, seedFolder, shareProgress, trainSeeds } from "./train.ts";
import type { TrainJob, TrainMessage } from "./train_worker.ts";

const help = `Trains an algorithm on a dataset; the same command again goes on where it was stopped.

Usage: deno task train <algorithm> <dataset> [options]

  <algorithm>             ${
  Object.values<AnyAlgorithm>(registry).filter(({ study }) => !study).map(({ name }) => name).join(", ")
},
                          or a file that exports one, such as ./my_algorithm.ts
  <dataset>               an id of D4RL's (hopper-medium-v2) or of a dataset that is made here (hopper-medium-replay-local),
                          or the path of an .hdf5 file

  --seeds <list>          such as 0,1,2 or 0-4 (default: 0); together on a GPU, else as many at once as there are cores
  --preset <id>           the task whose published settings are taken, or none for the defaults (default: the dataset's)
  --updates <n>           gradient steps; phases within them shrink in proportion (default: as published)
  --set <key=value>       a setting of the algorithm, any number of times
  --config <file.json>    settings from a file; --set goes before it
  --evaluate-every <n>    updates between evaluations (default: one after the last update)
  --episodes <n>          of each evaluation (default: 10)
  --candidates <n>        actions drawn per observation in evaluations (default: 1)
  --task <id>             where to play, if the data does not say it
  --log <list>            of terminal, jsonl, tensorboard (an event file in the run's folder) and mlflow (mlruns below --folder);
                          how to see them, and W&B: examples/how_to/track.md (default: terminal,jsonl)
  --folder <path>         where runs are kept (default: results/trained)
  --backend <name>        one of ${backends.join(", ")} (default: onnx, or ONESTEP_BACKEND)
  -h, --help              this text`;

const line = {
  verb: "train",
  texts: [
    "seeds",
    "preset",
    "updates",
    "config",
    "evaluate-every",
    "episodes",
    "candidates",
    "task",
    "log",
    "folder",
    "backend",
  ],
  lists: ["set"],
  positional: ["algorithm", "dataset"],
} as const;

async function main(): Promise<number> {
  const { texts, lists, switches, positional: [source, dataset] } = readArguments(Deno.args, line);
  if (switches.help || Deno.args.length === 0) {
    console.log(help);
    return 0;
  }
  if (dataset === undefined) {
    throw new RangeError(
      "Cannot train: an algorithm and a dataset must be given, such as `deno task train dtql hopper-medium-v2`",
    );
  }
  const number = (name: "updates" | "evaluate-every" | "episodes" | "candidates") =>
    texts[name] === undefined ? undefined : readInteger("train", `--${name}`, texts[name], 1);
  const seeds = readSeeds("train", texts.seeds ?? "0");
  const isFile = /[\\/]|\.[mc]?[jt]sx?$/.test(source) && !/^[a-z][a-z0-9+.-]+:/i.test(source);
  const named = isFile ? userPath(source) : source;
  const algorithm = await findAlgorithm(named);
  const overrides = await readOverrides(algorithm, lists.set, texts.config && userPath(texts.config));
  const log = (texts.log ?? "terminal,jsonl").split(",") as LogTarget[];
  for (const target of log) {
    if (!logTargets.includes(target)) {
      throw new RangeError(`Cannot train: --log must be of ${logTargets.join(", ")}, current is "${target}"`);
    }
  }
  const backend = await useBackend(texts.backend ?? (Deno.env.get("ONESTEP_BACKEND") || "onnx"));
  const located = /[\\/]|\.(hdf5|h5)$/.test(dataset) ? userPath(dataset) : dataset;
  const data = await loadTransitions(located, texts.task === undefined ? {} : { task: texts.task });
  if (data.task !== null) findTask(data.task); // What it lacks is said before the training, not after.
  const updates = number("updates");
  const { config } = prepareTraining(algorithm, data, { updates, preset: texts.preset, overrides });
  const hash = createHash("sha256").update(JSON.stringify([config, data.fingerprint?.()])).digest("hex").slice(0, 8);
  const top = texts.folder === undefined ? join(resultsFolder, "trained") : userPath(texts.folder);
  const root = join(top, data.task ?? "data", algorithm.name, hash);
  console.log(
    `${algorithm.title} on ${
      data.task ?? dataset
    }: ${config.updates} updates, ${data.count} transitions, kept in ${root}`,
  );

  const stop = new AbortController();
  using _stop = onStop(() => stop.abort());
  const options = {
    updates,
    preset: texts.preset,
    overrides,
    evaluateEvery: data.task === null ? undefined : number("evaluate-every") ?? config.updates,
    episodes: number("episodes"),
    candidates: number("candidates"),
    log,
    mlruns: join(top, mlflowFolder),
  };
  const progress = log.includes("terminal") ? startProgress(`training ${algorithm.name}`) : silentProgress;
  let runs: Runs;
  try {
    if (seeds.length > 1 && coresHere() > 1 && !isOnGpu(backend)) {
      const job = { algorithm: named, dataset: located, task: texts.task, backend };
      const jobs = seeds.map((seed) => ({ ...job, options: { ...options, seed, folder: seedFolder(root, seed) } }));
      await trainSideBySide(jobs, coresHere(), progress, stop.signal);
    }
    runs = await trainSeeds(algorithm, data, { ...options, seeds, folder: root, signal: stop.signal }, progress);
  } catch (error) {
    progress.stop();
    if (!stop.signal.aborted) throw error;
    console.error("Stopped; the same command goes on");
    return 130;
  }
  progress.stop();
  showRuns(algorithm, runs);
  const [{ folder }] = runs;
  if (data.task !== null) console.log(`Watch it: deno task play ${folder}\nDeploy it: deno task export ${folder}`);
  return 0;
}

/** Trains seeds in workers, some at a time. */
async function trainSideBySide(jobs: readonly TrainJob[], most: number, progress: Progress, signal: AbortSignal) {
  const progressOf = shareProgress(progress, jobs.map(({ options: { seed } }) => seed));
  const queue = [...jobs];
  const workers: Worker[] = [];
  const work = async () => {
    const worker = new Worker(new URL("./train_worker.ts", import.meta.url), { type: "module" });
    workers.push(worker);
    await new Promise<void>((done, failed) => {
      let seed = -1;
      const next = () => {
        const job = queue.shift();
        if (!job) return done();
        ({ seed } = job.options);
        worker.postMessage(job);
      };
      signal.addEventListener("abort", () => failed(signal.reason));
      worker.onerror = (event) => {
        event.preventDefault();
        failed(new Error(`Cannot train: a worker failed: ${event.message}`));
      };
      worker.onmessage = ({ data }: MessageEvent<TrainMessage>) => {
        if (data.kind === "error") return failed(new Error(data.message));
        if (data.kind === "progress") return progressOf(seed).update(data.share, data.note);
        if (data.kind === "done") progressOf(seed).update(1, "trained");
        next();
      };
    });
  };
  try {
    await Promise.all(Array.from({ length: Math.min(most, jobs.length) }, work));
  } finally {
    for (const worker of workers) worker.terminate();
  }
}

function showRuns(algorithm: AnyAlgorithm, runs: Runs) {
  const last = runs.map(({ curve }) => curve.points.at(-1)?.scores);
  const rows = runs.map(({ seed, state, trainingMs }, i) => [
    `${seed}`,
    `${state.updates}`,
    `${(trainingMs / 1000).toFixed(0)} s`,
    last[i] ? mean(last[i]).toFixed(1) : "",
  ]);
  const scored = last.filter((scores) => scores !== undefined);
  const all = scored.length > 0 ? bootstrapMean(scored) : null;
  const notes = all
    ? [
      `Score: ${all.mean.toFixed(1)}${
        all.low === null
          ? " (one seed: no interval)"
          : ` [${all.low.toFixed(1)}, ${all.high!.toFixed(1)}], ${all.n} seeds`
      }`,
    ]
    : ["The data named no task, so there are no scores; --task says it"];
  console.log(toText({ title: algorithm.title, columns: ["seed", "updates", "training", "score"], rows, notes }));
  if (runs.some(({ curve }) => curve.points.length > 1)) console.log(runs.curve.toText());
}

await runCommand(main);
