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
  tiny,
  tuningSeed,
} from "./budgets.ts";
import { type Experiment, type Plan, run } from "./experiment.ts";
import { offlineStudy } from "./offline_study.ts";
import { scoredSection } from "./scored_section.ts";

/** What the authors' code draws an action from. */
const published = { candidates: 50 };
const short = { ...equal, updates: 6000, learningRate: 1e-3 };
/** Of the critic too. */
const shorter = { ...short, criticLearningRate: 1e-3 };

/** FQL's authors have no setting for locomotion: normalized values as they advise for new tasks, and a weight of ours. */
const fqlWeights = [0.3, 1, 3];
const ownFql = { normalizeValue: true, distillationWeight: 1 };
const fqlSource =
  "FQL, which has no official locomotion setting, with normalized values and weight 1, of which `fql_weights` " +
  "tries 0.3, 1 and 3 on seed 100; BFQ, whose settings per task are not published, with valueWeight 0.1";

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
      runs: [
        run(fql, { ...short, ...ownFql }),
        run(sscp, short),
        run(consistencyAc, { ...shorter, callUpdates: short.updates }, published),
        run(cpql, shorter, published),
        run(bfq, short, published),
      ],
      source:
        "scaled down on equal terms: normalized observations, width 128 and batches of 256 for every method, learning rate 0.001; 6000 updates " +
        `for millions (BC is among SRPO's baselines); Consistency-AC's levels grow once over all of them; main settings as published, none chosen here; ${fqlSource}`,
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
      source: `scaled down: 100,000 updates; networks and rates as published; ${fqlSource}`,
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

/** The scores of FQL's weights. */
function weightsTable(runs: readonly Evaluation[], notes: string[]): Table {
  const scored = runs.map(({ cell, environment }) => {
    const own = environment!.rules.find(({ rule }) => rule.id === "own")!;
    return {
      task: cell.task,
      weight: (cell.config as typeof fql.defaults).distillationWeight,
      score: mean(own.scores),
    };
  });
  const best = (of: string) => Math.max(...scored.filter(({ task }) => task === of).map(({ score }) => score));
  return {
    title: "FQL's weight",
    columns: ["dataset", "weight", "score", "best"],
    numbers: ["weight", "score"],
    rows: scored.map(({ task, weight, score }) => [
      task,
      `${weight}`,
      score.toFixed(1),
      score === best(task) ? "yes" : "",
    ]),
    notes: ["D4RL normalized score, all else as in `family`; one seed, of which no other result is made.", ...notes],
  };
}

const trial = (plan: Omit<Plan, "runs">) => ({
  ...plan,
  runs: fqlWeights.map((distillationWeight) => run(fql, { ...short, ...ownFql, distillationWeight })),
});

const trials: Experiment<null> = {
  name: "fql_weights",
  title: "FQL's weight on locomotion",
  study: offlineStudy,
  estimate: estimateOffline,
  onRequest: ["smoke", "quick", "standard", "full", "paper"],
  plans: {
    smoke: [],
    quick: [],
    standard: [trial({
      tasks: [hopperReplay, cheetahReplay],
      seeds: [tuningSeed],
      episodes: standardFrame.episodes,
      source: "as `family`, FQL's weight at 0.3, 1 and 3",
    })],
    full: [],
    paper: [],
  },
  section: (runs, notes) => ({ tables: { fql_weights: weightsTable(runs, notes) }, figures: {} }),
  claims: [],
};

export default [experiment, trials];
