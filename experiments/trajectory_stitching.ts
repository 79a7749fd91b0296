/**
 * Trajectory stitching of a dataset in one file: what it does to the returns. `deno run -A experiments/trajectory_stitching.ts a.hdf5`
 *
 * @module
 */

import { createRng, datasetTrajectories, loadDataset, stitch, stitchingDefaults } from "../mod.ts";

const [path = "results/datasets/hopper-medium-replay-local.hdf5", updates = "3000"] = Deno.args;
const { data, terminal } = datasetTrajectories(await loadDataset(path));
const short = <Settings extends { updates: number }>(settings: Settings): Settings => ({
  ...settings,
  ...{ updates: Number(updates), hidden: 128, learningRate: 1e-3 },
});
const { dynamics, value, inverse, reward } = stitchingDefaults;
const stitched = await stitch(
  data,
  terminal,
  {
    ...stitchingDefaults,
    ...{ radius: 0.1, passes: 3, value: short(value), inverse: short(inverse), reward: short(reward) },
    dynamics: { ...dynamics, members: 3, kept: 2, hidden: 128, epochs: 3, learningRate: 1e-3 },
  },
  createRng(0),
);
for (const [k, { stitches, accepted, meanReturn }] of stitched.passes.entries()) {
  console.log(
    `pass ${k + 1}: ${stitches} stitches, ${accepted} trajectories better, mean return ${meanReturn.toFixed(0)}`,
  );
}
