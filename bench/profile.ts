/**
 * `deno task bench:profile`: where the time of each compiled update goes, by ONNX Runtime's own profiler.
 *
 * @module
 */

import { join } from "node:path";
import type { Agent } from "../algorithms/core/agent.ts";
import { useBackend } from "../algorithms/engine/backend.ts";
import { ndarray } from "../algorithms/engine/array.ts";
import { profileSessions } from "../algorithms/engine/runtime.ts";
import { createRng } from "../algorithms/core/rng.ts";
import { createDiffusionQl, diffusionQlDefaults } from "../algorithms/diffusion_ql.ts";
import { createDtql, dtqlDefaults } from "../algorithms/dtql/mod.ts";
import { createDistillation, distillationDefaults } from "../algorithms/offline_behavior_distillation/mod.ts";
import { createSrpo, srpoDefaults } from "../algorithms/srpo/mod.ts";
import { type Table, toText } from "../data/show/table.ts";
import { drawTransitions, spec } from "./dtql_workload.ts";

/** What the profiler writes of one operation. */
interface Event {
  cat: string;
  name: string;
  dur: number;
  args?: { op_name?: string };
}

const folder = await Deno.makeTempDir();
const warmUp = 3;
const runs = 20;

/** Milliseconds per update and number of nodes, by operation, of all sessions that `update` used; medians over the runs. */
async function profile(update: () => Promise<unknown>): Promise<Map<string, { ms: number; nodes: number }>> {
  for await (const { name } of Deno.readDir(folder)) await Deno.remove(join(folder, name));
  const end = profileSessions(join(folder, "profile"));
  for (let i = 0; i < warmUp + runs; i++) await update();
  end();
  const total = new Map<string, { ms: number; nodes: number }>();
  for await (const { name } of Deno.readDir(folder)) {
    const events = (JSON.parse(await Deno.readTextFile(join(folder, name))) as Event[])
      .filter(({ cat, name }) => cat === "Node" && name.endsWith("kernel_time"));
    const perNode = new Map<string, { op: string; durations: number[] }>();
    for (const { name, dur, args } of events) {
      const node = perNode.get(name) ?? { op: args!.op_name!, durations: [] };
      node.durations.push(dur);
      perNode.set(name, node);
    }
    for (const { op, durations } of perNode.values()) {
      const median = durations.sort((a, b) => a - b)[durations.length >> 1];
      const perUpdate = durations.length / (warmUp + runs); // An inner step runs many times.
      const { ms, nodes } = total.get(op) ?? { ms: 0, nodes: 0 };
      total.set(op, { ms: ms + median * perUpdate / 1000, nodes: nodes + perUpdate });
    }
  }
  return total;
}

await useBackend("onnx");
const batch = drawTransitions(256, createRng("profile"));
const agentUpdate = (agent: Agent) => {
  let state = agent.init(createRng("agent"));
  return async () => ({ state } = await agent.update(state, batch, createRng(`${state.updates}`)));
};
const phase = (behaviourUpdates: number, criticUpdates: number) =>
  agentUpdate(
    createSrpo({ ...srpoDefaults, behaviourUpdates, criticUpdates, updates: 4000, behaviourBatchSize: 256 }, spec),
  );

function outerStep() {
  const rng = createRng("pairs");
  const draw = (rows: number, dim: number) => ndarray(rng.fillNormal(new Float32Array(rows * dim)), [rows, dim]);
  const sizes = { observationDim: 11, actionDim: 3, maxAction: 1 };
  const distillation = createDistillation(distillationDefaults, sizes);
  const rows = distillationDefaults.batchSize;
  const weight = ndarray(new Float32Array(rows).fill(1), [rows, 1]);
  const states = { observation: draw(rows, 11), action: draw(rows, 3), weight };
  let state = distillation.start({ observation: draw(256, 11), action: draw(256, 3) });
  return async () => ({ state } = await distillation.update(state, states, createRng("noise")));
}

const workloads: Record<string, () => Promise<unknown>> = {
  "DTQL": agentUpdate(createDtql({ ...dtqlDefaults, pretrainUpdates: 0 }, spec)),
  "Diffusion-QL": agentUpdate(createDiffusionQl(diffusionQlDefaults, spec)),
  "SRPO, behaviour": phase(3999, 0),
  "SRPO, critic": phase(0, 3999),
  "SRPO, policy": phase(0, 0),
  "OBD, outer step": outerStep(),
};

const shown = 12;
for (const [name, update] of Object.entries(workloads)) {
  const found = [...await profile(update)].sort(([, a], [, b]) => b.ms - a.ms);
  const all = found.reduce((sum, [, { ms }]) => sum + ms, 0);
  const rest = found.slice(shown).reduce((sum, [, { ms, nodes }]) => ({ ms: sum.ms + ms, nodes: sum.nodes + nodes }), {
    ms: 0,
    nodes: 0,
  });
  const table: Table = {
    title: `${name}: ${all.toFixed(1)} ms in operations, profiled`,
    columns: ["operation", "ms", "share, %", "times"],
    rows: [...found.slice(0, shown), ["the rest", rest] as const].map(([op, { ms, nodes }]) => [
      op,
      ms.toFixed(2),
      (100 * ms / all).toFixed(0),
      nodes.toFixed(0),
    ]),
    notes: ["The profiler itself adds some 5 microseconds to each operation."],
  };
  console.log(`\n${toText(table)}`);
}
await Deno.remove(folder, { recursive: true });
