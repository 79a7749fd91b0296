/**
 * `deno task bench --backend gpu` or `cuda`: updates on the GPU of this machine, captured and not, and of several seeds together.
 *
 * @module
 */

import { join } from "node:path";
import { createRng } from "../algorithms/core/rng.ts";
import type { AgentState } from "../algorithms/core/agent.ts";
import { createDtql, dtqlDefaults } from "../algorithms/dtql/mod.ts";
import { currentGpu, useBackend } from "../algorithms/engine/backend.ts";
import { type GpuBackend, profileSessions, useCapture } from "../algorithms/engine/runtime.ts";
import { together } from "../algorithms/engine/together.ts";
import { type Table, toText } from "../data/show/table.ts";
import { createAgent, drawTransitions, spec } from "./dtql_workload.ts";
import { createStep } from "./small_step.ts";
import type { Measurement } from "./record.ts";

/** Gives what a run measured, which waits for it. */
type Update = () => Promise<Record<string, number>>;

const workloads: Record<string, (backend: GpuBackend) => Promise<Update>> = {
  async "DTQL update, batch 256"(backend) {
    const agent = await createAgent(backend);
    const batch = drawTransitions(256, createRng("bench"));
    return () => agent.update(batch);
  },
  "training step, 23-256-256-1, batch 256": () => Promise.resolve(createStep()),
};

/** Operations of an update, by a profile. */
async function countOperations(create: () => Promise<Update>): Promise<number> {
  const folder = await Deno.makeTempDir();
  useCapture("off");
  const end = profileSessions(join(folder, "profile"));
  const update = await create();
  Object.values(await update());
  end();
  const nodes = new Set<string>();
  for (const { name } of Deno.readDirSync(folder)) {
    const events = JSON.parse(await Deno.readTextFile(join(folder, name))) as { cat: string; name: string }[];
    for (const event of events) if (event.cat === "Node" && event.name.endsWith("kernel_time")) nodes.add(event.name);
  }
  await Deno.remove(folder, { recursive: true });
  return nodes.size;
}

const read = (metrics: Record<string, number>) => Object.values(metrics)[0];

/** Milliseconds per update: all of it, and what it takes of the thread that calls. */
async function time(update: Update, budgetMs: number): Promise<{ whole: number; call: number; n: number }> {
  for (let k = 0; k < 4; k++) read(await update()); // Both captures, and their first replays.
  const calls: number[] = [];
  const start = performance.now();
  while (calls.length < 5 || performance.now() - start < budgetMs) {
    const before = performance.now();
    const metrics = await update();
    calls.push(performance.now() - before);
    if (calls.length % 100 === 0 || performance.now() - start >= budgetMs) read(metrics); // As in a training.
  }
  read(await update());
  const whole = (performance.now() - start) / (calls.length + 1);
  return { whole, call: calls.toSorted((a, b) => a - b)[calls.length >> 1], n: calls.length };
}

/** Seeds that train together, as many as there may be. */
const seedCounts = [1, 4, 16, 64];

/** Milliseconds of one update of DTQL by all seeds together, for each number of them, until one takes longer than the budget. */
async function timeSeeds(budgetMs: number): Promise<{ seeds: number; whole: number; n: number }[]> {
  const found = [];
  const batch = drawTransitions(256, createRng("bench"));
  for (const seeds of seedCounts) {
    const agent = createDtql({ ...dtqlDefaults, pretrainUpdates: 0 }, spec);
    const states = Array.from({ length: seeds }, (_, seed): AgentState => agent.init(createRng(`agent/${seed}`)));
    const train = async (updates: number) => {
      const start = performance.now();
      await together(states.map((_, seed) => async () => {
        for (let k = 0; k < updates; k++) {
          const noise = createRng(`noise/${seed}/${k}`);
          const { state, metrics } = await agent.update(states[seed], batch, noise);
          states[seed] = state;
          if (k + 1 === updates) read(metrics);
        }
      }));
      return (performance.now() - start) / updates;
    };
    await train(4); // Both captures, and their first replays.
    const once = await train(1);
    const n = Math.min(Math.max(Math.floor(budgetMs / once), 1), 1000);
    found.push({ seeds, whole: await train(n), n });
    if (once > budgetMs) break;
  }
  return found;
}

/** Measures and prints. */
export async function measureGpu(backend: GpuBackend, budgetMs = 10_000): Promise<Measurement[]> {
  await useBackend(backend);
  const rows: string[][] = [];
  const found: Measurement[] = [];
  for (const [name, create] of Object.entries(workloads)) {
    const operations = await countOperations(() => create(backend));
    for (const mode of ["captured", "plain"] as const) {
      useCapture(mode === "captured" ? "on" : "off");
      const { whole, call, n } = await time(await create(backend), budgetMs);
      const group = `${backend}: ${name}`;
      found.push({ group, name: mode, mean: whole, p75: whole, n });
      found.push({ group: `${group}, the calling thread`, name: mode, mean: call, p75: call, n });
      rows.push([
        name,
        mode,
        `${operations}`,
        whole.toPrecision(3),
        (1000 / whole).toPrecision(3),
        call.toPrecision(3),
        (1000 * call / operations).toPrecision(2),
      ]);
    }
  }
  useCapture("on");
  const table: Table = {
    title: `On ${currentGpu()}`,
    columns: [
      "what",
      "runs",
      "operations",
      "ms",
      "per second",
      "ms of the calling thread",
      "microseconds an operation",
    ],
    rows,
    notes: ["The calling thread's time is what an update takes to start; the rest of its time the GPU works alone."],
  };
  console.log(`\n${toText(table)}`);
  const ofSeeds = await timeSeeds(budgetMs);
  found.push(...ofSeeds.map(({ seeds, whole, n }) => ({
    group: `${backend}: DTQL update, batch 256, seeds together`,
    name: `${seeds}`,
    mean: whole,
    p75: whole,
    n,
  })));
  console.log(`\n${
    toText({
      title: `Seeds together on ${currentGpu()}: DTQL update, batch 256`,
      columns: ["seeds", "ms", "updates per second, of all seeds"],
      rows: ofSeeds.map(({ seeds, whole }) => [
        `${seeds}`,
        whole.toPrecision(3),
        (1000 * seeds / whole).toPrecision(3),
      ]),
      notes: ofSeeds.length < seedCounts.length ? ["More seeds would take longer than this measurement may."] : [],
    })
  }`);
  return found;
}
