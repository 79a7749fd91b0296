import { dqlKl, dtql } from "./algorithms/dtql.ts";
import { resolveConfig } from "./algorithms/core/agent.ts";
import { createRng } from "./algorithms/core/rng.ts";
import { ndarray } from "./algorithms/core/compile.ts";
import { banditMetrics, drawBanditBatch, makeBandit, shareNearModes } from "./data/bandits.ts";
const [alg, task, seed, bs, upd, extra] = Deno.args;
const A = alg === "kl" ? dqlKl : dtql;
const config = resolveConfig(A, task, {
  batchSize: +bs,
  ...(upd ? { updates: +upd } : {}),
  ...(extra ? JSON.parse(extra) : {}),
});
const [set, rule] = task.split("-") as any;
const rng = createRng(+seed);
const bandit = makeBandit(set, rule, 10000, rng.child("data"));
const agent = A.create(config, { observationDim: 1, actionDim: 2, maxAction: bandit.maxAction });
let state = agent.init(rng.child("init"));
const t = performance.now();
for (let k = 0; k < config.updates; k++) {
  const r = await agent.update(
    state,
    drawBanditBatch(bandit, config.batchSize, rng.child(`batch/${k}`)),
    rng.child(`update/${k}`),
  );
  state = r.state;
  if ((k + 1) % 500 === 0) {
    const a = await agent.act(state, ndarray(new Float32Array(1000), [1000, 1]), 1, rng.child(`act/${k}`));
    const m = banditMetrics(bandit, a.data);
    const xs = [...a.data].filter((_, i) => i % 2 == 0), ys = [...a.data].filter((_, i) => i % 2 == 1);
    const mu = (v: number[]) => v.reduce((p, q) => p + q) / v.length,
      sd = (v: number[]) => Math.sqrt(mu(v.map((x) => (x - mu(v)) ** 2)));
    console.log(
      "mean",
      mu(xs).toFixed(2),
      mu(ys).toFixed(2),
      "sd",
      sd(xs).toFixed(2),
      sd(ys).toFixed(2),
      "M",
      bandit.maxAction.toFixed(2),
      "TR",
      r.metrics.trustRegionLoss?.toFixed(2),
      "bc",
      r.metrics.diffusionLoss.toFixed(2),
    );
    console.log(
      task,
      alg,
      seed,
      k + 1,
      ((performance.now() - t) / 1000).toFixed(0) + "s",
      "nn",
      m.nearestMean.toFixed(2),
      m.nearestMax.toFixed(2),
      "rew",
      m.reward.toFixed(2),
      "modes",
      shareNearModes(a.data, 1),
      "critic",
      r.metrics.criticLoss.toFixed(1),
      "v",
      r.metrics.valueLoss.toFixed(0),
    );
  }
}
