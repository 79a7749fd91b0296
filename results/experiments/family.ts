/**
 * The one-step family beside behaviour cloning, on equal terms, on datasets.
 *
 * @module
 */

import { bc } from "../../algorithms/bc.ts";
import { bfq } from "../../algorithms/bfq.ts";
import { consistencyAc, cpql } from "../../algorithms/consistency_ac.ts";
import { fql } from "../../algorithms/fql.ts";
import { sscp } from "../../algorithms/sscp.ts";
import type { Table } from "../../data/show/table.ts";
import type { Evaluation } from "../cells/record.ts";
import { mean } from "../scores/mean.ts";
import { speedFigure } from "../scores/tables.ts";
import {
  antMazes,
  cheetahReplay,
  equal,
  estimateOffline,
  fiveSeeds,
  gym,
  hopperReplay,
  standardFrame,
  standardSource,
  tiny,
  tuningSeed,
} from "./budgets.ts";
import { type Experiment, type Run, run } from "./experiment.ts";
import { offlineStudy } from "./offline_study.ts";
import { scoredSection } from "./scored_section.ts";

/** What the authors' code draws an action from. */
const published = { candidates: 50 };
const short = { ...equal, updates: 8000, learningRate: 3e-4 };
const long = { ...equal, updates: 16_000, learningRate: 1e-3 };
const criticRate = { criticLearningRate: long.learningRate };
/** Updates of FQL, and of CPQL and Consistency-AC: more than they were tried with, for their curves still rose. */
const longer = { fql: 16_000, consistency: 24_000 };
const whenTried = { fql: short.updates, consistency: long.updates };

/** FQL's authors have no setting for locomotion; for new tasks they advise normalized values. */
const ownFql = { normalizeValue: true, distillationWeight: 1 };
const ownSource =
  "FQL, which has no official locomotion setting, with normalized values and weight 1; BFQ, whose settings per task are " +
  "not published, with valueWeight 0.1";

/** One setting of each method; of two values the first was taken. */
const tried = {
  fql: { name: "distillationWeight", values: [1, 3] },
  sscp: { name: "completionWeight", values: [1, 0.1] },
  consistency_ac: { name: "weighting", values: ["none", "step"] }, // The authors' settings have none here, their code always has one.
  cpql: { name: "valueWeight", values: [2, 0.5] },
  bfq: { name: "valueWeight", values: [0.1, 0.01] },
} as const;

/** All methods in `standard`, with the first or the second values of {@linkcode tried}. */
const scaled = (which: 0 | 1, { fql: fqlUpdates, consistency: updates }: typeof longer): Run[] => [
  run(fql, { ...short, ...ownFql, updates: fqlUpdates, distillationWeight: tried.fql.values[which] }),
  run(sscp, { ...short, actorPolyakRate: 0.005, completionWeight: tried.sscp.values[which] }),
  run(bfq, { ...long, valueWeight: tried.bfq.values[which] }, published),
  run(cpql, { ...long, ...criticRate, updates, valueWeight: tried.cpql.values[which] }, published),
  run(
    consistencyAc,
    { ...long, ...criticRate, updates, callUpdates: updates, weighting: tried.consistency_ac.values[which] },
    published,
  ),
];

const experiment: Experiment<null> = {
  name: "family",
  title: "The one-step family",
  study: offlineStudy,
  estimate: estimateOffline,
  plans: {
    smoke: [{
      tasks: [hopperReplay],
      runs: [
        run(bc, tiny),
        run(fql, { ...tiny, ...ownFql }),
        run(sscp, tiny),
        run(consistencyAc, tiny),
        run(cpql, tiny),
        run(bfq, tiny),
      ],
      source: "smoke test: 40 updates, batch 64, width 32",
      seeds: [0],
      episodes: 2,
    }],
    quick: [],
    standard: [{
      ...standardFrame,
      runs: scaled(0, longer),
      source: standardSource(
        "FQL and SSCP at 0.0003 with 16,000 and 8000 updates, BFQ with 16,000, CPQL and Consistency-AC with 24,000 (BC is among " +
          "SRPO's baselines); SSCP's acting average follows ten times as fast as published, for runs that much shorter; " +
          "Consistency-AC's levels grow once over all updates and its steps weigh alike, as its authors' settings say, not by their width, as their code has it; " +
          `\`family_settings\` has the trials; ${ownSource}`,
      ),
    }],
    full: [{
      tasks: [hopperReplay, cheetahReplay],
      runs: [
        run(bc, { updates: 100_000 }),
        run(fql, { updates: 100_000, ...ownFql }),
        run(sscp, { updates: 100_000 }),
        run(consistencyAc, { updates: 100_000 }, published),
        run(cpql, { updates: 100_000 }, published),
        run(bfq, { updates: 100_000 }, published),
      ],
      source: `scaled down: 100,000 updates; networks and rates as published; ${ownSource}`,
      seeds: [0, 1, 2],
      episodes: 10,
    }],
    paper: [
      {
        tasks: gym,
        runs: [
          run(bc, {}),
          run(sscp, {}),
          run(consistencyAc, {}, published),
          run(cpql, {}, published),
        ],
        source: "as published, BC with its defaults; for these tasks FQL and BFQ have no published settings",
        seeds: fiveSeeds,
        episodes: 10,
      },
      { tasks: antMazes, runs: [run(fql, {})], source: "as published", seeds: fiveSeeds, episodes: 50 },
    ],
  },
  section(runs, notes) {
    const { tables, figures } = scoredSection("family", runs, notes);
    return { tables, figures: { ...figures, family_speed: speedFigure(runs) } };
  },
  claims: [],
};

const trials: Experiment<null> = {
  name: "family_settings",
  title: "Main settings of the one-step family",
  study: offlineStudy,
  estimate: estimateOffline,
  onRequest: ["smoke", "quick", "standard", "full", "paper"],
  plans: {
    smoke: [],
    quick: [],
    standard: [{
      ...standardFrame,
      tasks: [hopperReplay, cheetahReplay],
      runs: ([0, 1] as const).flatMap((which) => scaled(which, whenTried)),
      source: "as `family`, a setting of each method at two values",
      seeds: [tuningSeed],
    }],
    full: [],
    paper: [],
  },
  section: (runs, notes) => ({ tables: { family_settings: settingsTable(runs, notes) }, figures: {} }),
  claims: [],
};

/** A row per method and value: the score on each dataset. */
function settingsTable(runs: readonly Evaluation[], notes: string[]): Table {
  const tasks = [...new Set(runs.map(({ cell }) => cell.task))];
  const settingOf = ({ cell: { algorithm, config } }: Evaluation): [name: string, value: string] => {
    const { name } = tried[algorithm as keyof typeof tried];
    return [name, `${config[name as keyof typeof config]}`];
  };
  const rows = Map.groupBy(runs, (run) => [run.cell.title, ...settingOf(run)].join());
  return {
    title: trials.title,
    columns: ["method", "setting", "value", ...tasks],
    numbers: tasks,
    rows: [...rows.values()].map((own) => [
      own[0].cell.title,
      ...settingOf(own[0]),
      ...tasks.map((task) => {
        const run = own.find(({ cell }) => cell.task === task);
        return run ? mean(run.environment!.rules.find(({ rule }) => rule.id === "own")!.scores).toFixed(1) : "";
      }),
    ]),
    notes: ["D4RL normalized score, all else as in `family`; one seed, of which no other result is made.", ...notes],
  };
}

export default [experiment, trials];
