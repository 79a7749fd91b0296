/**
 * Offline behavior distillation in one file: a dataset in 32 pairs.
 * `deno run -A examples/behavior_distillation.ts hopper-medium-replay-local`
 *
 * @module
 */

import { createRng, loadTransitions, ndarray, type Rng } from "../mod.ts";
import { distinctRows, normalizeObservations, takeRows, trainingStates } from "../algorithms/core/mod.ts";
import * as obd from "../algorithms/offline_behavior_distillation/mod.ts";

const [dataset = "hopper-medium-replay-local", updates = "300"] = Deno.args;
const data = await loadTransitions(dataset);
const { observationDim: s, actionDim: a, observationStatistics } = data;
const states = normalizeObservations(data.observation, observationStatistics);
const draw = (n: number, rng: Rng) => {
  const rows = distinctRows(data.count, n, rng);
  return { observation: takeRows(states, s, rows), action: takeRows(data.action, a, rows) };
};
const small = { objective: "dbc", pairs: 32, innerUpdates: 30, hidden: 64, batchSize: 512 } as const;
const distillation = obd.createDistillation({ ...obd.distillationDefaults, ...small }, data);
const weight = ndarray(new Float32Array(small.batchSize).fill(1), [small.batchSize, 1]);
const training = {
  updates: Number(updates),
  init: (rng: Rng) => distillation.start(draw(small.pairs, rng)),
  async update(state: ReturnType<typeof distillation.start>, batchRng: Rng, rng: Rng) {
    const batch = { ...draw(small.batchSize, batchRng), weight };
    return { ...await distillation.update(state, batch, rng), batch };
  },
};

const rng = createRng(0);
for await (const { state, metrics } of trainingStates(training, rng)) {
  if (state.updates % 20 === 0) console.log(state.updates, metrics.outerLoss);
  if (state.updates < training.updates) continue;
  const policy = await distillation.trainPolicy((state.arrays as obd.DistillationArrays).pairs, rng.child("policy"));
  const test = draw(2000, rng.child("test"));
  const { data: action } = await distillation.act(policy, test.observation);
  const errors = Float64Array.from(action, (x, i) => (x - test.action.data[i]) ** 2);
  const error = errors.reduce((sum, x) => sum + x, 0) / errors.length;
  console.log(`mean square error of a policy trained on ${small.pairs} pairs: ${error.toFixed(3)}`);
}
