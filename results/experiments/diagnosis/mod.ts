/**
 * State quality against state diversity.
 *
 * @module
 */

import { bc } from "../../../algorithms/bc.ts";
import { cheetahReplay, fiveSeeds, hopperReplay, small } from "../budgets.ts";
import { type Experiment, run } from "../experiment.ts";
import { scoredSection } from "../scored_section.ts";
import { diagnosisClaims } from "./claims.ts";
import { diagnosisFigure, diagnosisTable } from "./section.ts";
import { type DiagnosisPoint, diagnosisStudy } from "./study.ts";

const longer = [run(bc, { updates: 100_000 })];

const experiment: Experiment<DiagnosisPoint[]> = {
  name: "diagnosis",
  title: "State quality and state diversity",
  study: diagnosisStudy,
  estimate: ({ config, evaluation }) => ({
    seconds: 20 + config.updates / 250 + 6 * evaluation.episodes,
    memoryMiB: 600,
  }),
  onRequest: ["quick"],
  plans: {
    smoke: [{
      tasks: [hopperReplay],
      runs: [run(bc, { updates: 100, batchSize: 64, hidden: 32 })],
      source: "smoke test: at most 100 updates, width 32",
      seeds: [0],
      episodes: 2,
    }],
    quick: [{
      tasks: [hopperReplay, cheetahReplay],
      runs: [run(bc, { updates: 10_000, ...small })],
      source: "ours: BC of width 128 with learning rate 0.001 and at most 10,000 updates",
      seeds: [0, 1, 2],
      episodes: 10,
    }],
    standard: [],
    full: [{
      tasks: [hopperReplay, cheetahReplay],
      runs: longer,
      source: "ours: BC as in TD3+BC with at most 100,000 updates",
      seeds: [0, 1, 2],
      episodes: 10,
    }],
    paper: [{
      tasks: [hopperReplay, cheetahReplay],
      runs: longer,
      source: "ours: BC's defaults with at most 100,000 updates; on local data, which alone have an expert",
      seeds: fiveSeeds,
      episodes: 10,
    }],
  },
  section(runs, notes) {
    const { tables, figures } = scoredSection("diagnosis", runs, notes);
    return {
      tables: { ...tables, diagnosis: diagnosisTable(runs, notes) },
      figures: { ...figures, diagnosis: diagnosisFigure(runs) },
    };
  },
  claims: diagnosisClaims,
};
export default experiment;
