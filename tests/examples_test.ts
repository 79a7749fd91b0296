import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { makeLocalDataset } from "../data/local.ts";
import { localRecipes } from "../data/recipes.ts";

const cwd = new URL("../", import.meta.url);

async function run(name: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", `examples/${name}.ts`, ...args],
    cwd,
    stdout: "piped",
    stderr: "piped",
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

let kept: Promise<string> | null = null;
/** A small dataset of Hopper. */
const dataset = () =>
  kept ??= (async () => {
    const path = join(await Deno.makeTempDir(), "hopper-medium-replay-local.hdf5");
    await makeLocalDataset({ ...localRecipes["hopper-medium-replay-local"], transitions: 3000 }, path);
    return path;
  })();
Deno.test.afterAll(async () => {
  if (kept) await Deno.remove(join(await kept, ".."), { recursive: true });
});

Deno.test("examples/dtql_bandit.ts trains and measures", async () =>
  assertStringIncludes(await run("dtql_bandit", "near", "5"), "nearestMean"));

for (
  const [name, updates, said] of [
    ["srpo", "30", "score "],
    ["trajectory_stitching", "50", "score of a policy cloned from them: "],
    ["behavior_distillation", "10", "mean square error of a policy trained on 32 pairs: 0."],
  ]
) {
  Deno.test(`examples/${name}.ts runs on a dataset and says what came of it`, async () =>
    assertStringIncludes(await run(name, await dataset(), updates), said));
}
