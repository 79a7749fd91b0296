/**
 * DTQL, a one-step policy kept near the data by a diffusion trust region, and its comparison DQL-KL, regularized by score distillation.
 *
 * Source: Chen, Wang & Zhou 2024, "Diffusion Policies creating a Trust Region for Offline Reinforcement Learning",
 * arXiv 2405.19690, and the authors' code where it differs ("authors' code" below).
 *
 * Deviation: the official loop runs one update more, at learning rate 0 where it decays; the denoised action's clip is
 * moved onto the residual (equal value, better float32). DQL-KL: policy and fake model start as copies of the behaviour model unless
 * `start` says otherwise, where the authors' bandit script has three networks of their own and no pretraining; actions are clipped to
 * the bounds where denoised ones are.
 *
 * @module
 */

import { exportActionDenoiser } from "../core/acting.ts";
import { copyArrays, type NdArray } from "../engine/array.ts";
import { asConstants } from "../engine/export_onnx.ts";
import { edmDefaults, edmDenoiser, edmLevels } from "../core/edm.ts";
import { createGaussianActor } from "../core/mlp_actor.ts";
import type { Linear } from "../core/nn.ts";
import { type AdamStep, adamStep, cosineDecay, initTrained, type Trained, trainStep } from "../core/optim.ts";
import { stochasticPolicy } from "../core/stochastic_policy.ts";
import { type Algorithm, type Batch, finishUpdate, type Spec } from "../core/agent.ts";
import { stopGradient, type Tensor, tf } from "../engine/tensor.ts";
import { compile } from "../engine/compile.ts";
import type { Rng } from "../core/rng.ts";
import { polyakAverage } from "../core/td.ts";
import {
  assertDtql,
  type DqlKlConfig,
  dqlKlDefaults,
  dqlKlLimits,
  dqlKlPresets,
  type DtqlConfig,
  dtqlDefaults,
  dtqlLimits,
  dtqlPresets,
} from "./config.ts";
import { checked, type CreateAgent } from "../core/checked.ts";
import {
  actionValues,
  type ActorNoise,
  actorSample,
  bounds,
  type Critic,
  diffusionLoss,
  type DiffusionNetwork,
  diffusionNetwork,
  type DiffusionNoise,
  distillationLoss,
  drawActorNoise,
  drawDiffusionNoise,
  dtqlActorTerms,
  dtqlCriticLoss,
  initActor,
  initCritic,
  initDiffusionNetwork,
  klAction,
  logStdRange,
} from "./networks.ts";

// ------------------------------------------------------------------------------------------------- Common half

/** What critic and behaviour policy need; both policies train them alike. */
interface SharedArrays<L = NdArray> {
  critic: Trained<Critic<L>, L>;
  criticTarget: Critic<L>;
  diffusion: Trained<DiffusionNetwork<L>, L>;
}

/** Adam's scalars of one update. */
type Steps = { critic: AdamStep; policy: AdamStep };

/** One step of the critic and of the behaviour diffusion policy, the first half of Algorithm 1. */
function sharedStep(
  state: SharedArrays<Tensor>,
  batch: Batch<Tensor>,
  noise: DiffusionNoise<Tensor>,
  steps: { critic: AdamStep<Tensor>; policy: AdamStep<Tensor> },
  config: DtqlConfig,
  clip: number,
) {
  const critic = trainStep(
    state.critic,
    (p) => dtqlCriticLoss(p, batch, config),
    steps.critic,
  );
  const diffusion = trainStep(
    state.diffusion,
    (p) => diffusionLoss(p, batch.observation, batch.action, noise, clip),
    steps.policy,
  );
  const next = { critic: critic.next, criticTarget: state.criticTarget, diffusion: diffusion.next };
  return { next, metrics: { criticLoss: critic.value, diffusionLoss: diffusion.value } };
}

/** The target critic after an update. */
const movedTarget = (target: Critic, online: Critic, config: DtqlConfig) =>
  polyakAverage(target, online, config.polyakRate);

/** Updates of critic and behaviour policy alone; everything else passes through. */
const compilePretraining = (name: string, config: DtqlConfig, clip: number) =>
  compile<{ state: SharedArrays; batch: Batch; diffusionNoise: DiffusionNoise; steps: Steps }>(
    `${name}/pretrain`,
    ({ state, batch, diffusionNoise, steps }) => {
      const { next, metrics } = sharedStep(state, batch, diffusionNoise, steps, config, clip);
      return { state: { ...state, ...next }, metrics };
    },
  );

/** Adam's scalars at an update: the actor's count starts after pretraining, and so does the decay of all rates. */
function stepsAt(updates: number, config: DtqlConfig) {
  const main = updates - config.pretrainUpdates;
  const decayed = (rate: number) =>
    config.schedule === "constant" || main <= 0
      ? rate
      : cosineDecay(rate, main, config.updates - config.pretrainUpdates);
  const adam = (rate: number, count: number) => adamStep(count, { learningRate: decayed(rate) });
  const steps = {
    critic: adam(config.criticLearningRate, updates + 1),
    policy: adam(config.learningRate, updates + 1),
  };
  return { main, steps, actor: () => adam(config.learningRate, main + 1) };
}

/** Fresh critic and behaviour model. */
function initShared(config: DtqlConfig, spec: Spec, rng: Rng): SharedArrays {
  const critic = initCritic(spec, config, rng.child("critic"));
  return {
    critic: initTrained(critic),
    criticTarget: copyArrays(critic),
    diffusion: initTrained(initDiffusionNetwork(spec, config, rng.child("diffusion"))),
  };
}

// -------------------------------------------------------------------------------------------------------- DTQL

interface DtqlArrays<L = NdArray> extends SharedArrays<L> {
  actor: Trained<Linear<L>[], L>;
}

const settings = { defaults: dtqlDefaults, limits: dtqlLimits };
const klSettings = { defaults: dqlKlDefaults, limits: dqlKlLimits };

/** Creates DTQL for a task. */
export const createDtql: CreateAgent<DtqlConfig> = checked("DTQL", settings, (config, spec) => {
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
        const network = (input: Tensor, level: Tensor) => diffusionNetwork(asConstants(params), input, s, level);
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
});

/** DTQL. */
export const dtql: Algorithm<DtqlConfig> = {
  name: "dtql",
  module: import.meta.url,
  acts: "one sample",
  phases: ["pretrainUpdates"],
  title: "DTQL",
  source: "Chen, Wang & Zhou 2024, arXiv 2405.19690",
  ...settings,
  presets: dtqlPresets,
  create: createDtql,
};

// ------------------------------------------------------------------------------------------------------ DQL-KL

interface KlArrays<L = NdArray> extends SharedArrays<L> {
  actor: Trained<DiffusionNetwork<L>, L>;
  /** Diffusion network of the actor's own actions. */
  fake: Trained<DiffusionNetwork<L>, L>;
}

/**
 * Creates DQL-KL, the paper's comparison (Eq. 8): a one-step policy regularized by score distillation instead of the
 * trust region. After pretraining, the policy and the diffusion network of its own actions start as `config.start` says.
 */
export const createDqlKl: CreateAgent<DqlKlConfig> = checked("DQL-KL", klSettings, (config, spec) => {
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
      const start = (name: string) =>
        initTrained(
          config.start === "copies"
            ? copyArrays(shared.diffusion.params)
            : initDiffusionNetwork(spec, config, rng.child(name)),
        );
      const arrays: KlArrays = { ...shared, actor: start("actor"), fake: start("fake") };
      return { updates: 0, arrays };
    },

    async update(state, batch, rng) {
      let arrays = state.arrays as KlArrays;
      const rows = batch.reward.shape[0];
      const { main, steps, actor } = stepsAt(state.updates, config);
      const diffusionNoise = drawDiffusionNoise(rows, spec, rng);
      if (main < 0) return finishUpdate(state, await pretrain({ state: arrays, batch, diffusionNoise, steps }));
      if (main === 0 && config.start === "copies") {
        const copy = () => initTrained(copyArrays(arrays.diffusion.params));
        arrays = { ...arrays, actor: copy(), fake: copy() };
      }
      const actorNoise = drawActorNoise(config.actorRows || rows, spec, config, rng);
      const fakeNoise = drawDiffusionNoise(config.actorRows || rows, spec, rng);
      const noises = { diffusionNoise, actorNoise, fakeNoise };
      return finishUpdate(state, await train({ state: arrays, batch, ...noises, steps: { ...steps, actor: actor() } }));
    },

    ...stochasticPolicy<DiffusionNetwork, Critic>("dql_kl", spec, {
      paramsOf: (arrays) => (arrays as KlArrays).actor.params,
      sample: (actor, s, [noise]) => bounded(klAction(actor, s, noise)),
      criticOf: (arrays) => (arrays as KlArrays).criticTarget,
      value: (critic, s, a) => tf.minimum(...actionValues(critic, s, a)),
    }),
  };
});

/** DQL-KL, DTQL's comparison. */
export const dqlKl: Algorithm<DqlKlConfig> = {
  name: "dql_kl",
  module: import.meta.url,
  acts: "one sample",
  phases: ["pretrainUpdates"],
  title: "DQL-KL",
  source: "Chen, Wang & Zhou 2024, arXiv 2405.19690, Eq. 8",
  ...klSettings,
  presets: dqlKlPresets,
  create: createDqlKl,
};
