/**
 * One training update and one action of DTQL at halfcheetah size, against eager TF.js and against the update's matrix
 * products alone.
 *
 * @module
 */

import { useBackend } from "../algorithms/engine/backend.ts";
import { createSession } from "../algorithms/engine/runtime.ts";
import { createRng } from "../algorithms/core/rng.ts";
import { createAgent, drawTransitions, matrixProducts, spec } from "./dtql_workload.ts";

const batch = drawTransitions(256, createRng("bench"));
const compiled = await createAgent("onnx");
const eager = await createAgent("wasm");
const { graph, inputs, outputs } = matrixProducts(256);
const products = await createSession(graph);

for (const agent of [compiled, eager]) await agent.update(batch); // Compiles.
await useBackend("onnx");

Deno.bench("compiled (onnx)", { group: "DTQL update, batch 256", baseline: true, n: 100, warmup: 40 }, async () => {
  await compiled.update(batch);
});
Deno.bench("its matrix products alone", { group: "DTQL update, batch 256", n: 100, warmup: 40 }, async () => {
  await products.run(inputs, outputs);
});
Deno.bench("eager wasm", { group: "DTQL update, batch 256", n: 5, warmup: 1 }, async (b) => {
  await useBackend("wasm");
  b.start();
  await eager.update(batch);
  b.end();
  await useBackend("onnx");
});

const observation = drawTransitions(1, createRng("observation")).observation;
for (const [name, agent] of [["onnx", compiled], ["wasm", eager]] as const) {
  const group = `one action, batch 1, ${spec.observationDim} observations`;
  Deno.bench(name === "onnx" ? "compiled (onnx)" : "eager wasm", {
    group,
    baseline: name === "onnx",
    n: 1000,
    warmup: 100,
  }, async (b) => {
    if (name === "wasm") await useBackend("wasm");
    b.start();
    await agent.act(observation);
    b.end();
    await useBackend("onnx");
  });
}
