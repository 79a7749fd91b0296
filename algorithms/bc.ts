/**
 * BC: behaviour cloning with a deterministic policy.
 *
 * The policy and optimizer of TD3+BC (Fujimoto & Gu 2021, arXiv 2106.06860), trained on the imitation term of its Eq. 5 alone.
 *
 * Deviation: observations are not normalized, as TD3+BC's are.
 *
 * @module
 */

import { type Algorithm, type Batch, finishUpdate } from "./core/agent.ts";
import { checked, type CreateAgent } from "./core/checked.ts";
import { type CommonConfig, type Limits, ranges } from "./core/config.ts";
import type { NdArray } from "./engine/array.ts";
import { compile } from "./engine/compile.ts";
import { initMlp, type Linear } from "./core/nn.ts";
import { type AdamStep, adamStep, initTrained, type Trained, trainStep } from "./core/optim.ts";
import { tanhAction, tanhPolicy } from "./core/tanh_policy.ts";
import { meanSquaredError } from "./core/td.ts";

/** Settings of BC. */
export interface BcConfig extends CommonConfig {
  /** Adam's step size. */
  learningRate: number;
  /** Width of the two hidden layers. */
  hidden: number;
}

/** Defaults, those of TD3+BC's authors' code. */
export const bcDefaults: BcConfig = {
  learningRate: 3e-4,
  hidden: 256,
  updates: 1_000_000,
  batchSize: 256,
  candidates: 1,
  rewardTransform: "none",
  normalizeObservations: false,
};

const limits: Limits<BcConfig> = { learningRate: ranges.positive, hidden: ranges.count };

/** Creates BC for a task. */
export const createBc: CreateAgent<BcConfig> = checked("BC", { defaults: bcDefaults, limits }, (config, spec) => {
  type Policy<L = NdArray> = Trained<Linear<L>[], L>;
  const train = compile<{ state: { policy: Policy }; batch: Batch; step: AdamStep }>(
    "bc/update",
    ({ state, batch, step }) => {
      const policy = trainStep(
        state.policy,
        (p) => meanSquaredError(tanhAction(p, batch.observation, spec.maxAction), batch.action),
        step,
      );
      return { state: { policy: policy.next }, metrics: { policyLoss: policy.value } };
    },
  );
  return {
    init(rng) {
      const { observationDim: s, actionDim: a } = spec;
      const policy = initTrained(initMlp([s, config.hidden, config.hidden, a], rng.child("policy")));
      return { updates: 0, arrays: { policy } };
    },
    async update(state, batch) {
      const step = adamStep(state.updates + 1, { learningRate: config.learningRate });
      return finishUpdate(state, await train({ state: state.arrays as { policy: Policy }, batch, step }));
    },
    ...tanhPolicy("bc", spec, (arrays) => (arrays as { policy: Policy }).policy.params),
  };
});

/** BC. */
export const bc: Algorithm<BcConfig> = {
  name: "bc",
  module: import.meta.url,
  acts: "one pass",
  title: "BC",
  source: "Fujimoto & Gu 2021, arXiv 2106.06860, its imitation term",
  defaults: bcDefaults,
  limits,
  presets: {}, // One setting for all tasks.
  create: createBc,
};
