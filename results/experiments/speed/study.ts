/**
 * Time per action of untrained networks: what a pass costs does not depend on its weights.
 *
 * @module
 */

import type { Agent, Spec } from "../../../algorithms/core/agent.ts";
import { ndarray } from "../../../algorithms/engine/array.ts";
import { createEnvironment } from "../../../environments/environment.ts";
import { findTask } from "../../../environments/tasks.ts";
import type { Rule } from "../../cells/record.ts";
import type { Study } from "../../cells/study.ts";
import { waysToAct } from "../../scores/sampling.ts";

/** Milliseconds of one call of one way to act. */
export interface Latency {
  rule: Rule;
  /** Median for one observation. */
  actMs: number;
  /** For {@linkcode latencyBatch} observations together; null where one call takes long. */
  batchMs: number | null;
}

/** Observations of a batch. */
export const latencyBatch = 256;
/** Rounds over all rules, and calls of each in a row, as a policy acts; a slow one has fewer. */
const [rounds, batchRounds, callsPerRound] = [10, 3, 20];
const slowMs = 5;
/** Network calls above which a batch is not timed. */
const mostBatchCalls = 15;

/** The study; tasks say the sizes of observations and actions. */
export const speedStudy: Study<Latency[]> = {
  module: import.meta.url,
  data: "none",
  result: [{ rule: { id: "string", label: "string" }, actMs: "number", batchMs: ["or null", "number"] }],
  async prepare(cell, { algorithm, sampled }) {
    using env = await createEnvironment(findTask(cell.task), "d4rl");
    const observationDim = env.observationSpace.shape[0];
    const spec: Spec = {
      observationDim,
      actionDim: env.actionSpace.shape[0],
      maxAction: 1,
      observationStatistics: {
        mean: new Float32Array(observationDim),
        standardDeviation: new Float32Array(observationDim).fill(1),
      },
    };
    const policy = algorithm.create(cell.config, spec);
    return {
      updates: 0,
      init: policy.init,
      update: () => Promise.reject(new Error(`Cannot train ${cell.task}: its cell is only timed`)),
      async evaluate(state, rng, onProgress) {
        const ways = waysToAct(cell, algorithm, sampled).map(({ rule, candidates, algorithm, config }) => ({
          rule,
          candidates,
          agent: rule.sampling ? algorithm.create(config, spec) : policy,
        }));
        const time = async ({ agent, candidates }: { agent: Agent; candidates: number }, rows: number) => {
          const observation = ndarray(new Float32Array(rows * spec.observationDim), [rows, spec.observationDim]);
          const start = performance.now();
          await agent.act(state, observation, candidates, rng.child(`${rows}`));
          return performance.now() - start;
        };
        const median = (times: number[]) => times.sort((a, b) => a - b)[times.length >> 1];
        // Round by round, so that whatever else the machine does meets all rules alike.
        const measure = async (list: readonly typeof ways[number][], rows: number, count: number) => {
          const times = list.map((): number[] => []);
          for (const way of list) await time(way, rows); // Compiles.
          for (let round = 0; round < count; round++) {
            for (const [i, way] of list.entries()) {
              const first = await time(way, rows);
              const calls = first > slowMs ? 2 : callsPerRound;
              for (let k = 0; k < calls; k++) times[i].push(await time(way, rows));
            }
            onProgress(`timing, batch ${rows}, round ${round + 1} of ${count}`);
          }
          return times.map(median);
        };
        const single = await measure(ways, 1, rounds);
        const light = ways.filter(({ candidates, rule }) =>
          candidates === 1 && (rule.sampling?.calls ?? 1) <= mostBatchCalls
        );
        const together = await measure(light, latencyBatch, batchRounds);
        return {
          environment: null,
          result: ways.map((way, i): Latency => ({
            rule: way.rule,
            actMs: single[i],
            batchMs: together[light.indexOf(way)] ?? null,
          })),
          policy: policy.exportPolicy(state),
        };
      },
    };
  },
};
