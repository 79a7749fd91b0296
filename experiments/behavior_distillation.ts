/**
 * Offline behavior distillation in one file: a dataset in 32 pairs. `deno run -A experiments/behavior_distillation.ts hopper.hdf5`
 *
 * @module
 */

import {
  createDistillation,
  createRng,
  type DistillationArrays,
  distillationDefaults,
  distinctRows,
  loadTransitions,
  ndarray,
  normalizeObservations,
  observationStatistics,
  type Rng,
  takeRows,
} from "../mod.ts";

const [path = "results/datasets/hopper-medium-replay-local.hdf5", updates = "300"] = Deno.args;
const data = await loadTransitions(path);
const { observationDim, actionDim, count } = data;
const states = normalizeObservations(data.observation, observationStatistics(data));
const draw = (n: number, rng: Rng) => {
  const rows = distinctRows(count, n, rng);
  return { observation: takeRows(states, observationDim, rows), action: takeRows(data.action, actionDim, rows) };
};
const small = { objective: "dbc", pairs: 32, innerUpdates: 30, hidden: 64, batchSize: 512 } as const;
const distillation = createDistillation({ ...distillationDefaults, ...small }, { observationDim, actionDim });

const rng = createRng(0);
const weight = ndarray(new Float32Array(small.batchSize).fill(1), [small.batchSize, 1]);
let state = distillation.start(draw(small.pairs, rng.child("pairs")));
for (let k = 0; k < Number(updates); k++) {
  const batch = { ...draw(small.batchSize, rng.child(`batch/${k}`)), weight };
  const result = await distillation.update(state, batch, rng.child(`update/${k}`));
  state = result.state;
  if (k % 20 === 0) console.log(k, result.metrics.outerLoss);
}
const { pairs } = state.arrays as DistillationArrays;
const policy = await distillation.trainPolicy(pairs, rng.child("policy"));
const test = draw(2000, rng.child("test"));
const { data: action } = await distillation.act(policy, test.observation);
const error = Float64Array.from(action, (x, i) => (x - test.action.data[i]) ** 2).reduce((a, b) => a + b) /
  action.length;
console.log(`mean square error of a policy trained on ${small.pairs} pairs: ${error.toFixed(3)}`);
