/**
 * Time per action at published sizes.
 *
 * @module
 */

import { diffusionQl } from "../../../algorithms/diffusion_ql.ts";
import { dtql } from "../../../algorithms/dtql/mod.ts";
import { behaviourSampling, srpo } from "../../../algorithms/srpo/mod.ts";
import type { SamplingRule } from "../../cells/cell.ts";
import { iterativeBaselines, sampling } from "../budgets.ts";
import { type Experiment, type Plan, run } from "../experiment.ts";
import { speedClaims } from "./claims.ts";
import { latencyTable } from "./section.ts";
import { type Latency, speedStudy } from "./study.ts";

const planOf = (rules: readonly SamplingRule[], seeds: readonly number[]): Plan => ({
  tasks: ["halfcheetah-medium-v2"],
  runs: [
    run(srpo, {}, { sampled: behaviourSampling, sampling: rules }),
    run(dtql, {}, { candidates: 1024 }),
    run(diffusionQl, {}, { candidates: 50 }),
  ],
  source: "networks as published, not trained",
  seeds,
  episodes: 1,
});
const threeTimes = [planOf(iterativeBaselines, [0, 1, 2])];

const experiment: Experiment<Latency[]> = {
  name: "speed",
  title: "Time per action",
  study: speedStudy,
  estimate: () => ({ seconds: 10, memoryMiB: 400 }),
  plans: {
    smoke: [planOf([sampling(15)], [0])],
    quick: threeTimes,
    standard: threeTimes,
    full: threeTimes,
    paper: threeTimes,
  },
  section: (runs, notes) => ({ tables: { speed: latencyTable(runs, notes.slice(0, 1)) }, figures: {} }),
  claims: speedClaims,
};
export default experiment;
