/**
 * The command line of `reproduce`.
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import { closest } from "fastest-levenshtein";
import { backends } from "../algorithms/engine/backend.ts";
import { resultsFolder, userPath } from "../tools/paths.ts";
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
                       ${onRequest.join(", ")} unless named: they take from ten minutes to hours
  --task <id>          one task, such as 25gaussians-far or ${hopperReplay}
  --algorithm <name>   one of ${trainedAlgorithms().join(", ")}
  --seeds <list>       such as 0,1,2 (default: the profile's)
  --jobs <n>           cells at once (default: as many as the cores allow; with Slurm: no limit)
  --threads <n>        of each cell's updates (default: 1); with more, results may differ in their last bits
  --backend <name>     one of ${backends.join(", ")} (default: onnx, or ONESTEP_BACKEND)
  --out <folder>       where results go (default: results)
  --teacher <file>     distil another program's policy and critic (safetensors; layout in results/teacher.ts) for our IQL
  --log tensorboard    also write TensorBoard event files beside metrics.jsonl
  --fresh              train again what is done already
  --dry-run            list the cells with their estimated time and memory, and stop
  --report             write tables and report of what is done, and stop
  --help               this text

On a cluster:
  --executor slurm     hand the cells to Slurm, and a job that reports when they have ended
  --partition <name>   (default: the cluster's)
  --time <limit>       per cell, as sbatch takes it (default: three times the estimate); a cell whose time is up goes on in
                       another job
  --memory <size>      per cell, as sbatch takes it (default: half as much again as the estimate)
  --status             how the submitted cells stand
  --cancel             end them; a later submission goes on`;

const texts = [
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
] as const;
const switches = ["fresh", "dry-run", "report", "status", "cancel", "help"] as const;
const flagNames = [...texts, ...switches].map((name) => `--${name}`);

/** One line that names the nearest known word. */
function unknown(what: string, word: string, known: readonly string[]): RangeError {
  return new RangeError(
    `Cannot reproduce: unknown ${what} "${word}"; did you mean "${closest(word, [...known])}"? Known: ${
      known.join(", ")
    }`,
  );
}

function natural(name: string, text: string, least: number): number {
  const value = Number(text);
  if (text === "" || !Number.isInteger(value) || value < least) {
    throw new RangeError(
      `Cannot reproduce: --${name} must be an integer of at least ${least}, current value is "${text}"`,
    );
  }
  return value;
}

function oneOf<Word extends string>(what: string, value: string | undefined, list: readonly Word[]): Word | undefined {
  if (value !== undefined && !(list as readonly string[]).includes(value)) throw unknown(what, value, list);
  return value as Word | undefined;
}

/** What the user asked for. */
export type Options = ReturnType<typeof parseOptions>;

/**
 * Reads the command line.
 *
 * @throws {RangeError} If a flag or a name is unknown, or a number is none.
 */
export function parseOptions(args: string[]) {
  const flags = parseArgs(args, {
    string: texts,
    boolean: switches,
    unknown: (arg: string) => {
      throw unknown("flag", arg, flagNames);
    },
  });
  if (flags._.length > 0) throw unknown("argument", String(flags._[0]), flagNames);
  const profile = oneOf("profile", flags.profile ?? "quick", profileNames)!;
  const executor = oneOf("executor", flags.executor ?? "local", executors)!;
  for (const name of ["partition", "time", "memory"] as const) {
    if (flags[name] !== undefined && executor !== "slurm") {
      throw new RangeError(`Cannot reproduce: --${name} is for --executor slurm, current executor is ${executor}`);
    }
  }
  return {
    help: flags.help,
    dryRun: flags["dry-run"],
    fresh: flags.fresh,
    report: flags.report,
    status: flags.status,
    cancel: flags.cancel,
    profile,
    executor,
    only: oneOf("experiment", flags.only, experimentNames),
    task: oneOf("task", flags.task, profileTasks(profile)),
    algorithm: oneOf("algorithm", flags.algorithm, trainedAlgorithms()),
    seeds: flags.seeds?.split(",").map((seed) => natural("seeds", seed, 0)),
    jobs: flags.jobs === undefined ? undefined : natural("jobs", flags.jobs, 1),
    threads: flags.threads === undefined ? 1 : natural("threads", flags.threads, 1),
    backend: flags.backend ?? Deno.env.get("ONESTEP_BACKEND") ?? "onnx",
    out: flags.out === undefined ? resultsFolder : userPath(flags.out),
    teacher: flags.teacher === undefined ? undefined : userPath(flags.teacher),
    logs: oneOf("log", flags.log, ["tensorboard"] as const),
    slurm: { partition: flags.partition, time: flags.time, memory: flags.memory },
  };
}

/** The flags that choose the same cells again. */
export function selectionArguments(options: Options): string[] {
  const { profile, only, task, algorithm, seeds, threads, backend, out, teacher } = options;
  const numbers = { seeds: seeds?.join(","), threads: `${threads}` };
  const chosen = { profile, only, task, algorithm, ...numbers, backend, out, teacher };
  return Object.entries(chosen).flatMap(([name, value]) => value === undefined ? [] : [`--${name}`, value]);
}
