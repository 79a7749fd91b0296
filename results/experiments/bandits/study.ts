/**
 * Training on a two-dimensional bandit, and samples of its policy.
 *
 * @module
 */

import { createRng } from "../../../algorithms/core/rng.ts";
import { agentTraining } from "../../../algorithms/core/train.ts";
import { ndarray } from "../../../algorithms/engine/array.ts";
import {
  banditMetrics,
  type BanditReward,
  type BanditSet,
  drawBanditBatch,
  makeBandit,
  shareNearModes,
} from "../../../data/bandits.ts";
import type { Study } from "../../cells/study.ts";

/** What a bandit's cell says. */
export interface BanditResult {
  /** `[x, y]` in a row. */
  samples: number[];
  /** Distance from a sample to the nearest action of the data: mean, largest, and that action's reward. */
  nearestMean: number;
  nearestMax: number;
  reward: number;
  /** Share of samples within 1.0 of a mode centre; 25 Gaussians only. */
  modes: number | null;
}

/** The study; tasks are `<set>-<reward>`. */
export const banditStudy: Study<BanditResult> = {
  module: import.meta.url,
  data: "none",
  result: {
    samples: ["number"],
    nearestMean: "number",
    nearestMax: "number",
    reward: "number",
    modes: ["or null", "number"],
  },
  prepare(cell, { algorithm, rng }) {
    const [set, rule] = cell.task.split("-") as [BanditSet, BanditReward];
    const bandit = makeBandit(set, rule, 10_000, createRng(`bandit/${cell.task}`));
    const spec = { observationDim: 1, actionDim: 2, maxAction: bandit.maxAction };
    const agent = algorithm.create(cell.config, spec);
    return Promise.resolve({
      ...agentTraining(agent, cell.config, (rows, rng) => drawBanditBatch(bandit, rows, rng)),
      spec,
      async evaluate(state) {
        const n = cell.evaluation.episodes;
        const { data } = await agent.act(state, ndarray(new Float32Array(n), [n, 1]), 1, rng.child("samples"));
        const modes = set === "25gaussians" ? shareNearModes(data, 1) : null;
        return {
          environment: null,
          result: { samples: Array.from(data, (x) => Number(x.toFixed(4))), ...banditMetrics(bandit, data), modes },
          policy: agent.exportPolicy(state),
        };
      },
    });
  },
};
