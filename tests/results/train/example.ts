/**
 * A small dataset and an algorithm of a user's own, for the tests of training.
 *
 * @module
 */

import { join } from "node:path";
import { makeLocalDataset } from "../../../data/local.ts";
import { fromFileUrl } from "../../../tools/paths.ts";

/** Makes a file of a few random episodes of Hopper; its id has presets and a task. */
export async function makeHopperFile(folder: string): Promise<string> {
  const path = join(folder, "hopper-medium-replay-local.hdf5");
  const behaviours = [{ kind: "random" } as const];
  await makeLocalDataset(
    { id: "hopper-medium-replay-local", task: "hopper", transitions: 1500, behaviours, seed: 0 },
    path,
  );
  return path;
}

/** The workspace's root. */
export const workspace: string = fromFileUrl(new URL("../../../", import.meta.url));

/** Behaviour cloning by a linear policy: an algorithm in one file, outside of the package. */
export const ownAlgorithm = (root: string): string => `
import {
  type Agent, type Algorithm, type Batch, type CommonConfig, adamStep, type AdamStep, finishUpdate, initTrained, trainStep, type Trained,
} from "${root}algorithms/core/mod.ts";
import { asConstants, compile, exportOnnx, type NdArray, ndarray, tf, type Tensor } from "${root}algorithms/engine/mod.ts";

interface LinearConfig extends CommonConfig {
  learningRate: number;
}
type Layer<L> = { weight: L };

export const linearCloning: Algorithm<LinearConfig> = {
  name: "linear_cloning",
  title: "Linear cloning",
  source: "a test",
  module: import.meta.url,
  acts: "one pass",
  defaults: { learningRate: 1e-2, updates: 100, batchSize: 64, candidates: 1, rewardTransform: "none", normalizeObservations: false },
  presets: {},
  create(config, { observationDim, actionDim, maxAction }): Agent {
    const action = ({ weight }: Layer<Tensor>, s: Tensor) => tf.mul(tf.tanh(tf.matMul(s, weight)), maxAction);
    type Arrays = { policy: Trained<Layer<NdArray>> };
    const update = compile<{ state: Arrays; batch: Batch; step: AdamStep }>("linear/update", ({ state, batch, step }) => {
      const loss = (p: Layer<Tensor>) => tf.mean(tf.square(tf.sub(action(p, batch.observation), batch.action)));
      const { next, value } = trainStep(state.policy, loss as never, step);
      return { state: { policy: next }, metrics: { loss: value } };
    });
    const act = compile<{ p: Layer<NdArray>; observation: NdArray }, { action: Tensor }>(
      "linear/act",
      ({ p, observation }) => ({ action: action(p, observation) }),
    );
    const paramsOf = (arrays: unknown) => (arrays as Arrays).policy.params;
    return {
      init: (rng) => {
        const data = rng.fillNormal(new Float32Array(observationDim * actionDim)).map((x) => 0.1 * x);
        return { updates: 0, arrays: { policy: initTrained({ weight: ndarray(data, [observationDim, actionDim]) }) } };
      },
      update: async (state, batch) =>
        finishUpdate(state, await update({ state: state.arrays as Arrays, batch, step: adamStep(state.updates + 1, config) })),
      act: async (state, observation) => (await act({ p: paramsOf(state.arrays), observation })).action,
      exportPolicy: (state) =>
        exportOnnx("linear/policy", { observation: [1, observationDim] }, ({ observation }) => ({
          action: action(asConstants(paramsOf(state.arrays)) as never, observation),
        })),
    };
  },
};
`;
