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

import {
  type ActingRule,
  type Agent,
  type Algorithm,
  type Batch,
  drawActions,
  drawNormals,
  exportActionDenoiser,
  finishUpdate,
  type Spec,
} from "../core/agent.ts";
import type { NdArray } from "../engine/array.ts";
import { compile } from "../engine/compile.ts";
import { asConstants, exportOnnx } from "../engine/export_onnx.ts";
import { edmDefaults, edmDenoiser, edmSigmas } from "../core/edm.ts";
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

  type Policy = { actor: Linear<NdArray>[]; observation: NdArray; noise: NdArray };
  const policy = compile<Policy, { action: Tensor }>("dtql/act", ({ actor, observation, noise }) => ({
    action: actorSample(actor, observation, noise, spec.maxAction),
  }));
  const score = compile<Policy & { critic: Critic<NdArray> }, { action: Tensor; value: Tensor }>(
    "dtql/candidates",
    ({ actor, critic, observation, noise }) => {
      const action = actorSample(actor, observation, noise, spec.maxAction);
      return { action, value: tf.minimum(...actionValues(critic, observation, action)) };
    },
  );

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

    act(state, observation, candidates, rng) {
      const { actor: { params: actor }, criticTarget: critic } = state.arrays as DtqlArrays;
      const rule: ActingRule<NdArray> = {
        drawNoise: (rows) => drawNormals(rows, spec.actionDim, rng),
        sample: (observation, noise) => policy({ actor, observation, noise }),
        score: (observation, noise) => score({ actor, critic, observation, noise }),
      };
      return drawActions(rule, observation, candidates, rng);
    },

    createActor: (state, rng) =>
      createGaussianActor((state.arrays as DtqlArrays).actor.params, spec.maxAction, logStdRange, rng),

    exportDenoiser(state) {
      const { params } = (state.arrays as DtqlArrays).diffusion;
      const bytes = exportActionDenoiser("dtql/denoiser", spec, (s, x, { sigma }) => {
        const network = (input: Tensor, level: Tensor) => scoreNetwork(asConstants(params), input, s, level);
        return edmDenoiser(network, edmDefaults, clip)(x, sigma);
      });
      const levels = (calls: number) =>
        edmSigmas(calls, edmDefaults).map((sigma) => ({ time: sigma, alpha: 1, sigma }));
      return { bytes, levels, mostCalls: 1000 };
    },

    exportPolicy(state) {
      const actor = (state.arrays as DtqlArrays).actor.params;
      const shapes = { observation: [1, spec.observationDim], noise: [1, spec.actionDim] };
      return exportOnnx("dtql/policy", shapes, ({ observation, noise }) => ({
        action: actorSample(asConstants(actor), observation, noise, spec.maxAction),
      }));
    },
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
