/**
 * Loading a dataset of one million transitions, from HDF5 and from its cache, and drawing minibatches from it.
 *
 * @module
 */

import { createRng } from "../algorithms/core/rng.ts";
import { cachePath } from "../data/cache.ts";
import { drawBatch, loadDataset, qlearningDataset } from "../data/mod.ts";
import { createAgent } from "./dtql_workload.ts";

// ONESTEP_BENCH_DATASET names a file of halfcheetah's size, such as `make_dataset_file.py` writes.
const path = Deno.env.get("ONESTEP_BENCH_DATASET");
if (path) {
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
}
