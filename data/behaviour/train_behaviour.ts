/**
 * Trains the linear policies behind the local datasets: augmented random search, version V2.
 *
 * Source: Mania, Guy & Recht 2018, "Simple random search provides a competitive approach to reinforcement learning",
 * arXiv 1803.07055, Algorithm 2, with the authors' settings per task. Writes every snapshot on the way, so that a
 * replay of the training history can be made from them: `deno run -A data/behaviour/train_behaviour.ts hopper 0`.
 *
 * @module
 */

import { createRng } from "../../algorithms/core/rng.ts";
import { createEnvironment, findTask } from "../../environments/mod.ts";

const settingsOf = {
  hopper: { directions: 8, top: 4, stepSize: 0.01, noise: 0.025, aliveBonus: 1, iterations: 200, every: 5 },
  halfcheetah: { directions: 32, top: 4, stepSize: 0.02, noise: 0.03, aliveBonus: 0, iterations: 120, every: 3 },
  walker2d: { directions: 40, top: 30, stepSize: 0.03, noise: 0.025, aliveBonus: 1, iterations: 400, every: 10 },
};
const task = (Deno.args[0] ?? "hopper") as keyof typeof settingsOf;
const settings = { ...settingsOf[task], iterations: Number(Deno.args[2] ?? settingsOf[task].iterations) };
const seed = Number(Deno.args[1] ?? 0);
const rng = createRng(`ars/${task}/${seed}`);
using env = await createEnvironment(findTask(task), "d4rl");
const [n, m] = [env.observationSpace.shape[0], env.actionSpace.shape[0]];

const weights = new Float64Array(m * n);
const [mean, square] = [new Float64Array(n), new Float64Array(n)];
let [count, steps, episode] = [0, 0, 0];
const deviation = () => square.map((s) => count > 1 ? Math.max(Math.sqrt(s / (count - 1)), 1e-8) : 1);

/** One rollout of `w` on observations normalized by (mu, sd): its return, and what the search maximizes. */
function rollout(w: Float64Array, mu: Float64Array, sd: Float64Array): { total: number; shifted: number } {
  let observation = env.reset(seed * 1e6 + episode++);
  let [total, shifted] = [0, 0];
  for (;;) {
    count++;
    const action = new Float64Array(m);
    for (let j = 0; j < n; j++) {
      const x = observation[j];
      const delta = x - mean[j]; // Welford's update of the running statistics.
      mean[j] += delta / count;
      square[j] += delta * (x - mean[j]);
      for (let i = 0; i < m; i++) action[i] += w[i * n + j] * (x - mu[j]) / sd[j];
    }
    const result = env.step(action);
    steps++;
    total += result.reward;
    shifted += result.reward - settings.aliveBonus;
    if (result.terminated || result.truncated) return { total, shifted };
    observation = result.observation;
  }
}

const snapshots: { steps: number; episodeReturn: number; weights: number[]; mean: number[]; deviation: number[] }[] =
  [];
const recipe = { source: "data/behaviour/train_behaviour.ts", task, physics: "d4rl", seed, ...settings };
const path = new URL(`./${task}.json`, import.meta.url);
const save = () => Deno.writeTextFile(path, JSON.stringify({ recipe, snapshots }));
const round = (values: Float64Array) => Array.from(values, (x) => Number(x.toPrecision(7)));

for (let k = 0; k <= settings.iterations; k++) {
  const [mu, sd] = [mean.slice(), deviation()];
  if (k % settings.every === 0) {
    const episodeReturn = Math.round(rollout(weights, mu, sd).total);
    snapshots.push({ steps, episodeReturn, weights: round(weights), mean: round(mu), deviation: round(sd) });
    console.log(`iteration ${k}: ${steps} steps, return ${episodeReturn}`);
    await save();
  }
  const tries = Array.from({ length: settings.directions }, () => {
    const direction = rng.fillNormal(new Float64Array(m * n));
    const shifted = (sign: number) => weights.map((w, i) => w + sign * settings.noise * direction[i]);
    const [plus, minus] = [1, -1].map((sign) => rollout(shifted(sign), mu, sd).shifted);
    return { direction, plus, minus };
  });
  const best = tries.sort((a, b) => Math.max(b.plus, b.minus) - Math.max(a.plus, a.minus)).slice(0, settings.top);
  const rewards = best.flatMap(({ plus, minus }) => [plus, minus]);
  const average = rewards.reduce((a, b) => a + b, 0) / rewards.length;
  const spread = Math.sqrt(rewards.reduce((a, b) => a + (b - average) ** 2, 0) / rewards.length) || 1;
  for (const { direction, plus, minus } of best) {
    for (let i = 0; i < weights.length; i++) {
      weights[i] += settings.stepSize / (settings.top * spread) * (plus - minus) * direction[i];
    }
  }
}
