/**
 * SRPO: a deterministic policy regularized by the score of a diffusion model of the data.
 *
 * Source: Chen, Lu, Wang, Su & Zhu 2023, "Score Regularized Policy Optimization through Diffusion Behavior", arXiv
 * 2310.07297, and the authors' code where it differs ("authors' code" below). Three phases, one after the other: a diffusion
 * model of the data's actions, an IQL critic, and the policy, each with the networks before it frozen.
 *
 * Deviation: minibatches are drawn with replacement, where the authors' code shuffles passes; the linear maps that its blocks
 * register and never use are left out.
 *
 * @module
 */

import { type Agent, type Algorithm, type Batch, finishUpdate, type Spec } from "../core/agent.ts";
import { drawNormals, exportActionDenoiser } from "../core/acting.ts";
import { column, type NdArray } from "../engine/array.ts";
import { compile } from "../engine/compile.ts";
import { asConstants } from "../engine/export_onnx.ts";
import { initIql, type IqlArrays, iqlStep } from "../core/iql.ts";
import { type TwinCritic, twinValues } from "../core/twin_critic.ts";
import { type BehaviourNetwork, behaviourNoise, drawFrequencies, initBehaviour } from "../core/ln_resnet.ts";
import { drawDropoutMasks, initMlp, type Linear } from "../core/nn.ts";
import { type AdamStep, adamStep, cosineDecay, initTrained, type Trained, trainStep } from "../core/optim.ts";
import type { Rng } from "../core/rng.ts";
import { tanhAction, tanhPolicy } from "../core/tanh_policy.ts";
import { stopGradient, type Tensor, tf, valueAndGrad } from "../engine/tensor.ts";
import { vpLevels, vpMarginal } from "../core/vp_sde.ts";
import { checked, type CreateAgent } from "../core/checked.ts";
import { assertSrpo, type SrpoConfig, srpoDefaults, srpoLimits, srpoPresets } from "./config.ts";

// --------------------------------------------------------------------------------------------------------- Losses

/** Times, their marginals and unit Gaussians of an update: `[batch, 1]` each, and `[batch, A]`. */
export interface VpNoise<L = NdArray> {
  t: L;
  alpha: L;
  sigma: L;
  epsilon: L;
}

/** `alpha a + sigma z`. */
export function diffuse(a: Tensor, { alpha, sigma, epsilon }: VpNoise<Tensor>): Tensor {
  return tf.add(tf.mul(alpha, a), tf.mul(sigma, epsilon));
}

/** Denoising loss of the behaviour model: squared error summed over dimensions, averaged over rows. */
export function behaviourLoss(
  p: BehaviourNetwork,
  frequencies: Tensor,
  batch: Batch<Tensor>,
  noise: VpNoise<Tensor>,
  masks: readonly Tensor[] | null,
): Tensor {
  const predicted = behaviourNoise(p, frequencies, diffuse(batch.action, noise), noise.t, batch.observation, masks);
  return tf.mean(tf.sum(tf.square(tf.sub(predicted, noise.epsilon)), 1));
}

/**
 * The gradient of SRPO's objective in the action, per row and before the mean over rows (Eq. 15): weighted noise prediction
 * minus `inverseTemperature` times the gradient of the mean target action value.
 *
 * @param a Actions, `[batch, A]`; their own gradient is stopped.
 */
export function srpoActionGradient(
  behaviour: BehaviourNetwork,
  frequencies: Tensor,
  target: TwinCritic,
  s: Tensor,
  a: Tensor,
  noise: VpNoise<Tensor>,
  config: Pick<SrpoConfig, "weighting" | "normalizeGradient" | "inverseTemperature">,
): Tensor {
  const fixed = stopGradient(a);
  const predicted = behaviourNoise(behaviour, frequencies, diffuse(fixed, noise), noise.t, s, null);
  const error = config.weighting.endsWith("noise") ? tf.sub(predicted, noise.epsilon) : predicted;
  const weight = config.weighting.startsWith("VDS")
    ? tf.square(noise.sigma)
    : config.weighting.startsWith("score")
    ? tf.div(noise.alpha, noise.sigma)
    : tf.onesLike(noise.sigma);
  const { grad } = valueAndGrad((x: { a: Tensor }) => {
    const [q1, q2] = twinValues(target, s, x.a);
    return tf.sum(tf.mul(tf.add(q1, q2), 0.5));
  }, { a: fixed });
  const slope = config.normalizeGradient ? tf.div(grad.a, tf.sqrt(tf.mean(tf.square(grad.a), 1, true))) : grad.a;
  return tf.sub(tf.mul(weight, error), tf.mul(slope, config.inverseTemperature));
}

// --------------------------------------------------------------------------------------------------------- Updates

/** What SRPO trains. */
export interface SrpoArrays<L = NdArray> extends IqlArrays<L> {
  /** Fourier frequencies of the behaviour model, fixed. */
  frequencies: L;
  behaviour: Trained<BehaviourNetwork<L>, L>;
  policy: Trained<Linear<L>[], L>;
}

/** Noise at times uniform in `[low, high]`. */
export function drawVpNoise(rows: number, dim: number, [low, high]: readonly [number, number], rng: Rng): VpNoise {
  const times = rng.fillUniform(new Float64Array(rows)).map((u) => low + u * (high - low));
  return vpNoiseAt(times, drawNormals(rows, dim, rng));
}

/** Given diffusion times and unit Gaussians, what {@linkcode diffuse} takes. */
export function vpNoiseAt(times: Float64Array, epsilon: NdArray): VpNoise {
  const of = (f: (t: number) => number) => column(Float32Array.from(times, f));
  return { t: of((t) => t), alpha: of((t) => vpMarginal(t).alpha), sigma: of((t) => vpMarginal(t).sigma), epsilon };
}

const [behaviourTimes, policyTimes] = [[1e-3, 1], [0.02, 0.98]] as const; // Authors' code.

/** SRPO with nothing checked that it is given, for agents that are trained as it is and act otherwise. */
export function srpoAgent(config: SrpoConfig, spec: Spec): Agent {
  assertSrpo(config);
  const { behaviourUpdates, criticUpdates } = config;
  const policyUpdates = config.updates - behaviourUpdates - criticUpdates;
  // Each phase's state is what it trains; what is frozen goes in beside it, so that it is not copied at every update.
  type Inputs<State> = { state: State; batch: Batch; step: AdamStep };
  type BehaviourInputs = Inputs<Pick<SrpoArrays, "behaviour">> & {
    frequencies: NdArray;
    noise: VpNoise;
    masks: NdArray[];
  };
  type PolicyInputs = Inputs<Pick<SrpoArrays, "policy">> & {
    behaviour: BehaviourNetwork<NdArray>;
    frequencies: NdArray;
    criticTarget: TwinCritic<NdArray>;
    noise: VpNoise;
  };

  const trainBehaviour = compile<BehaviourInputs>(
    "srpo/behaviour",
    ({ state, frequencies, batch, step, noise, masks }) => {
      const used = config.dropout > 0 ? masks : null;
      const loss = (p: BehaviourNetwork) => behaviourLoss(p, frequencies, batch, noise, used);
      const { value, next } = trainStep(state.behaviour, loss, step, { decays: "weights" });
      return { state: { behaviour: next }, metrics: { behaviourLoss: value } };
    },
  );

  const trainCritic = compile<Inputs<IqlArrays>>("srpo/critic", ({ state, batch, step }) => {
    const { next, metrics } = iqlStep(state, batch, step, config);
    return { state: next, metrics };
  });

  const trainPolicy = compile<PolicyInputs>(
    "srpo/policy",
    ({ state, behaviour, frequencies, criticTarget, batch, step, noise }) => {
      const s = batch.observation;
      const action = tanhAction(state.policy.params, s, spec.maxAction);
      const direction = stopGradient(
        srpoActionGradient(behaviour, frequencies, criticTarget, s, action, noise, config),
      );
      // The loss whose gradient is Eq. 15's.
      const policy = trainStep(
        state.policy,
        (p) => tf.mean(tf.sum(tf.mul(direction, tanhAction(p, s, spec.maxAction)), 1)),
        step,
      );
      const q = tf.mul(tf.add(...twinValues(criticTarget, s, action)), 0.5);
      return {
        state: { policy: policy.next },
        metrics: { policyLoss: policy.value, policyValue: tf.mean(q) },
      };
    },
  );

  return {
    batchRows: (updates) => updates < behaviourUpdates ? config.behaviourBatchSize : config.batchSize,

    init(rng) {
      const { observationDim: s, actionDim: a } = spec;
      const { hidden: h, policyDepth } = config;
      const arrays: SrpoArrays = {
        frequencies: drawFrequencies(rng.child("frequencies")),
        behaviour: initTrained(initBehaviour(spec, config, rng.child("behaviour"))),
        ...initIql(spec, h, rng.child("critic")),
        policy: initTrained(initMlp([s, ...Array(policyDepth).fill(h), a], rng.child("policy"))),
      };
      return { updates: 0, arrays };
    },

    async update(state, batch, rng) {
      const arrays = state.arrays as SrpoArrays;
      const rows = batch.action.shape[0];
      const k = state.updates - behaviourUpdates; // Of the critic's phase.
      const { learningRate } = config;
      const finish = (result: { state?: object; metrics?: Record<string, NdArray> }) =>
        finishUpdate(state, { ...result, state: { ...arrays, ...result.state } });
      if (k < 0) {
        const step = adamStep(state.updates + 1, { learningRate, weightDecay: config.weightDecay });
        const noise = drawVpNoise(rows, spec.actionDim, behaviourTimes, rng);
        const { blocks, behaviourHidden, dropout } = config;
        const masks = dropout > 0
          ? drawDropoutMasks(blocks, [rows, behaviourHidden], dropout, rng.child("dropout"))
          : [];
        const { behaviour, frequencies } = arrays;
        return finish(await trainBehaviour({ state: { behaviour }, frequencies, batch, step, noise, masks }));
      }
      if (k < criticUpdates) {
        const { critic, criticTarget, value } = arrays;
        const step = adamStep(k + 1, { learningRate });
        return finish(await trainCritic({ state: { critic, criticTarget, value }, batch, step }));
      }
      const n = k - criticUpdates;
      const step = adamStep(n + 1, { learningRate: cosineDecay(learningRate, n, policyUpdates) });
      const noise = drawVpNoise(rows, spec.actionDim, policyTimes, rng);
      const { policy, behaviour: { params: behaviour }, frequencies, criticTarget } = arrays;
      return finish(
        await trainPolicy({ state: { policy }, behaviour, frequencies, criticTarget, batch, step, noise }),
      );
    },

    exportDenoiser(state) {
      const { behaviour: { params }, frequencies } = state.arrays as SrpoArrays;
      const bytes = exportActionDenoiser("srpo/denoiser", spec, (s, x, { time, alpha, sigma }) => {
        const noise = behaviourNoise(asConstants(params), asConstants(frequencies), x, time, s, null);
        return tf.div(tf.sub(x, tf.mul(noise, sigma)), alpha);
      });
      return { bytes, levels: vpLevels, mostNfe: 1000 };
    },

    ...tanhPolicy("srpo", spec, (arrays) => (arrays as SrpoArrays).policy.params),
  };
}

const settings = { defaults: srpoDefaults, limits: srpoLimits };

/** Creates SRPO for a task. */
export const createSrpo: CreateAgent<SrpoConfig> = checked("SRPO", settings, srpoAgent);

/** SRPO. */
export const srpo: Algorithm<SrpoConfig> = {
  name: "srpo",
  module: import.meta.url,
  acts: "one pass",
  phases: ["behaviourUpdates", "criticUpdates"],
  title: "SRPO",
  source: "Chen, Lu, Wang, Su & Zhu 2023, arXiv 2310.07297",
  ...settings,
  presets: srpoPresets,
  create: createSrpo,
};
