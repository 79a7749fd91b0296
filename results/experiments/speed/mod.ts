/**
 * Time per action at published sizes.
 *
 * @module
 */

import { noPreset } from "../../../algorithms/core/config.ts";
import { bfq } from "../../../algorithms/bfq.ts";
import { consistencyAc, cpql } from "../../../algorithms/consistency_ac.ts";
import { diffusionQl } from "../../../algorithms/diffusion_ql.ts";
import { dtql } from "../../../algorithms/dtql/mod.ts";
import { fql } from "../../../algorithms/fql.ts";
import { behaviourSampling, srpo } from "../../../algorithms/srpo/mod.ts";
import { sscp } from "../../../algorithms/sscp.ts";
import type { SamplingRule } from "../../cells/cell.ts";
import { iterativeBaselines, sampling, standardTasks } from "../budgets.ts";
import dtqlScores from "../dtql.ts";
import { type Experiment, type Plan, run } from "../experiment.ts";
import familyScores from "../family.ts";
import srpoScores from "../srpo.ts";
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
const bestOf50 = { candidates: 50 };
/** The rest of the one-step family, in the same sitting, so that all times compare. */
const familyOf = (seeds: readonly number[]): Plan => ({
  ...planOf([], seeds),
  runs: [
    run(fql, {}, { preset: noPreset }),
    run(sscp, {}),
    run(consistencyAc, {}, bestOf50),
    run(cpql, {}, bestOf50),
    run(bfq, {}, { ...bestOf50, preset: noPreset }),
  ],
  source: "networks as published, FQL's and BFQ's by their defaults, not trained",
});
const threeSeeds = [0, 1, 2];
const papersOwn = planOf(iterativeBaselines, threeSeeds);
const all = [papersOwn, familyOf(threeSeeds)];

/** Nothing was trained: they are not of a last checkpoint. */
const ownNotes = (notes: readonly string[]) => notes.filter((note) => !note.startsWith("Last checkpoint"));

const experiment: Experiment<Latency[]> = {
  name: "speed",
  title: "Time per action at published sizes",
  study: speedStudy,
  estimate: () => ({ seconds: 10, memoryMiB: 400 }),
  plans: {
    smoke: [planOf([sampling(15)], [0]), familyOf([0])],
    quick: [papersOwn],
    standard: all,
    full: all,
    paper: all,
  },
  section: (runs, notes) => ({ tables: { speed: latencyTable(experiment.title, runs, ownNotes(notes)) }, figures: {} }),
  claims: speedClaims,
};

const scored = [dtqlScores, srpoScores, ...familyScores].filter(({ name }) => scoredExperiments.includes(name));
const together: Plan = {
  tasks: standardTasks,
  runs: scored.flatMap(({ plans }) => plans.standard.flatMap(({ runs }) => runs)),
  source: "networks and ways to act as in `standard`, not trained",
  seeds: threeSeeds,
  episodes: 1,
};

/** The same of what `standard` scores: its runs are of many machines and moments, and their own times compare badly. */
const times: Experiment<Latency[]> = {
  name: timesTogether,
  title: "Time per action of what is scored, in one sitting",
  study: speedStudy,
  estimate: experiment.estimate,
  plans: { smoke: [], quick: [], standard: [together], full: [], paper: [] },
  section: (runs, notes) => ({ tables: { times: latencyTable(times.title, runs, ownNotes(notes)) }, figures: {} }),
  claims: [],
};

export default [experiment, times];
