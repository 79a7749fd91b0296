import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import * as ort from "onnxruntime-node";
import { resolveConfig } from "../../algorithms/core/config.ts";
import { useBackend } from "../../algorithms/engine/backend.ts";
import { decodeCheckpoint, encodeCheckpoint, restoreTree } from "../../algorithms/engine/checkpoint.ts";
import { type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { treeEntries } from "../../algorithms/engine/tree.ts";
import { hasWebGpu } from "../processes.ts";
import { algorithms, createSmall, drawTransitions, rows, spec, train } from "./small.ts";

const eagerBackends = ["cpu", ...(await hasWebGpu() ? ["webgpu"] : [])];

for (const [name, algorithm] of Object.entries(algorithms)) {
  const create = () => createSmall(name);

  for (const backend of eagerBackends) {
    Deno.test(`${name} trains alike on onnx and on eager ${backend}, pretraining included`, async () => {
      const compiled = await train(create(), 5);
      await useBackend(backend);
      const eager = await train(create(), 5).finally(() => useBackend("onnx"));
      assertEquals(Object.keys(compiled.metrics), Object.keys(eager.metrics));
      for (const [metric, value] of Object.entries(compiled.metrics)) {
        const wanted = eager.metrics[metric];
        assert(
          Math.abs(value - wanted) <= 1e-4 * Math.max(1, Math.abs(wanted)),
          `${metric}: ${value}, ${wanted} on ${backend}`,
        );
      }
      const wanted = new Map(treeEntries<NdArray>(eager.state.arrays));
      for (const [path, { data }] of treeEntries<NdArray>(compiled.state.arrays)) {
        if (path.includes("adam")) continue;
        // Adam divides by the root of small moments, which turns float32 noise into up to a part of the learning rate.
        data.forEach((x, i) => assert(Math.abs(x - wanted.get(path)!.data[i]) <= 3e-4, `${path}[${i}]`));
      }
    });
  }

  Deno.test(`${name} resumed from a checkpoint at any update ends in the same bytes`, async () => {
    const { state: whole } = await train(create(), 6);
    const wanted = encodeCheckpoint(whole.arrays, {});
    for (let stop = 1; stop < 6; stop++) { // In every phase of those that have several.
      const { state } = await train(create(), stop);
      const arrays = restoreTree(
        create().init(createRng("other")).arrays,
        decodeCheckpoint(encodeCheckpoint(state.arrays, {})),
      );
      const { state: resumed } = await train(create(), 6, { updates: stop, arrays });
      assertEquals(encodeCheckpoint(resumed.arrays, {}), wanted, `stopped after ${stop}`);
    }
  });

  Deno.test(`${name} acts within bounds, and its exported policy gives the same actions`, async () => {
    const agent = create();
    const { state } = await train(agent, 4);
    const observation = drawTransitions("act").observation;
    for (const candidates of [1, 16]) {
      const { data, shape } = await agent.act(state, observation, candidates, createRng("act"));
      assertEquals(shape, [rows, 2]);
      assert(data.every((a) => Math.abs(a) <= 1));
    }
    const session = await ort.InferenceSession.create(agent.exportPolicy(state));
    const one = ndarray(observation.data.slice(0, 3), [1, 3]);
    const feeds: Record<string, ort.Tensor> = {
      observation: new ort.Tensor("float32", one.data as Float32Array, [1, 3]),
    };
    const [, noiseInput] = session.inputMetadata;
    if (noiseInput?.isTensor) { // Absent for a deterministic policy.
      const dims = noiseInput.shape as number[];
      const draws = Array.from(
        { length: dims[0] },
        (_, i) => createRng("act").fillNormal(new Float32Array(2 * (i + 1))).slice(-2),
      );
      feeds.noise = new ort.Tensor("float32", new Float32Array(draws.flatMap((draw) => [...draw])), dims);
    }
    const { action } = await session.run(feeds);
    const { data } = await agent.act(state, one, 1, createRng("act"));
    // Weights that are constants are packed otherwise than weights that are inputs, hence the last digit.
    data.forEach((a, i) => assertAlmostEquals((action.data as Float32Array)[i], a, 1e-6));
  });

  Deno.test(`${name} has a source for every preset, and presets that its own check accepts`, () => {
    for (const [task, { source }] of Object.entries(algorithm.presets)) {
      assert(source.length > 0);
      algorithm.create(resolveConfig(algorithm, task), spec);
    }
  });
}
