/**
 * DTQL's bandits: trust region against score distillation.
 *
 * @module
 */

import { dqlKl, dtql } from "../../../algorithms/dtql/mod.ts";
import { baseMiB, fiveSeeds, updateSeconds } from "../budgets.ts";
import { type Experiment, type Plan, run } from "../experiment.ts";
import { banditClaims } from "./claims.ts";
import { banditFigure, banditTable, banditTasks } from "./section.ts";
import { type BanditResult, banditStudy } from "./study.ts";

/**
 * What DQL-KL needs with minibatches: the pretraining that the authors' script has behind a flag, and a third of their learning
 * rate for actor and diffusion networks. At their settings its actions left for infinity in every run.
 */
const klSettings = { start: "copies" as const, pretrainUpdates: 500, learningRate: 1e-3 };

const tiny = { updates: 40, batchSize: 64, hidden: 32, diffusionHidden: 32 };
const small = {
  updates: 3300,
  batchSize: 256,
  actorRows: 512,
  valueRows: 256,
  actorNoise: "quasirandom" as const,
  hidden: 64,
};
const full = { batchSize: 512, actorRows: 2048, valueRows: 512, actorNoise: "quasirandom" as const }; // Updates as published.

const scaledDown: Plan = {
  tasks: banditTasks,
  runs: [run(dtql, small), run(dqlKl, { ...small, ...klSettings, updates: 1200 })],
  source:
    "scaled down: critic and policy of width 64 for 256, minibatches of 256 and 512 quasi-random policy draws for the full batch of " +
    "10,000; DTQL 3300 updates; DQL-KL 1200, 500 of them pretraining, with a learning rate of 0.001 for 0.003",
  seeds: [1],
  episodes: 1000,
};

const experiment: Experiment<BanditResult> = {
  name: "bandits",
  title: "Two-dimensional bandits",
  study: banditStudy,
  estimate: (cell) => ({
    seconds: updateSeconds(cell, 9) + (cell.algorithm === "dtql" ? 12 : 2) * cell.evaluation.episodes / 1000,
    memoryMiB: baseMiB,
  }),
  plans: {
    smoke: [{
      tasks: ["25gaussians-far"],
      runs: [run(dtql, tiny), run(dqlKl, { ...tiny, ...klSettings, pretrainUpdates: 10 })],
      source: "smoke test: 40 updates, batch 64, width 32",
      seeds: [0],
      episodes: 200,
    }],
    quick: [scaledDown],
    standard: [{ ...scaledDown, seeds: [1, 2, 3] }],
    full: [{
      tasks: banditTasks,
      runs: [run(dtql, full), run(dqlKl, { ...full, ...klSettings })],
      source:
        "networks, rates and updates as published (DQL-KL's per task, 1500 to 3500); for the full batch of 10,000, minibatches of 512 " +
        "(diffusion, critic) and 2048 quasi-random policy draws, 512 of them for the value term; DQL-KL with a learning rate of 0.001 " +
        "for 0.003 and 500 of its updates as pretraining",
      seeds: [1, 2, 3],
      episodes: 1000,
    }],
    paper: [{
      tasks: banditTasks,
      runs: [run(dtql, {}), run(dqlKl, {})],
      source: "as published: the full batch of 10,000",
      seeds: fiveSeeds,
      episodes: 1000,
    }],
  },
  section: (runs, notes) => ({
    tables: { bandits: banditTable(runs, notes) },
    figures: { bandits: banditFigure(runs) },
  }),
  claims: banditClaims,
};
export default experiment;
