/**
 * One training update of FQL and of SSCP at halfcheetah size, four layers of 512, against eager TF.js.
 *
 * @module
 */

import type { AgentState, AnyAlgorithm } from "../algorithms/core/agent.ts";
import { resolveConfig } from "../algorithms/core/config.ts";
import { createRng } from "../algorithms/core/rng.ts";
import { type Backend, useBackend } from "../algorithms/engine/backend.ts";
import { fql } from "../algorithms/fql.ts";
import { sscp } from "../algorithms/sscp.ts";
import { drawTransitions, spec } from "./dtql_workload.ts";

for (const algorithm of [fql, sscp] as AnyAlgorithm[]) {
  const config = resolveConfig(algorithm, "none"); // FQL's batch has 256 rows, SSCP's 1024.
  const agent = algorithm.create(config, spec);
  const batch = drawTransitions(config.batchSize, createRng("bench"));
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
  const group = `${algorithm.title} update, batch ${config.batchSize}`;
  Deno.bench("compiled (onnx)", { group, baseline: true, n: 20, warmup: 3 }, async () => {
    await update("onnx");
  });
  Deno.bench("eager wasm", { group, n: 3, warmup: 1 }, async (b) => {
    await useBackend("wasm");
    b.start();
    await update("wasm");
    b.end();
    await useBackend("onnx");
  });
}
