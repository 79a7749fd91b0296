import { assert, assertEquals, assertRejects } from "@std/assert";
import { cellFolder } from "../../../results/cells/cell.ts";
import { keepFailure, readFailure } from "../../../results/cells/failure.ts";
import { runScript } from "../../../results/executors/local.ts";
import { planCells } from "../../../results/plan.ts";
import { writeReport } from "../../../results/report/report.ts";
import { withFolder } from "../../folder.ts";
import { changeCell } from "../cells.ts";
import { syntheticEvaluation } from "../synthetic.ts";

const [cell] = planCells("smoke", { only: "bandits" }, "onnx", "datasets");

Deno.test("keepFailure() leaves why a cell failed until a try does better", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(cellFolder(folder, cell), { recursive: true });
    assertEquals(await readFailure(folder, cell), null);
    await assertRejects(
      () => keepFailure(folder, cell, () => Promise.reject(new Error("it diverged"))),
      Error,
      "diverged",
    );
    assertEquals((await readFailure(folder, cell))?.message, "it diverged");
    assertEquals(await keepFailure(folder, cell, () => Promise.resolve(3)), 3);
    assertEquals(await readFailure(folder, cell), null);
  }));

Deno.test("run_cell.ts leaves why a cell diverged, and keeps it there", () =>
  withFolder(async (folder) => {
    const wild = changeCell(cell, { learningRate: 1e30, criticLearningRate: 1e30 });
    const options = { writable: folder, network: "none" } as const;
    const why = await runScript(
      "run_cell.ts",
      [folder, JSON.stringify(wild)],
      options,
      () => {},
      new AbortController().signal,
    );
    assert(why!.includes("at update"), `${why}`);
    assertEquals((await readFailure(folder, wild))?.message, why!);
  }));

Deno.test("writeReport() names the cells that failed in the tables of their experiment", () =>
  withFolder(async (folder) => {
    const rules = [{ score: 60, actMs: 0.1 }];
    const task = "hopper-medium-replay-local";
    const evaluations = ["dtql", "srpo"].map((experiment) =>
      syntheticEvaluation({ experiment, algorithm: "dtql", task, seed: 0 }, rules)
    );
    const failed = { ...evaluations[0].cell, seed: 1 };
    const failures = [{ cell: failed, message: "Cannot train hopper dtql seed 1: at update 7 actorLoss is NaN" }];
    const { sections } = await writeReport({ root: folder, profile: "quick", evaluations, failures, planned: 3 });
    const said = sections.filter(({ tables }) =>
      Object.values(tables).some(({ notes }) => notes?.join().includes("as it failed: hopper dtql seed 1: at update 7"))
    );
    assertEquals(said.map(({ name }) => name), ["dtql"]);
  }));
