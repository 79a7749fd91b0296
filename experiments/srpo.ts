/**
 * SRPO on a dataset in one file: behaviour model, critic, policy, score. `deno run -A experiments/srpo.ts hopper.hdf5 30000`
 *
 * @module
 */

import { loadTransitions, srpo, trainSteps } from "../mod.ts";

const [path = "results/datasets/hopper-medium-replay-local.hdf5", updates = "30000"] = Deno.args;
const data = await loadTransitions(path);
const overrides = { behaviourHidden: 64, behaviourBatchSize: 256, dropout: 0, hidden: 128, learningRate: 1e-3 };
for await (const { update, metrics } of trainSteps(srpo, data, { updates: Number(updates), overrides })) {
  if (update % 1000 === 0) console.log(update, metrics);
}
