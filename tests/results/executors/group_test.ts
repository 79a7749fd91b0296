import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { type Cell, cellFolder } from "../../../results/cells/cell.ts";
import { readFailure } from "../../../results/cells/failure.ts";
import type { Evaluation } from "../../../results/cells/record.ts";
import { trainCells } from "../../../results/cells/train.ts";
import { groupCells, runCells } from "../../../results/executors/local.ts";
import { codeOf } from "../../../results/experiments/mod.ts";
import { planCells } from "../../../results/plan.ts";
import { workspaceFolder } from "../../../tools/paths.ts";
import { runScript, swiftShader } from "../../engine/gpu_process.ts";
import { withFolder } from "../../folder.ts";
import { changeCell, outcome, tinyCell, train } from "../cells.ts";

const hasGpu = await runScript(["open", "gpu"]) === "gpu";

const seedsOf = (cell: Cell, ...seeds: number[]): Cell[] => seeds.map((seed) => ({ ...cell, seed }));
const small = changeCell(tinyCell, { updates: 60, pretrainUpdates: 20 }, { checkpointMs: 100 });
const cells = seedsOf(small, 0, 1, 2);
const trainTogether = (group: readonly Cell[], root: string) => trainCells(group, codeOf(group[0]), root, () => {});

/** Asserts that two roots have the same of a cell, numbers up to rounding, of which Adam makes up to a part of the learning rate. */
async function assertAlike(found: string, wanted: string, cell: Cell, bound: number) {
  const names = (root: string) => [...Deno.readDirSync(cellFolder(root, cell))].map(({ name }) => name).sort();
  assertEquals(names(found), names(wanted));
  const [own, other] = [await outcome(found, cell), await outcome(wanted, cell)];
  assertEquals([own.saved, own.updates], [other.saved, other.updates]);
  const metricNames = ({ metrics }: typeof own) => metrics.replaceAll(/-?\d[\d.e-]*/g, "n");
  assertEquals(metricNames(own), metricNames(other));
  for (const [name, { data }] of other.tensors) {
    if (name.includes("adam")) continue;
    const there = own.tensors.get(name)!.data;
    data.forEach((x, i) => assert(Math.abs(x - there[i]) <= bound, `${name}[${i}]: ${there[i]}, wanted ${x}`));
  }
}

Deno.test("groupCells() puts the seeds of a cell together on a GPU, in their order, and nothing on the CPU", () => {
  const plan = (backend: "onnx" | "gpu") => planCells("smoke", { seeds: [3, 1] }, backend, "datasets");
  const onCpu = plan("onnx");
  assertEquals(groupCells(onCpu), onCpu.map((cell) => [cell]));
  const onGpu = plan("gpu");
  const groups = groupCells(onGpu);
  assertEquals(groups.length, onGpu.length / 2);
  for (const [one, three] of groups) assertEquals({ ...one, seed: 3 }, three);
  const shipped = { path: "runs/a", sha256: "0", playable: true };
  assertEquals(groupCells(onGpu.map((cell) => ({ ...cell, shipped }))).length, onGpu.length);
});

Deno.test("trainCells() leaves in each cell's folder what it has alone, up to rounding", () =>
  withFolder(async (folder) => {
    const [whole, alone] = [join(folder, "whole"), join(folder, "alone")];
    for (const found of await trainTogether(cells, whole)) assert(!(found instanceof Error), `${found}`);
    await train(cells[2], alone);
    await assertAlike(whole, alone, cells[2], 1e-4);
    const biases = await Promise.all(
      cells.map(async (cell) => (await outcome(whole, cell)).tensors.get("actor/params/3/bias")!.data.join()),
    );
    assertEquals(new Set(biases).size, 3);
  }));

Deno.test("trainCells() killed with SIGKILL goes on, with one cell done and the others wherever they were", () =>
  withFolder(async (folder) => {
    const [whole, killed] = [join(folder, "whole"), join(folder, "killed")];
    await trainTogether(cells, whole);
    await train(cells[0], killed);
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "-A", "results/executors/run_cell.ts", killed, JSON.stringify(cells)],
      cwd: workspaceFolder,
      stdout: "null",
    }).spawn();
    const checkpoint = join(cellFolder(killed, cells[2]), "checkpoint.safetensors");
    let running = true;
    const ended = child.status.then(({ signal }) => (running = false, signal));
    while (running && !await Deno.stat(checkpoint).catch(() => null)) {
      await new Promise((done) => setTimeout(done, 10));
    }
    child.kill("SIGKILL");
    assertEquals(await ended, "SIGKILL");
    for (const found of await trainTogether(cells, killed)) assert(!(found instanceof Error), `${found}`);
    for (const cell of cells) await assertAlike(killed, whole, cell, 1e-4);
  }));

Deno.test("trainCells() keeps why one cell fails and trains the others", () =>
  withFolder(async (root) => {
    await Deno.mkdir(cellFolder(root, cells[1]), { recursive: true });
    await Deno.writeTextFile(join(cellFolder(root, cells[1]), "checkpoint.safetensors"), "damaged");
    const [one, failed, three] = await trainTogether(cells, root);
    assertEquals([one, three].map((found) => (found as Evaluation).updates), [60, 60]);
    assertStringIncludes((failed as Error).message, "Cannot resume from");
    assertEquals((await readFailure(root, cells[1]))?.message, (failed as Error).message);
  }));

Deno.test({
  name: "runCells() on backend gpu trains seeds in one process, each as alone",
  ignore: !hasGpu,
  fn: () =>
    withFolder(async (folder) => {
      const config = { updates: 3, pretrainUpdates: 1, hidden: 16, diffusionHidden: 16, batchSize: 16 };
      const pair = seedsOf(changeCell(tinyCell, config, { backend: "gpu" }), 0, 1);
      const said: string[] = [];
      const watcher = {
        started: ({ seed }: Cell) => void said.push(`${seed} started`),
        progress: () => {},
        ended: ({ seed }: Cell, found: Evaluation | Error) =>
          void said.push(`${seed} ${found instanceof Error ? found.message : "ended"}`),
      };
      const run = (some: readonly Cell[], name: string) =>
        runCells(some, join(folder, name), 1, watcher, new AbortController().signal);
      for (const name of ["whole", "alone"]) await Deno.mkdir(join(folder, name));
      const before = Deno.env.get("VK_ICD_FILENAMES");
      Deno.env.set("VK_ICD_FILENAMES", swiftShader ?? "");
      try {
        await run(pair, "whole");
        await run([pair[1]], "alone");
      } finally {
        if (before === undefined) Deno.env.delete("VK_ICD_FILENAMES");
        else Deno.env.set("VK_ICD_FILENAMES", before);
      }
      assertEquals(said, ["0 started", "1 started", "0 ended", "1 ended", "1 started", "1 ended"]);
      await assertAlike(join(folder, "whole"), join(folder, "alone"), pair[1], 1e-3); // As from the CPU's.
    }),
});
