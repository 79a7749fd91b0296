/**
 * SRPO at halfcheetah size: one update of each phase against eager TF.js, and one action against iterative sampling of its
 * own behaviour network.
 *
 * @module
 */

import type { AgentState } from "../algorithms/core/agent.ts";
import { type Backend, useBackend } from "../algorithms/engine/backend.ts";
import { createRng } from "../algorithms/core/rng.ts";
import { behaviourSampling, createSrpo, samplingDefaults, srpoDefaults } from "../algorithms/srpo/mod.ts";
import { drawTransitions, spec } from "./dtql_workload.ts";

const phases = [
  { name: "behaviour", config: { behaviourUpdates: 4000, criticUpdates: 0, updates: 4001 } },
  { name: "critic", config: { behaviourUpdates: 0, criticUpdates: 4000, updates: 4001 } },
  { name: "policy", config: { behaviourUpdates: 0, criticUpdates: 0, updates: 4000 } },
];
const batch = drawTransitions(256, createRng("bench"));

for (const { name, config } of phases) {
  const group = `SRPO ${name} update, batch 256`;
  const agent = createSrpo({ ...srpoDefaults, ...config, behaviourBatchSize: 256 }, spec);
  const states = new Map<Backend, AgentState>();
  const update = async (backend: Backend) => {
    const { state } = await agent.update(states.get(backend)!, batch, createRng("noise"));
    states.set(backend, state);
  };
  for (const backend of ["onnx", "wasm"] as const) {
    await useBackend(backend);
    states.set(backend, agent.init(createRng("agent")));
    await update(backend); // Compiles.
  }
  await useBackend("onnx");
  Deno.bench("compiled (onnx)", { group, baseline: true, n: 60, warmup: 10 }, async () => {
    await update("onnx");
  });
  Deno.bench("eager wasm", { group, n: 5, warmup: 1 }, async (b) => {
    await useBackend("wasm");
    b.start();
    await update("wasm");
    b.end();
    await useBackend("onnx");
  });
}

const policy = createSrpo(srpoDefaults, spec);
const state = policy.init(createRng("agent"));
const [s, a, h] = [spec.observationDim, spec.actionDim, 256];
/** Multiply-adds per action: of the policy, of the behaviour network's pass, of the two critics. */
const cost = {
  policy: s * h + h * h + h * a,
  pass: (a + s + 128) * h + 3 * 2 * h * 4 * h + h * a + 64 * 128 + 128 * 128,
  critics: 2 * ((a + s) * h + h * h + h),
};
const rules = [
  ...[5, 15, 50, 100].map((calls) => ({ calls, candidates: 1, sampler: "dpmpp2" as const })),
  { calls: 15, candidates: 16, sampler: "dpmpp2" as const },
  { calls: 5, candidates: 64, sampler: "ddpm" as const }, // IDQL's.
];
const size = (macs: number) => macs < 1e6 ? `${(macs / 1e3).toFixed(0)} k` : `${(macs / 1e6).toFixed(1)} M`;
for (const rows of [1, 256]) {
  const observation = drawTransitions(rows, createRng("observation")).observation;
  const group = `SRPO action, batch ${rows}`;
  const n = rows === 1 ? 1000 : 200;
  await policy.act(state, observation, 1, createRng("act"));
  Deno.bench(
    `SRPO, one pass, ${size(cost.policy)} multiply-adds`,
    { group, baseline: true, n, warmup: 100 },
    async () => {
      await policy.act(state, observation, 1, createRng("act"));
    },
  );
  for (const { calls, candidates, sampler } of rules) {
    if (rows * candidates * calls > 256 * 100) continue; // Minutes each.
    const agent = behaviourSampling.create({ ...samplingDefaults, nfe: calls, sampler, choice: "argmax" }, spec);
    const act = () => agent.act(state, observation, candidates, createRng("act"));
    await act();
    const macs = candidates * (calls * cost.pass + (candidates > 1 ? cost.critics : 0));
    const name = `${calls} calls${candidates > 1 ? `, best of ${candidates}` : ""} (${sampler}), ${size(macs)}`;
    Deno.bench(name, { group, n: rows === 1 ? 200 : 5, warmup: rows === 1 ? 10 : 1 }, async () => {
      await act();
    });
  }
}
