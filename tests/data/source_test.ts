import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import h5wasm from "h5wasm/node";
import { join } from "node:path";
import { createRng } from "../../algorithms/core/rng.ts";
import { cachePath, readCache } from "../../data/cache.ts";
import { qlearningDataset, taskOf } from "../../data/d4rl.ts";
import { datasetSha256, loadDataset } from "../../data/dataset.ts";
import { writeHdf5 } from "../../data/hdf5.ts";
import { markOf, sha256Of } from "../../data/source.ts";
import { exampleArrays, flags, floats } from "./example.ts";

async function withFolder(use: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Writes the example with another reward, of the same size and time as what was there. */
async function replaceUnseen(path: string, reward: number) {
  const { size, mtime, atime } = await Deno.stat(path);
  await writeHdf5(path, exampleArrays().set("rewards", floats([6], [1, 2, 4, 8, 16, reward])));
  await Deno.utime(path, atime!, mtime!);
  const now = await Deno.stat(path);
  assertEquals([now.size, now.mtime], [size, mtime]);
}

Deno.test("a cache does not answer for a file of the same size and time but other bytes", () =>
  withFolder(async (folder) => {
    const path = join(folder, "x.hdf5");
    await writeHdf5(path, exampleArrays());
    const unread = await datasetSha256(path);
    const first = await loadDataset(path);
    assertEquals(first.rewards[5], 32);
    assertEquals([unread, await datasetSha256(path)], [first.sha256, first.sha256]);
    await replaceUnseen(path, 33);
    assertEquals(await datasetSha256(path), await sha256Of(path));
    const second = await loadDataset(path);
    assertEquals(second.rewards[5], 33);
    assert(first.sha256 !== second.sha256);
    assertEquals(second.sha256, await sha256Of(path));
    await Deno.copyFile(cachePath(path), join(folder, "y.hdf5.arrays")); // Another file's cache, beside another file.
    await writeHdf5(join(folder, "y.hdf5"), exampleArrays());
    assertEquals((await loadDataset(join(folder, "y.hdf5"))).rewards[5], 32);
  }));

Deno.test("a cache does not answer for a file whose parts in other files have changed", () =>
  withFolder(async (folder) => {
    const [path, other] = [join(folder, "x.hdf5"), join(folder, "other.hdf5")];
    const arrays = exampleArrays();
    arrays.delete("rewards");
    await writeHdf5(path, arrays);
    const write = (reward: number) => writeHdf5(other, new Map([["r", floats([6], [1, 2, 4, 8, 16, reward])]]));
    await write(32);
    await h5wasm.ready;
    const file = new h5wasm.File(path, "a");
    file.create_external_link("other.hdf5", "/r", "rewards");
    file.delete_attribute("sha256"); // It names no rewards.
    file.close();
    const { rewards, sha256 } = await loadDataset(path);
    assertEquals([rewards[5], await datasetSha256(path)], [32, sha256]); // Of both files.
    await write(64);
    assertEquals((await loadDataset(path)).rewards[5], 64);
  }));

Deno.test("600 caches with flipped, missing or NaN bytes are not read, and none harms what is loaded", () =>
  withFolder(async (folder) => {
    const path = join(folder, "x.hdf5");
    await writeHdf5(path, exampleArrays(), { origin: "here" });
    const right = await loadDataset(path);
    const whole = await Deno.readFile(cachePath(path));
    const rng = createRng("cache");
    for (let trial = 0; trial < 600; trial++) {
      const bytes = whole.slice(0, trial % 3 === 0 ? rng.integer(whole.length) : whole.length);
      if (trial % 3 === 1) bytes.fill(255, bytes.length - 8 - rng.integer(100)); // NaN in float32.
      if (trial % 3 === 2) bytes[rng.integer(bytes.length)] ^= 1 << rng.integer(8);
      await Deno.writeFile(cachePath(path), bytes);
      const isSame = bytes.length === whole.length && bytes.every((byte, i) => byte === whole[i]);
      const found = await readCache(path);
      if (isSame || found === null) continue;
      // Spaces of the header may become other white space.
      assertEquals([...found.arrays], [...(await cacheOf(path, whole))!.arrays], `trial ${trial}`);
    }
    assertEquals(await loadDataset(path), right);
  }));

async function cacheOf(path: string, bytes: Uint8Array) {
  await Deno.writeFile(cachePath(path), bytes);
  return await readCache(path);
}

Deno.test("what killed processes left of caches is swept, and a cache that another process writes is done without", () =>
  withFolder(async (folder) => {
    const path = join(folder, "x.hdf5");
    await writeHdf5(path, exampleArrays());
    for (const name of ["arrays.12345.part", "arrays.1.2.part", "arrays.node-3.12345.part", "backup.part"]) {
      await Deno.writeTextFile(`${path}.${name}`, "");
    }
    {
      using lock = await Deno.open(`${cachePath(path)}.lock`, { create: true, write: true });
      await lock.lock(true);
      assertEquals((await loadDataset(path)).rows, 6);
      assertEquals(await readCache(path), null);
    }
    await Promise.all([1, 2, 3, 4].map(() => loadDataset(path)));
    assert(await readCache(path));
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    assertEquals(names, ["x.hdf5", "x.hdf5.arrays", "x.hdf5.backup.part"]);
  }));

Deno.test("markOf() tells files apart by their bytes alone", () =>
  withFolder(async (folder) => {
    const path = join(folder, "x");
    const marks = new Set<string>();
    const bytes = createRng(0).fillUniform(new Float32Array(1000));
    for (const size of [0, 1, 2, 3, 5, 4000]) {
      await Deno.writeFile(path, new Uint8Array(bytes.buffer, 0, size));
      marks.add(await markOf(path));
      assertEquals(await markOf(path), [...marks].at(-1));
    }
    assertEquals(marks.size, 6);
  }));

Deno.test("a file that is called as D4RL's but is not is no such task's, until its bytes are the published ones", () =>
  withFolder(async (folder) => {
    const path = join(folder, "hopper_medium-v2.hdf5");
    await writeHdf5(path, exampleArrays());
    const data = await loadDataset(path);
    assertEquals([data.name, taskOf(data)], ["hopper_medium-v2.hdf5", null]);
    for (const _ of ["with a cache that its path left", "again"]) {
      await assertRejects(
        () => loadDataset("hopper-medium-v2", { folder }),
        Error,
        "as hopper-medium-v2: it must have 152756557 bytes",
      );
    }
    const { size: bytes } = await Deno.stat(path);
    const own = join(folder, "catalog.json");
    await Deno.writeTextFile(own, JSON.stringify({ "hopper-medium-v2": { bytes, sha256: await sha256Of(path) } }));
    Deno.env.set("D4RL_DATASET_CATALOG", own);
    try {
      assertEquals(taskOf(data), "hopper-medium-v2");
      assertEquals((await loadDataset("hopper-medium-v2", { folder })).rows, 6);
      const named = await loadDataset(path, { id: "hopper-medium-v2" });
      assertEquals([named.name, taskOf(named), named.maxEpisodeSteps], ["hopper-medium-v2", "hopper-medium-v2", 1000]);
      await replaceUnseen(path, 33);
      await assertRejects(() => loadDataset(path, { id: "hopper-medium-v2" }), Error, "its SHA-256 must be");
      await assertRejects(() => loadDataset("hopper-medium-v2", { folder }), Error, "its SHA-256 must be");
    } finally {
      Deno.env.delete("D4RL_DATASET_CATALOG");
    }
  }));

Deno.test("a file without a published hash is held against the first that was seen", () =>
  withFolder(async (folder) => {
    const [id, path] = ["maze2d-umaze-v1", join(folder, "maze2d-umaze-sparse-v1.hdf5")];
    await writeHdf5(path, exampleArrays());
    await loadDataset(id, { folder });
    assertEquals(await Deno.readTextFile(`${path}.sha256`), `${await sha256Of(path)}  maze2d-umaze-sparse-v1.hdf5\n`);
    await loadDataset(id, { folder });
    await replaceUnseen(path, 33);
    await assertRejects(() => loadDataset(id, { folder }), Error, "as it was first seen here (the file's .sha256)");
    await Deno.writeTextFile(`${path}.sha256`, "nonsense");
    await assertRejects(() => loadDataset(id, { folder }), Error, "it must begin with 64 digits in hex");
  }));

Deno.test("the time limit of a file without timeouts is its task's, or must be given", () =>
  withFolder(async (folder) => {
    // As D4RL's qlearning_dataset with Kitchen's limit of 280 steps: it leaves out a row of each of the last two episodes.
    const lengths = [200, 230, 409, 300];
    const n = lengths.reduce((a, b) => a + b);
    const terminals = new Array(n).fill(0);
    lengths.reduce((at, length) => (terminals[at + length - 1] = 1, at + length), 0);
    const arrays = new Map([
      ["observations", floats([n, 1], new Array(n).fill(0))],
      ["actions", floats([n, 1], new Array(n).fill(0))],
      ["rewards", floats([n], new Array(n).fill(0))],
      ["terminals", flags(terminals)],
    ]);
    const [named, other] = ["kitchen_microwave_kettle_bottomburner_light-v0.hdf5", "mine.hdf5"].map((name) =>
      join(folder, name)
    );
    for (const path of [named, other]) await writeHdf5(path, arrays);
    assertEquals(qlearningDataset(await loadDataset(named)).count, n - 1 - 2);
    const mine = await loadDataset(other);
    assertThrows(() => qlearningDataset(mine), RangeError, "give it maxEpisodeSteps");
    assertEquals(qlearningDataset(mine, { maxEpisodeSteps: 280 }).count, n - 1 - 2);
    assertEquals(qlearningDataset(mine, { maxEpisodeSteps: Infinity }).count, n - 1);
  }));
