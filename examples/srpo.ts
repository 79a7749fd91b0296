/**
 * SRPO on a dataset in one file: behaviour model, critic, policy, scores. `deno run -A examples/srpo.ts hopper-medium-v2 30000`
 *
 * @module
 */

import { evaluate, loadTransitions, srpo, train } from "../mod.ts";

const [dataset = "hopper-medium-replay-local", updates = "30000"] = Deno.args;
const data = await loadTransitions(dataset);
const policy = await train(srpo, data, {
  updates: Number(updates),
  overrides: { behaviourHidden: 64, behaviourBatchSize: 256, dropout: 0, hidden: 128, learningRate: 1e-3 },
});
const { normalized, scores } = await evaluate(policy, { episodes: 5 });
console.log(`score ${normalized.toFixed(1)}, by episode ${scores.map((score) => score.toFixed(1)).join(", ")}`);
