import { assertEquals } from "@std/assert";
import type { AgentState, AnyAlgorithm, Batch } from "../../algorithms/core/agent.ts";
import { useBackend } from "../../algorithms/engine/backend.ts";
import { copyArrays, type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { treeLeaves } from "../../algorithms/engine/tree.ts";
import * as registry from "../../algorithms/registry.ts";

const spec = {
  observationDim: 5,
  actionDim: 2,
  maxAction: 1,
  observationStatistics: { mean: new Float32Array(5), standardDeviation: Array(5).fill(1) },
};
const rows = 16;

function drawTransitions(name: string): Batch {
  const rng = createRng(name);
  const normal = (dim: number) => ndarray(rng.fillNormal(new Float32Array(rows * dim)), [rows, dim]);
  const action = () => ndarray(rng.fillUniform(new Float32Array(rows * 2)).map((u) => 2 * u - 1), [rows, 2]);
  return {
    observation: normal(5),
    action: action(),
    reward: normal(1),
    nextObservation: normal(5),
    terminal: ndarray(new Float32Array(rows), [rows, 1]),
    nextAction: action(),
  };
}

/** Wide enough that weights have buffers of their own, and short enough that every phase is seen. */
const short: Record<string, Record<string, unknown>> = {
  dtql: { updates: 12, pretrainUpdates: 6, hidden: 160, diffusionHidden: 160 },
  dql_kl: { updates: 12, pretrainUpdates: 6, hidden: 160, diffusionHidden: 160 },
  diffusion_ql: { updates: 8, hidden: 160, emaStart: 2, emaEvery: 2 },
  srpo: { updates: 18, behaviourUpdates: 6, criticUpdates: 6, hidden: 160, behaviourHidden: 160, blocks: 1 },
  iql: { updates: 8, hidden: 160 },
  bc: { updates: 8, hidden: 160 },
  td3_bc: { updates: 8, hidden: 160 },
  rebrac: { updates: 8, hidden: 160 },
};

for (const [name, overrides] of Object.entries(short)) {
  Deno.test(`${name}: training in place gives the same bytes as training on copies`, async () => {
    await useBackend("onnx");
    const algorithm = (registry as Record<string, AnyAlgorithm>)[name];
    const known = Object.fromEntries(Object.entries(overrides).filter(([key]) => key in algorithm.defaults));
    const config = { ...algorithm.defaults, ...known };
    const train = async (each: (arrays: unknown) => unknown) => {
      const agent = algorithm.create(config, spec);
      let state: AgentState = agent.init(createRng("init"));
      for (let k = 0; k < config.updates; k++) {
        const { state: next } = await agent.update(state, drawTransitions(`batch/${k}`), createRng(`update/${k}`));
        state = { ...next, arrays: each(next.arrays) };
      }
      return treeLeaves<NdArray>(state.arrays).map(({ data }) => data);
    };
    assertEquals(await train((arrays) => arrays), await train(copyArrays));
  });
}
