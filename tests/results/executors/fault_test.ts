import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { makeLocalDataset } from "../../../data/local.ts";
import { localRecipes } from "../../../data/recipes.ts";
import { cellFolder } from "../../../results/cells/cell.ts";
import { dataHash } from "../../../results/cells/fingerprint.ts";
import { planCells } from "../../../results/plan.ts";
import { fromFileUrl } from "../../../tools/paths.ts";
import { withFolder } from "../../folder.ts";
import { listProcesses } from "../../processes.ts";
import { outcome } from "../cells.ts";
import { lastLine, reproduce as command, textOf } from "../reproduce.ts";

const workspace = fromFileUrl(new URL("../../../", import.meta.url));
const seeds = [0, 1, 2];
const selection = ["--profile", "smoke", "--only", "bandits", "--seeds", `${seeds}`];
const cells = planCells("smoke", { only: "bandits", seeds }, "onnx", "");

const reproduce = (root: string) => command([...selection, "--out", root]);
const wait = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** What the report says of each cell, without times. */
const reported = async (root: string) =>
  (await Deno.readTextFile(join(root, "smoke", "bandits.csv"))).split("\n")
    .map((line) => line.split(",").slice(0, -1).join(","));

let kept: Promise<string> | null = null;
/** The folder of a run that nothing disturbed. */
function undisturbed(): Promise<string> {
  return kept ??= (async () => {
    const root = await Deno.makeTempDir();
    assertEquals((await reproduce(root).output()).code, 0);
    return root;
  })();
}

Deno.test.afterAll(async () => {
  if (kept) await Deno.remove(await kept, { recursive: true });
});

/** Asserts that a run ended as one that nothing disturbed, and left nothing half-written. */
async function assertWhole(root: string) {
  const wanted = await undisturbed();
  for (const cell of cells) {
    assertEquals(await outcome(root, cell), await outcome(wanted, cell));
    const names = [...Deno.readDirSync(cellFolder(root, cell))].map(({ name }) => name);
    assert(!names.some((name) => name.endsWith(".part")), `${names}`);
  }
  assertEquals(await reported(root), await reported(wanted));
}

/** Processes that have a folder in their command line. */
const processesOf = async (root: string) =>
  (await listProcesses()).filter(({ pid, command }) => pid !== Deno.pid && command.includes(root));

async function untilOneIsDone(root: string) {
  for (let i = 0; i < 6000; i++) { // Five minutes, for a busy machine.
    for (const cell of cells) {
      if (await Deno.stat(join(cellFolder(root, cell), "evaluation.json")).catch(() => null)) return;
    }
    await wait(50);
  }
  throw new Error("no cell ended");
}

const kill = ({ pid }: { pid: number }) => {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It ended first.
  }
};
const linux = Deno.build.os === "linux";

Deno.test({
  name: "a run whose parent alone is killed goes on where it stopped, beside the cells that outlived it",
  ignore: !linux,
  fn: () =>
    withFolder(async (root) => {
      const launcher = reproduce(root).spawn();
      await untilOneIsDone(root);
      const parents = (await processesOf(root)).filter(({ command }) => !command.includes("run_cell.ts"));
      assert(parents.length > 0);
      parents.forEach(kill);
      await launcher.output();
      const { code, stderr } = await reproduce(root).output();
      assertEquals(code, 0, textOf(stderr));
      await assertWhole(root);
    }),
});

Deno.test({
  name: "a run all of whose processes are killed at once ends as one that nothing disturbed",
  ignore: !linux,
  fn: () =>
    withFolder(async (root) => {
      const launcher = reproduce(root).spawn();
      await untilOneIsDone(root);
      (await processesOf(root)).forEach(kill);
      await launcher.output();
      const { code, stderr } = await reproduce(root).output();
      assertEquals(code, 0, textOf(stderr));
      await assertWhole(root);
    }),
});

Deno.test("two parents on one results folder both end well, and no cell is trained twice", () =>
  withFolder(async (root) => {
    const ended = await Promise.all([reproduce(root).output(), reproduce(root).output()]);
    for (const { code, stderr } of ended) assertEquals(code, 0, textOf(stderr));
    await assertWhole(root);
    for (const cell of cells) {
      const lines = (await Deno.readTextFile(join(cellFolder(root, cell), "metrics.jsonl"))).trim().split("\n");
      assertEquals(new Set(lines).size, lines.length);
    }
  }));

Deno.test("two parents on two results folders read one dataset that nobody has decoded, and end alike", () =>
  withFolder(async (folder) => {
    const recipe = localRecipes["hopper-medium-replay-local"];
    const path = join(folder, `${recipe.id}.hdf5`);
    await makeLocalDataset({ ...recipe, transitions: 1000 }, path);
    await Deno.writeTextFile(`${path}.made`, dataHash(recipe.id));
    const [cell] = planCells("smoke", { only: "srpo", algorithm: "bc" }, "onnx", folder);
    const roots = ["one", "other"].map((name) => join(folder, name));
    const selected = ["--profile", "smoke", "--only", "srpo", "--algorithm", "bc"];
    const ended = await Promise.all(
      roots.map((root) => command([...selected, "--out", root], { D4RL_DATASET_DIR: folder }).output()),
    );
    for (const { code, stderr } of ended) assertEquals(code, 0, textOf(stderr));
    const [one, other] = await Promise.all(roots.map((root) => outcome(root, cell)));
    assertEquals(one, other);
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.startsWith(recipe.id));
    assertEquals(names.sort(), ["", ".arrays", ".made"].map((end) => `${recipe.id}.hdf5${end}`));
  }));

Deno.test("a cell whose evaluation is cut short is evaluated again from its checkpoint, not reported", () =>
  withFolder(async (root) => {
    assertEquals((await reproduce(root).output()).code, 0);
    const path = join(cellFolder(root, cells[0]), "evaluation.json");
    await Deno.truncate(path, 200);
    const { code, stdout } = await reproduce(root).output();
    assertEquals(code, 0);
    assertStringIncludes(textOf(stdout), `${cells.length - 1} of ${cells.length} cells are done already`);
    await assertWhole(root);
  }));

Deno.test("a clock that goes backwards changes nothing", () =>
  withFolder(async (root) => {
    const clock = join(root, "clock.ts");
    await Deno.writeTextFile(
      clock,
      `const [now, start] = [Date.now, Date.now()];
       Date.now = () => start - 1000 * (now() - start);`,
    );
    const cell = cells[0];
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", `--preload=${clock}`, "results/executors/run_cell.ts", root, JSON.stringify(cell)],
      cwd: workspace,
      stdout: "piped",
      stderr: "piped",
    }).output();
    assertEquals(code, 0, textOf(stdout));
    assertEquals(await outcome(root, cell), await outcome(await undisturbed(), cell));
  }));

const mount = async (...args: string[]) =>
  (await new Deno.Command("mount", { args, stdout: "null", stderr: "null" }).output().catch(() => null))?.success ??
    false;
const unmount = async (path: string) => {
  for (let i = 0; i < 20; i++) {
    const { success } = await new Deno.Command("umount", { args: [path], stdout: "null", stderr: "null" }).output();
    if (success) return;
    await wait(200);
  }
};
const mounts = linux && Deno.uid() === 0 && await (async () => {
  const folder = await Deno.makeTempDir();
  const can = await mount("-t", "tmpfs", "none", folder);
  if (can) await unmount(folder);
  await Deno.remove(folder);
  return can;
})();

Deno.test({
  name:
    "a disk that fills up ends a run with one clear line, and with space again it ends as one that nothing disturbed",
  ignore: !mounts,
  fn: () =>
    withFolder(async (folder) => {
      const root = join(folder, "disk");
      await Deno.mkdir(root);
      assert(await mount("-t", "tmpfs", "-o", "size=700k", "none", root));
      try {
        const { code, stderr } = await reproduce(root).output();
        assertEquals(code, 1);
        assertStringIncludes(textOf(stderr), "the disk must have space left; free some of");
        assert(await mount("-o", "remount,size=200m", root));
        const again = await reproduce(root).output();
        assertEquals(again.code, 0, textOf(again.stderr));
        await assertWhole(root);
      } finally {
        await unmount(root);
      }
    }),
});

Deno.test({
  name: "a results folder on a read-only disk ends a run with one clear line",
  ignore: !mounts,
  fn: () =>
    withFolder(async (folder) => {
      const root = join(folder, "disk");
      await Deno.mkdir(root);
      assert(await mount("-t", "tmpfs", "-o", "ro", "none", root));
      try {
        const { code, stderr } = await reproduce(root).output();
        assertEquals(code, 1);
        assertStringIncludes(lastLine(stderr), "error: Cannot write");
        assertStringIncludes(lastLine(stderr), "the folder must be writable");
      } finally {
        await unmount(root);
      }
    }),
});
