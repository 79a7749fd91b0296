/**
 * How many cells run at once.
 *
 * @module
 */

import { coresHere } from "../../tools/machine.ts";

/** The share of free memory that cells may take by their estimates; the rest is for everything else. */
const share = 0.9;

/** What a machine has for cells. */
export interface Room {
  cores: number;
  /** Memory that is free, in MiB. */
  freeMiB: number;
}

/** What this machine has now. */
const roomHere = (): Room => ({
  cores: coresHere(),
  freeMiB: Deno.systemMemoryInfo().available / 2 ** 20,
});

/**
 * As many cells at once as cores allow, and memory, were the largest ones to meet; at least one.
 *
 * @param needs Each cell's memory, in MiB.
 * @param threads Of each cell.
 * @returns How many, and why that is fewer than cores allow.
 */
export function jobsAtOnce(
  needs: readonly number[],
  threads: number,
  { cores, freeMiB }: Room = roomHere(),
): { jobs: number; why: string | null } {
  const byCores = Math.max(1, Math.floor(cores / threads));
  let [left, byMemory] = [share * freeMiB, 0];
  for (const need of [...needs].sort((a, b) => b - a)) {
    left -= need;
    if (left < 0) break;
    byMemory++;
  }
  if (byMemory === needs.length || byMemory >= byCores) return { jobs: byCores, why: null };
  const jobs = Math.max(1, byMemory);
  const gib = (mib: number) => `${(mib / 1024).toFixed(1)} GiB`;
  const why = `${jobs} at once, not ${byCores}: ${gib(freeMiB)} of memory are free, and a cell may take ` +
    `${gib(Math.max(...needs))}; --jobs overrides this`;
  return { jobs, why };
}
