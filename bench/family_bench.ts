/**
 * One training update of FQL, SSCP, Consistency-AC and BFQ at halfcheetah size and their published ones, against eager TF.js.
 *
 * @module
 */

import type { AnyAlgorithm } from "../algorithms/core/agent.ts";
import { useBackend } from "../algorithms/engine/backend.ts";
import { bfq } from "../algorithms/bfq.ts";
import { consistencyAc } from "../algorithms/consistency_ac.ts";
import { fql } from "../algorithms/fql.ts";
import { sscp } from "../algorithms/sscp.ts";
import { createUpdates } from "./algorithm_workload.ts";

for (const algorithm of [fql, sscp, consistencyAc, bfq] as unknown as AnyAlgorithm[]) {
  const eager = await createUpdates(algorithm, "wasm");
  await eager.update();
  const compiled = await createUpdates(algorithm, "onnx");
  await compiled.update(); // Compiles.
  const group = `${algorithm.title} update, batch ${compiled.batchSize}`;
  Deno.bench("compiled (onnx)", { group, baseline: true, n: 20, warmup: 3 }, async () => {
    await compiled.update();
  });
  Deno.bench("eager wasm", { group, n: 3, warmup: 1 }, async (b) => {
    await useBackend("wasm");
    b.start();
    await eager.update();
    b.end();
    await useBackend("onnx");
  });
}
