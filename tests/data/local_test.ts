import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { loadTransitions } from "../../data/d4rl.ts";
import { loadDataset } from "../../data/dataset.ts";
import { type HdfArray, readHdf5, writeHdf5 } from "../../data/hdf5.ts";
import { ensureLocalDataset, ensureMade } from "../../data/local.ts";
import { localRecipes } from "../../data/recipes.ts";
import { fromFileUrl } from "../../tools/paths.ts";
import { exampleArrays } from "./example.ts";

const recipe = { ...localRecipes["hopper-medium-replay-local"], transitions: 4000 };

/** A process that makes the dataset. */
const startWorker = (path: string, transitions: number) =>
  new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", fromFileUrl(new URL("./local_worker.ts", import.meta.url)), path, `${transitions}`],
    stdout: "piped",
    stderr: "piped",
  }).spawn();

async function withFolder(use: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

Deno.test("two processes that make one local dataset at once share the making, and leave nothing else", () =>
  withFolder(async (folder) => {
    const path = join(folder, "x.hdf5");
    const outputs = await Promise.all([1, 2, 3].map(() => startWorker(path, 6000).output()));
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    for (const { code, stderr } of outputs) assertEquals([code, text(stderr)], [0, ""]);
    assertEquals(outputs.filter(({ stdout }) => text(stdout).includes("made")).length, 1);
    assertEquals(names(folder), ["x.hdf5"]);
    assertEquals((await readHdf5(path)).arrays.get("rewards")!.shape, [6000]);
  }));

Deno.test("a process that is killed while it makes a dataset blocks no other, and what it was writing is swept", () =>
  withFolder(async (folder) => {
    const path = join(folder, "x.hdf5");
    const killed = startWorker(path, 300_000);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    killed.kill("SIGKILL");
    await killed.output();
    for (const name of ["99999.1", "node-3.99999.1"]) {
      await Deno.writeTextFile(`${path}.${name}.part`, "what a process that was killed later would leave");
    }
    await Deno.writeTextFile(`${path}.part`, "a download's, which is gone on with");
    await ensureMade(recipe, path, { onMade: () => {} });
    assertEquals(names(folder), ["x.hdf5", "x.hdf5.part"]);
  }));

Deno.test("making stops at once when it is asked to, and leaves nothing", () =>
  withFolder(async (folder) => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 600);
    const start = performance.now();
    const totals = new Set<number>();
    const options = { folder, signal: stop.signal, onMade: (_: number, total: number) => totals.add(total) };
    await assertRejects(
      () => loadTransitions("maze2d-umaze-local", options),
      Error,
      'Cannot make "maze2d-umaze-local": stopped',
    );
    assert(performance.now() - start < 5000);
    assertEquals([...totals], [1_000_000]); // An id that is not there is made, and says how far it is.
    assertEquals(names(folder), []);
  }));

Deno.test("ensureMade() keeps a file that the present code would make, and makes others anew", () =>
  withFolder(async (folder) => {
    const path = join(folder, "x.hdf5");
    let made = 0;
    const ensure = async (with_ = recipe) => {
      const before = (await Deno.stat(path).catch(() => null))?.mtime?.getTime();
      await ensureMade(with_, path, { onMade: () => {} });
      if ((await Deno.stat(path)).mtime?.getTime() !== before) made++;
      return made;
    };
    assertEquals(await ensure(), 1);
    assertEquals(await ensure(), 1);
    const { arrays, attributes } = await readHdf5(path);
    const { sha256: _, ...rest } = Object.fromEntries(attributes);
    const written = arrays as Map<string, HdfArray>;
    written.get("observations")!.data[11 * 40 + 3] += 1e-6; // As other physics or policies would have it.
    await writeHdf5(path, written, rest);
    assertEquals(await ensure(), 2);
    assertEquals(await ensure({ ...recipe, seed: 1 }), 3);
    assertEquals(await ensure({ ...recipe, seed: 1 }), 3);
    await Deno.writeFile(path, (await Deno.readFile(path)).subarray(0, 5000));
    assertEquals(await ensure({ ...recipe, seed: 1 }), 4);
  }));

Deno.test("a file of another recipe is not taken for a local dataset, with the remedy", () =>
  withFolder(async (folder) => {
    const id = "maze2d-umaze-local";
    const path = join(folder, `${id}.hdf5`);
    await writeHdf5(path, exampleArrays(), { id, recipe: JSON.stringify(localRecipes[id]) });
    assertEquals((await loadDataset(id, { folder })).rows, 6);
    await writeHdf5(path, exampleArrays(), { id, recipe: JSON.stringify({ ...localRecipes[id], transitions: 5 }) });
    const said = `made by another recipe; run \`deno task dataset make ${id}\``;
    for (const _ of ["from the file", "from the cache"]) {
      await assertRejects(() => loadDataset(id, { folder }), Error, said);
    }
    await assertRejects(() => ensureLocalDataset("hopper-medium-v2", { folder }), RangeError, "unknown id");
  }));
