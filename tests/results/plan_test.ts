import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { cellFolder } from "../../results/cells/cell.ts";
import { presetTask } from "../../algorithms/core/train.ts";
import { experiments } from "../../results/experiments/mod.ts";
import { planCells } from "../../results/plan.ts";

Deno.test("planCells() and cellFolder() plan 10,000 cells, each with a folder of its own", () => {
  const seeds = Array.from({ length: 64 }, (_, i) => i);
  const cells = planCells("paper", { seeds }, "onnx", "datasets");
  assert(cells.length > 10_000, `${cells.length}`);
  assertEquals(new Set(cells.map((cell) => cellFolder("results", cell))).size, cells.length);
});

Deno.test("cellFolder() changes with its threads, if they are more than one", () => {
  const folder = (threads?: number) =>
    cellFolder("", planCells("smoke", { task: "25gaussians-far", threads }, "onnx", "")[0]);
  assertEquals(folder(1), folder());
  assertNotEquals(folder(2), folder());
});

Deno.test("experiments' paper profile takes a preset for each run, or says that it takes the defaults", () => {
  const unsaid = experiments.flatMap(({ name, plans }) =>
    plans.paper.flatMap(({ runs, tasks, source }) =>
      runs.flatMap(({ algorithm }) =>
        tasks
          .filter((task) => !Object.hasOwn(algorithm.presets, presetTask(task)) && !source.includes("defaults"))
          .map((task) => `${name}: ${algorithm.name} on ${task}`)
      )
    )
  );
  assertEquals(unsaid, []);
});
