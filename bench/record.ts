/**
 * Benchmarks as records: what was measured, on what machine, and whether a later run is slower.
 *
 * @module
 */

import type { Provenance } from "../tools/machine.ts";

/** One benchmark; times in milliseconds. */
export interface Measurement {
  group: string;
  name: string;
  mean: number;
  p75: number;
  /** Calls that were timed. */
  n: number;
}

/** A run of benchmarks. */
export interface BenchRun {
  madeWith: Provenance;
  measurements: Measurement[];
}

/** What `deno bench --json` prints, as far as it is used. */
interface DenoBench {
  benches: { group: string | null; name: string; results: { ok?: { n: number; avg: number; p75: number } }[] }[];
}

/**
 * The measurements in the output of `deno bench --json`, whatever was printed before.
 *
 * @throws {Error} If it holds none, or a benchmark failed.
 */
export function parseBenches(output: string): Measurement[] {
  const start = output.search(/^\{$/m);
  if (start < 0) throw new Error(`Cannot read benchmarks: wanted JSON, current output is ${output.slice(0, 200)}`);
  const { benches } = JSON.parse(output.slice(start)) as DenoBench;
  return benches.map(({ group, name, results: [{ ok }] }) => {
    if (!ok) throw new Error(`Cannot read benchmarks: "${name}" failed`);
    return { group: group ?? "", name, mean: ok.avg / 1e6, p75: ok.p75 / 1e6, n: ok.n };
  });
}

/** A benchmark that became slower, as ratios of new to old. */
export interface Regression {
  group: string;
  name: string;
  mean: number;
  p75: number;
}

/** Ratio above which a benchmark counts as slower, in its mean and its 75th percentile both. */
const slower = 1.25;

/**
 * Benchmarks of `run` that are slower than in `baseline`.
 *
 * @throws {Error} If the two were made on different machines, whose times say nothing about the code.
 */
export function compareRuns(baseline: BenchRun, run: BenchRun): Regression[] {
  const machine = ({ madeWith: { machine: { processor, cores } } }: BenchRun) => `${processor}, ${cores} cores`;
  if (machine(baseline) !== machine(run)) {
    throw new Error(
      `Cannot compare benchmarks: the machines must be alike, current are "${machine(baseline)}" and "${machine(run)}"`,
    );
  }
  return run.measurements.flatMap(({ group, name, mean, p75 }) => {
    const old = baseline.measurements.find((m) => m.group === group && m.name === name);
    if (!old) return [];
    const ratios = { mean: mean / old.mean, p75: p75 / old.p75 };
    return Math.min(ratios.mean, ratios.p75) > slower ? [{ group, name, ...ratios }] : [];
  });
}

/** The name of the latest run in a folder, where the figures of `bench:scaling` lie too; undefined if there is none. */
export function latestRun(folder: string): string | undefined {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => /^\d{4}-.*Z\.json$/.test(name)).sort()
      .at(-1);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
