/**
 * Flags of `deno` for the processes of this workspace: what they may do, and which lock file knows their packages.
 *
 * @module
 */

import { tmpdir } from "node:os";
import { join } from "node:path";
import { gitFolders } from "./machine.ts";
import { userPath, workspaceFolder } from "./paths.ts";

/** What a process may do beside reading the environment. */
export interface Rights {
  /** Paths, with all below them, or any; the workspace and the datasets are always among them. */
  read?: readonly string[] | "any";
  /** Paths, with all below them. */
  write?: readonly string[];
  /** What may be done to datasets (default: read). */
  data?: "write";
  /** Whether temporary files may be made. */
  temporary?: boolean;
  /** Hosts, or any. */
  net?: readonly string[] | "any";
  /** Programs. */
  run?: readonly string[];
  /** Native packages: ONNX Runtime; or also that which draws figures. */
  native?: "runtime" | "figures";
}

/** What a report says of a machine. */
const system = ["cpus", "osRelease", "systemMemoryInfo"];
/** What names the holder of a lock and a part of a file. */
const systemOfWriters = ["hostname"];
/** What resvg asks for to find out which C library there is. */
const systemOfFigures = ["cpus", "hostname", "networkInterfaces"];

/** What tells whether the holder of a lock still runs; Deno lets no process see another without every right. */
export const lockPrograms: readonly string[] = ["ps"];

/** A flag with paths. None can have a comma, so such a process gets the whole right, or stands in the folder: `.`. */
function pathFlag(name: string, paths: readonly string[], cwd?: string): string[] {
  const named = paths.map((path) => path.includes(",") && path === cwd ? "." : path);
  if (named.length === 0) return [];
  return [named.some((path) => path.includes(",")) ? name : `${name}=${named.join(",")}`];
}

/** Where datasets and D4RL's models may lie, outside of the workspace. */
function dataFolders(): string[] {
  const home = Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE");
  const named = ["D4RL_DATASET_DIR", "D4RL_MODELS_DIR"].flatMap((name) => Deno.env.get(name) || []);
  return [...named, ...(home ? [join(home, ".d4rl")] : [])];
}

/** The user's own list of sizes and hashes of datasets. */
const ownCatalog = () => [Deno.env.get("D4RL_DATASET_CATALOG") || []].flat();

/** Where the user has ONNX Runtime's CUDA plugin. */
const ownPlugin = () => [Deno.env.get("ONESTEP_CUDA") || []].flat().map(userPath);

/** Where Git keeps a worktree's commit, outside of it. */
const worktreeFolders = () => Object.values(gitFolders()).filter((path) => !path.startsWith(workspaceFolder));

/**
 * Flags that give a process these rights and no others.
 *
 * @param cwd The folder where it is started.
 */
export function permissionFlags(rights: Rights, cwd?: string): string[] {
  const { read = [], write = [], data, temporary, net = [], run = [], native } = rights;
  const written = [...write, ...(data ? dataFolders() : []), ...(temporary ? [tmpdir()] : [])];
  const readable = [
    workspaceFolder,
    ...worktreeFolders(),
    ...dataFolders(),
    ...ownCatalog(),
    ...ownPlugin(),
    ...written,
    ...read,
  ];
  const asked = [
    ...new Set([
      ...system,
      ...(written.length > 0 ? systemOfWriters : []),
      ...(native === "figures" ? systemOfFigures : []),
    ]),
  ];
  return [
    "--no-prompt",
    "--allow-env", // HDF5's library lists all of it.
    ...(read === "any" ? ["--allow-read"] : pathFlag("--allow-read", readable, cwd)),
    ...pathFlag("--allow-write", written, cwd),
    ...(net === "any" ? ["--allow-net"] : net.length > 0 ? [`--allow-net=${net.join(",")}`] : []),
    ...pathFlag("--allow-run", run),
    ...(native ? ["--allow-ffi"] : []), // Of all paths: pointers are none.
    `--allow-sys=${asked.join(",")}`,
  ];
}

/** Lock files of backends whose packages are not in `deno.lock`. */
const backendLocks: Record<string, string> = { tensorflow: "tools/gpu.lock", webgpu: "tools/develop.lock" };

/** The flag that names a backend's lock file, if it has its own. */
export const lockFlags = (backend: string | undefined): string[] =>
  backend !== undefined && backend in backendLocks ? [`--lock=${join(workspaceFolder, backendLocks[backend])}`] : [];
