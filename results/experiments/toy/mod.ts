/**
 * SRPO's toy study.
 *
 * @module
 */

import { baseMiB, updateSeconds } from "../budgets.ts";
import { type Experiment, run } from "../experiment.ts";
import { toyClaims } from "./claims.ts";
import { srpoToy } from "./model.ts";
import { toyFigure, toyTable } from "./section.ts";
import { type ToyResult, toySets, toyStudy } from "./study.ts";

const common = { tasks: toySets, seeds: [0], episodes: 1 };

const small = {
  ...common,
  runs: [run(srpoToy, { updates: 1000, batchSize: 512, hidden: 128, learningRate: 1e-3 })],
  source:
    "scaled down: learned score of width 128 for 512, 1000 updates of 512 for 366,000 of 2048, learning rate 0.001 for 0.0001",
};

const experiment: Experiment<ToyResult> = {
  name: "toy",
  title: "SRPO's toy study",
  study: toyStudy,
  estimate: (cell) => ({ seconds: updateSeconds(cell, 3) + 4 * cell.evaluation.episodes, memoryMiB: baseMiB }),
  plans: {
    smoke: [{
      ...common,
      runs: [run(srpoToy, { updates: 40, batchSize: 64, hidden: 128 })],
      source: "smoke test: 40 updates, batch 64, width 128",
    }],
    quick: [small],
    standard: [{ ...small, seeds: [0, 1, 2] }],
    full: [{
      ...common,
      runs: [run(srpoToy, {})],
      source: "the authors' network and rate; 20,000 updates for 366,000",
    }],
    paper: [{
      ...common,
      runs: [run(srpoToy, { updates: 366_000 })],
      source: "the defaults, as published, with the published 366,000 updates",
    }],
  },
  section: (runs, notes) => ({ tables: { toy: toyTable(runs, notes) }, figures: { toy: toyFigure(runs) } }),
  claims: toyClaims,
};
export default experiment;
