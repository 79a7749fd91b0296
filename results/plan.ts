/**
 * From a profile to cells, and what they will cost.
 *
 * @module
 */

import { join } from "node:path";
import type { Backend } from "../algorithms/engine/backend.ts";
import { catalog, datasetPath } from "../data/catalog.ts";
import { type algorithms, type Cell, cellConfig } from "./cell.ts";
import { experimentNames, profiles, type Run } from "./profiles/mod.ts";

/** Which cells of a profile to run. */
export interface Selection {
  only?: string;
  task?: string;
  algorithm?: string;
  seeds?: readonly number[];
  threads?: number;
  logs?: Cell["logs"];
  /** A teacher's weights for distillation, instead of our own. */
  teacher?: string;
}

/** The cells of a profile, experiment by experiment; local datasets are looked for in `datasets`. */
export function planCells(name: string, selection: Selection, backend: Backend, datasets: string): Cell[] {
  const { experiments, onRequest } = profiles[name];
  const wanted = experimentNames.filter((experiment) =>
    selection.only ? experiment === selection.only : !onRequest?.includes(experiment)
  );
  return wanted.flatMap((experiment) =>
    experiments[experiment].flatMap(({ kind, tasks, runs, source, seeds, episodes }) =>
      tasks.filter((task) => !selection.task || task === selection.task).flatMap((task) =>
        (Object.entries(runs) as [keyof typeof algorithms, Run][])
          .filter(([algorithm]) => !selection.algorithm || algorithm === selection.algorithm)
          .flatMap(([algorithm, { overrides, perTask, candidates = 1, sampling }]) =>
            (selection.seeds ?? seeds).map((seed): Cell => ({
              profile: name,
              experiment,
              kind,
              task,
              algorithm,
              seed,
              backend,
              ...((selection.threads ?? 1) > 1 ? { threads: selection.threads } : {}),
              overrides: {
                ...overrides,
                ...perTask?.[task],
                ...(selection.teacher && kind === "distillation" ? { teacherFile: selection.teacher } : {}),
              },
              overridesSource: source,
              evaluation: { episodes, candidates, ...(sampling ? { sampling } : {}) },
              dataset: ["bandit", "toy", "latency"].includes(kind)
                ? null
                : catalog.has(task)
                ? datasetPath(task)
                : join(datasets, `${task}.hdf5`),
              checkpointMs: 10_000,
              ...(selection.logs ? { logs: selection.logs } : {}),
            }))
          )
      )
    )
  );
}

/** What a cell will take. */
export interface Estimate {
  seconds: number;
  memoryMiB: number;
}

/** Milliseconds of an update at width 128 and batch 128 on one 2.5 GHz core, and seconds of evaluation. Ours, from runs of `quick`. */
const costs: Record<keyof typeof algorithms, [updateMs: number, evaluationSeconds: number]> = {
  dtql: [9, 12],
  dql_kl: [9, 2],
  diffusion_ql: [9, 12],
  srpo: [2.5, 150],
  behaviour_sampling: [2.5, 150],
  srpo_toy: [3, 4],
  iql: [2.2, 5],
  bc: [0.6, 5],
  td3_bc: [2.5, 5],
  rebrac: [4, 5],
  dbc: [300, 60],
  pbc: [300, 60],
  av_pbc: [300, 60],
  sdw_obd: [300, 90],
  stitching: [60, 500],
};

/**
 * A rough guess of a cell's time on one core and its memory: an update's work grows with batch and, from a floor, with the
 * square of the width. Within a factor of two or three at the sizes of the profiles.
 */
export function estimateCell(cell: Cell): Estimate {
  const config = cellConfig(cell) as { updates: number; batchSize: number; hidden?: number; actorRows?: number };
  const [updateMs, evaluationSeconds] = costs[cell.algorithm];
  if (cell.kind === "diagnosis") {
    return { seconds: 20 + config.updates / 250 + 6 * cell.evaluation.episodes, memoryMiB: 600 };
  }
  if (cell.kind === "latency") return { seconds: 10, memoryMiB: 400 };
  const { hidden = 128, actorRows = 0 } = config;
  const measuredAlone = cell.kind === "stitching" || cell.kind === "distillation"; // Their costs are of a whole update.
  const rows = measuredAlone ? 128 : config.batchSize + actorRows / 16; // A draw costs the diffusion model alone.
  const work = rows / 128 * (0.25 + 0.75 * (hidden / 128) ** 2);
  return {
    seconds: config.updates * updateMs * work / 1000 + evaluationSeconds * cell.evaluation.episodes /
        (cell.kind === "bandit" ? 1000 : cell.kind === "toy" ? 1 : 10),
    memoryMiB: cell.overrides.publishedSize === "timed" && cell.seed === 0
      ? 4500
      : 350 + (cell.dataset === null ? 0 : cell.kind === "stitching" ? 650 : 250),
  };
}
