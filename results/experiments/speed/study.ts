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
  /** Median for one observation, of the quickest round. */
  actMs: number;
  /** For {@linkcode latencyBatch} observations together; null where one call takes long. */
  batchMs: number | null;
}

/** Observations of a batch. */
export const latencyBatch = 256;
/** Rounds over all rules, each after such a time of warming up; in a round each is called so long in a row, as a policy acts. */
const [rounds, batchRounds, warmMs, roundMs] = [10, 3, 300, 50];
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
          const least = list.map(() => Infinity);
          const lasting = async (ms: number, way: typeof ways[number]) => {
            const times: number[] = [];
            const until = performance.now() + ms;
            while (times.length < 2 || performance.now() < until) times.push(await time(way, rows));
            return median(times);
          };
          for (const way of list) await lasting(warmMs, way);
          for (let round = 0; round < count; round++) {
            for (const [i, way] of list.entries()) least[i] = Math.min(least[i], await lasting(roundMs, way));
            onProgress(`timing, batch ${rows}, round ${round + 1} of ${count}`);
          }
          return least;
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
