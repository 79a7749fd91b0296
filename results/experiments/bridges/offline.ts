/**
 * Teachers and bridges on a dataset: scores, and how far actions are from the data's.
 *
 * @module
 */

import { bridged, type BridgedConfig, bridges } from "../../../algorithms/bridges/mod.ts";
import type { AnyAlgorithm } from "../../../algorithms/core/agent.ts";
import { normalizeObservations } from "../../../algorithms/core/normalization.ts";
import { createRng } from "../../../algorithms/core/rng.ts";
import { distinctRows, takeRows } from "../../../algorithms/core/rows.ts";
import { loadTransitions } from "../../../data/d4rl.ts";
import type { Cell } from "../../cells/cell.ts";
import type { RuleResult } from "../../cells/record.ts";
import type { Study } from "../../cells/study.ts";
import { mean } from "../../scores/mean.ts";
import { offlineStudy } from "../offline_study.ts";
import { teacherTitles } from "./titles.ts";
import { bridgeTraining, divergedAt } from "./training.ts";

/** What a cell says beside scores. */
export interface BridgeDistances {
  /** Why it counts as diverged; null if it does not. */
  diverged: string | null;
  /** Root mean square distance, per dimension, of the policy's action from the nearest of the actions in the 16 nearest states. */
  distance: number;
  /** The same of the data's own actions. */
  data: number;
}

/** States that are asked, states among which near ones are looked for, and how many of these. Ours. */
const [asked, among, neighbours] = [500, 20_000, 16];

/** The cell in words: who teaches, and how. */
export function bridgeLabel({ algorithm, config, evaluation: { setting } }: Cell): string {
  const { teacher, bridge, bridgeWeight } = config as BridgedConfig;
  if (algorithm !== "bridged") return `${teacherTitles[teacher]}, by its sampler`;
  return `${teacherTitles[teacher]}, ${bridges[bridge].title}${setting ? `, weight ${bridgeWeight}` : ""}`;
}

/**
 * For each of some actions in states, the mean square distance per dimension to the nearest of the actions in the nearest states.
 *
 * @param states `[n, S]` row-major, normalized, with `actions [n, A]`; `others` and `taken` are the data's.
 */
export function distancesToData(
  states: Float32Array,
  actions: ArrayLike<number>,
  others: Float32Array,
  taken: Float32Array,
  [s, a]: readonly [observationDim: number, actionDim: number],
  count = neighbours,
): number[] {
  const [rows, all] = [states.length / s, others.length / s];
  const squares = new Float64Array(all);
  return Array.from({ length: rows }, (_, i) => {
    for (let k = 0; k < all; k++) {
      let sum = 0;
      for (let d = 0; d < s; d++) sum += (states[i * s + d] - others[k * s + d]) ** 2;
      squares[k] = sum;
    }
    const limit = Float64Array.from(squares).sort()[Math.min(count, all) - 1];
    let least = Infinity;
    for (let k = 0; k < all; k++) {
      if (squares[k] > limit) continue;
      let sum = 0;
      for (let d = 0; d < a; d++) sum += (actions[i * a + d] - taken[k * a + d]) ** 2;
      least = Math.min(least, sum / a);
    }
    return least;
  });
}

/** The study of the grid on datasets: {@linkcode offlineStudy} with a shared teacher and critic. */
export const bridgeOfflineStudy: Study<BridgeDistances> = {
  module: import.meta.url,
  data: "dataset",
  result: { diverged: ["or null", "string"], distance: "number", data: "number" },
  async prepare(cell, tools) {
    const student = await offlineStudy.prepare(cell, tools);
    const training = await bridgeTraining(
      cell,
      tools,
      bridged as unknown as AnyAlgorithm,
      async (config, algorithm) =>
        algorithm === tools.algorithm && config === cell.config
          ? student
          : await offlineStudy.prepare({ ...cell, config }, { ...tools, algorithm }),
    );
    return {
      ...training,
      async evaluate(state, rng, onProgress) {
        const played = await student.evaluate(state, rng, onProgress);
        const label = bridgeLabel(cell);
        const named = ({ rule, ...rest }: RuleResult): RuleResult => ({
          ...rest,
          rule: { ...rule, label: rule.id === "own" ? label : `${label}, ${rule.label}` },
        });
        const data = await loadTransitions(cell.dataset!, { id: cell.task });
        const { observationDim, actionDim, count } = data;
        const drawn = distinctRows(count, Math.min(asked + among, count), createRng(`${cell.task}/bridges/rows`));
        const [first, rest] = [drawn.subarray(0, asked), drawn.subarray(asked)];
        const of = (rows: Int32Array) => takeRows(data.observation, observationDim, rows);
        const actionsOf = (rows: Int32Array) => takeRows(data.action, actionDim, rows).data as Float32Array;
        const normalized = (rows: Int32Array) =>
          normalizeObservations(of(rows).data as Float32Array, data.observationStatistics);
        const [states, others, taken] = [normalized(first), normalized(rest), actionsOf(rest)];
        const distanceOf = (actions: ArrayLike<number>) =>
          Math.sqrt(mean(distancesToData(states, actions, others, taken, [observationDim, actionDim])));
        const agent = tools.algorithm.create(cell.config, student.spec!);
        const action = await agent.act(state, of(first), 1, createRng(`${cell.task}/bridges/${cell.seed}/actions`));
        const update = divergedAt(state);
        return {
          ...played,
          environment: { ...played.environment!, rules: played.environment!.rules.map(named) },
          result: {
            diverged: update === null ? null : `a loss was no finite number at update ${update}`,
            distance: distanceOf(action.data),
            data: distanceOf(actionsOf(first)),
          },
        };
      },
    };
  },
};
