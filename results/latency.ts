/**
 * Time per action of untrained networks at their published sizes, as a cell: what a pass costs does not depend on its weights.
 *
 * @module
 */

import type { Spec } from "../algorithms/core/agent.ts";
import { ndarray } from "../algorithms/engine/array.ts";
import type { Table } from "../data/show/table.ts";
import { createEnvironment, findTask } from "../environments/mod.ts";
import { algorithms, type Cell, cellConfig, type SamplingRule } from "./cell.ts";
import { groupLatencies } from "./scores.ts";
import { mean } from "./statistics.ts";
import type { Task } from "./tasks.ts";
import type { Evaluation } from "./train.ts";

/** Milliseconds of one call of one way to act. */
export interface Latency {
  candidates: number;
  sampling?: SamplingRule;
  /** Median for one observation. */
  actMs: number;
  /** For 256 observations together; null where one call takes long. */
  batchMs: number | null;
}

const batch = 256;
/** Rounds over all rules, and calls of each in a row, as a policy acts; a slow one has fewer. */
const [rounds, batchRounds, callsPerRound] = [10, 3, 20];
const slowMs = 5;
/** Network calls above which a batch is not timed. */
const mostBatchCalls = 15;

/** The task of a cell that is timed and not trained. */
export async function latencyTask(cell: Cell): Promise<Task> {
  const config = cellConfig(cell);
  using env = await createEnvironment(findTask(cell.task), "d4rl");
  const spec: Spec = {
    observationDim: env.observationSpace.shape[0],
    actionDim: env.actionSpace.shape[0],
    maxAction: 1,
  };
  const agent = algorithms[cell.algorithm].create(config, spec);
  return {
    updates: 0,
    init: agent.init,
    update: () => Promise.reject(new Error(`Cannot train ${cell.task}: its cell is only timed`)),
    async evaluate(state, rng, onProgress) {
      const own = [...new Set([1, cell.evaluation.candidates])].map((candidates) => ({ candidates, agent }));
      const sampled = (cell.evaluation.sampling ?? []).map((sampling) => ({
        candidates: sampling.candidates,
        sampling,
        agent: algorithms.behaviour_sampling.create(
          { ...config, ...sampling, nfe: sampling.calls } as typeof config,
          spec,
        ),
      }));
      const rules: { candidates: number; sampling?: SamplingRule; agent: typeof agent }[] = [...own, ...sampled];
      const time = async ({ agent, candidates }: typeof rules[number], rows: number) => {
        const observation = ndarray(new Float32Array(rows * spec.observationDim), [rows, spec.observationDim]);
        const start = performance.now();
        await agent.act(state, observation, candidates, rng.child(`${rows}`));
        return performance.now() - start;
      };
      const median = (times: number[]) => times.sort((a, b) => a - b)[times.length >> 1];
      // Round by round, so that whatever else the machine does meets all rules alike.
      const measure = async (rules: readonly typeof own[number][], rows: number, count: number) => {
        const times = rules.map((): number[] => []);
        for (const rule of rules) await time(rule, rows); // Compiles.
        for (let round = 0; round < count; round++) {
          for (const [i, rule] of rules.entries()) {
            const first = await time(rule, rows);
            const calls = first > slowMs ? 2 : callsPerRound;
            for (let k = 0; k < calls; k++) times[i].push(await time(rule, rows));
          }
          onProgress(`timing, batch ${rows}, round ${round + 1} of ${count}`);
        }
        return times.map(median);
      };
      const single = await measure(rules, 1, rounds);
      const light = rules.filter(({ candidates, sampling }) =>
        candidates === 1 && (sampling?.calls ?? 1) <= mostBatchCalls
      );
      const together = await measure(light, batch, batchRounds);
      return {
        latency: rules.map(({ candidates, sampling }, i): Latency => ({
          candidates,
          sampling,
          actMs: single[i],
          batchMs: together[light.indexOf(rules[i])] ?? null,
        })),
        policy: agent.exportPolicy(state),
      };
    },
  };
}

/** Times of every way to act, and how many times the one-step policy's they are. */
export function latencyTable(evaluations: readonly Evaluation[], notes: string[]): Table {
  const groups = groupLatencies(evaluations);
  return {
    title: "Time per action at published sizes",
    columns: [
      "task",
      "method",
      "acting",
      "ms, batch 1",
      "times SRPO's",
      "times DTQL's",
      `ms, batch ${batch}`,
      "times SRPO's",
      "times DTQL's",
      "runs",
    ],
    rows: groups.map(({ task, method, acting, actMs, batchMs }) => {
      const of = (algorithm: string, field: "actMs" | "batchMs") => {
        const one = groups.find((g) => g.task === task && g.algorithm === algorithm && !g.sampling);
        return one?.[field] ? mean(one[field]) : null;
      };
      const times = (ms: number[] | null, by: number | null) => ms && by ? (mean(ms) / by).toFixed(1) : "";
      return [
        task,
        method,
        acting,
        mean(actMs).toFixed(3),
        times(actMs, of("srpo", "actMs")),
        times(actMs, of("dtql", "actMs")),
        batchMs ? mean(batchMs).toFixed(2) : "",
        times(batchMs, of("srpo", "batchMs")),
        times(batchMs, of("dtql", "batchMs")),
        `${actMs.length}`,
      ];
    }),
    notes: [
      "Untrained networks of the published sizes; medians over rounds of calls in a row, then means over runs in processes of their own, which " +
      "may have shared the machine with others.",
      ...notes,
    ],
  };
}
