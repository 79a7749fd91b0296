/**
 * DTQL on a two-dimensional bandit in one file: train, measure, draw. `deno run -A experiments/dtql_bandit.ts near`
 *
 * @module
 */

import {
  banditMetrics,
  type BanditReward,
  createRng,
  drawBanditBatch,
  dtql,
  makeBandit,
  ndarray,
  resolveConfig,
} from "../mod.ts";

const reward = (Deno.args[0] ?? "near") as BanditReward;
const small = { batchSize: 512, hidden: 64, diffusionHidden: 64, updates: Number(Deno.args[1] ?? 2500) };
const config = resolveConfig(dtql, `25gaussians-${reward}`, small);

const rng = createRng(0);
const bandit = makeBandit("25gaussians", reward, 10_000, rng.child("data"));
const agent = dtql.create(config, { observationDim: 1, actionDim: 2, maxAction: bandit.maxAction });

let state = agent.init(rng.child("init"));
for (let k = 0; k < config.updates; k++) {
  const batch = drawBanditBatch(bandit, config.batchSize, rng.child(`batch/${k}`));
  const result = await agent.update(state, batch, rng.child(`update/${k}`));
  state = result.state;
  if ((k + 1) % 500 === 0) console.log(k + 1, result.metrics);
}
const { data } = await agent.act(state, ndarray(new Float32Array(1000), [1000, 1]), 1, rng.child("act"));
console.log(banditMetrics(bandit, data));
