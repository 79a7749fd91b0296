import { assert, assertAlmostEquals, assertEquals, assertNotEquals } from "@std/assert";
import { join } from "node:path";
import { bc } from "../../../algorithms/bc.ts";
import { createRng } from "../../../algorithms/core/rng.ts";
import { drawBatch, loadTransitions } from "../../../data/d4rl.ts";
import { makeLocalDataset } from "../../../data/local.ts";
import { localRecipes } from "../../../data/recipes.ts";
import { decodeCheckpoint } from "../../../algorithms/engine/checkpoint.ts";
import { type Cell, cellFolder } from "../../../results/cells/cell.ts";
import type { DistillationRun } from "../../../results/experiments/distillation/section.ts";
import { planCells } from "../../../results/plan.ts";
import { withFolder } from "../../folder.ts";
import { changeCell, train } from "../cells.ts";

const near = (got: readonly number[], wanted: readonly number[]) => {
  assertEquals(got.length, wanted.length);
  got.forEach((x, i) => assertAlmostEquals(x, wanted[i], 1e-6 * Math.max(1, Math.abs(wanted[i]))));
};

Deno.test("distillationStudy: a cell that was stopped ends as one left alone, and BC learns from its exported pairs", () =>
  withFolder(async (folder) => {
    const recipe = localRecipes["hopper-medium-replay-local"];
    await makeLocalDataset({ ...recipe, transitions: 4000 }, join(folder, `${recipe.id}.hdf5`));
    const [planned] = planCells("smoke", { only: "exponents", algorithm: "sdw_obd" }, "onnx", folder);
    const cell = { ...planned, checkpointMs: 0 };
    const [alone, stopped] = [join(folder, "alone"), join(folder, "stopped")];
    const whole = await train(cell, alone) as DistillationRun;
    await Deno.mkdir(cellFolder(stopped, cell), { recursive: true });
    await Deno.copyFile(
      join(cellFolder(alone, cell), "checkpoint.previous.safetensors"),
      join(cellFolder(stopped, cell), "checkpoint.safetensors"),
    );
    const resumed = await train(cell, stopped) as DistillationRun;
    assertEquals(resumed.result.projection, whole.result.projection);
    const policy = (root: string) => Deno.readFile(join(cellFolder(root, cell), "policy.onnx"));
    assertEquals(await policy(stopped), await policy(alone));
    const sampled = changeCell(cell, { teacherActions: "sampled" });
    await train(sampled, stopped);
    const pairsOf = async (of: Cell) => {
      const bytes = await Deno.readFile(join(cellFolder(stopped, of), "checkpoint.safetensors"));
      return decodeCheckpoint(bytes).tensors.get("pairs/action")!.data;
    };
    assertNotEquals(await pairsOf(sampled), await pairsOf(cell));

    const { heldOut, effectiveShare } = whole.result;
    assert(Number.isFinite(heldOut!.flow) && Number.isFinite(heldOut!.gaussian) && effectiveShare < 1);
    const errors = whole.result.densityErrors!;
    assertEquals(resumed.result.densityErrors, errors);
    assert(errors.length === 10 && errors.every((x) => x > 0), `${errors}`);

    const path = join(cellFolder(alone, cell), "pairs.hdf5");
    const data = await loadTransitions(path);
    assertEquals([data.count, data.observationDim, data.actionDim], [8, 11, 3]);
    const lines = (await Deno.readTextFile(path.replace(".hdf5", ".csv"))).trim().split("\n");
    assertEquals(lines.length, 9);
    near(lines[8].split(",").map(Number), [...data.observation.slice(-11), ...data.action.slice(-3)]);
    const bounded = { ...data, action: data.action.map((x) => Math.min(Math.max(x, -0.9), 0.9)) };
    const agent = bc.create({ ...bc.defaults }, { ...data, maxAction: 1 });
    let state = agent.init(createRng("bc"));
    const losses: number[] = [];
    for (let k = 0; k < 200; k++) {
      const result = await agent.update(state, drawBatch(bounded, 64, createRng(`${k}`)), createRng("noise"));
      state = result.state;
      losses.push(result.metrics.policyLoss);
    }
    assert(losses[199] < losses[0] / 5, `${losses[0]} to ${losses[199]}`);
  }));
