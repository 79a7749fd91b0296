/**
 * DTQL: a one-step policy kept near the data by a diffusion trust region.
 *
 * Source: Chen, Wang & Zhou 2024, "Diffusion Policies creating a Trust Region for Offline Reinforcement Learning",
 * arXiv 2405.19690, and the authors' code where it differs ("authors' code" below).
 *
 * Deviation: the official loop runs one update more, at learning rate 0 where it decays; the denoised action's clip is
 * moved onto the residual (equal value, better float32).
 *
 * @module
 */

import { stochasticPolicy } from "../core/stochastic_policy.ts";
import { type Agent, type Algorithm, type Batch, finishUpdate, type Spec } from "../core/agent.ts";
import { exportActionDenoiser } from "../core/acting.ts";
import type { NdArray } from "../engine/array.ts";
import { compile } from "../engine/compile.ts";
import { asConstants } from "../engine/export_onnx.ts";
import { edmDefaults, edmDenoiser, edmLevels } from "../core/edm.ts";
import { createGaussianActor } from "../core/mlp_actor.ts";
import type { Linear } from "../core/nn.ts";
import { type AdamStep, initTrained, type Trained, trainStep } from "../core/optim.ts";
import { type Tensor, tf } from "../engine/tensor.ts";
import { assertDtql, type DtqlConfig, dtqlDefaults } from "./config.ts";
import { type ActorNoise, bounds, dtqlActorTerms } from "./losses.ts";
import { actionValues, actorSample, type Critic, initActor, logStdRange, scoreNetwork } from "./networks.ts";
import { banditPresets, dtqlPresets } from "./presets.ts";
import {
  compilePretraining,
  type DiffusionNoise,
  drawActorNoise,
  drawDiffusionNoise,
  initShared,
  movedTarget,
  type SharedArrays,
  sharedStep,
  type Steps,
  stepsAt,
} from "./shared.ts";

interface DtqlArrays<L = NdArray> extends SharedArrays<L> {
  actor: Trained<Linear<L>[], L>;
}

/** Creates DTQL for a task. */
export function createDtql(config: DtqlConfig, spec: Spec): Agent {
  assertDtql("DTQL", config);
  const clip = bounds(config, spec);
  const pretrain = compilePretraining("dtql", config, clip);

  const train = compile<{
    state: DtqlArrays;
    batch: Batch;
    diffusionNoise: DiffusionNoise;
    actorNoise: ActorNoise;
    steps: Steps & { actor: AdamStep };
  }>("dtql/update", ({ state, batch, diffusionNoise, actorNoise, steps }) => {
    const { next, metrics } = sharedStep(state, batch, diffusionNoise, steps, config, clip);
    const { diffusion, critic } = next; // Both already updated on this batch (authors' code).
    const actor = trainStep(
      state.actor,
      (p) => dtqlActorTerms(p, diffusion.params, critic.params, batch, actorNoise, config, spec),
      steps.actor,
    );
    const criticTarget = movedTarget(state.criticTarget, next.critic.params, config);
    return {
      state: { ...next, criticTarget, actor: actor.next },
      metrics: {
        ...metrics,
        trustRegionLoss: actor.terms.trustRegion,
        valueLoss: actor.terms.value,
        likelihoodLoss: actor.terms.likelihood,
        actorLoss: actor.value,
      },
    };
  });

  return {
    init(rng) {
      const arrays: DtqlArrays = {
        ...initShared(config, spec, rng),
        actor: initTrained(initActor(spec, config, rng.child("actor"))),
      };
      return { updates: 0, arrays };
    },

    async update(state, batch, rng) {
      const arrays = state.arrays as DtqlArrays;
      const rows = batch.reward.shape[0];
      const { main, steps, actor } = stepsAt(state.updates, config);
      const diffusionNoise = drawDiffusionNoise(rows, spec, rng);
      if (main < 0) return finishUpdate(state, await pretrain({ state: arrays, batch, diffusionNoise, steps }));
      const actorNoise = drawActorNoise(config.actorRows || rows, spec, config, rng);
      return finishUpdate(
        state,
        await train({ state: arrays, batch, diffusionNoise, actorNoise, steps: { ...steps, actor: actor() } }),
      );
    },

    createActor: (state, rng) =>
      createGaussianActor((state.arrays as DtqlArrays).actor.params, spec.maxAction, logStdRange, rng),

    exportDenoiser(state) {
      const { params } = (state.arrays as DtqlArrays).diffusion;
      const bytes = exportActionDenoiser("dtql/denoiser", spec, (s, x, { sigma }) => {
        const network = (input: Tensor, level: Tensor) => scoreNetwork(asConstants(params), input, s, level);
        return edmDenoiser(network, edmDefaults, clip)(x, sigma);
      });
      return { bytes, levels: (nfe) => edmLevels(nfe, edmDefaults), mostNfe: 1000 };
    },

    ...stochasticPolicy<Linear[], Critic>("dtql", spec, {
      paramsOf: (arrays) => (arrays as DtqlArrays).actor.params,
      sample: (actor, s, [noise]) => actorSample(actor, s, noise, spec.maxAction),
      criticOf: (arrays) => (arrays as DtqlArrays).criticTarget,
      value: (critic, s, a) => tf.minimum(...actionValues(critic, s, a)),
    }),
  };
}

/** DTQL. */
export const dtql: Algorithm<DtqlConfig> = {
  name: "dtql",
  module: import.meta.url,
  acts: "one sample",
  phases: ["pretrainUpdates"],
  title: "DTQL",
  source: "Chen, Wang & Zhou 2024, arXiv 2405.19690",
  defaults: dtqlDefaults,
  presets: { ...dtqlPresets, ...banditPresets("trust region") },
  create: createDtql,
};
