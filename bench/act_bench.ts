/**
 * One action at halfcheetah size, the authors' widths, by ONNX Runtime and by the compiled loops: SRPO's, with its memory traffic, and
 * DTQL's.
 *
 * @module
 */

import type { Linear } from "../algorithms/core/nn.ts";
import { type NdArray, ndarray } from "../algorithms/engine/array.ts";
import { useBackend } from "../algorithms/engine/backend.ts";
import { createRng } from "../algorithms/core/rng.ts";
import { treeLeaves } from "../algorithms/engine/tree.ts";
import { createSrpo, srpoDefaults } from "../algorithms/srpo/mod.ts";
import { createDtql, dtqlDefaults } from "../algorithms/dtql/mod.ts";
import { spec } from "./dtql_workload.ts";

await useBackend("onnx");
const agent = createSrpo(srpoDefaults, spec);
const state = agent.init(createRng("agent"));
const { policy } = state.arrays as { policy: { params: Linear<NdArray>[] } };
const weights = treeLeaves<NdArray>(policy.params).reduce((sum, { data }) => sum + data.length, 0);
const [from, to] = [0, 1].map(() => new Float32Array(weights).fill(1));

const observation = createRng("observation").fillNormal(new Float32Array(spec.observationDim));
const row = ndarray(observation, [1, spec.observationDim]);
const act = agent.createActor!(state, createRng(0));
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

const dtql = createDtql(dtqlDefaults, spec);
const dtqlState = dtql.init(createRng("dtql"));
const draw = dtql.createActor!(dtqlState, createRng("noise"));
const dtqlGroup = "one action of DTQL, batch 1";
Deno.bench(`${calls} actions by DTQL's actor`, { group: dtqlGroup, baseline: true, n: 100, warmup: 10 }, () => {
  for (let i = 0; i < calls; i++) draw(observation);
});
Deno.bench(`${calls} actions of DTQL by ONNX Runtime`, { group: dtqlGroup, n: 10, warmup: 1 }, async () => {
  for (let i = 0; i < calls; i++) await dtql.act(dtqlState, row, 1, createRng(0));
});
