import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "node:path";
import { cellFolder } from "../../results/cells/cell.ts";
import { readMetrics } from "../../results/cells/metrics.ts";
import { trainCell } from "../../results/cells/train.ts";
import { codeOf } from "../../results/experiments/mod.ts";
import { planCells } from "../../results/plan.ts";
import { exportRun } from "../../results/policies/export.ts";
import { playShipped } from "../../results/shipped/replay.ts";
import { fillPage, shippedBlocks, shippedPages } from "../../results/pages/shipped.ts";
import { readShipped, replayCell, shipRuns } from "../../results/shipped/shipped.ts";
import { withFolder } from "../folder.ts";
import { changeCell } from "./cells.ts";
import { ensureDataset } from "../../results/executors/datasets.ts";

const signal = new AbortController().signal;
const data = await Deno.makeTempDir();
addEventListener("unload", () => Deno.removeSync(data, { recursive: true }));

/** The smoke cells of an experiment, trained. */
async function trainSmoke(root: string, only: string, algorithm?: string) {
  const cells = planCells("smoke", { only, algorithm }, "onnx", data);
  for (const cell of cells) {
    await ensureDataset({ id: cell.task, path: cell.dataset! }, "quiet", signal);
    await trainCell(cell, codeOf(cell), root, () => {});
  }
  return cells;
}

for (
  const [only, algorithm] of [
    ["dtql", "dtql"],
    ["srpo", "srpo"],
    ["stitching", "stitching"],
    ["distillation", "av_pbc"],
    ["family", "fql"],
  ]
) {
  Deno.test(`${only}: a shipped run of ${algorithm} played again gives the recorded returns to the last digit`, async () => {
    await withFolder(async (root) => {
      const cells = await trainSmoke(root, only, algorithm);
      const folder = join(root, "shipped");
      const { shipped, missing } = await shipRuns(cells, root, folder);
      assertEquals([shipped.length, missing], [cells.length, 0]);
      const { runs: [run], problems } = await readShipped(folder);
      assertEquals(problems, []);
      assert(!JSON.stringify(run.evaluation).includes(root), "a path of this machine is shipped");
      const cell = replayCell(run, "quick");
      const { replay, environment } = await playShipped(cell, codeOf(cell), root, () => {}, folder);
      assert(replay!.episodes > 0);
      assertEquals(replay, { code: "same", episodes: replay!.episodes, equal: replay!.episodes });
      assertEquals(environment, run.evaluation.environment);
      const exported = join(cellFolder(root, cell), "policy.onnx");
      if (algorithm === "dtql") {
        assertEquals(
          await Deno.readFile(exported),
          await Deno.readFile(join(cellFolder(root, cells[0]), "policy.onnx")),
        );
      }
      assertEquals((await exportRun(cellFolder(root, cell), join(root, "export"))).denoiser, undefined);
      const { source, code } = JSON.parse(await Deno.readTextFile(join(cellFolder(root, cell), "run.json")));
      assertEquals([source, code], [codeOf(cell).algorithm.source, run.code]);
      assertEquals(await readMetrics(cellFolder(root, cell)), run.metrics);
    });
  });
}

Deno.test("of the family the first seed's policies on the replays are shipped and played; what the others say is taken as it was recorded", async () => {
  await withFolder(async (root) => {
    const [cell] = await trainSmoke(root, "family", "bc");
    const others = [{ ...cell, seed: 1 }, { ...cell, task: "hopper-medium-local" }];
    for (const other of others) await trainCell(other, codeOf(other), root, () => {});
    const folder = join(root, "shipped");
    await shipRuns([cell, ...others], root, folder);
    const { runs } = await readShipped(folder);
    const cells = runs.map((run) => replayCell(run, "quick"));
    assertEquals(cells.map(({ task, seed, shipped }) => [task, seed, shipped!.playable]), [
      ["hopper-medium-local", 0, false],
      ["hopper-medium-replay-local", 0, true],
      ["hopper-medium-replay-local", 1, false],
    ]);
    for (const [i, { evaluation }] of runs.entries()) {
      const { replay, environment } = await playShipped(cells[i], codeOf(cells[i]), root, () => {}, folder);
      assertEquals(replay!.episodes > 0, i === 1);
      assertEquals(environment, evaluation.environment);
    }
  });
});

Deno.test("a run that is shipped takes the place of runs of its method, task and seed that are planned no more, and of no others", async () => {
  await withFolder(async (root) => {
    const [cell] = await trainSmoke(root, "srpo", "bc");
    const other = { ...cell, seed: 1 };
    await trainCell(other, codeOf(other), root, () => {});
    const folder = join(root, "shipped");
    await shipRuns([cell, other], root, folder);
    const changed = changeCell(cell, { hidden: 16 });
    const kept = async () =>
      (await readShipped(folder)).runs.map(({ evaluation: { cell: { config, seed } } }) => [
        seed,
        (config as { hidden?: number }).hidden,
      ]);
    await shipRuns([changed, other], root, folder);
    assertEquals(await kept(), [[0, 32], [1, 32]], "nothing takes its place yet");
    await trainCell(changed, codeOf(changed), root, () => {});
    await shipRuns([cell, changed, other], root, folder);
    assertEquals((await kept()).sort(), [[0, 16], [0, 32], [1, 32]], "both are planned");
    await shipRuns([changed, other], root, folder);
    assertEquals((await kept()).sort(), [[0, 16], [1, 32]]);
    assertEquals((await readShipped(folder)).problems, []);
  });
});

Deno.test("shipped files that were edited, cut short or removed are refused by name, and the others are used", async () => {
  await withFolder(async (root) => {
    const [cell] = await trainSmoke(root, "srpo", "bc");
    const others = [1, 2, 3].map((seed) => ({ ...cell, seed }));
    for (const other of others) await trainCell(other, codeOf(other), root, () => {});
    const folder = join(root, "shipped");
    await shipRuns([cell, ...others], root, folder);
    const { runs } = await readShipped(folder);
    assertEquals(runs.map(({ evaluation }) => evaluation.cell.seed), [0, 1, 2, 3]);
    const at = (seed: number, name: string) => join(folder, runs[seed].path, name);
    await Deno.writeTextFile(
      at(0, "run.json"),
      (await Deno.readTextFile(at(0, "run.json"))).replace('"trainingMs":', '"trainingMs": '),
    );
    const bytes = await Deno.readFile(at(1, "acting.safetensors"));
    await Deno.writeFile(at(1, "acting.safetensors"), bytes.subarray(0, bytes.length - 4));
    await Deno.remove(at(2, "acting.safetensors"));
    const after = await readShipped(folder);
    assertEquals(after.runs.map(({ evaluation }) => evaluation.cell.seed), [3]);
    for (const [i, path] of [at(0, "run.json"), at(1, "acting.safetensors"), at(2, "acting.safetensors")].entries()) {
      assertStringIncludes(after.problems[i], path);
    }
  });
});

Deno.test("a return that is not the recorded one makes all episodes be played, and they take its place", async () => {
  await withFolder(async (root) => {
    const [cell] = await trainSmoke(root, "srpo", "bc");
    const folder = join(root, "shipped");
    const path = join(root, "runs/smoke/srpo", cell.task, "bc", cell.hash, "seed_0/evaluation.json");
    const evaluation = JSON.parse(await Deno.readTextFile(path));
    const [rule] = evaluation.environment.rules;
    const wanted = structuredClone(rule.episodes);
    rule.episodes[0].episodeReturn += 1;
    await Deno.writeTextFile(path, JSON.stringify(evaluation)); // As if another machine had rounded otherwise.
    await shipRuns([cell], root, folder);
    const { runs: [run] } = await readShipped(folder);
    const played = replayCell(run, "quick");
    const { replay, environment } = await playShipped(played, codeOf(played), root, () => {}, folder);
    assertEquals(replay, { code: "same", episodes: wanted.length, equal: wanted.length - 1 });
    assertEquals(environment!.rules[0].episodes, wanted);
  });
});

Deno.test("the shipped runs of this checkout are as their manifest says", async () => {
  assertEquals((await readShipped()).problems, []);
});

Deno.test("README.md and RESULTS.md have the numbers of the shipped runs, and none that was edited", async () => {
  const { runs } = await readShipped();
  const blocks = shippedBlocks(runs.map(({ evaluation }) => evaluation));
  for (const page of shippedPages) {
    const text = await Deno.readTextFile(page);
    assertStringIncludes(text, "<!-- shipped: ");
    assertEquals(fillPage(text, blocks), text, `${page} is not as \`deno task ship\` writes it`);
  }
  assertThrows(
    () => fillPage("<!-- shipped: nothing -->\n<!-- end of shipped -->", blocks),
    RangeError,
    'block "nothing"',
  );
});
