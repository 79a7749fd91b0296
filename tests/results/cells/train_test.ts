import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { decodeCheckpoint } from "../../../algorithms/engine/checkpoint.ts";
import { makeLocalDataset } from "../../../data/local.ts";
import { localRecipes } from "../../../data/recipes.ts";
import { type Cell, cellFolder } from "../../../results/cells/cell.ts";
import { readMetrics } from "../../../results/cells/metrics.ts";
import { planCells } from "../../../results/plan.ts";
import { loadPolicy } from "../../../results/train/policy_folder.ts";
import { withFolder } from "../../folder.ts";
import { changeCell, outcome, tinyCell, train } from "../cells.ts";
import { killAgain, kinds } from "./kills.ts";

for (const kind of Object.keys(kinds)) {
  Deno.test(`trainCell() of ${kind} killed with SIGKILL again and again ends in the same bytes as left alone`, () =>
    withFolder(async (folder) => {
      assertEquals((await killAgain(kind, folder, 2)).kills, 2);
    }));
}

Deno.test("trainCell() gives the same bytes for the same seed and others for another", () =>
  withFolder(async (folder) => {
    const [a, b] = ["a", "b"].map((name) => join(folder, name));
    await train(tinyCell, a);
    await train(tinyCell, b);
    assertEquals(await outcome(a, tinyCell), await outcome(b, tinyCell));
    const other = { ...tinyCell, seed: 1 };
    await train(other, a);
    const bias = async (cell: Cell) => (await outcome(a, cell)).tensors.get("actor/params/3/bias");
    assertNotEquals(await bias(other), await bias(tinyCell));
  }));

Deno.test("trainCell() leaves a folder whose policy loadPolicy() reads", () =>
  withFolder(async (root) => {
    await train(tinyCell, root);
    const folder = cellFolder(root, tinyCell);
    const policy = await loadPolicy(folder);
    assertEquals([policy.algorithm.name, policy.state.updates], [tinyCell.algorithm, tinyCell.config.updates]);
    assertEquals(policy.exportPolicy(), await Deno.readFile(join(folder, "policy.onnx")));
  }));

Deno.test("trainCell() with a curve scores on the way, and alike if it was stopped between", () =>
  withFolder(async (folder) => {
    const recipe = localRecipes["hopper-medium-replay-local"];
    await makeLocalDataset({ ...recipe, transitions: 2000 }, join(folder, `${recipe.id}.hdf5`));
    const [planned] = planCells("smoke", { only: "srpo", algorithm: "bc" }, "onnx", folder);
    const curve = { every: 10, episodes: 2 };
    const cell = changeCell(planned, { updates: 40 }, {
      evaluation: { ...planned.evaluation, curve },
      checkpointMs: 0,
    });
    const [alone, stopped] = ["alone", "stopped"].map((name) => join(folder, name));
    const whole = await train(cell, alone);
    assertEquals(whole.curve!.map(({ update, scores }) => [update, scores.length]), [[10, 2], [20, 2], [30, 2]]);
    const own = cellFolder(stopped, cell);
    await Deno.mkdir(own, { recursive: true });
    for (const [from, to] of [["checkpoint.previous", "checkpoint"], ["metrics", ""], ["scores", ""]]) {
      const extension = from === "metrics" ? ".jsonl" : from === "scores" ? ".json" : ".safetensors";
      await Deno.copyFile(join(cellFolder(alone, cell), from + extension), join(own, (to || from) + extension));
    }
    assertEquals((await train(cell, stopped)).curve, whole.curve);
    assertEquals(await outcome(stopped, cell), await outcome(alone, cell));
  }));

Deno.test("trainCell() logs each metric's mean over the updates that gave it, at a phase's edge too", () =>
  withFolder(async (folder) => {
    const readAll = (cell: Cell) => readMetrics(cellFolder(folder, cell));
    const each = changeCell(tinyCell, { updates: 100, pretrainUpdates: 42 }); // Logged update by update.
    const windows = changeCell(tinyCell, { updates: 400, pretrainUpdates: 42 }); // Four at a time.
    for (const cell of [each, windows]) await train(cell, folder);
    const [single, means] = [await readAll(each), await readAll(windows)];
    for (const end of [40, 44, 48]) {
      const wanted = single.slice(end - 4, end);
      assertEquals(wanted.map(({ update }) => update), [end - 3, end - 2, end - 1, end]);
      const { update, ...found } = means[end / 4 - 1];
      assertEquals(update, end);
      assertEquals("actorLoss" in found, end > 40);
      for (const [name, value] of Object.entries(found)) {
        const values = wanted.filter((record) => name in record).map((record) => record[name]);
        assertEquals(values.length, end === 44 && !["criticLoss", "diffusionLoss"].includes(name) ? 2 : 4);
        assertAlmostEquals(value, values.reduce((a, b) => a + b) / values.length, 1e-12 * Math.max(1, Math.abs(value)));
      }
    }
  }));

Deno.test("trainCell() stops a diverging run with its update and keeps the last checkpoint", () =>
  withFolder(async (folder) => {
    const wild = changeCell(tinyCell, { learningRate: 1e30, criticLearningRate: 1e30 });
    const message = (await assertRejects(
      () => train(wild, folder),
      Error,
      "Cannot train 25gaussians-far dtql",
    )).message;
    assert(/update \d+/.test(message), message);
    const files = [...Deno.readDirSync(cellFolder(folder, wild))].map(({ name }) => name);
    assert(!files.some((name) => name.endsWith(".part")), `${files}`);
  }));

Deno.test("trainCell() waits while another process holds its folder", () =>
  withFolder(async (folder) => {
    const cell = cellFolder(folder, tinyCell);
    await Deno.mkdir(cell, { recursive: true });
    const file = await Deno.open(join(cell, "lock"), { create: true, write: true });
    await file.lock(true);
    const notes: string[] = [];
    const training = train(tinyCell, folder, ({ note }) => {
      if (notes.push(note) === 2) file.close();
    });
    const { updates } = await training;
    assertEquals(notes.slice(0, 2), ["another process trains it", "another process trains it"]);
    assertEquals(updates, 400);
  }));

Deno.test("trainCell() goes on from the checkpoint before a damaged one, and ends in the same bytes", () =>
  withFolder(async (folder) => {
    const [alone, damaged] = ["alone", "damaged"].map((name) => join(folder, name));
    await train(tinyCell, alone);
    await train(tinyCell, damaged);
    const own = cellFolder(damaged, tinyCell);
    const path = join(own, "checkpoint.safetensors");
    const bytes = await Deno.readFile(path);
    bytes[bytes.length - 100] ^= 1; // One bit of one weight.
    await Deno.writeFile(path, bytes);
    await Deno.remove(join(own, "evaluation.json"));
    const previous = decodeCheckpoint(await Deno.readFile(join(own, "checkpoint.previous.safetensors")));
    assert(Number(previous.metadata.updates) < 400);
    await train(tinyCell, damaged);
    assertEquals(await outcome(damaged, tinyCell), await outcome(alone, tinyCell));

    await Deno.writeFile(path, new Uint8Array(20));
    await Deno.writeFile(join(own, "checkpoint.previous.safetensors"), new Uint8Array(20));
    await Deno.remove(join(own, "evaluation.json"));
    await assertRejects(() => train(tinyCell, damaged), Error, "Cannot resume from");
  }));
