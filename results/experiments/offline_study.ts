/**
 * Training from minibatches of a dataset, and the scores of every way to act.
 *
 * @module
 */

import { ndarray } from "../../algorithms/engine/array.ts";
import { arraysRead } from "../scores/acting.ts";
import { agentTraining } from "../../algorithms/core/train.ts";
import { loadTransitions } from "../../data/d4rl.ts";
import { createPlayers } from "../../environments/play.ts";
import { findTask } from "../../environments/tasks.ts";
import { timeCalls } from "../../tools/timing.ts";
import type { RuleResult } from "../cells/record.ts";
import type { Study } from "../cells/study.ts";
import { physics, playCell } from "../scores/play.ts";
import { waysToAct } from "../scores/sampling.ts";

/** The study of algorithms that learn from transitions. */
export const offlineStudy: Study<null> = {
  module: import.meta.url,
  data: "dataset",
  result: "anything",
  async prepare(cell, { algorithm, sampled }) {
    const { config } = cell;
    findTask(cell.task); // What it lacks is said before the training, not after.
    const data = await loadTransitions(cell.dataset!, { id: cell.task });
    const { observationDim, actionDim, observationStatistics } = data;
    const spec = { observationDim, actionDim, maxAction: 1, observationStatistics };
    const agent = algorithm.create(config, spec);
    const draw = data.batches({
      rewardTransform: config.rewardTransform,
      nextAction: algorithm.needs?.nextAction ?? false,
    });
    return {
      ...agentTraining(agent, config, draw),
      spec,
      async score(state, episodes, onProgress) {
        using players = createPlayers();
        const { evaluation } = cell;
        const seed = `${cell.task}/${cell.algorithm}/${cell.seed}/curve/${state.updates}`;
        const player = { algorithm, config, spec, state, seed, label: `after ${state.updates} updates` };
        return (await playCell(players, { ...cell, evaluation: { ...evaluation, episodes } }, player, onProgress))
          .scores;
      },
      async evaluate(state, rng, onProgress) {
        const rules: RuleResult[] = [];
        using players = createPlayers();
        for (const way of waysToAct(cell, algorithm, sampled)) {
          const { candidates, rule } = way;
          const seed = `${cell.task}/${cell.algorithm}/${cell.seed}/evaluation/${candidates}`;
          const played = await playCell(players, cell, { ...way, spec, state, seed, label: rule.label }, onProgress);
          const acting = rule.sampling ? way.algorithm.create(way.config, spec) : agent;
          const one = ndarray(new Float32Array(observationDim), [1, observationDim]);
          const actMs = await timeCalls((i) => acting.act(state, one, candidates, rng.child(`time/${i}`)), 50, 200);
          rules.push({ rule, ...played, actMs });
        }
        const datasetMean = data.episodeReturns.reduce((a, b) => a + b, 0) / data.episodeReturns.length;
        return {
          environment: { physics, datasetMean, datasetTransitions: data.count, rules },
          result: null,
          policy: agent.exportPolicy(state),
          acting: {
            spec,
            arrays: await arraysRead(state.arrays, async (arrays) => {
              const one = ndarray(new Float32Array(observationDim), [1, observationDim]);
              await agent.act({ ...state, arrays }, one, 1, rng.child("acting"));
            }),
          },
        };
      },
    };
  },
};
