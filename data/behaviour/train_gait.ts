/**
 * Searches for the gait of the walking ant behind the local AntMaze datasets: at random, then near the best so far. The score
 * is the way made in eight seconds under action noise, towards four headings: `deno run -A data/behaviour/train_gait.ts 7`.
 *
 * @module
 */

import { createRng } from "../../algorithms/core/rng.ts";
import { type Gait, gaitAction } from "../ant_walker.ts";
import { antMaze, createEnvironment } from "../../environments/mod.ts";

const [seed = "0", tries = "700"] = Deno.args;
const task = antMaze("large", "v2");
using env = await createEnvironment({
  ...task,
  xml: (physics) => task.xml(physics).replace(/<geom type="box"[^>]*>/g, ""),
});
const rng = createRng(`gait/${seed}`);
const low = [0.1, 0.3, 0, 0.5, 5, 0.2, -Math.PI];
const high = [0.6, 3, 0.5, 1.2, 80, 8, Math.PI];
const headings = [0, Math.PI / 2, Math.PI / 4, -0.4];

function wayMade(gait: Gait, trial: number): number {
  const noise = createRng(`noise/${trial}`);
  env.reset(trial);
  let upright = 0;
  for (let step = 0; step < 80; step++) {
    const z = noise.fillNormal(new Float64Array(8));
    env.step(gaitAction(gait, step * env.controlTimestep, headings[trial], env).map((a, i) => a + 0.2 * z[i]));
    const [, , , , x, y] = env.qpos;
    if (1 - 2 * (x * x + y * y) > 0.5) upright++;
  }
  const [x, y] = env.qpos;
  return (x * Math.cos(headings[trial]) + y * Math.sin(headings[trial])) * (upright / 80) ** 2;
}

let best = { gait: low as unknown as Gait, score: -Infinity };
for (let n = 0; n < Number(tries); n++) {
  const gait = low.map((from, i) => {
    if (n < 150) return from + rng.uniform() * (high[i] - from);
    const step = rng.uniform() < 0.6 ? 0.12 * (high[i] - from) * rng.fillNormal(new Float64Array(1))[0] : 0;
    return Math.min(Math.max(best.gait[i] + step, from), high[i]);
  }) as unknown as Gait;
  const first = wayMade(gait, 0);
  const score = first > 0.7 * best.score ? [1, 2, 3].reduce((sum, trial) => sum + wayMade(gait, trial), first) / 4 : 0;
  if (score <= best.score) continue;
  best = { gait, score };
  console.log(n, score.toFixed(2), "m", gait.map((x) => Number(x.toFixed(3))).join(", "));
}
