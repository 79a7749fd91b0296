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
import { baseMiB, cheetahReplay, fiveSeeds, gym, hopperReplay, standardFrame, updateSeconds } from "../budgets.ts";
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
  plans: {
    smoke: [{
      tasks: [hopperReplay],
      runs: [run(stitchingStudy, tiny)],
      source:
        "smoke test: 4000 rows, planner of width 8 with 30 updates, 2 generated trajectories, 2 passes, 40 updates of the rest",
      seeds: [0],
      episodes: 2,
    }],
    quick: [],
    standard: [{
      ...standardFrame,
      curve: undefined,
      tasks: [hopperReplay, cheetahReplay],
      runs: [run(stitchingStudy, {
        updates: 4000,
        batchSize: 256,
        generated: 20,
        publishedSize: "timed",
        normalizeObservations: true,
        changes: {},
        stitcher: stitcherOf(4),
        cloning: { policies: 3, updates: 10_000, hidden: 128 },
      }, { perTask: { [hopperReplay]: { updates: 2500 } } })],
      source:
        "scaled down: the planner of changes with perceptrons of width 512 for Decision Diffuser's U-Net, 4000 updates of 256 (2500 on Hopper) for " +
        "a million of 64, 10 denoising steps for 200; 20 generated trajectories; stitcher of width 128, 3 of 4 dynamics networks for 5 of 7 " +
        "with 4 passes over the data at most, 10,000 updates for up to a million; three policies for one, on normalized observations, width 128 " +
        "for 256 and 10,000 updates for 101,000",
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
