/**
 * What a result was made with.
 *
 * @module
 */

import { cpus, release, totalmem, type } from "node:os";
import { join } from "node:path";
import { fromFileUrl } from "./paths.ts";

/** A machine and the versions on it. */
export interface Provenance {
  machine: { processor: string; cores: number; memoryGiB: number; system: string };
  /** `commit`: of a checkout; null outside one. */
  versions: { deno: string; onestep: string; commit: string | null };
}

const workspace = fromFileUrl(new URL("../", import.meta.url));

async function readText(path: string): Promise<string | null> {
  try {
    return (await Deno.readTextFile(join(workspace, path))).trim();
  } catch {
    return null;
  }
}

/** The commit that is checked out; changes that are not committed do not show. */
async function currentCommit(): Promise<string | null> {
  const head = await readText(".git/HEAD");
  const branch = head?.match(/^ref: (.*)$/)?.[1];
  if (!branch) return head;
  const packed = await readText(".git/packed-refs");
  return await readText(`.git/${branch}`) ?? packed?.match(new RegExp(`^(\\w+) ${branch}$`, "m"))?.[1] ?? null;
}

/** Cores that this process may use: those of its Slurm job, or all. */
export const coresHere = (): number => Number(Deno.env.get("SLURM_CPUS_PER_TASK")) || navigator.hardwareConcurrency;

/** The environment in which a new process keeps its arrays in large pages, 3 % of an update's time; only glibc reads it. */
export const largePages = (): Record<string, string> => ({
  GLIBC_TUNABLES: Deno.env.get("GLIBC_TUNABLES") ?? "glibc.malloc.hugetlb=1",
});

/** This machine and this workspace. */
export async function describeMachine(): Promise<Provenance> {
  const { version } = JSON.parse(await Deno.readTextFile(join(workspace, "deno.json")));
  const commit = await currentCommit();
  return {
    machine: {
      processor: cpus()[0]?.model.trim() ?? Deno.build.arch,
      cores: navigator.hardwareConcurrency,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      system: `${type()} ${release()}`,
    },
    versions: { deno: Deno.version.deno, onestep: version, commit: commit?.slice(0, 12) ?? null },
  };
}
