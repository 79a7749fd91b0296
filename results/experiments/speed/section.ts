/**
 * Times per action as a table.
 *
 * @module
 */

import type { Table } from "../../../data/show/table.ts";
import type { Evaluation } from "../../cells/record.ts";
import { groupTimes, type RuleTimes } from "../../scores/groups.ts";
import { mean } from "../../scores/mean.ts";
import { type Latency, latencyBatch } from "./study.ts";

/** A finished cell of the timings. */
export type SpeedRun = Evaluation<Latency[]>;

/** One entry per way to act; `batchMs` is null where a batch was not timed. */
export const latencies = (runs: readonly SpeedRun[]): (RuleTimes & { batchMs: number[] | null })[] =>
  groupTimes(runs, ({ result }) => result).map(({ times, measured }) => {
    const batchMs = measured.flatMap(({ measure }) => measure.batchMs ?? []);
    return { ...times, batchMs: batchMs.length === 0 ? null : batchMs };
  });

/** Times of every way to act, and how many times the one-step policy's they are. */
export function latencyTable(title: string, evaluations: readonly SpeedRun[], notes: string[]): Table {
  const groups = latencies(evaluations);
  const timed = [1, latencyBatch].flatMap((rows) => {
    const batch = `batch ${rows}`;
    return [`ms, ${batch}`, `times SRPO's, ${batch}`, `times DTQL's, ${batch}`];
  });
  return {
    title,
    columns: [
      "task",
      "method",
      "acting",
      ...timed,
      "runs",
    ],
    numbers: [...timed, "runs"],
    rows: groups.map(({ task, method, acting, actMs, batchMs }) => {
      const of = (algorithm: string, field: "actMs" | "batchMs") => {
        const one = groups.find((g) => g.task === task && g.algorithm === algorithm && !g.rule.sampling);
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
      "Untrained networks; the median call of the quickest round of many in a row, then means over runs in processes of their own, which " +
      "may have shared the machine with others.",
      ...notes,
    ],
  };
}
