/**
 * What a result was made with.
 *
 * @module
 */

import { cpus, release, totalmem, type } from "node:os";
import { join, resolve } from "node:path";
import { workspaceFolder } from "./paths.ts";

/** A machine and the versions on it. */
export interface Provenance {
  machine: { processor: string; cores: number; memoryGiB: number; system: string; gpu?: string };
  /** `commit`: of a checkout; null outside one. */
  versions: { deno: string; onestep: string; commit: string | null };
}

function readText(path: string): string | null {
  try {
    return Deno.readTextFileSync(path).trim();
  } catch {
    return null;
  }
}

/** Where Git keeps what a checkout has: its folder, and that of all worktrees of the clone. */
export function gitFolders(workspace: string = workspaceFolder): { own: string; common: string } {
  const plain = join(workspace, ".git");
  const link = readText(plain)?.match(/^gitdir: (.*)$/)?.[1];
  const own = link === undefined ? plain : resolve(workspace, link); // A worktree or a submodule has a file there.
  return { own, common: resolve(own, readText(join(own, "commondir")) ?? ".") };
}

/** The commit that is checked out, null outside a checkout; changes that are not committed do not show. */
export function currentCommit(workspace: string = workspaceFolder): string | null {
  const { own, common } = gitFolders(workspace);
  const head = readText(join(own, "HEAD"));
  const branch = head?.match(/^ref: (.*)$/)?.[1];
  if (!branch) return head;
  const packed = readText(join(common, "packed-refs"))?.split(/\r?\n/).map((line) => line.split(" "));
  return readText(join(common, branch)) ?? packed?.find(([, name]) => name === branch)?.[0] ?? null;
}

/** Cores that this process may use: those of its Slurm job, or all. */
export const coresHere = (): number => Number(Deno.env.get("SLURM_CPUS_PER_TASK")) || navigator.hardwareConcurrency;

/**
 * This machine and this workspace, or the version of the package that these modules come from.
 *
 * @param gpu The GPU that is used. @default none is
 */
export async function describeMachine(gpu?: string): Promise<Provenance> {
  const address = new URL("../", import.meta.url);
  const onestep = address.protocol === "file:"
    ? { onestep: JSON.parse(await Deno.readTextFile(new URL("deno.json", address))).version, commit: currentCommit() }
    : { onestep: address.pathname.split("/").at(-2)!, commit: null };
  return {
    machine: {
      processor: cpus()[0]?.model.trim() ?? Deno.build.arch,
      cores: navigator.hardwareConcurrency,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      system: `${type()} ${release()}`,
      ...(gpu === undefined ? {} : { gpu }),
    },
    versions: { deno: Deno.version.deno, ...onestep, commit: onestep.commit?.slice(0, 12) ?? null },
  };
}
