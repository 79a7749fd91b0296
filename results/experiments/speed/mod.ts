/**
 * Time per action at published sizes.
 *
 * @module
 */

import { noPreset } from "../../../algorithms/core/config.ts";
import { diffusionQl } from "../../../algorithms/diffusion_ql.ts";
import { dtql } from "../../../algorithms/dtql/mod.ts";
import { bfq, consistency_ac as consistencyAc, cpql, fql, sscp } from "../../../algorithms/registry.ts";
import { behaviourSampling, srpo } from "../../../algorithms/srpo/mod.ts";
import type { SamplingRule } from "../../cells/cell.ts";
import { iterativeBaselines, sampling, standardTasks } from "../budgets.ts";
import { type AnyExperiment, type Experiment, type Plan, run } from "../experiment.ts";
import { speedClaims } from "./claims.ts";
import { latencyTable } from "./section.ts";
import { type Latency, speedStudy } from "./study.ts";
import { scoredExperiments, timesTogether } from "./together.ts";

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
const softmaxOf50 = { candidates: 50 };
/** The rest of the one-step family, in the same sitting, so that all times compare. */
const familyOf = (seeds: readonly number[]): Plan => ({
  ...planOf([], seeds),
  runs: [
    run(fql, {}, { preset: noPreset }),
    run(sscp, {}),
    run(consistencyAc, {}, softmaxOf50),
    run(cpql, {}, softmaxOf50),
    run(bfq, {}, { ...softmaxOf50, preset: noPreset }),
  ],
  source: "networks as published, FQL's and BFQ's by their defaults, not trained",
});
const threeSeeds = [0, 1, 2];
const all = [planOf(iterativeBaselines, threeSeeds), familyOf(threeSeeds)];

/** The same of what `standard` scores: its runs are of many machines and moments, and their own times compare badly. */
function timesOf(experiments: readonly AnyExperiment[]): Experiment<Latency[]> {
  const scored = experiments.filter(({ name }) => scoredExperiments.includes(name));
  const plan: Plan = {
    tasks: standardTasks,
    runs: scored.flatMap(({ plans }) => plans.standard.flatMap(({ runs }) => runs)),
    source: "networks and ways to act as in `standard`, not trained",
    seeds: threeSeeds,
    episodes: 1,
  };
  const title = "Time per action of what is scored, in one sitting";
  return {
    name: timesTogether,
    title,
    study: speedStudy,
    estimate: experiment.estimate,
    plans: { smoke: [], quick: [], standard: [plan], full: [], paper: [] },
    section: (runs, notes) => ({ tables: { times: latencyTable(title, runs, notes) }, figures: {} }),
    claims: [],
  };
}

const experiment: Experiment<Latency[]> = {
  name: "speed",
  title: "Time per action at published sizes",
  study: speedStudy,
  estimate: () => ({ seconds: 10, memoryMiB: 400 }),
  plans: {
    smoke: [planOf([sampling(15)], [0]), familyOf([0])],
    quick: all,
    standard: all,
    full: all,
    paper: all,
  },
  section: (runs, notes) => ({ tables: { speed: latencyTable(experiment.title, runs, notes) }, figures: {} }),
  claims: speedClaims,
  derived: (experiments) => [timesOf(experiments)],
};
export default experiment;
