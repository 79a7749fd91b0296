/**
 * From a profile to cells.
 *
 * @module
 */

import { join } from "node:path";
import { noPreset, resolveConfig } from "../algorithms/core/config.ts";
import { presetTask } from "../algorithms/core/train.ts";
import type { Backend } from "../algorithms/engine/backend.ts";
import { catalog, datasetPath } from "../data/catalog.ts";
import type { Cell } from "./cells/cell.ts";
import type { AnyAlgorithm } from "../algorithms/core/agent.ts";
import { cellHash } from "./cells/fingerprint.ts";
import type { AnyExperiment, Plan, ProfileName, Run } from "./experiments/experiment.ts";
import { codeOf, experiments, runsOf } from "./experiments/mod.ts";

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

/** Plans of a profile with their experiments; those on request only if `only` names them. */
function chosenPlans(profile: ProfileName, only?: string): { experiment: AnyExperiment; plan: Plan }[] {
  return experiments
    .filter(({ name, onRequest }) => only ? name === only : !onRequest?.includes(profile))
    .flatMap((experiment) => experiment.plans[profile].map((plan) => ({ experiment, plan })));
}

/** Tasks of all experiments of a profile, those on request too. */
export const profileTasks = (profile: ProfileName): string[] => [
  ...new Set(experiments.flatMap(({ plans }) => plans[profile].flatMap(({ tasks }) => tasks))),
];

/** Algorithms that some experiment trains, in the order in which they are met. */
export const trainedAlgorithms = (): string[] => [
  ...new Set(experiments.flatMap((experiment) => runsOf(experiment).map(({ algorithm }) => algorithm.name))),
];

/** The task whose preset a cell takes; of a local dataset that stands in for none that has one, the defaults. */
function cellPreset(presets: AnyAlgorithm["presets"], task: string): string {
  const preset = presetTask(task);
  return preset === task || Object.hasOwn(presets, preset) ? preset : noPreset;
}

/** The cells of a profile, experiment by experiment; local datasets are looked for in `datasets`. */
export function planCells(profile: ProfileName, selection: Selection, backend: Backend, datasets: string): Cell[] {
  const { only, threads = 1, logs, teacher } = selection;
  return chosenPlans(profile, only).flatMap(({ experiment, plan }) => {
    const cellsOf = (
      task: string,
      { algorithm, overrides, perTask, candidates = 1, sampled, sampling, setting, preset }: Run,
    ) => {
      const config = resolveConfig(algorithm, preset ?? cellPreset(algorithm.presets, task), {
        ...overrides,
        ...perTask?.[task],
        ...(teacher && "teacherFile" in algorithm.defaults ? { teacherFile: teacher } : {}),
      });
      const unhashed: Omit<Cell, "hash"> = {
        profile,
        experiment: experiment.name,
        task,
        algorithm: algorithm.name,
        title: algorithm.title,
        seed: 0,
        backend,
        ...(threads > 1 ? { threads } : {}),
        config,
        overridesSource: plan.source,
        evaluation: {
          episodes: plan.episodes,
          candidates,
          ...(sampling ? { sampling } : {}),
          ...(plan.curve
            ? {
              curve: {
                every: Math.max(1, Math.floor(config.updates / plan.curve.points)),
                episodes: plan.curve.episodes,
              },
            }
            : {}),
          ...(setting ? { setting } : {}),
        },
        ...(sampled ? { sampled: { algorithm: sampled.name, title: sampled.title } } : {}),
        dataset: experiment.study.data === "none"
          ? null
          : catalog.has(task)
          ? datasetPath(task)
          : join(datasets, `${task}.hdf5`),
        checkpointMs: 10_000,
        ...(logs ? { logs } : {}),
      };
      const hash = cellHash(unhashed, codeOf(unhashed)); // The same for all seeds.
      return (selection.seeds ?? plan.seeds).map((seed): Cell => ({ ...unhashed, seed, hash }));
    };
    return plan.tasks.filter((task) => !selection.task || task === selection.task).flatMap((task) =>
      plan.runs.filter(({ algorithm }) => !selection.algorithm || algorithm.name === selection.algorithm)
        .flatMap((run) => cellsOf(task, run))
    );
  });
}
