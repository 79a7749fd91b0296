/**
 * The planner of the published size (60 million parameters) at Hopper's dimensions: one training step, one action, and the shallow
 * policy's action beside it.
 *
 * @module
 */

import { bc } from "../algorithms/bc.ts";
import { useBackend } from "../algorithms/engine/backend.ts";
import { type NdArray, ndarray } from "../algorithms/engine/array.ts";
import { createRng } from "../algorithms/core/rng.ts";
import { treeLeaves } from "../algorithms/engine/tree.ts";
import { createPlanner, createWindows, fitNormalizers, plannerDefaults } from "../algorithms/stitching/mod.ts";

const [observationDim, actionDim, count] = [11, 3, 2000];
const rng = createRng("bench");
const normals = (n: number) => rng.fillNormal(new Float32Array(n));
const data = {
  count,
  observationDim,
  actionDim,
  observation: normals(count * observationDim),
  action: normals(count * actionDim).map(Math.tanh),
  reward: normals(count),
  nextObservation: normals(count * observationDim),
  done: new Float32Array(count).map((_, i) => Number(i % 500 === 499)),
};
const normalizers = fitNormalizers(data);
const spec = { observationDim, actionDim, maxAction: 1, normalizers };
const batchSize = 2; // Of the authors' 64: 14 GiB of activations otherwise.
const planner = createPlanner({ ...plannerDefaults, batchSize }, spec);
const draw = createWindows(data, new Float32Array(count), normalizers, plannerDefaults);
const sizeOf = (tree: unknown) => treeLeaves<NdArray>(tree).reduce((sum, leaf) => sum + leaf.data.length, 0);

await useBackend("onnx");
let state = planner.init(rng.child("init"));
const policy = bc.create(bc.defaults, spec);
const policyState = policy.init(rng.child("policy"));
const observation = ndarray(normals(observationDim), [1, observationDim]);
const { average } = state.arrays as { average: unknown };
const { policy: { params } } = policyState.arrays as { policy: { params: unknown } };
console.log(`parameters: planner ${sizeOf(average)}, policy ${sizeOf(params)}`);

Deno.bench("training step, batch 2", { n: 2, warmup: 1 }, async () => {
  ({ state } = await planner.update(state, draw(batchSize, rng.child("batch")), rng.child("update")));
});

const group = "one action, batch 1";
Deno.bench("shallow policy", { group, baseline: true, n: 1000, warmup: 100 }, async () => {
  await policy.act(policyState, observation, 1, rng);
});
Deno.bench("planner, 200 denoising steps, guided", { group, n: 1, warmup: 0 }, async () => {
  await planner.startActing(state, 1, rng.child("act"))(observation);
});
