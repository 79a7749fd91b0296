/**
 * `deno task bench`, `bench:full`, `bench:peers` and `bench:compare`: runs benchmark files one after the other, each in a process of its own,
 * and keeps what they say with the machine.
 *
 * @module
 */

import { join } from "node:path";
import { type Backend, backends, currentGpu, isOnGpu } from "../algorithms/engine/backend.ts";
import type { GpuBackend } from "../algorithms/engine/runtime.ts";
import { runCommand } from "../tools/command.ts";
import { type Table, toText } from "../data/show/table.ts";
import { makeFolder, readJson, writeAtomically } from "../tools/files.ts";
import { describeMachine } from "../tools/machine.ts";
import { childEnvironment } from "../tools/processes.ts";
import { fromFileUrl, resultsFolder } from "../tools/paths.ts";
import { measureGpu } from "./gpu.ts";
import { measurePeers } from "./peers.ts";
import { type BenchRun, compareRuns, latestRun, type Measurement, parseBenches } from "./record.ts";

const help = `Measures, and compares with an earlier measurement.

Usage: deno task bench --backend <gpu or cuda>
                                    updates on this machine's GPU, captured and not, and of several seeds together; two minutes
       deno task bench              an update, an action, sampling, environments, statistics; five minutes
       deno task bench:full         everything, with PyTorch and JAX beside it where python3 has them
       deno task bench:peers        updates against PyTorch, JAX and eager wasm
       deno task bench:compare      the last run against bench/baseline.json; fails if something is slower by a quarter in its
                                    mean and its 75th percentile both

Runs are kept as results/bench/<time>.json.`;

const quick = ["update", "act", "sample", "statistics", "environment"];
const full = [...quick, "route", "srpo", "family", "dataset", "distillation", "planner"];
const folder = join(resultsFolder, "bench");
const here = (name: string) => fromFileUrl(new URL(name, import.meta.url));

async function runFile(name: string): Promise<Measurement[]> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bench", "--json", "--no-prompt", "-A", here(`${name}_bench.ts`)],
    cwd: here("../"),
    env: childEnvironment(),
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) {
    throw new Error(`Cannot run bench/${name}_bench.ts: ${text(stderr).trim().split("\n").slice(-5).join("; ")}`);
  }
  return parseBenches(text(stdout));
}

/** One row per benchmark with its ratio to the fastest of its group. */
function benchTable(measurements: readonly Measurement[]): Table {
  const round = (ms: number) => ms.toPrecision(3);
  return {
    title: "Benchmarks",
    columns: ["group", "what", "mean, ms", "75 %", "calls", "times the fastest"],
    rows: measurements.map(({ group, name, mean, p75, n }) => {
      const fastest = Math.min(...measurements.filter((m) => m.group === group).map((m) => m.mean));
      return [group, name, round(mean), round(p75), `${n}`, (mean / fastest).toFixed(1)];
    }),
    notes: [],
  };
}

async function measure(files: readonly string[], more?: "peers" | GpuBackend): Promise<number> {
  const measurements: Measurement[] = more && more !== "peers" ? await measureGpu(more) : [];
  const take = (what: string, found: readonly Measurement[]) => {
    measurements.push(...found);
    console.log(`\n${toText({ ...benchTable(found), title: what })}`);
  };
  for (const file of files) take(file, await runFile(file));
  if (more === "peers") take("peers", await measurePeers());
  const run: BenchRun = { madeWith: await describeMachine(currentGpu()), measurements };
  await makeFolder(folder);
  const path = join(folder, `${new Date().toISOString().replaceAll(":", "-")}.json`);
  await writeAtomically(path, `${JSON.stringify(run, null, 1)}\n`);
  console.log(`\nKept as ${path}`);
  return 0;
}

async function compare(): Promise<number> {
  const baseline = await readJson<BenchRun>(here("baseline.json"));
  const latest = latestRun(folder);
  const last = latest && await readJson<BenchRun>(join(folder, latest));
  if (!baseline || !last) throw new Error("Cannot compare benchmarks: run deno task bench first");
  const regressions = compareRuns(baseline, last);
  for (const { group, name, mean, p75 } of regressions) {
    console.log(`slower: ${group}, ${name}: mean ${mean.toFixed(2)} times, 75 % ${p75.toFixed(2)} times`);
  }
  if (regressions.length === 0) console.log(`Nothing is slower in ${latest} than in bench/baseline.json`);
  return regressions.length > 0 ? 1 : 0;
}

const [command = "quick", ...rest] = Deno.args;
await runCommand(async () => {
  const backend = rest.join(" ").match(/^--backend[ =](\S+)$/)?.[1] as Backend | undefined;
  if (backend !== undefined) {
    if (command === "quick" && isOnGpu(backend)) return await measure([], backend);
    throw new RangeError(
      `Cannot measure: --backend must be ${
        backends.filter(isOnGpu).join(" or ")
      } and given alone, current is "${backend}"`,
    );
  }
  if (command === "quick" && rest.length === 0) return await measure(quick);
  if (command === "full") return await measure(full, "peers");
  if (command === "peers") return await measure(["family"], "peers");
  if (command === "compare") return await compare();
  console.log(help);
  return command === "--help" ? 0 : 1;
});
