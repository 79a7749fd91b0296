/**
 * DQL-KL: the one-step policy regularized by score distillation, the comparison in DTQL's paper.
 *
 * Source: Chen, Wang & Zhou 2024, arXiv 2405.19690, Eq. 8, and the authors' code.
 *
 * @module
 */

import { stochasticPolicy } from "../core/stochastic_policy.ts";
import { type Agent, type Algorithm, type Batch, finishUpdate, type Spec } from "../core/agent.ts";
import { copyArrays, type NdArray } from "../engine/array.ts";
import { compile } from "../engine/compile.ts";
import { type AdamStep, initTrained, type Trained, trainStep } from "../core/optim.ts";
import { stopGradient, type Tensor, tf } from "../engine/tensor.ts";
import { assertDtql, type DtqlConfig, dtqlDefaults } from "./config.ts";
import { type ActorNoise, bounds, diffusionLoss, distillationLoss, klAction } from "./losses.ts";
import { actionValues, type Critic, type ScoreNetwork } from "./networks.ts";
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

interface KlArrays<L = NdArray> extends SharedArrays<L> {
  actor: Trained<ScoreNetwork<L>, L>;
  /** Diffusion network of the actor's own actions. */
  fake: Trained<ScoreNetwork<L>, L>;
}

/**
 * Creates DQL-KL, the paper's comparison (Eq. 8): a one-step policy regularized by score distillation instead of the
 * trust region. After pretraining, the policy and the diffusion network of its own actions start as copies of the
 * behaviour network.
 */
export function createDqlKl(config: DtqlConfig, spec: Spec): Agent {
  assertDtql("DQL-KL", config);
  const clip = bounds(config, spec);
  const pretrain = compilePretraining("dql_kl", config, clip);

  const train = compile<{
    state: KlArrays;
    batch: Batch;
    diffusionNoise: DiffusionNoise;
    actorNoise: ActorNoise;
    fakeNoise: DiffusionNoise;
    steps: Steps & { actor: AdamStep };
  }>("dql_kl/update", ({ state, batch, diffusionNoise, actorNoise, fakeNoise, steps }) => {
    const s = batch.observation;
    const { next, metrics } = sharedStep(state, batch, diffusionNoise, steps, config, clip);
    const actor = trainStep(state.actor, (p) => {
      const action = klAction(p, s, actorNoise.action);
      const distillation = distillationLoss(next.diffusion.params, state.fake.params, s, action, actorNoise, clip);
      const value = tf.neg(tf.mean(tf.minimum(...actionValues(next.critic.params, s, action))));
      const total = tf.add(tf.mul(distillation, config.trustRegionWeight), tf.mul(value, config.valueWeight));
      return { total, distillation, value };
    }, steps.actor);
    const own = stopGradient(klAction(state.actor.params, s, actorNoise.action)); // Shared with the step above.
    const fake = trainStep(state.fake, (p) => diffusionLoss(p, s, own, fakeNoise, clip), steps.actor);
    return {
      state: {
        ...next,
        criticTarget: movedTarget(state.criticTarget, next.critic.params, config),
        actor: actor.next,
        fake: fake.next,
      },
      metrics: {
        ...metrics,
        distillationLoss: actor.terms.distillation,
        valueLoss: actor.terms.value,
        actorLoss: actor.value,
        fakeLoss: fake.value,
      },
    };
  });

  const bounded = (action: Tensor) => config.denoised === "free" ? action : tf.clipByValue(action, -clip, clip);

  return {
    init(rng) {
      const shared = initShared(config, spec, rng);
      const copy = () => initTrained(copyArrays(shared.diffusion.params));
      const arrays: KlArrays = { ...shared, actor: copy(), fake: copy() };
      return { updates: 0, arrays };
    },

    async update(state, batch, rng) {
      let arrays = state.arrays as KlArrays;
      const rows = batch.reward.shape[0];
      const { main, steps, actor } = stepsAt(state.updates, config);
      const diffusionNoise = drawDiffusionNoise(rows, spec, rng);
      if (main < 0) return finishUpdate(state, await pretrain({ state: arrays, batch, diffusionNoise, steps }));
      if (main === 0) {
        const copy = () => initTrained(copyArrays(arrays.diffusion.params));
        arrays = { ...arrays, actor: copy(), fake: copy() };
      }
      const actorNoise = drawActorNoise(config.actorRows || rows, spec, config, rng);
      const fakeNoise = drawDiffusionNoise(config.actorRows || rows, spec, rng);
      const noises = { diffusionNoise, actorNoise, fakeNoise };
      return finishUpdate(state, await train({ state: arrays, batch, ...noises, steps: { ...steps, actor: actor() } }));
    },

    ...stochasticPolicy<ScoreNetwork, Critic>("dql_kl", spec, {
      paramsOf: (arrays) => (arrays as KlArrays).actor.params,
      sample: (actor, s, [noise]) => bounded(klAction(actor, s, noise)),
      criticOf: (arrays) => (arrays as KlArrays).criticTarget,
      value: (critic, s, a) => tf.minimum(...actionValues(critic, s, a)),
    }),
  };
}

/** DQL-KL, DTQL's comparison. */
export const dqlKl: Algorithm<DtqlConfig> = {
  name: "dql_kl",
  module: import.meta.url,
  acts: "one sample",
  phases: ["pretrainUpdates"],
  title: "DQL-KL",
  source: "Chen, Wang & Zhou 2024, arXiv 2405.19690, Eq. 8",
  defaults: dtqlDefaults,
  presets: { ...dtqlPresets, ...banditPresets("kl") },
  create: createDqlKl,
};
