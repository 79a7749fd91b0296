/**
 * SRPO on a dataset in one file: behaviour model, critic, policy, score. `deno run -A experiments/srpo.ts hopper.hdf5 30000`
 *
 * @module
 */

import { createEnvironment, createRng, drawBatch, evaluatePolicy, findTask, loadTransitions } from "../mod.ts";
import { normalizedScore, observationStatistics, resolveConfig, srpo, transformRewards } from "../mod.ts";

const [path = "results/datasets/hopper-medium-replay-local.hdf5", updates = "30000"] = Deno.args;
const third = Math.floor(Number(updates) / 3);
const config = resolveConfig(srpo, "hopper-medium-replay-v2", {
  ...{ behaviourUpdates: third, criticUpdates: third, updates: 3 * third }, // What is left trains the policy.
  ...{ behaviourHidden: 64, behaviourBatchSize: 256, dropout: 0, hidden: 128, learningRate: 1e-3 },
});
const data = await loadTransitions(path);
data.reward = transformRewards(data, config.rewardTransform);
const agent = srpo.create(config, { ...data, maxAction: 1, observationStatistics: observationStatistics(data) });

const rng = createRng(0);
let state = agent.init(rng.child("init"));
for (let k = 0; k < config.updates; k++) {
  const batch = drawBatch(data, agent.batchRows?.(k) ?? config.batchSize, rng.child(`batch/${k}`));
  const result = await agent.update(state, batch, rng.child(`update/${k}`));
  state = result.state;
  if (k % 1000 === 0) console.log(k, result.metrics);
}
const task = findTask("hopper");
const environments = await Promise.all(Array.from({ length: 5 }, () => createEnvironment(task, "d4rl")));
const episodes = await evaluatePolicy(environments, (s) => agent.act(state, s, 1, rng), { seeds: [1, 2, 3, 4, 5] });
console.log(
  "scores",
  episodes.map(({ episodeReturn }) => normalizedScore("hopper", episodeReturn).toFixed(1)).join(", "),
);
