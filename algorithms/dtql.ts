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
  type AgentState,
  type Algorithm,
  assertRange,
  type Batch,
  type CommonConfig,
  drawActions,
  drawNormals,
  type Spec,
} from "./core/agent.ts";
import { asConstants, compile, exportOnnx, type NdArray, ndarray } from "./core/compile.ts";
import { drawSigmas, edmDefaults, edmDenoiser, edmLoss } from "./core/edm.ts";
import {
  initLayerNorm,
  initMlp,
  initOrthogonalLinear,
  type LayerNorm,
  layerNorm,
  type Linear,
  linear,
  mish,
  mlp,
  relu,
  rowsLike,
  sinusoidalEmbedding,
} from "./core/nn.ts";
import { type AdamState, type AdamStep, adamStep, adamUpdate, cosineDecay, initAdam } from "./core/optim.ts";
import type { Rng } from "./core/rng.ts";
import { bellmanTarget, expectileLoss, meanSquaredError, polyakAverage } from "./core/td.ts";
import { mapTree } from "./core/tree.ts";
import { type LossTerms, stopGradient, type Tensor, tf, valueAndGrad } from "./core/tensor.ts";

/** Settings of DTQL. */
export interface DtqlConfig extends CommonConfig {
  /** Weight of the trust-region loss (alpha, Eq. 5). */
  trustRegionWeight: number;
  /** Weight of the value term; 1 but in the authors' bandit script, where it is eta. */
  valueWeight: number;
  /** Weight of the data log-likelihood ("entropy") term; authors' code: 1 on AntMaze, else 0. */
  likelihoodWeight: number;
  /** Learning rate of the diffusion and the one-step policy. */
  learningRate: number;
  /** Learning rate of the critic. */
  criticLearningRate: number;
  /** Whether the three rates decay to zero along a cosine. */
  schedule: "constant" | "cosine";
  /** Updates of critic and diffusion policy alone, first; counted in `updates`. */
  pretrainUpdates: number;
  /** Expectile of the value regression (Eq. 6). */
  expectile: number;
  /** Discount per step. */
  discount: number;
  /** Target average rate, 1 - rho of Algorithm 1. */
  polyakRate: number;
  /**
   * Policy draws per update; 0 for one per row of the batch (authors' code). Another number needs a task with one
   * observation for all rows.
   */
  actorRows: number;
  /** How many of them, the first ones, the value term takes; 0 for all (authors' code). */
  valueRows: number;
  /**
   * How the noise of the draws is drawn: `independent` (authors' code), or `antithetic` [Ours], where every second draw
   * mirrors the one before. Gradients have the same mean, and much less variance where the task is nearly symmetric.
   */
  actorNoise: "independent" | "antithetic";
  /** Whether the denoised action is clipped to the action bounds. */
  denoised: "clipped" | "free";
  /** Width of critic and one-step policy. */
  hidden: number;
  /** Width of the diffusion network. */
  diffusionHidden: number;
  /** Size of the time embedding. */
  timeDim: number;
  /** Number of Mish (diffusion, critic) or ReLU (actor) layers. */
  depth: number;
}

/** Defaults, "authors' code" where not otherwise said; those of the Gym tasks. */
export const dtqlDefaults: DtqlConfig = {
  trustRegionWeight: 5, // alpha; per task in the presets
  valueWeight: 1,
  likelihoodWeight: 0,
  learningRate: 3e-4,
  criticLearningRate: 3e-4,
  schedule: "constant",
  pretrainUpdates: 50_000,
  expectile: 0.7,
  discount: 0.99,
  polyakRate: 0.005,
  actorRows: 0,
  valueRows: 0,
  actorNoise: "independent",
  denoised: "clipped",
  hidden: 256,
  diffusionHidden: 256,
  timeDim: 16,
  depth: 3,
  updates: 1_050_000, // 50 epochs of pretraining and 1000 epochs, 1000 updates each
  batchSize: 256,
  candidates: 1024,
  rewardTransform: "none",
};

// ------------------------------------------------------------------------------------------------------- Networks

/** Denoising network: time embedding, an affine map without activation, Mish layers, an affine map. */
export interface ScoreNetwork<L = Tensor> {
  time: Linear<L>[];
  trunk: Linear<L>[];
}

/** One action value: affine, LayerNorm, Mish three times, then an affine map to one number. */
export interface QNetwork<L = Tensor> {
  layers: Linear<L>[];
  norms: LayerNorm<L>[];
}

/** Twin action values and a state value. */
export interface Critic<L = Tensor> {
  q1: QNetwork<L>;
  q2: QNetwork<L>;
  v: Linear<L>[];
}

/** `F(x, s, level)`: `[batch, A]`, `[batch, S]`, `[batch, 1]` to `[batch, A]`. */
export function scoreNetwork(p: ScoreNetwork, x: Tensor, s: Tensor, level: Tensor): Tensor {
  const embedded = mlp(p.time, sinusoidalEmbedding(level, p.time[0].weight.shape[0]), mish);
  const [first, ...rest] = p.trunk;
  return mlp(rest, linear(first, tf.concat([x, rowsLike(s, x), embedded], 1)), mish);
}

function qNetwork({ layers, norms }: QNetwork, input: Tensor): Tensor {
  const h = norms.reduce((x, norm, i) => mish(layerNorm(norm, linear(layers[i], x))), input);
  return linear(layers[layers.length - 1], h);
}

/** `[Q1(s, a), Q2(s, a)]`, each `[batch, 1]`. */
export function actionValues(p: Critic, s: Tensor, a: Tensor): [Tensor, Tensor] {
  const input = tf.concat([rowsLike(s, a), a], 1);
  return [qNetwork(p.q1, input), qNetwork(p.q2, input)];
}

/** `V(s)`, `[batch, 1]`. */
export function stateValue(p: Critic, s: Tensor): Tensor {
  return mlp(p.v, s, mish);
}

/** Mean and standard deviation of the one-step policy before tanh, each `[batch, A]`. */
export function actorHead(p: Linear[], s: Tensor): { mean: Tensor; std: Tensor } {
  const [mean, logStd] = tf.split(mlp(p, s, relu), 2, 1);
  return { mean, std: tf.exp(tf.clipByValue(logStd, -5, 2)) };
}

/** A reparameterised action `maxAction tanh(mean + std epsilon)`, `[batch, A]`. */
export function actorSample(p: Linear[], s: Tensor, epsilon: Tensor, maxAction: number): Tensor {
  const { mean, std } = actorHead(p, s);
  return tf.mul(tf.tanh(tf.add(mean, tf.mul(std, epsilon))), maxAction);
}

/** Log density of `atanh(a / (maxAction + 0.001))` under the Gaussian, without tanh's Jacobian (authors' code), `[batch, 1]`. */
export function actorLogDensity(p: Linear[], s: Tensor, a: Tensor, maxAction: number): Tensor {
  const { mean, std } = actorHead(p, s);
  const y = tf.div(a, maxAction + 1e-3);
  const raw = tf.mul(tf.log(tf.div(tf.add(1, y), tf.sub(1, y))), 0.5);
  const z = tf.div(tf.sub(raw, mean), std);
  const density = tf.sub(tf.mul(tf.square(z), -0.5), tf.add(tf.log(std), Math.log(2 * Math.PI) / 2));
  return tf.sum(density, 1, true);
}

/** Parameters of a {@linkcode scoreNetwork}. */
export function initScoreNetwork(
  { observationDim, actionDim }: Spec,
  config: DtqlConfig,
  rng: Rng,
): ScoreNetwork<NdArray> {
  const { timeDim: e, diffusionHidden: h, depth } = config;
  return {
    time: initMlp([e, 2 * e, e], rng.child("time")),
    trunk: initMlp([actionDim + observationDim + e, ...Array(depth + 1).fill(h), actionDim], rng.child("trunk")),
  };
}

/** Parameters of the critic. */
export function initCritic(
  { observationDim, actionDim }: Spec,
  { hidden, depth }: DtqlConfig,
  rng: Rng,
): Critic<NdArray> {
  const widths: number[] = Array(depth).fill(hidden);
  const q = (name: string) => ({
    layers: initMlp([observationDim + actionDim, ...widths, 1], rng.child(name)),
    norms: widths.map(initLayerNorm),
  });
  return { q1: q("q1"), q2: q("q2"), v: initMlp([observationDim, ...widths, 1], rng.child("v")) };
}

/** Parameters of the one-step policy: orthogonal weights, zero biases. */
export function initActor(
  { observationDim, actionDim }: Spec,
  { hidden, depth }: DtqlConfig,
  rng: Rng,
): Linear<NdArray>[] {
  const sizes = [observationDim, ...Array(depth).fill(hidden), 2 * actionDim];
  return sizes.slice(1).map((n, i) => initOrthogonalLinear(sizes[i], n, rng.child(`${i}`)));
}

// --------------------------------------------------------------------------------------------------------- Losses

const bounds = (config: DtqlConfig, { maxAction }: Spec) => config.denoised === "clipped" ? maxAction : Infinity;

/** Expectile regression of V on the online twin minimum, and both Q on one-step targets with V (Eqs. 6, 7). */
export function dtqlCriticLoss(p: Critic, batch: Batch<Tensor>, config: DtqlConfig): Tensor {
  const [q1, q2] = actionValues(p, batch.observation, batch.action);
  const best = stopGradient(tf.minimum(q1, q2)); // Authors' code: online, where the paper has the target critic.
  const valueLoss = expectileLoss(tf.sub(best, stateValue(p, batch.observation)), config.expectile); // Eq. 6
  const nextValue = stopGradient(stateValue(p, batch.nextObservation));
  const target = bellmanTarget(batch.reward, batch.terminal, nextValue, config.discount);
  return tf.add(valueLoss, tf.add(meanSquaredError(q1, target), meanSquaredError(q2, target))); // Eq. 7
}

/** The diffusion loss of actions `a` given states, for behaviour cloning and for the trust region (Eq. 4). */
export function diffusionLoss(
  p: ScoreNetwork,
  s: Tensor,
  a: Tensor,
  { sigma, epsilon }: { sigma: Tensor; epsilon: Tensor },
  clip: number,
): Tensor {
  return edmLoss((x, level) => scoreNetwork(p, x, s, level), a, sigma, epsilon, edmDefaults, clip);
}

/**
 * The KL alternative (Eq. 8), as its surrogate loss: its gradient in `a` is the difference of the two denoisers,
 * divided per row by `mean |a - D_real|`, over the batch and action dimensions.
 *
 * @param real Diffusion network of the data, no gradient.
 * @param fake Diffusion network of the policy's own actions, no gradient.
 */
export function distillationLoss(
  real: ScoreNetwork,
  fake: ScoreNetwork,
  s: Tensor,
  a: Tensor,
  { sigma, epsilon }: { sigma: Tensor; epsilon: Tensor },
  clip: number,
): Tensor {
  const fixed = stopGradient(a);
  const noisy = tf.add(fixed, tf.mul(sigma, epsilon));
  const denoised = (p: ScoreNetwork) =>
    edmDenoiser((x, level) => scoreNetwork(p, x, s, level), edmDefaults, clip)(noisy, sigma);
  const [clean, own] = [denoised(real), denoised(fake)];
  const weight = tf.mean(tf.abs(tf.sub(fixed, clean)), 1, true);
  const goal = stopGradient(tf.sub(fixed, tf.div(tf.sub(own, clean), weight)));
  return tf.mul(meanSquaredError(a, goal), 0.5);
}

/** Noise of one policy update. */
export interface ActorNoise<L = NdArray> {
  /** Unit Gaussians of the policy's draw, `[batch, A]`. */
  action: L;
  /** Noise levels and unit Gaussians of the trust region, `[batch, 1]` and `[batch, A]`. */
  sigma: L;
  epsilon: L;
}

/** Trust region, value and likelihood terms of the one-step policy (Eq. 5), each a scalar. */
export function dtqlActorTerms(
  actor: Linear[],
  diffusion: ScoreNetwork,
  critic: Critic,
  batch: Batch<Tensor>,
  noise: ActorNoise<Tensor>,
  config: DtqlConfig,
  spec: Spec,
): LossTerms {
  const action = actorSample(actor, batch.observation, noise.action, spec.maxAction);
  const trustRegion = diffusionLoss(diffusion, batch.observation, action, noise, bounds(config, spec)); // Eq. 4
  const [s, a] = [batch.observation, action].map((x) => firstRows(x, config.valueRows));
  const value = tf.neg(tf.mean(tf.minimum(...actionValues(critic, s, a))));
  const likelihood = config.likelihoodWeight === 0
    ? tf.scalar(0)
    : tf.neg(tf.mean(actorLogDensity(actor, batch.observation, batch.action, spec.maxAction)));
  const total = tf.add(
    tf.add(tf.mul(trustRegion, config.trustRegionWeight), tf.mul(value, config.valueWeight)), // Eq. 5
    tf.mul(likelihood, config.likelihoodWeight),
  );
  return { total, trustRegion, value, likelihood };
}

// --------------------------------------------------------------------------------------------------------- Updates

interface Trained<P, L> {
  params: P;
  adam: AdamState<L>;
}

/** Parameters with their Adam moments after one step on `loss`. */
function step<P>(trained: Trained<P, Tensor>, loss: (params: P) => Tensor | LossTerms, scalars: AdamStep<Tensor>) {
  const { value, grad, terms } = valueAndGrad(loss, trained.params);
  const { params, state } = adamUpdate(trained.params, grad, trained.adam, scalars);
  return { value, terms, next: { params, adam: state } };
}

/** What critic and behaviour policy need; both policies below train them alike. */
interface SharedArrays<L = NdArray> {
  critic: Trained<Critic<L>, L>;
  criticTarget: Critic<L>;
  diffusion: Trained<ScoreNetwork<L>, L>;
}

interface DtqlArrays<L = NdArray> extends SharedArrays<L> {
  actor: Trained<Linear<L>[], L>;
}

interface KlArrays<L = NdArray> extends SharedArrays<L> {
  actor: Trained<ScoreNetwork<L>, L>;
  /** Diffusion network of the actor's own actions. */
  fake: Trained<ScoreNetwork<L>, L>;
}

type DiffusionNoise<L = NdArray> = { sigma: L; epsilon: L };
type Steps = { critic: AdamStep; policy: AdamStep };

const column = (data: Float32Array) => ndarray(data, [data.length, 1]);

function drawDiffusionNoise(rows: number, { actionDim }: Spec, rng: Rng): DiffusionNoise {
  const sigma = column(drawSigmas(rows, edmDefaults, rng));
  return { sigma, epsilon: drawNormals(rows, actionDim, rng) };
}

function drawActorNoise(rows: number, spec: Spec, config: DtqlConfig, rng: Rng): ActorNoise {
  const noise = { action: drawNormals(rows, spec.actionDim, rng), ...drawDiffusionNoise(rows, spec, rng) };
  if (config.actorNoise === "antithetic") {
    for (
      const [{ data, shape: [, dim] }, sign] of [[noise.action, -1], [noise.sigma, 1], [noise.epsilon, -1]] as const
    ) {
      for (let i = 1; i < rows; i += 2) {
        for (let d = 0; d < dim; d++) data[i * dim + d] = sign * data[(i - 1) * dim + d];
      }
    }
  }
  return noise;
}

const scalarsOf = (metrics: Record<string, NdArray>) =>
  Object.fromEntries(Object.entries(metrics).map(([name, { data }]) => [name, data[0]]));

const trained = <P>(params: P): Trained<P, NdArray> => ({ params, adam: initAdam(params) });
const copyOf = <P>(params: P): P =>
  mapTree<NdArray, NdArray>(params, ({ data, shape }) => ndarray(data.slice(), shape));

/** The first `rows` rows of a tensor, or all of them for 0; one row stands for any number. */
function firstRows(x: Tensor, rows: number): Tensor {
  return rows === 0 || x.shape[0] === 1 ? x : tf.slice(x, [0, 0], [rows, x.shape[1]!]);
}

/** One step of the critic and of the behaviour diffusion policy, the first half of Algorithm 1. */
function sharedStep(
  state: SharedArrays<Tensor>,
  batch: Batch<Tensor>,
  noise: DiffusionNoise<Tensor>,
  steps: { critic: AdamStep<Tensor>; policy: AdamStep<Tensor> },
  config: DtqlConfig,
  clip: number,
) {
  const critic = step(
    state.critic,
    (p) => dtqlCriticLoss(p, batch, config),
    steps.critic,
  );
  const diffusion = step(
    state.diffusion,
    (p) => diffusionLoss(p, batch.observation, batch.action, noise, clip),
    steps.policy,
  );
  const next = { critic: critic.next, criticTarget: state.criticTarget, diffusion: diffusion.next };
  return { next, metrics: { criticLoss: critic.value, diffusionLoss: diffusion.value } };
}

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

function initShared(config: DtqlConfig, spec: Spec, rng: Rng): SharedArrays {
  const critic = initCritic(spec, config, rng.child("critic"));
  return {
    critic: trained(critic),
    criticTarget: copyOf(critic),
    diffusion: trained(initScoreNetwork(spec, config, rng.child("diffusion"))),
  };
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
    const actor = step(
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
        actor: trained(initActor(spec, config, rng.child("actor"))),
      };
      return { updates: 0, arrays };
    },

    async update(state, batch, rng) {
      const arrays = state.arrays as DtqlArrays;
      const rows = batch.reward.shape[0];
      const { main, steps, actor } = stepsAt(state.updates, config);
      const diffusionNoise = drawDiffusionNoise(rows, spec, rng);
      if (main < 0) return finish(state, await pretrain({ state: arrays, batch, diffusionNoise, steps }));
      const actorNoise = drawActorNoise(config.actorRows || rows, spec, config, rng);
      return finish(
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

    exportPolicy(state) {
      const actor = (state.arrays as DtqlArrays).actor.params;
      const shapes = { observation: [1, spec.observationDim], noise: [1, spec.actionDim] };
      return exportOnnx("dtql/policy", shapes, ({ observation, noise }) => ({
        action: actorSample(asConstants(actor), observation, noise, spec.maxAction),
      }));
    },
  };
}

const finish = (state: AgentState, result: { state?: unknown; metrics?: Record<string, NdArray> }) => ({
  state: { updates: state.updates + 1, arrays: result.state },
  metrics: scalarsOf(result.metrics ?? {}),
});

const generationSigma = 2.5; // Authors' code.

/** One-pass action of the KL variant: the raw network on `2.5 noise` with 2.5 itself as its time input (authors' code). */
export function klAction(p: ScoreNetwork, s: Tensor, noise: Tensor): Tensor {
  return scoreNetwork(p, tf.mul(noise, generationSigma), s, tf.fill([noise.shape[0], 1], generationSigma));
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
    const actor = step(state.actor, (p) => {
      const action = klAction(p, s, actorNoise.action);
      const distillation = distillationLoss(next.diffusion.params, state.fake.params, s, action, actorNoise, clip);
      const value = tf.neg(tf.mean(tf.minimum(...actionValues(next.critic.params, s, action))));
      const total = tf.add(tf.mul(distillation, config.trustRegionWeight), tf.mul(value, config.valueWeight));
      return { total, distillation, value };
    }, steps.actor);
    const own = stopGradient(klAction(state.actor.params, s, actorNoise.action)); // Shared with the step above.
    const fake = step(state.fake, (p) => diffusionLoss(p, s, own, fakeNoise, clip), steps.actor);
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

  type Policy = { actor: ScoreNetwork<NdArray>; observation: NdArray; noise: NdArray };
  const bounded = (action: Tensor) => config.denoised === "free" ? action : tf.clipByValue(action, -clip, clip);
  const policy = compile<Policy, { action: Tensor }>("dql_kl/act", ({ actor, observation, noise }) => ({
    action: bounded(klAction(actor, observation, noise)),
  }));
  const score = compile<Policy & { critic: Critic<NdArray> }, { action: Tensor; value: Tensor }>(
    "dql_kl/candidates",
    ({ actor, critic, observation, noise }) => {
      const action = bounded(klAction(actor, observation, noise));
      return { action, value: tf.minimum(...actionValues(critic, observation, action)) };
    },
  );

  return {
    init(rng) {
      const shared = initShared(config, spec, rng);
      const copy = () => trained(copyOf(shared.diffusion.params));
      const arrays: KlArrays = { ...shared, actor: copy(), fake: copy() };
      return { updates: 0, arrays };
    },

    async update(state, batch, rng) {
      let arrays = state.arrays as KlArrays;
      const rows = batch.reward.shape[0];
      const { main, steps, actor } = stepsAt(state.updates, config);
      const diffusionNoise = drawDiffusionNoise(rows, spec, rng);
      if (main < 0) return finish(state, await pretrain({ state: arrays, batch, diffusionNoise, steps }));
      if (main === 0) {
        const copy = () => trained(copyOf(arrays.diffusion.params));
        arrays = { ...arrays, actor: copy(), fake: copy() };
      }
      const actorNoise = drawActorNoise(config.actorRows || rows, spec, config, rng);
      const fakeNoise = drawDiffusionNoise(config.actorRows || rows, spec, rng);
      const noises = { diffusionNoise, actorNoise, fakeNoise };
      return finish(state, await train({ state: arrays, batch, ...noises, steps: { ...steps, actor: actor() } }));
    },

    act(state, observation, candidates, rng) {
      const { actor: { params: actor }, criticTarget: critic } = state.arrays as KlArrays;
      const rule: ActingRule<NdArray> = {
        drawNoise: (rows) => drawNormals(rows, spec.actionDim, rng),
        sample: (observation, noise) => policy({ actor, observation, noise }),
        score: (observation, noise) => score({ actor, critic, observation, noise }),
      };
      return drawActions(rule, observation, candidates, rng);
    },

    exportPolicy(state) {
      const actor = (state.arrays as KlArrays).actor.params;
      const shapes = { observation: [1, spec.observationDim], noise: [1, spec.actionDim] };
      return exportOnnx("dql_kl/policy", shapes, ({ observation, noise }) => ({
        action: bounded(klAction(asConstants(actor), observation, noise)),
      }));
    },
  };
}

function assertDtql(name: string, config: DtqlConfig) {
  const positive = ["trustRegionWeight", "learningRate", "criticLearningRate"] as const;
  for (const field of positive) assertRange(name, field, config[field], config[field] > 0, "positive");
  assertRange(name, "expectile", config.expectile, config.expectile > 0 && config.expectile < 1, "in (0, 1)");
  assertRange(name, "discount", config.discount, config.discount >= 0 && config.discount < 1, "in [0, 1)");
  assertRange(name, "timeDim", config.timeDim, config.timeDim >= 4 && config.timeDim % 2 === 0, "even, at least 4");
  const draws = config.actorRows || config.batchSize;
  for (const [field, most] of [["actorRows", Infinity], ["valueRows", draws]] as const) {
    const fits = Number.isInteger(config[field]) && config[field] >= 0 && config[field] <= most;
    assertRange(name, field, config[field], fits, `an integer from 0 to ${most}`);
  }
  const early = config.pretrainUpdates < config.updates;
  assertRange(name, "pretrainUpdates", config.pretrainUpdates, early, `below updates (${config.updates})`);
}

// -------------------------------------------------------------------------------------------------------- Presets

const epochs = (n: number) => dtqlDefaults.pretrainUpdates + 1000 * n; // 1000 updates each, after pretraining

type Row = [trustRegionWeight: number, learningRate: number, schedule: "constant" | "cosine", epochs: number];
const gym: Record<string, Row> = {
  "halfcheetah-medium-v2": [1, 3e-4, "constant", 1000],
  "halfcheetah-medium-replay-v2": [5, 3e-4, "constant", 1000],
  "halfcheetah-medium-expert-v2": [50, 3e-4, "constant", 1000],
  "hopper-medium-v2": [5, 1e-4, "cosine", 1000],
  "hopper-medium-replay-v2": [5, 3e-4, "constant", 1000],
  "hopper-medium-expert-v2": [20, 3e-4, "constant", 1000],
  "walker2d-medium-v2": [5, 3e-4, "cosine", 1000],
  "walker2d-medium-replay-v2": [5, 3e-4, "cosine", 1000],
  "walker2d-medium-expert-v2": [5, 3e-4, "cosine", 1000],
  "kitchen-complete-v0": [200, 1e-4, "cosine", 500],
  "kitchen-partial-v0": [100, 1e-4, "cosine", 1000],
  "kitchen-mixed-v0": [200, 3e-4, "cosine", 500],
  "pen-cloned-v1": [1500, 1e-5, "constant", 200],
};
const antmaze: Record<string, Row> = {
  "umaze": [1, 3e-4, "constant", 500],
  "umaze-diverse": [1, 3e-5, "cosine", 500],
  "medium-play": [1, 3e-4, "constant", 400],
  "medium-diverse": [1, 3e-4, "constant", 400],
  "large-play": [1, 3e-4, "constant", 350],
  "large-diverse": [0.5, 3e-4, "constant", 300],
};
const fromRow = ([trustRegionWeight, learningRate, schedule, n]: Row): Partial<DtqlConfig> => ({
  trustRegionWeight,
  learningRate,
  schedule,
  updates: epochs(n),
});
const officialCode = "authors' code, hyperparameter table";
const antmazeCommon = { likelihoodWeight: 1, expectile: 0.9, batchSize: 2048, rewardTransform: "iql_antmaze" } as const;

/** Per-task settings, all from the authors' code. */
export const dtqlPresets: Algorithm<DtqlConfig>["presets"] = Object.fromEntries([
  ...Object.entries(gym).map(([task, row]) => [task, { source: officialCode, config: fromRow(row) }]),
  ["pen-human-v1", {
    source: officialCode,
    config: { ...fromRow([1500, 3e-5, "cosine", 300]), expectile: 0.9 },
  }],
  ...Object.entries(antmaze).flatMap(([maze, row]) =>
    ["v0", "v2"].map((version) => [
      `antmaze-${maze}-${version}`,
      { source: officialCode, config: { ...fromRow(row), ...antmazeCommon } },
    ])
  ),
]);

const banditConfig: Partial<DtqlConfig> = {
  trustRegionWeight: 1,
  learningRate: 3e-3,
  criticLearningRate: 3e-3,
  expectile: 0.95,
  denoised: "free",
  diffusionHidden: 128,
  timeDim: 4,
  pretrainUpdates: 0,
  updates: 3500,
};

/** Settings of the 2-D bandits, from the authors' code; there eta weighs the value term. */
export function banditPresets(variant: "trust region" | "kl"): Algorithm<DtqlConfig>["presets"] {
  const source = "authors' code, 2-D bandit script and its published commands";
  const updates: Record<string, number> = variant === "kl"
    ? { "25gaussians-far": 2000, "25gaussians-hard": 2500, "swissroll-near": 1500 }
    : {};
  const names = ["25gaussians-far", "25gaussians-hard", "25gaussians-near", "swissroll-far", "swissroll-near"];
  return Object.fromEntries(names.map((name) => {
    const eta = variant === "trust region" && name === "swissroll-far" ? { valueWeight: 5 } : {};
    return [name, { source, config: { ...banditConfig, ...eta, updates: updates[name] ?? 3500 } }];
  }));
}

const source = "Chen, Wang & Zhou 2024, arXiv 2405.19690";

/** DTQL. */
export const dtql: Algorithm<DtqlConfig> = {
  name: "dtql",
  title: "DTQL",
  source,
  defaults: dtqlDefaults,
  presets: { ...dtqlPresets, ...banditPresets("trust region") },
  create: createDtql,
};

/** DQL-KL, DTQL's comparison. */
export const dqlKl: Algorithm<DtqlConfig> = {
  name: "dql_kl",
  title: "DQL-KL",
  source: `${source}, Eq. 8`,
  defaults: dtqlDefaults,
  presets: { ...dtqlPresets, ...banditPresets("kl") },
  create: createDqlKl,
};
