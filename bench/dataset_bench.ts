/**
 * Loading a dataset of halfcheetah's layout, from HDF5 and from its cache, and drawing minibatches from it.
 *
 * @module
 */

import { createRng } from "../algorithms/core/rng.ts";
import { cachePath } from "../data/cache.ts";
import { drawBatch, type HdfArray, loadDataset, qlearningDataset, writeHdf5 } from "../data/mod.ts";
import { createAgent } from "./dtql_workload.ts";

/** A file of 200,000 random rows; it goes with the process. */
async function makeFile(): Promise<string> {
  const folder = await Deno.makeTempDir();
  addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  const [count, rng] = [200_000, createRng("bench")];
  const floats = (...shape: number[]) => ({
    shape,
    data: rng.fillUniform(new Float32Array(shape.reduce((a, b) => a * b))),
  });
  const flags = (every: number) => ({
    shape: [count],
    data: Int8Array.from({ length: count }, (_, i) => Number(every > 0 && i % every === every - 1)),
  });
  const path = `${folder}/halfcheetah-bench.hdf5`;
  await writeHdf5(
    path,
    new Map<string, HdfArray>([
      ["observations", floats(count, 17)],
      ["next_observations", floats(count, 17)],
      ["actions", floats(count, 6)],
      ["rewards", floats(count)],
      ["terminals", flags(0)],
      ["timeouts", flags(1000)],
    ]),
    {},
  );
  return path;
}

// ONESTEP_BENCH_DATASET names another file, such as the million rows that `make_dataset_file.py` writes.
const path = Deno.env.get("ONESTEP_BENCH_DATASET") ?? await makeFile();
await loadDataset(path);
Deno.bench("HDF5", { group: "loading", n: 3, warmup: 0 }, async (b) => {
  await Deno.remove(cachePath(path)).catch(() => {});
  b.start();
  await loadDataset(path);
  b.end();
});
Deno.bench("cache", { group: "loading", baseline: true, n: 5, warmup: 1 }, async () => {
  await loadDataset(path);
});
const data = qlearningDataset(await loadDataset(path));
const rng = createRng("rows");
const agent = await createAgent("onnx");
const batch = drawBatch(data, 256, rng);
await agent.update(batch);
Deno.bench("compiled DTQL update", { group: "minibatch of 256", baseline: true, n: 30, warmup: 5 }, async () => {
  await agent.update(batch);
});
Deno.bench("drawBatch", { group: "minibatch of 256", n: 500, warmup: 50 }, () => {
  drawBatch(data, 256, rng);
});
