/**
 * Cells of every kind whose process is killed again and again, beside the same cells left alone.
 *
 * `deno run -A tools/deno.ts run -A tests/results/cells/kills.ts <kills of each kind>` does so for as long as one likes.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { createRng } from "../../../algorithms/core/rng.ts";
import { makeLocalDataset } from "../../../data/local.ts";
import { localRecipes } from "../../../data/recipes.ts";
import { type Cell, cellFolder } from "../../../results/cells/cell.ts";
import { planCells } from "../../../results/plan.ts";
import { workspaceFolder } from "../../../tools/paths.ts";
import { changeCell, outcome, tinyCell, train } from "../cells.ts";

/** Kinds of training: minibatches of a bandit and of a dataset in phases, a toy's sweep, stages, and pairs by gradients through training. */
export const kinds: Readonly<Record<string, { only: string; algorithm: string; task?: string }>> = {
  "a bandit": { only: "bandits", algorithm: "dtql", task: "25gaussians-far" },
  "a dataset": { only: "srpo", algorithm: "srpo" },
  "a toy": { only: "toy", algorithm: "srpo_toy", task: "moons" },
  "stages": { only: "stitching", algorithm: "stitching" },
  "distillation": { only: "exponents", algorithm: "sdw_obd" },
};

const mostKills = 10;

/** What is left of a cell, without times. */
async function remains(root: string, cell: Cell) {
  const { environment } = JSON.parse(await Deno.readTextFile(join(cellFolder(root, cell), "evaluation.json")));
  const said = { ...await outcome(root, cell), environment };
  const timeless = JSON.parse(
    JSON.stringify({ result: said.result, environment }, (key, value) => key.endsWith("Ms") ? 0 : value),
  );
  return { ...said, ...timeless, policy: await Deno.readFile(join(cellFolder(root, cell), "policy.onnx")) };
}

const wait = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** Checkpoints and stages below a folder, and when they were written. */
function kept(folder: string): string {
  try {
    return [...Deno.readDirSync(folder)].map(({ name, isDirectory }) => {
      const path = join(folder, name);
      if (isDirectory) return kept(path);
      return name.endsWith(".safetensors") ? `${path} ${Deno.statSync(path).mtime!.getTime()}\n` : "";
    }).sort().join("");
  } catch {
    return ""; // It is not there yet, or just being renamed.
  }
}

const launch = (cell: Cell, root: string) =>
  new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", "-A", "results/executors/run_cell.ts", root, JSON.stringify(cell)],
    cwd: workspaceFolder,
    stdout: "piped",
    stderr: "piped",
  }).spawn();

/**
 * Kills a kind's cell at random moments, up to ten times a run, until it was killed often enough; every run is then left to end, and
 * has to end in the bytes of one that nothing disturbed.
 *
 * @returns Kills, those that came after the process had kept something, and runs.
 */
export async function killAgain(
  kind: string,
  folder: string,
  wanted: number,
): Promise<{ kills: number; later: number; runs: number }> {
  const recipe = localRecipes["hopper-medium-replay-local"];
  const path = join(folder, `${recipe.id}.hdf5`);
  if (!await Deno.stat(path).catch(() => null)) await makeLocalDataset({ ...recipe, transitions: 2000 }, path);
  const { only, ...which } = kinds[kind];
  const [planned] = planCells("smoke", { only, ...which }, "onnx", folder);
  const cell = changeCell(planned, kind === "a bandit" ? tinyCell.config : {}, { checkpointMs: 0 });
  const alone = join(folder, `${kind} alone`);
  await train(cell, alone);
  const whole = await remains(alone, cell);
  const rng = createRng(`kills of ${kind}`);
  const counts = { kills: 0, later: 0, runs: 0 };
  while (counts.kills < wanted) {
    const root = join(folder, `${kind} ${counts.runs++}`);
    for (let kill = 0; kill < Math.min(mostKills, wanted - counts.kills); kill++) {
      const before = kept(root);
      const child = launch(cell, root);
      const ended = child.output();
      let [running, progressed] = [true, false];
      ended.then(() => running = false);
      const early = rng.uniform() < 0.25; // Before anything is kept.
      while (running && !early && !progressed) {
        await wait(20);
        progressed = kept(root) !== before;
      }
      await wait(early ? 2000 * rng.uniform() : 300 * rng.uniform());
      try {
        child.kill("SIGKILL");
      } catch {
        // It ended first.
      }
      const { signal, success } = await ended;
      if (success) break;
      assertEquals(signal, "SIGKILL");
      counts.kills++;
      if (progressed) counts.later++;
    }
    const { success, stderr, stdout } = await launch(cell, root).output();
    assert(success, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
    assertEquals(await remains(root, cell), whole);
    await Deno.remove(root, { recursive: true });
  }
  return counts;
}

if (import.meta.main) {
  const folder = await Deno.makeTempDir();
  for (const kind of Object.keys(kinds)) {
    console.log(kind, JSON.stringify(await killAgain(kind, folder, Number(Deno.args[0]))));
  }
  await Deno.remove(folder, { recursive: true });
}
