import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { makeLocalDataset } from "../../../data/local.ts";
import { localRecipes } from "../../../data/recipes.ts";
import { cellFolder } from "../../../results/cells/cell.ts";
import type { StitchingResult } from "../../../results/experiments/stitching/study.ts";
import { planCells } from "../../../results/plan.ts";
import { withFolder } from "../../folder.ts";
import { changeCell, train } from "../cells.ts";

Deno.test("stitching: a cell that lost some stages ends as one left alone, and a stage that diverges is named", () =>
  withFolder(async (folder) => {
    const recipe = localRecipes["hopper-medium-replay-local"];
    await makeLocalDataset({ ...recipe, transitions: 1000 }, join(folder, `${recipe.id}.hdf5`));
    const [cell] = planCells("smoke", { only: "stitching" }, "onnx", folder);
    const [alone, stopped] = [join(folder, "alone"), join(folder, "stopped")];
    const whole = await train(cell, alone);
    const own = cellFolder(stopped, cell);
    await Deno.mkdir(join(own, "stages"), { recursive: true });
    await Deno.copyFile(
      join(cellFolder(alone, cell), "checkpoint.safetensors"),
      join(own, "checkpoint.safetensors"),
    );
    const stages = [...Deno.readDirSync(join(cellFolder(alone, cell), "stages"))].map(({ name }) => name).sort();
    assertEquals(stages.length, 1 + 2 * (3 + 2 * 2) + 3 * 2);
    for (const name of stages.filter((name) => /generated|stitched_(dynamics|rewards|pass_1)/.test(name))) {
      await Deno.copyFile(join(cellFolder(alone, cell), "stages", name), join(own, "stages", name));
    }
    const resumed = await train(cell, stopped);
    const untimed = (e: typeof whole) => ({ ...e.result as StitchingResult, actorMs: 0 });
    assertEquals(untimed(resumed), untimed(whole));
    const scores = (e: typeof whole) => e.environment!.rules.map(({ rule, scores }) => ({ rule, scores }));
    assertEquals(scores(resumed), scores(whole));
    assertEquals(scores(whole).map(({ scores }) => scores.length), [2, 4, 4, 4]); // Two policies of each set.
    const policy = (root: string) => Deno.readFile(join(cellFolder(root, cell), "policy.onnx"));
    assertEquals(await policy(stopped), await policy(alone));

    const wild = changeCell(cell, { cloning: { updates: 40, hidden: 8, learningRate: 1e30 } }, { seed: 1 });
    await assertRejects(() => train(wild, alone), Error, 'Cannot go on after "policy 1, data"');
  }));
