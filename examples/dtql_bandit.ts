/**
 * DTQL on a two-dimensional bandit in one file: train, measure. `deno run -A examples/dtql_bandit.ts near`
 *
 * @module
 */

import { banditMetrics, type BanditReward, createRng, dtql, makeBandit, train } from "../mod.ts";

const [reward = "near", updates = "2500"] = Deno.args;
const bandit = makeBandit("25gaussians", reward as BanditReward, 10_000, createRng(0));
const policy = await train(dtql, bandit, {
  updates: Number(updates),
  overrides: { batchSize: 512, hidden: 64, diffusionHidden: 64 },
});
console.log(banditMetrics(bandit, await policy.act(new Float32Array(1000)))); // 1000 samples
