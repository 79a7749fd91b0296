import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { localRecipes } from "../../data/recipes.ts";
import { writeHdf5 } from "../../data/hdf5.ts";
import { fromFileUrl } from "../../tools/paths.ts";
import { exampleArrays } from "./example.ts";

const cli = fromFileUrl(new URL("../../data/cli.ts", import.meta.url));

/** Runs `dataset` where the user stands in `folder`, datasets in its `sets`. */
async function dataset(folder: string, ...args: string[]): Promise<{ code: number; text: string }> {
  const map = new URL("../../node_modules/.onestep/stand_ins.json", import.meta.url); // Where jsr.io is out of reach.
  const stands = await Deno.stat(map).then(() => [`--import-map=${fromFileUrl(map)}`], () => []);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", ...stands, cli, ...args],
    cwd: folder,
    env: { D4RL_DATASET_DIR: join(folder, "sets"), INIT_CWD: folder, NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

Deno.test("dataset lists which hashes are published, shows and verifies files from where the user stands, and makes nothing by looking", async () => {
  const folder = await Deno.makeTempDir();
  const id = "maze2d-umaze-local";
  await Deno.mkdir(join(folder, "sets"));
  const recipe = JSON.stringify(localRecipes[id]);
  await writeHdf5(join(folder, "my data.hdf5"), exampleArrays(), { origin: "<script>" });
  await writeHdf5(join(folder, "sets", "maze2d-umaze-sparse-v1.hdf5"), exampleArrays());

  const list = await dataset(folder, "list");
  assertEquals(list.code, 0);
  assertMatch(list.text, /hopper-full-replay-v2 +188 MB +published/);
  assertMatch(list.text, /relocate-human-v1 +unknown +first seen/);
  assertStringIncludes(list.text, "122 of D4RL's 155 files");
  assertStringIncludes(list.text, "SHA-256: 102 are published; of the others the first that is seen is kept");

  const shown = await dataset(folder, "show", "./my data.hdf5");
  assertMatch(shown.text, /SHA-256 +[0-9a-f]{64}\n/);
  const open = await dataset(folder, "show", "maze2d-umaze-v1");
  assertMatch(open.text, /SHA-256 +none is published: the first that is seen is kept/);
  assertMatch(open.text, /SHA-256 +[0-9a-f]{64}, none is published; as it was first seen here/);
  assertMatch(
    (await dataset(folder, "verify", "maze2d-umaze-v1")).text,
    /SHA-256 [0-9a-f]{64}, as it was first seen here/,
  );

  for (const command of ["show", "verify"]) {
    const { code, text } = await dataset(folder, command, id);
    assertEquals([code, text], [
      1,
      `error: Cannot ${command} "${id}": it is not here; \`deno task dataset make ${id}\` makes it\n`,
    ]);
  }
  await writeHdf5(join(folder, "sets", `${id}.hdf5`), exampleArrays(), { id, recipe });
  assertStringIncludes(
    (await dataset(folder, "verify", id)).text,
    "6 rows, values have the SHA-256 they were written with",
  );
  assertStringIncludes((await dataset(folder, "show", id, "--figur", "x")).text, 'did you mean "--figure"?');
  assert((await dataset(folder, "-h")).text.startsWith("Lists, shows, fetches"));
  await Deno.remove(folder, { recursive: true });
});
