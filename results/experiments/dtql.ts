/**
 * One-step DTQL against iterative Diffusion-QL, on datasets.
 *
 * @module
 */

import { diffusionQl } from "../../algorithms/diffusion_ql.ts";
import { dtql } from "../../algorithms/dtql/mod.ts";
import { gainOverData, scoreDifference } from "../scores/measures.ts";
import {
  antMazes,
  equal,
  estimateOffline,
  fiveSeeds,
  fullDtql,
  gym,
  hopperReplay,
  standardDtql,
  standardFrame,
  standardSource,
  tiny,
  tinyDtql,
} from "./budgets.ts";
import { type Experiment, run } from "./experiment.ts";
import { offlineStudy } from "./offline_study.ts";
import { scoredSection } from "./scored_section.ts";

/** Their scores need D4RL's model files (`D4RL_MODELS_DIR`). */
const manipulation = [
  ...["complete", "partial", "mixed"].map((kind) => `kitchen-${kind}-v0`),
  ...["human", "cloned"].map((kind) => `pen-${kind}-v1`),
];
const published = [run(dtql, {}, { candidates: 1024 }), run(diffusionQl, {}, { candidates: 50 })];

const oneStep = { algorithm: "dtql", rule: "own" };
const iterative = { algorithm: "diffusion_ql", rule: "softmax" };

/** DTQL in `standard`; one run of it is trained in `quick`. */
const ourDtql = run(dtql, standardDtql, { candidates: 64 });
const standard = {
  ...standardFrame,
  source: standardSource(
    "DTQL 6000, Diffusion-QL 16,000 updates for a million or two; DTQL with trust-region weight 50 and cosine decay",
  ),
};

const experiment: Experiment<null> = {
  name: "dtql",
  title: "DTQL and Diffusion-QL",
  study: offlineStudy,
  estimate: estimateOffline,
  plans: {
    smoke: [{
      tasks: [hopperReplay],
      runs: [run(dtql, tinyDtql, { candidates: 8 }), run(diffusionQl, tiny, { candidates: 8 })],
      source: "smoke test: 40 updates, batch 64, width 32",
      seeds: [0],
      episodes: 2,
    }],
    quick: [{ ...standard, tasks: [hopperReplay], runs: [ourDtql], seeds: [0] }],
    standard: [{
      ...standard,
      runs: [
        ourDtql,
        run(diffusionQl, {
          ...equal,
          updates: 16_000,
          learningRate: 1e-3,
          criticLearningRate: 1e-3,
          valueWeight: 1,
        }, { candidates: 50 }),
      ],
    }],
    full: [{
      tasks: [hopperReplay],
      runs: [run(dtql, fullDtql, { candidates: 1024 }), run(diffusionQl, { updates: 100_000 }, { candidates: 50 })],
      source: "scaled down: 100,000 updates for the papers' million or two; networks and rates as published",
      seeds: [0, 1, 2],
      episodes: 10,
    }],
    paper: [
      { tasks: gym, runs: published, source: "as published", seeds: fiveSeeds, episodes: 10 },
      {
        tasks: antMazes,
        runs: published,
        source: "as published, Diffusion-QL's of v0",
        seeds: fiveSeeds,
        episodes: 100,
      },
      { tasks: manipulation, runs: published, source: "as published", seeds: fiveSeeds, episodes: 100 },
    ],
  },
  section: (runs, notes) => scoredSection("dtql", runs, notes, oneStep),
  claims: [
    {
      id: "dtql-over-diffusion-ql",
      paper: "dtql",
      claim: "One-step DTQL scores at least as well as iterative Diffusion-QL: score difference",
      source: "Table 1",
      mark: "reprint",
      quoted: "88.7 and 88.0 on average over nine Gym tasks",
      protocol: "Diffusion-QL is not tuned for a short budget",
      atLeast: 0,
      measure: (runs) => scoreDifference(runs, oneStep, iterative),
      floor: { ...iterative, above: "data and BC" },
    },
    {
      id: "dtql-above-data",
      paper: "dtql",
      claim: "Offline reinforcement learning, not imitation: score above the data's own mean",
      source: "Table 1",
      mark: "reprint",
      quoted: "99.6 on hopper-medium, for one",
      protocol: "",
      atLeast: 0,
      measure: (runs) => gainOverData(runs, oneStep),
    },
  ],
};
export default experiment;
