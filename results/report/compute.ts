/**
 * What finished cells took: time, machines, folders.
 *
 * @module
 */

import { relative } from "node:path";
import { cellFolder, cellLabel } from "../cells/cell.ts";
import type { Evaluation } from "../cells/record.ts";
import type { Section } from "./section.ts";

/** Every cell, with its folder, and what it was made with. */
export function computeSection(root: string, evaluations: readonly Evaluation[]): Section {
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
  const groups = Map.groupBy(evaluations, ({ cell }) => `${cell.experiment}/${cell.algorithm}`);
  const made = [...new Set(evaluations.map(({ madeWith }) => JSON.stringify(madeWith)))];
  return {
    name: "compute",
    title: "Compute and cells",
    tables: {
      compute: {
        title: "Training time",
        columns: ["experiment", "method", "cells", "seconds in all", "seconds per cell"],
        numbers: ["cells", "seconds in all", "seconds per cell"],
        rows: [...groups.values()].map((group) => {
          const total = sum(group.map(({ trainingMs }) => trainingMs));
          const [{ cell }] = group;
          return [cell.experiment, cell.title, `${group.length}`, seconds(total), seconds(total / group.length)];
        }),
        notes: [
          "Wall-clock seconds of training, without evaluation; cells may have shared the machine's cores. On a GPU the seeds of a cell " +
          "train together, and each has the seconds of all.",
        ],
      },
      machines: {
        title: "Machines and versions",
        numbers: ["cells", "cores", "memory, GiB"],
        columns: ["cells", "processor", "cores", "memory, GiB", "system", "Deno", "Onestep", "commit"],
        rows: made.map((text) => {
          const { machine, versions } = JSON.parse(text) as Evaluation["madeWith"];
          return [
            `${evaluations.filter(({ madeWith }) => JSON.stringify(madeWith) === text).length}`,
            machine.gpu === undefined ? machine.processor : `${machine.processor}, ${machine.gpu}`,
            `${machine.cores}`,
            `${machine.memoryGiB}`,
            machine.system,
            versions.deno,
            versions.onestep,
            versions.commit ?? "unknown",
          ];
        }),
        notes: [],
      },
      cells: {
        title: "Cells",
        columns: ["cell", "updates", "seconds", "folder"],
        numbers: ["updates", "seconds"],
        rows: evaluations.map(({ cell, updates, trainingMs }) => [
          cellLabel(cell),
          `${updates}`,
          seconds(trainingMs),
          relative(root, cellFolder(root, cell)),
        ]),
        notes: [
          "Each folder holds run.json (all settings and where they come from), metrics.jsonl, checkpoint.safetensors, policy.onnx " +
          "and evaluation.json (every episode's return).",
        ],
      },
    },
    figures: {},
  };
}
