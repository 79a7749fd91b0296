/**
 * Trajectory stitching of a dataset in one file: what it does to the returns, and to a policy cloned from them.
 * `deno run -A examples/trajectory_stitching.ts hopper-medium-replay-local`
 *
 * @module
 */

import { bc, createRng, createTransitions, datasetTrajectories, evaluate, loadDataset, train } from "../mod.ts";
import { stitch, stitchingDefaults } from "../algorithms/stitching/mod.ts";

const [dataset = "hopper-medium-replay-local", updates = "3000"] = Deno.args;
const { data, terminal } = datasetTrajectories(await loadDataset(dataset));
const regression = { updates: Number(updates), batchSize: 256, hidden: 128, learningRate: 1e-3 };
const settings = {
  ...stitchingDefaults,
  ...{ radius: 0.1, passes: 3, value: regression, inverse: regression, reward: regression },
  dynamics: { ...stitchingDefaults.dynamics, members: 3, kept: 2, hidden: 128, epochs: 3, learningRate: 1e-3 },
};
const stitched = await stitch(data, terminal, settings, createRng(0));
for (const [k, { stitches, accepted, meanReturn }] of stitched.passes.entries()) {
  console.log(
    `pass ${k + 1}: ${stitches} stitches, ${accepted} trajectories better, mean return ${meanReturn.toFixed(0)}`,
  );
}
const better = createTransitions({ ...stitched.data, terminal: stitched.data.done }, { ...data, task: "hopper" });
const policy = await train(bc, better, { updates: Number(updates), overrides: { hidden: 128, learningRate: 1e-3 } });
console.log(`score of a policy cloned from them: ${(await evaluate(policy)).normalized.toFixed(1)}`);
