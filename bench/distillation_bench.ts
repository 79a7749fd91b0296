/**
 * Offline behavior distillation at Hopper's size: one outer step, 100 inner steps forwards and backwards on 256 pairs and a measure
 * of 10 x 256 states, against eager TF.js; the memory that it needs.
 *
 * @module
 */

import type { AgentState } from "../algorithms/core/agent.ts";
import { type Backend, useBackend } from "../algorithms/engine/backend.ts";
import { ndarray } from "../algorithms/engine/array.ts";
import { createRng } from "../algorithms/core/rng.ts";
import { createDistillation, distillationDefaults } from "../algorithms/offline_behavior_distillation/mod.ts";

const [observationDim, actionDim] = [11, 3];
const rng = createRng("bench");
const draw = (rows: number, dim: number) => ndarray(rng.fillNormal(new Float32Array(rows * dim)), [rows, dim]);
const bounded = (rows: number) => {
  const { data, shape } = draw(rows, actionDim);
  return ndarray((data as Float32Array).map(Math.tanh), shape);
};
const rows = distillationDefaults.batchSize;
const batch = {
  observation: draw(rows, observationDim),
  action: bounded(rows),
  weight: ndarray(new Float32Array(rows).fill(8), [rows, 1]),
};
const distillation = createDistillation(distillationDefaults, { observationDim, actionDim, maxAction: 1 });
const pairs = { observation: draw(256, observationDim), action: bounded(256) };
const states = new Map<Backend, AgentState>();
const update = async (backend: Backend) => {
  const { state } = await distillation.update(states.get(backend)!, batch, createRng("noise"));
  states.set(backend, state);
};
for (const backend of ["onnx", "wasm"] as const) states.set(backend, distillation.start(pairs));
await useBackend("onnx");
const before = Deno.memoryUsage().rss;
await update("onnx"); // Compiles.
console.log(`memory that a step needs: ${Math.round((Deno.memoryUsage().rss - before) / 2 ** 20)} MiB`);

const group = "OBD outer step, 100 inner steps, 256 pairs";
Deno.bench("compiled (onnx)", { group, baseline: true, n: 5, warmup: 1 }, async () => {
  await update("onnx");
});
Deno.bench("eager wasm", { group, n: 1, warmup: 0 }, async (b) => {
  await useBackend("wasm");
  b.start();
  await update("wasm");
  b.end();
  await useBackend("onnx");
});
