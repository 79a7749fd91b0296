/**
 * One action of SRPO's policy at halfcheetah size, the authors' widths: ONNX Runtime, the compiled loops, and the memory traffic.
 *
 * @module
 */

import type { Linear } from "../algorithms/core/nn.ts";
import { type NdArray, ndarray } from "../algorithms/core/compile.ts";
import { useBackend } from "../algorithms/core/backend.ts";
import { createRng } from "../algorithms/core/rng.ts";
import { treeLeaves } from "../algorithms/core/tree.ts";
import { createSrpo, srpoDefaults } from "../algorithms/srpo/mod.ts";
import { spec } from "./dtql_workload.ts";

await useBackend("onnx");
const agent = createSrpo(srpoDefaults, spec);
const state = agent.init(createRng("agent"));
const { policy } = state.arrays as { policy: { params: Linear<NdArray>[] } };
const weights = treeLeaves<NdArray>(policy.params).reduce((sum, { data }) => sum + data.length, 0);
const [from, to] = [0, 1].map(() => new Float32Array(weights).fill(1));

const observation = createRng("observation").fillNormal(new Float32Array(spec.observationDim));
const row = ndarray(observation, [1, spec.observationDim]);
const act = agent.createActor!(state);
const group = "one action of SRPO, batch 1";
const calls = 1000; // At a time, since the clock ticks in microseconds.

Deno.bench(`${calls} actions by the actor`, { group, baseline: true, n: 200, warmup: 20 }, () => {
  for (let i = 0; i < calls; i++) act(observation);
});
Deno.bench(`${calls} copies of its weights, twice its memory traffic`, { group, n: 200, warmup: 20 }, () => {
  for (let i = 0; i < calls; i++) to.set(from);
});
Deno.bench(`${calls} actions by ONNX Runtime`, { group, n: 10, warmup: 1 }, async () => {
  for (let i = 0; i < calls; i++) await agent.act(state, row, 1, createRng(0));
});
