/**
 * The command line of `reproduce`.
 *
 * @module
 */

import { closest } from "fastest-levenshtein";
import { backends } from "../algorithms/engine/backend.ts";
import { readArguments, readInteger, readSeeds } from "../tools/arguments.ts";
import { resultsFolder, userPath } from "../tools/paths.ts";
import { logFormats } from "./cells/metrics.ts";
import { hopperReplay } from "./experiments/budgets.ts";
import { profileNames } from "./experiments/experiment.ts";
import { experiments } from "./experiments/mod.ts";
import { profileTasks, trainedAlgorithms } from "./plan.ts";
import { profiles } from "./profiles.ts";

/** Where cells run. */
export const executors = ["local", "slurm"] as const;

const experimentNames = experiments.map(({ name }) => name);
const onRequest = experiments.filter(({ onRequest }) => onRequest?.includes("quick")).map(({ name }) => name);

export const help = `Trains, evaluates and reports; a second run goes on where the first one stopped.

Usage: deno task reproduce [options]

  --profile <name>     ${profileNames.map((name) => `${name}: ${profiles[name]}`).join(";\n                       ")}
                       (default: quick)
  --only <experiment>  one of ${experimentNames.join(", ")}; quick leaves out
                       ${onRequest.join(", ")} unless named, but for shipped runs: they take from ten minutes to hours
  --task <id>          one task, such as 25gaussians-far or ${hopperReplay}
  --algorithm <name>   one of ${trainedAlgorithms().join(", ")}
  --seeds <list>       such as 0,1,2 or 0-4 (default: the profile's)
  --jobs <n>           cells at once (default: as many as cores and free memory allow; with Slurm: no limit)
  --threads <n>        of each cell's updates (default: 1); with more, results may differ in their last bits
  --backend <name>     one of ${backends.join(", ")} (default: onnx, or ONESTEP_BACKEND)
  --out <folder>       where results go (default: results)
  --teacher <file>     distil another program's policy and critic (safetensors; layout in results/teacher.ts) for our IQL
  --log <list>         beside metrics.jsonl: tensorboard (event files in the runs' folders) and mlflow (mlruns below --out); how to
                       see them, and W&B: examples/how_to/track.md
  --fresh              train again what is done already
  --retrain            quick: train profile standard's runs anew (hours) instead of playing the shipped ones again
  --dry-run            list the cells with their estimated time and memory, and stop
  --report             write tables and report of what is done, and stop
  -h, --help           this text

On a cluster:
  --executor slurm     hand the cells to Slurm, and a job that reports when they have ended
  --partition <name>   (default: the cluster's)
  --time <limit>       per cell, as sbatch takes it (default: three times the estimate); a cell whose time is up goes on in
                       another job
  --memory <size>      per cell, as sbatch takes it (default: half as much again as the estimate)
  --status             how the submitted cells stand
  --cancel             end them; a later submission goes on`;

const line = {
  verb: "reproduce",
  texts: [
    "profile",
    "only",
    "task",
    "algorithm",
    "seeds",
    "jobs",
    "threads",
    "backend",
    "out",
    "log",
    "teacher",
    "executor",
    "partition",
    "time",
    "memory",
  ],
  switches: ["fresh", "retrain", "dry-run", "report", "status", "cancel"],
} as const;

function oneOf<Word extends string>(what: string, value: string | undefined, list: readonly Word[]): Word | undefined {
  if (value === undefined || (list as readonly string[]).includes(value)) return value as Word | undefined;
  throw new RangeError(
    `Cannot reproduce: unknown ${what} "${value}"; did you mean "${closest(value, [...list])}"? Known: ${
      list.join(", ")
    }`,
  );
}

/** What the user asked for. */
export type Options = ReturnType<typeof parseOptions>;

/**
 * Reads the command line.
 *
 * @throws {RangeError} If a flag or a name is unknown, a number is none, or flags contradict each other.
 */
export function parseOptions(args: readonly string[]) {
  const { texts, switches } = readArguments(args, line);
  const profile = oneOf("profile", texts.profile ?? "quick", profileNames)!;
  const executor = oneOf("executor", texts.executor ?? "local", executors)!;
  for (const name of ["partition", "time", "memory"] as const) {
    if (texts[name] !== undefined && executor !== "slurm") {
      throw new RangeError(`Cannot reproduce: --${name} is for --executor slurm, current executor is ${executor}`);
    }
  }
  const wanted = (["dry-run", "report", "status", "cancel", "fresh"] as const).filter((name) => switches[name]);
  if (wanted.length > 1) {
    throw new RangeError(
      `Cannot reproduce: one of ${
        wanted.map((name) => `--${name}`).join(" and ")
      } must be given, current are all of them`,
    );
  }
  if (switches.retrain && profile !== "quick") {
    throw new RangeError(
      `Cannot reproduce: --retrain is for profile quick, which plays shipped runs; current is ${profile}`,
    );
  }
  const natural = (name: "jobs" | "threads") =>
    texts[name] === undefined ? undefined : readInteger("reproduce", `--${name}`, texts[name], 1);
  return {
    help: switches.help,
    dryRun: switches["dry-run"],
    fresh: switches.fresh,
    retrain: switches.retrain,
    report: switches.report,
    status: switches.status,
    cancel: switches.cancel,
    profile,
    executor,
    only: oneOf("experiment", texts.only, experimentNames),
    task: oneOf("task", texts.task, profileTasks(profile)),
    algorithm: oneOf("algorithm", texts.algorithm, trainedAlgorithms()),
    seeds: texts.seeds === undefined ? undefined : readSeeds("reproduce", texts.seeds),
    jobs: natural("jobs"),
    threads: natural("threads") ?? 1,
    backend: texts.backend ?? (Deno.env.get("ONESTEP_BACKEND") || "onnx"),
    out: texts.out === undefined ? resultsFolder : userPath(texts.out),
    teacher: texts.teacher === undefined ? undefined : userPath(texts.teacher),
    logs: texts.log?.split(",").map((name) => oneOf("log", name, logFormats)!),
    slurm: { partition: texts.partition, time: texts.time, memory: texts.memory },
  };
}

/** The flags that choose the same cells again. */
export function selectionArguments(options: Options): string[] {
  const { profile, only, task, algorithm, seeds, threads, backend, out, teacher, retrain } = options;
  const numbers = { seeds: seeds?.join(","), threads: `${threads}` };
  const chosen = { profile, only, task, algorithm, ...numbers, backend, out, teacher };
  const words = Object.entries(chosen).flatMap(([name, value]) => value === undefined ? [] : [`--${name}`, value]);
  return retrain ? [...words, "--retrain"] : words;
}
