/**
 * What each task runs and what it may do: the one list of both.
 *
 * @module
 */

import { join } from "node:path";
import { browsers } from "./browsers.ts";
import { lockPrograms, type Rights } from "./flags.ts";
import { exists, userPath, workspaceFolder } from "./paths.ts";

/** A script that gets the user's arguments, and may read what they name. */
export interface ScriptTask {
  script: string;
  /** Arguments before the user's. */
  before?: readonly string[];
  /** Beside reading the workspace and the datasets; paths are relative to the workspace. */
  rights: Rights | ((args: readonly string[]) => Rights);
  /** Flags that name what is written: a folder, or files beside a name. */
  writes?: Readonly<Record<string, "folder" | "beside">>;
  /** Whether it knows arguments, `--help` among them. */
  takes: "arguments" | "nothing";
  /** The lock file of packages beside those of `deno.lock`, if there is one for these arguments. */
  lock?: (args: readonly string[]) => string | undefined;
}

/** Commands of Deno's, one after the other until one fails; the user's arguments go to the last. */
export interface DenoTask {
  steps: (args: readonly string[]) => readonly (readonly string[])[];
  takes: "arguments" | "nothing";
}

const deno = Deno.execPath();
const slurm = ["sbatch", "squeue", "scancel", "scontrol", "sacct", "sinfo"];

/** The bundler's own program, where Deno puts it. */
function esbuild(): string {
  const { scopes } = JSON.parse(Deno.readTextFileSync(join(workspaceFolder, "deno.json")));
  const { os, arch } = Deno.build;
  const name = `@esbuild/${os === "windows" ? "win32" : os}-${arch === "x86_64" ? "x64" : "arm64"}`;
  const folder = `${name.replace("/", "+")}@${scopes["./results/"].esbuild.split("@").at(-1)}`;
  const program = os === "windows" ? "esbuild.exe" : "bin/esbuild";
  return join(workspaceFolder, "node_modules/.deno", folder, "node_modules", name, program);
}

const develop = "tools/develop.lock";
const modules = ["mod.ts", "algorithms", "data", "environments", "examples", "results", "bench", "tests", "tools"];
/** Where tests are; those in documentation too. */
const tested = ["mod.ts", "algorithms", "data", "environments", "tests"];
const testRights = ["--allow-read", "--allow-write", "--allow-env", "--allow-ffi", "--allow-sys", "--allow-run"];
const bench: ScriptTask = {
  script: "bench/run.ts",
  rights: { write: ["results/bench"], temporary: true, run: [deno, "python3"], native: "runtime" },
  takes: "arguments",
};

/** The user's arguments; where none of them is a file or folder, `usual` ones after them. */
function withPaths(args: readonly string[], usual: readonly string[]): string[] {
  const paths = args.map((arg) => arg.startsWith("-") ? arg : exists(userPath(arg)) ? userPath(arg) : arg);
  return paths.every((path, i) => path === args[i] && !exists(path)) ? [...paths, ...usual] : paths;
}

const fmt = (args: readonly string[]) => [["fmt", ...args]];
const lint = (args: readonly string[]) => [["lint", ...args]];
const check = (args: readonly string[]) => [["check", `--lock=${develop}`, ...withPaths(args, modules)]];
/** Whether the package could be published: its types are quick to find, and nothing is missing. */
const publish = ["publish", "--dry-run", "--allow-dirty"];
const test = (args: readonly string[]) => {
  const fixed = ["--no-prompt", ...testRights, "--allow-net=127.0.0.1", "--parallel", "--doc", `--lock=${develop}`];
  return [["test", ...fixed, ...withPaths(args, tested)]];
};

/** All tasks. */
export const tasks: Readonly<Record<string, ScriptTask | DenoTask>> = {
  reproduce: {
    script: "results/reproduce.ts",
    rights: { write: ["results"], data: "write", run: [deno, ...slurm, ...lockPrograms], native: "figures" },
    writes: { "--out": "folder" },
    takes: "arguments",
  },
  train: {
    script: "results/train/train_cli.ts",
    rights: { read: "any", write: ["results"], data: "write", net: "any", run: lockPrograms, native: "runtime" },
    writes: { "--folder": "folder" },
    takes: "arguments",
  },
  compare: { script: "results/train/compare_cli.ts", rights: {}, takes: "arguments" },
  cite: { script: "results/report/cite_cli.ts", rights: {}, takes: "arguments" },
  export: {
    script: "results/policies/export_cli.ts",
    rights: { write: ["results/exports"], native: "runtime" },
    writes: { "--out": "folder" },
    takes: "arguments",
  },
  play: {
    script: "results/policies/play/play.ts",
    rights: (args) => ({
      net: ["127.0.0.1"],
      run: [esbuild()],
      ...(args.some((arg) => !arg.startsWith("-")) ? { native: "runtime" } : {}), // It may name a run, which is exported.
    }),
    writes: { "--static": "folder" },
    takes: "arguments",
    lock: () => develop,
  },
  video: {
    script: "results/policies/video/video.ts",
    rights: () => ({
      write: ["results/videos"],
      temporary: true,
      net: ["127.0.0.1"],
      run: [...browsers, esbuild()],
      native: "runtime",
    }),
    writes: { "--out": "folder" },
    takes: "arguments",
    lock: () => develop,
  },
  notebooks: {
    script: "results/pages/notebooks_cli.ts",
    rights: { write: ["notebooks"], temporary: true, run: ["/usr/bin/jupyter-nbconvert"], native: "figures" },
    takes: "arguments",
  },
  site: {
    script: "results/pages/site_cli.ts",
    rights: () => ({ write: ["results/site"], run: [deno, esbuild()] }),
    writes: { "--out": "folder" },
    takes: "arguments",
    lock: () => develop,
  },
  dataset: {
    script: "data/cli.ts",
    rights: (args) => ({
      data: "write",
      native: "figures",
      net: args.includes("fetch") ? "any" : [],
      run: lockPrograms,
    }),
    writes: { "--folder": "folder", "--figure": "beside" },
    takes: "arguments",
  },
  ship: {
    script: "results/ship.ts",
    rights: { write: ["results/shipped", "results/gallery", "results/RESULTS.md", "README.md"], native: "figures" },
    takes: "arguments",
  },
  help: { script: "tools/help.ts", rights: {}, takes: "nothing" },
  settings: { script: "results/settings_page.ts", rights: { write: ["algorithms"] }, takes: "nothing" },
  pulls: {
    script: "results/experiments/bridges/draw_pulls.ts",
    rights: { write: ["results/gallery"], native: "figures" },
    takes: "nothing",
  },
  bench: { ...bench, before: ["quick"] },
  "bench:full": { ...bench, before: ["full"] },
  "bench:peers": { ...bench, before: ["peers"] },
  "bench:compare": { ...bench, before: ["compare"] },
  "bench:profile": { script: "bench/profile.ts", rights: { temporary: true, native: "runtime" }, takes: "nothing" },
  "bench:scaling": {
    script: "bench/scaling.ts",
    rights: { write: ["results/bench"], run: [deno], native: "figures" },
    takes: "nothing",
  },
  lock: { script: "tools/lock.ts", rights: { write: ["."], temporary: true, run: [deno] }, takes: "nothing" },
  notices: {
    script: "tools/notices.ts",
    rights: { write: ["results/notices"] },
    takes: "nothing",
    lock: () => develop,
  },
  "setup:gpu": {
    script: "tools/setup_gpu.ts",
    rights: ([what]) => ({
      write: ["node_modules"],
      net: what === "cuda" ? "any" : ["storage.googleapis.com"],
      run: ["node", "tar", "python3"],
    }),
    takes: "arguments",
    lock: (args) => args.length === 0 ? "tools/gpu.lock" : undefined, // TensorFlow's.
  },
  fmt: { steps: fmt, takes: "arguments" },
  lint: { steps: lint, takes: "arguments" },
  check: { steps: check, takes: "arguments" },
  test: { steps: test, takes: "arguments" },
  ok: { steps: () => [...fmt(["--check"]), ...lint([]), ...check([]), publish, ...test([])], takes: "nothing" },
};
