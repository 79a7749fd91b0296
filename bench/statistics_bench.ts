/** Statistics over tasks at rliable's size: 50,000 resamples of 5 seeds on 9 tasks. */

import { createRng } from "../algorithms/core/rng.ts";
import { aggregateScores, drawResamples } from "../results/scores/statistics.ts";

const rng = createRng("bench");
const scores = Object.fromEntries(
  Array.from(
    { length: 9 },
    (_, task) => [`task ${task}`, Array.from(rng.fillUniform(new Float64Array(5)), (u) => 100 * u)],
  ),
);

Deno.bench("four statistics, 50,000 resamples of 5 seeds x 9 tasks", { group: "statistics" }, () => {
  aggregateScores(scores);
});
Deno.bench("drawing the resamples alone", { group: "statistics" }, () => {
  drawResamples(scores, 50_000, rng.child("resamples"));
});
