import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { createRng } from "../../algorithms/core/rng.ts";
import { cachePath } from "../../data/cache.ts";
import { loadDataset } from "../../data/dataset.ts";
import { type HdfArray, writeHdf5 } from "../../data/hdf5.ts";

Deno.test("600 truncated or byte-flipped files give a clear error or the right values, and never break the reader", async () => {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "fuzzed.hdf5");
  const rows = 5000;
  const wave = (dim: number): HdfArray => ({
    shape: [rows, dim],
    data: Float32Array.from({ length: rows * dim }, (_, i) => Math.fround(Math.sin(i) + Math.cos(i * i))),
  });
  const flags = (every: number): HdfArray => ({
    shape: [rows],
    data: Int8Array.from({ length: rows }, (_, i) => i % every === every - 1 ? 1 : 0),
  });
  const arrays = new Map<string, HdfArray>([
    ["observations", wave(4)],
    ["actions", wave(2)],
    ["rewards", { shape: [rows], data: wave(1).data }],
    ["terminals", flags(700)],
    ["timeouts", flags(1000)],
    ["infos/qpos", wave(3)],
  ]);
  await writeHdf5(path, arrays);
  const whole = await Deno.readFile(path);
  const right = await loadDataset(path);
  await Deno.remove(cachePath(path));

  const rng = createRng("fuzz");
  const outcomes = { refused: 0, correct: 0 };
  for (let trial = 0; trial < 600; trial++) {
    let bytes = whole.slice();
    if (trial % 3 === 0) bytes = bytes.subarray(0, rng.integer(bytes.length));
    // Half of the flips hit the first kilobytes, where the structure is; one to three bytes each.
    const reach = trial % 2 ? bytes.length : Math.min(bytes.length, 8192);
    for (let n = trial % 3 === 0 ? 0 : 1 + rng.integer(3); n > 0; n--) bytes[rng.integer(reach)] ^= 1 << rng.integer(8);
    await Deno.writeFile(path, bytes);
    try {
      const data = await loadDataset(path);
      assertEquals(data.rows, right.rows, `trial ${trial}`);
      for (const key of ["observations", "actions", "rewards", "terminals", "timeouts"] as const) {
        assertEquals(data[key], right[key], `trial ${trial}: ${key} differs without an error`);
      }
      outcomes.correct++;
      await Deno.remove(cachePath(path));
    } catch (error) {
      if ((error as Error).name === "AssertionError") throw error;
      assert(/^Cannot (open|read|load) /.test((error as Error).message), `trial ${trial}: ${(error as Error).message}`);
      outcomes.refused++;
    }
  }
  console.log(`      ${outcomes.refused} refused, ${outcomes.correct} read as they were written`);
  assert(outcomes.refused > 350 && outcomes.correct > 20);
  await Deno.writeFile(path, whole);
  assertEquals((await loadDataset(path)).observations, right.observations); // The reader still works.
  await Deno.remove(folder, { recursive: true });
});
