/**
 * Data that run well: what imitation keeps of them, and policies to look at.
 *
 * @module
 */

import { bc } from "../../algorithms/bc.ts";
import { dtql } from "../../algorithms/dtql/mod.ts";
import { equal, estimateOffline, standardDtql, standardFrame, standardSource } from "./budgets.ts";
import { type Experiment, run } from "./experiment.ts";
import { offlineStudy } from "./offline_study.ts";
import { scoredSection } from "./scored_section.ts";

const experiment: Experiment<null> = {
  name: "experts",
  title: "Experts' data",
  study: offlineStudy,
  estimate: estimateOffline,
  onRequest: ["smoke", "quick", "full", "paper"],
  plans: {
    smoke: [],
    quick: [],
    standard: [{
      ...standardFrame,
      tasks: ["hopper-expert-local", "halfcheetah-expert-local"],
      runs: [run(dtql, standardDtql), run(bc, { ...equal, updates: 16_000, learningRate: 3e-4 })],
      source: standardSource("DTQL with 6000 updates, BC with 16,000, all as on the other data"),
    }],
    full: [],
    paper: [],
  },
  section: (runs, notes) => scoredSection("experts", runs, notes, { algorithm: "dtql", rule: "own" }),
  claims: [],
};
export default experiment;
