/**
 * Trajectory stitching: a shallow policy from a planner's trajectories and stitched data.
 *
 * @module
 */

import {
  dynamicsDefaults,
  inverseDefaults,
  type PlannerConfig,
  rewardDefaults,
  valueDefaults,
} from "../../../algorithms/stitching/mod.ts";
import type { Cell } from "../../cells/cell.ts";
import { baseMiB, cheetahReplay, fiveSeeds, gym, hopperReplay, updateSeconds } from "../budgets.ts";
import { type Estimate, type Experiment, run } from "../experiment.ts";
import { scoredSection } from "../scored_section.ts";
import { stitchingStudy, type StitchingStudyConfig } from "./algorithm.ts";
import { bestPolicy, stitchingClaims } from "./claims.ts";
import { exampleFigure, passesTable, returnsFigure, stitchingTable } from "./section.ts";
import { stitching, type StitchingResult } from "./study.ts";

/** Memory of a cell that builds a planner of the published size. */
const publishedSizeMiB = 4500;

function estimate(cell: Cell): Estimate {
  const timed = (cell.config as StitchingStudyConfig).publishedSize === "timed" && cell.seed === 0;
  return {
    seconds: updateSeconds(cell, 60, 128) + 500 * cell.evaluation.episodes / 10, // Measured of a whole update.
    memoryMiB: timed ? publishedSizeMiB : baseMiB + 650,
  };
}

/** A planner that a laptop can train. */
const smallPlanner: Partial<PlannerConfig> = {
  width: 32,
  multipliers: [1, 2, 4],
  horizon: 32,
  context: 4,
  diffusionSteps: 10,
  learningRate: 1e-3,
};

const tinyRegression = { updates: 40, batchSize: 64, learningRate: 1e-3, hidden: 32 };
const tiny: Partial<StitchingStudyConfig> = {
  updates: 30,
  batchSize: 16,
  rows: 4000,
  generated: 2,
  planner: { ...smallPlanner, width: 8, multipliers: [1, 2], horizon: 8, context: 2, diffusionSteps: 3 },
  stitcher: {
    passes: 2,
    dynamics: { ...dynamicsDefaults, members: 2, kept: 1, hidden: 32, depth: 2, epochs: 2 },
    value: tinyRegression,
    inverse: tinyRegression,
    reward: tinyRegression,
  },
  cloning: { updates: 40, batchSize: 64, hidden: 32, policies: 2 },
};

const regression = { updates: 10_000, batchSize: 256, learningRate: 1e-3, hidden: 128 };
/** A small stitcher; two passes over a medium dataset's million transitions are as many updates as eight over a replay's. */
const stitcherOf = (epochs: number) => ({
  dynamics: {
    ...dynamicsDefaults,
    members: 4,
    kept: 3,
    hidden: 128,
    depth: 3,
    learningRate: 1e-3,
    epochs,
    patience: 2,
  },
  value: regression,
  inverse: regression,
  reward: regression,
});

/** Its states change much in a step, and a long window at this width predicts none of them well. */
const cheetahPlanner = (targetReturn: number) => ({
  updates: 5000,
  batchSize: 128,
  planner: {
    ...smallPlanner,
    width: 128,
    multipliers: [1],
    horizon: 4,
    context: 2,
    inverseHidden: 512,
    learningRate: 2e-3,
    targetReturn,
  },
});

const small: Partial<StitchingStudyConfig> = {
  updates: 12_000,
  batchSize: 32,
  generated: 20,
  publishedSize: "timed",
  planner: smallPlanner,
  stitcher: stitcherOf(8),
  cloning: { policies: 5, updates: 30_000 }, // By themselves, policies of the same data score 10 to 59 on Hopper.
};

const full: Partial<StitchingStudyConfig> = {
  updates: 50_000,
  batchSize: 32,
  generated: 50,
  publishedSize: "timed",
  planner: { ...smallPlanner, width: 64, multipliers: [1, 4, 8], context: 8 },
  stitcher: {
    dynamics: { ...dynamicsDefaults, epochs: 50, patience: 5 },
    value: { ...valueDefaults, updates: 50_000 },
    inverse: { ...inverseDefaults, updates: 50_000 },
    reward: { ...rewardDefaults, updates: 50_000 },
  },
};

const localData = [hopperReplay, cheetahReplay, "hopper-medium-local", "halfcheetah-medium-local"];

const experiment: Experiment<StitchingResult> = {
  name: "stitching",
  title: "Trajectory stitching",
  study: stitching,
  estimate,
  onRequest: ["quick"],
  plans: {
    smoke: [{
      tasks: [hopperReplay],
      runs: [run(stitchingStudy, tiny)],
      source:
        "smoke test: 4000 rows, planner of width 8 with 30 updates, 2 generated trajectories, 2 passes, 40 updates of the rest",
      seeds: [0],
      episodes: 2,
    }],
    quick: [{
      tasks: localData,
      runs: [run(stitchingStudy, small, {
        perTask: { // Targets: what the data reach from a start, discounted; more is beyond all windows, and plans then fail at once.
          [hopperReplay]: { planner: { ...smallPlanner, targetReturn: 0.4 } },
          [cheetahReplay]: cheetahPlanner(0.7),
          "hopper-medium-local": {
            planner: { ...smallPlanner, targetReturn: 0.5 },
            stitcher: stitcherOf(2),
          },
          "halfcheetah-medium-local": { ...cheetahPlanner(1), stitcher: stitcherOf(2) },
        },
      })],
      source:
        "scaled down: 10 denoising steps for 200, learning rate 0.001 for 0.0002; on Hopper a planner of width 32 in levels of 1, 2, 4 for " +
        "128 in 1, 4, 8, horizon 32 for 100, context 4 for 20, 12,000 updates of 32 for a million of 64, target " +
        "return 0.4 (chosen on seed 0) and 0.5 on the medium data for 0.9; on HalfCheetah width 128 in one level, horizon 4, context 2, inverse dynamics of width 512 for " +
        "256, 5000 updates of 128, learning rate 0.002, target 0.7 and 1 (chosen on its medium data); 20 generated trajectories; stitcher " +
        "of width 128, 3 of 4 dynamics networks for 5 of 7 with 8 passes over the data at most (2 over medium's), 10,000 updates for up to " +
        "a million; five policies for one, as published with 30,000 updates for 101,000",
      seeds: [0, 1, 2],
      episodes: 10,
    }],
    full: [{
      tasks: localData,
      runs: [run(stitchingStudy, full)],
      source:
        "scaled down: planner of width 64 for 128, horizon 32 for 100, context 8 for 20, 10 denoising steps for 200, 50,000 updates of 32 " +
        "for a million of 64; 50 generated trajectories; stitcher's networks as published with 50,000 updates for up to a million; policy " +
        "as published",
      seeds: [0, 1, 2],
      episodes: 10,
    }],
    paper: [{
      tasks: gym,
      runs: [run(stitchingStudy, {})],
      source: "the defaults: as published where the component papers say it; the whole is a reconstruction",
      seeds: fiveSeeds,
      episodes: 10,
    }],
  },
  section(runs, notes) {
    const { tables, figures } = scoredSection("stitching", runs, notes, bestPolicy);
    return {
      tables: { ...tables, stitching: stitchingTable(runs, notes), stitching_passes: passesTable(runs) },
      figures: { ...figures, stitching_returns: returnsFigure(runs), stitching_example: exampleFigure(runs) },
    };
  },
  claims: stitchingClaims,
};
export default experiment;
