/**
 * What a call of ONNX Runtime costs by its library's C API and by its package for Node: an update of DTQL, a small training step, and an
 * action by `compile()`.
 *
 * @module
 */

import { initMlp, type Linear, mlp, relu } from "../algorithms/core/nn.ts";
import { createRng } from "../algorithms/core/rng.ts";
import { type NdArray, ndarray } from "../algorithms/engine/array.ts";
import { compile } from "../algorithms/engine/compile.ts";
import { type Route, useRoute } from "../algorithms/engine/runtime.ts";
import { tf } from "../algorithms/engine/tensor.ts";
import { createAgent, drawTransitions, spec } from "./dtql_workload.ts";
import { createStep } from "./small_step.ts";

const draw = (name: string, rows: number, dim: number) =>
  ndarray(createRng(name).fillNormal(new Float32Array(rows * dim)), [rows, dim]);
const batch = drawTransitions(256, createRng("bench"));

/** An action of 17-256-256-6. */
function createAct() {
  const act = compile<{ p: Linear<NdArray>[]; x: NdArray }>(
    "act",
    ({ p, x }) => ({ action: tf.tanh(mlp(p, x, relu)) }),
  );
  const [p, x] = [initMlp([spec.observationDim, 256, 256, spec.actionDim], createRng("policy")), draw("x", 1, 17)];
  return async () => void await act({ p, x });
}

for (const route of ["library", "package"] satisfies Route[]) {
  await useRoute(route); // Holds for what is compiled below.
  const agent = await createAgent("onnx");
  const calls: [group: string, times: number, run: () => Promise<unknown>][] = [
    ["DTQL update", 1, () => agent.update(batch)],
    ["10 small steps", 10, createStep()],
    ["100 actions", 100, createAct()],
  ];
  for (const [group, times, run] of calls) {
    await run(); // Compiles.
    Deno.bench(`by the ${route}`, { group, baseline: route === "library", n: 60, warmup: 10 }, async () => {
      for (let i = 0; i < times; i++) await run();
    });
  }
}
