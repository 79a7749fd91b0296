/**
 * BFQ: a flow map, a network that moves a noisy action from any time to any earlier one, learnt from two shorter moves; and OFQL, whose
 * map is learnt from the derivative along its own path.
 *
 * Sources: "Fast and Highly Expressive Policy Learning for Offline Reinforcement Learning via Bootstrapped Flow Q-Learning" (2026), arXiv
 * 2606.10613, and "One-Step Flow Q-Learning: Addressing the Diffusion Policy Bottleneck in Offline Reinforcement Learning" (2025), arXiv
 * 2508.13904. After the equations: no code of either was public, and what the papers leave open is marked "Ours". The weight of the value
 * term was tuned per task, and those values were not found: a run is exploratory until they are.
 *
 * Ours: losses are means over dimensions, not sums; an embedding of its own for each of the two times; critic, targets, averages and acting
 * as Diffusion-QL's, arXiv 2208.06193; actions are divided by `maxAction` where they enter, and multiplied by it where they leave.
 *
 * @module
 */

import { type Algorithm, type Batch, finishUpdate, type Spec } from "./core/agent.ts";
import { drawNormals } from "./core/acting.ts";
import { checked, type CreateAgent } from "./core/checked.ts";
import { type CommonConfig, type Limits, ranges } from "./core/config.ts";
import { arrangeInputs, createMlp, createNoiseActor } from "./core/mlp_actor.ts";
import {
  initMlp,
  type Linear,
  linear,
  mish,
  mishSlope,
  mlp,
  rowsLike,
  sinusoidalEmbedding,
  sinusoidalRates,
} from "./core/nn.ts";
import { type AdamStep, adamStep, initTrained, type Trained, trainStep } from "./core/optim.ts";
import type { Rng } from "./core/rng.ts";
import { stochasticPolicy } from "./core/stochastic_policy.ts";
import { bellmanTarget, meanSquaredError, polyakAverage } from "./core/td.ts";
import { crossNormalizedLoss, initTwin, type TwinCritic, twinError } from "./core/twin_critic.ts";
import { column, copyArrays, type NdArray, scalar } from "./engine/array.ts";
import { compile } from "./engine/compile.ts";
import { stopGradient, type Tensor, tf } from "./engine/tensor.ts";

const imitations = ["composition", "derivative"] as const;

/** Settings of BFQ. */
export interface BfqConfig extends CommonConfig {
  /** How the map is learnt: from two shorter moves and their boundary (`composition`, BFQ), or from its derivative (`derivative`, OFQL). */
  imitation: "composition" | "derivative";
  /** Weight of the value term (eta; BFQ: 0.001 to 1; OFQL: 0.001, 0.01, 0.1, 0.3, 0.5). */
  valueWeight: number;
  /** Largest width of the boundary's interval. */
  boundaryWidth: number;
  /** Share of updates that train the boundary; the others train the composition. */
  boundaryShare: number;
  /** Share of rows whose two times are equal, for `derivative`. */
  equalTimes: number;
  /** Factor of the times in the embedding. Ours. */
  timeScale: number;
  /** Adam's step size. */
  learningRate: number;
  /** Largest gradient norm of policy and critic each. */
  clipNorm: number;
  /** Discount of the return, in [0, 1). */
  discount: number;
  /** Share of the critic that its target takes at each update. */
  polyakRate: number;
  /** Share of the policy that its average, whose actions targets value, takes every `emaEvery` updates from `emaStart`. */
  emaRate: number;
  /** Updates before the average of the policy begins. */
  emaStart: number;
  /** Updates between steps of that average. */
  emaEvery: number;
  /** Width of the hidden layers. */
  hidden: number;
  /** Width of a time's embedding. */
  timeDim: number;
}

/** Defaults: the papers', and Diffusion-QL's where they refer to it. */
export const bfqDefaults: BfqConfig = {
  imitation: "composition",
  valueWeight: 0.1, // Ours: within both grids
  boundaryWidth: 1e-3,
  boundaryShare: 0.5,
  equalTimes: 0.5,
  timeScale: 1, // Ours
  learningRate: 3e-4,
  clipNorm: 9, // Diffusion-QL's
  discount: 0.99,
  polyakRate: 0.005,
  emaRate: 0.005,
  emaStart: 1000,
  emaEvery: 5,
  hidden: 256,
  timeDim: 64,
  updates: 2_000_000, // Diffusion-QL's
  batchSize: 256,
  candidates: 50,
  rewardTransform: "none",
  normalizeObservations: false,
};

const limits: Limits<BfqConfig> = {
  imitation: imitations,
  valueWeight: ranges.notNegative,
  boundaryWidth: ranges.share,
  boundaryShare: ranges.share,
  equalTimes: ranges.share,
  timeScale: ranges.positive,
  learningRate: ranges.positive,
  clipNorm: ranges.positive,
  discount: ranges.belowOne,
  polyakRate: ranges.rate,
  emaRate: ranges.rate,
  emaStart: ranges.wholeNumber,
  emaEvery: ranges.count,
  hidden: ranges.count,
  timeDim: ranges.embedding,
};

// ------------------------------------------------------------------------------------------------------- Networks

/** The map's network: an embedding of each time and three Mish layers. */
export interface FlowMap<L = Tensor> {
  /** Of the time that a move starts at. */
  start: Linear<L>[];
  /** Of the time that it ends at. */
  end: Linear<L>[];
  /** On sample, both embeddings, observation. */
  trunk: Linear<L>[];
}

/** `v(s, x, r, t)`, the mean velocity from time `t` down to `r`: `[batch, S]`, `[batch, A]`, `[batch, 1]` twice to `[batch, A]`. */
export function meanVelocity(p: FlowMap, s: Tensor, x: Tensor, r: Tensor, t: Tensor, timeScale: number): Tensor {
  const [start, end] = ([[p.start, t], [p.end, r]] as const).map(([net, time]) =>
    rowsLike(mlp(net, sinusoidalEmbedding(tf.mul(time, timeScale), net[0].weight.shape[0]), mish), x)
  );
  return mlp(p.trunk, tf.concat([x, start, end, rowsLike(s, x)], 1), mish);
}

/** A velocity at a sample, `[batch, A]`, from the second time down to the first, `[batch, 1]` each. */
export type Velocity = (x: Tensor, r: Tensor, t: Tensor) => Tensor;

/** Where a move from time `t` down to `r` ends, `x - (t - r) v`. */
export function moved(velocity: Velocity, x: Tensor, r: Tensor, t: Tensor): Tensor {
  return tf.sub(x, tf.mul(tf.sub(t, r), velocity(x, r, t)));
}

/** `[Q1(s, a), Q2(s, a)]`, each `[batch, 1]`, Diffusion-QL's: on `[observation, action]`, with Mish. */
export function bfqValues(p: TwinCritic, s: Tensor, a: Tensor): [Tensor, Tensor] {
  const input = tf.concat([rowsLike(s, a), a], 1);
  return [mlp(p.q1, input, mish), mlp(p.q2, input, mish)];
}

/** The action of noise `[batch, A]` in one move, clipped to [-1, 1]. */
export function bfqAction(p: FlowMap, s: Tensor, epsilon: Tensor, timeScale: number): Tensor {
  const [zero, one] = [tf.zeros([1, 1]), tf.ones([1, 1])];
  const velocity: Velocity = (x, r, t) => meanVelocity(p, s, x, r, t, timeScale);
  return tf.clipByValue(moved(velocity, epsilon, zero, one), -1, 1);
}

// --------------------------------------------------------------------------------------------------------- Losses

/** Noise of the map: unit Gaussians `[batch, A]`, and times `r <= t`, `[batch, 1]` each. */
export interface MapNoise<L = NdArray> {
  epsilon: L;
  r: L;
  t: L;
  /** A time between them, for the composition. */
  m?: L;
}

const noisy = (a: Tensor, epsilon: Tensor, t: Tensor) => tf.add(tf.mul(tf.sub(1, t), a), tf.mul(t, epsilon));

/** One move agrees with two shorter ones: `mean((x(t to r) - sg x(t to m to r))^2)`. */
export function compositionLoss(
  velocity: Velocity,
  a: Tensor,
  { epsilon, r, m, t }: Required<MapNoise<Tensor>>,
): Tensor {
  const x = noisy(a, epsilon, t);
  const target = stopGradient(moved(velocity, moved(velocity, x, m, t), r, m));
  return meanSquaredError(moved(velocity, x, r, t), target);
}

/** Flow matching over a short interval: `mean((v(x_t, r, t) - (epsilon - a))^2)`. */
export function boundaryLoss(velocity: Velocity, a: Tensor, { epsilon, r, t }: MapNoise<Tensor>): Tensor {
  return meanSquaredError(velocity(noisy(a, epsilon, t), r, t), tf.sub(epsilon, a));
}

/** {@linkcode meanVelocity} and its derivative along `(dx, 0, dt)` of `(x, r, t)`, in forward mode. */
export function velocityWithDerivative(
  p: FlowMap,
  s: Tensor,
  { x, r, t }: { x: Tensor; r: Tensor; t: Tensor },
  { dx, dt }: { dx: Tensor; dt: Tensor },
  timeScale: number,
): { value: Tensor; derivative: Tensor } {
  const dim = p.start[0].weight.shape[0];
  const scaled = tf.mul(t, timeScale);
  const embedding = sinusoidalEmbedding(scaled, dim);
  const [sine, cosine] = tf.split(embedding, 2, 1);
  const rates = tf.tensor2d(sinusoidalRates(dim), [1, dim / 2]);
  const slope = tf.mul(tf.concat([tf.mul(cosine, rates), tf.neg(tf.mul(sine, rates))], 1), tf.mul(dt, timeScale));
  const start = forward(p.start, embedding, slope);
  const end = mlp(p.end, sinusoidalEmbedding(tf.mul(r, timeScale), dim), mish);
  const own = rowsLike(s, x);
  return forward(
    p.trunk,
    tf.concat([x, start.value, end, own], 1),
    tf.concat([dx, start.derivative, tf.zerosLike(end), tf.zerosLike(own)], 1),
  );
}

/** A Mish perceptron and its derivative along `dx`. */
function forward(layers: readonly Linear[], x: Tensor, dx: Tensor): { value: Tensor; derivative: Tensor } {
  return layers.reduce(({ value, derivative }, layer, i) => {
    const y = linear(layer, value);
    const dy = tf.matMul(derivative as tf.Tensor2D, layer.weight as tf.Tensor2D);
    const last = i + 1 === layers.length;
    return { value: last ? y : mish(y), derivative: last ? dy : tf.mul(mishSlope(y), dy) };
  }, { value: x, derivative: dx });
}

/** OFQL's target `(epsilon - a) - (t - r) (d v / d t along the path)`, `[batch, A]`, without a gradient. */
export function derivativeTarget(
  p: FlowMap,
  s: Tensor,
  a: Tensor,
  { epsilon, r, t }: MapNoise<Tensor>,
  timeScale: number,
): Tensor {
  const direction = tf.sub(epsilon, a);
  const at = { x: noisy(a, epsilon, t), r, t };
  const { derivative } = velocityWithDerivative(p, s, at, { dx: direction, dt: tf.onesLike(t) }, timeScale);
  return stopGradient(tf.sub(direction, tf.mul(tf.sub(t, r), derivative)));
}

/** Times of OFQL from pairs of unit Gaussians, `sigmoid(-0.4 + n)`: the larger is `t`; in a share of rows, the first ones, `r = t`. */
export function logitNormalTimes(normals: ArrayLike<number>, equal: number): { r: Float32Array; t: Float32Array } {
  const rows = normals.length / 2;
  const [r, t] = [new Float32Array(rows), new Float32Array(rows)];
  for (let i = 0; i < rows; i++) {
    const [a, b] = [normals[2 * i], normals[2 * i + 1]].map((n) => 1 / (1 + Math.exp(0.4 - n)));
    t[i] = Math.max(a, b);
    r[i] = i < Math.round(equal * rows) ? t[i] : Math.min(a, b);
  }
  return { r, t };
}

/** OFQL's loss, `mean((v(x_t, r, t) - target)^2)` with {@linkcode derivativeTarget}. */
export function derivativeLoss(p: FlowMap, s: Tensor, a: Tensor, noise: MapNoise<Tensor>, timeScale: number): Tensor {
  const { epsilon, r, t } = noise;
  const target = derivativeTarget(p, s, a, noise, timeScale);
  return meanSquaredError(meanVelocity(p, s, noisy(a, epsilon, t), r, t, timeScale), target);
}

/** What trains the map at an update. */
export type MapTerm = "composition" | "boundary" | "derivative";

/** Noise of a term. */
export function drawMapNoise(
  term: MapTerm,
  rows: number,
  dim: number,
  { boundaryWidth, equalTimes }: Pick<BfqConfig, "boundaryWidth" | "equalTimes">,
  rng: Rng,
): MapNoise {
  const epsilon = drawNormals(rows, dim, rng);
  const of = (f: (i: number) => number) => column(Float32Array.from({ length: rows }, (_, i) => f(i)));
  if (term === "derivative") {
    const { r, t } = logitNormalTimes(rng.fillNormal(new Float64Array(2 * rows)), equalTimes);
    return { epsilon, r: column(r), t: column(t) };
  }
  if (term === "boundary") {
    const [t, width] = [rng, rng].map((stream) => stream.fillUniform(new Float64Array(rows)));
    return { epsilon, r: of((i) => Math.max(t[i] - boundaryWidth * width[i], 0)), t: of((i) => t[i]) };
  }
  const drawn = rng.fillUniform(new Float64Array(3 * rows));
  for (let i = 0; i < rows; i++) drawn.subarray(3 * i, 3 * i + 3).sort();
  return { epsilon, r: of((i) => drawn[3 * i]), m: of((i) => drawn[3 * i + 1]), t: of((i) => drawn[3 * i + 2]) };
}

// --------------------------------------------------------------------------------------------------------- Updates

interface Arrays<L = NdArray> {
  actor: Trained<FlowMap<L>, L>;
  actorAverage: FlowMap<L>;
  critic: Trained<TwinCritic<L>, L>;
  criticTarget: TwinCritic<L>;
}

/** Fresh parameters of the map. */
export function initFlowMap(
  { observationDim: s, actionDim: a }: Spec,
  { hidden: h, timeDim: e }: Pick<BfqConfig, "hidden" | "timeDim">,
  rng: Rng,
): FlowMap<NdArray> {
  return {
    start: initMlp([e, 2 * e, e], rng.child("start")),
    end: initMlp([e, 2 * e, e], rng.child("end")),
    trunk: initMlp([a + 2 * e + s, h, h, h, a], rng.child("trunk")),
  };
}

const settings = { defaults: bfqDefaults, limits };

/** Creates BFQ for a task. */
export const createBfq: CreateAgent<BfqConfig> = checked("BFQ", settings, (config, spec) => {
  const { clipNorm, learningRate, timeScale, timeDim: e } = config;
  const { observationDim: s, actionDim: a, maxAction } = spec;

  type Inputs = {
    state: Arrays;
    batch: Batch;
    noise: { next: NdArray; policy: NdArray; map: MapNoise; coin: NdArray };
    step: AdamStep;
    emaRate: NdArray;
  };
  const updateBy = (term: MapTerm) =>
    compile<Inputs>(`bfq/${term}`, ({ state, batch, noise, step, emaRate }) => {
      const [observation, action] = [batch.observation, tf.div(batch.action, maxAction)];
      const nextAction = bfqAction(state.actorAverage, batch.nextObservation, noise.next, timeScale);
      const nextValue = tf.minimum(...bfqValues(state.criticTarget, batch.nextObservation, nextAction));
      const target = bellmanTarget(batch.reward, batch.terminal, nextValue, config.discount);
      const critic = trainStep(
        state.critic,
        (p) => twinError(bfqValues(p, observation, action), target),
        step,
        { clipNorm },
      );
      const actor = trainStep(
        state.actor,
        (p) => {
          const imitation = mapLoss(term, p, observation, action, noise.map as MapNoise<Tensor>, timeScale);
          const own = bfqAction(p, observation, noise.policy, timeScale);
          const value = crossNormalizedLoss(bfqValues(critic.next.params, observation, own), noise.coin);
          return { total: tf.add(imitation, tf.mul(value, config.valueWeight)), imitation, value };
        },
        step,
        { clipNorm },
      );
      return {
        state: {
          actor: actor.next,
          actorAverage: polyakAverage(state.actorAverage, actor.next.params, emaRate), // At rate 0 it stays as it is.
          critic: critic.next,
          criticTarget: polyakAverage(state.criticTarget, critic.next.params, config.polyakRate),
        },
        metrics: {
          criticLoss: critic.value,
          [`${term}Loss`]: actor.terms.imitation,
          valueLoss: actor.terms.value,
          actorLoss: actor.value,
        },
      };
    });
  const train = {
    composition: updateBy("composition"),
    boundary: updateBy("boundary"),
    derivative: updateBy("derivative"),
  };

  return {
    init(rng) {
      const actor = initFlowMap(spec, config, rng.child("actor"));
      const { hidden: h } = config;
      const critic = initTwin((stream) => initMlp([s + a, h, h, h, 1], stream), rng);
      const arrays: Arrays = {
        actor: initTrained(actor),
        actorAverage: copyArrays(actor),
        critic: initTrained(critic),
        criticTarget: copyArrays(critic),
      };
      return { updates: 0, arrays };
    },

    async update(state, batch, rng) {
      const k = state.updates;
      const rows = batch.action.shape[0];
      const [next, policy] = [drawNormals(rows, a, rng), drawNormals(rows, a, rng)];
      const term = config.imitation === "derivative"
        ? "derivative"
        : rng.uniform() < config.boundaryShare
        ? "boundary"
        : "composition";
      const map = drawMapNoise(term, rows, a, config, rng);
      const coin = scalar(rng.uniform() > 0.5 ? 1 : 0);
      const follows = k >= config.emaStart && k % config.emaEvery === 0;
      const result = await train[term]({
        state: state.arrays as Arrays,
        batch,
        noise: { next, policy, map, coin },
        step: adamStep(k + 1, { learningRate }),
        emaRate: scalar(follows ? config.emaRate : 0),
      });
      return finishUpdate(state, result);
    },

    createActor(state, rng) {
      const { start, end, trunk: [first, ...rest] } = (state.arrays as Arrays).actor.params;
      const embedded = ([[start, timeScale], [end, 0]] as const).map(([net, time]) => {
        const angles = sinusoidalRates(e).map((rate) => rate * time);
        return createMlp(net, "mish")([...angles.map(Math.sin), ...angles.map(Math.cos)]);
      });
      const arranged = arrangeInputs(first, [
        { from: a + 2 * e, count: s },
        { from: 0, count: a },
        ...embedded.map((values, i) => ({ from: a + i * e, values })),
      ]);
      const policy = { layers: [arranged, ...rest], activation: "mish", skip: 1, out: -1 } as const;
      return createNoiseActor(policy, maxAction, rng);
    },

    ...stochasticPolicy<FlowMap, TwinCritic>("bfq", spec, {
      paramsOf: (arrays) => (arrays as Arrays).actor.params,
      sample: (actor, s, [epsilon]) => tf.mul(bfqAction(actor, s, epsilon, timeScale), maxAction),
      criticOf: (arrays) => (arrays as Arrays).criticTarget,
      value: (critic, s, a) => tf.minimum(...bfqValues(critic, s, tf.div(a, maxAction))),
    }),
  };
});

function mapLoss(term: MapTerm, p: FlowMap, s: Tensor, a: Tensor, noise: MapNoise<Tensor>, timeScale: number): Tensor {
  if (term === "derivative") return derivativeLoss(p, s, a, noise, timeScale);
  const velocity: Velocity = (x, r, t) => meanVelocity(p, s, x, r, t, timeScale);
  return term === "boundary"
    ? boundaryLoss(velocity, a, noise)
    : compositionLoss(velocity, a, noise as Required<MapNoise<Tensor>>);
}

/** BFQ, after the equations. */
export const bfq: Algorithm<BfqConfig> = {
  name: "bfq",
  module: import.meta.url,
  acts: "one sample",
  title: "BFQ",
  source: "arXiv 2606.10613 (2026), after the equations",
  ...settings,
  // The papers' weights of the value term per task were not found, so that the defaults must be asked for.
  presets: { none: { source: "Ours: no published setting was found", config: {} } },
  create: createBfq,
};
