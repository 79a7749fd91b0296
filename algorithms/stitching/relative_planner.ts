/**
 * A planner of changes: a small diffusion model of where the next steps lead, relative to the present, and inverse dynamics beside it.
 *
 * Source: ours, for budgets of minutes; the idea is Decision Diffuser's (Ajay et al. 2023, arXiv 2211.15657), whose parametrization is
 * in {@linkcode createPlanner}. Deviation: from it, in four places. Later states are `s_(t+k) - s_t` over the deviation of that
 * lag's change, for one step's change is a small part of a state's range; the network predicts the clean window, not the noise;
 * it is a perceptron, as windows are short; inverse dynamics see the state and the scaled change, and train apart. The wanted return
 * is a quantile of all rows' labels, so that it lies within what the network has seen.
 *
 * @module
 */

import { drawNormals } from "../core/acting.ts";
import { finishUpdate, type Spec } from "../core/agent.ts";
import { assertConfig, type Limits, ranges } from "../core/config.ts";
import { initMlp, type Linear, mish, mlp, relu, sinusoidalEmbedding } from "../core/nn.ts";
import { type AdamStep, adamStep, cosineDecay, initTrained, type Trained, trainStep } from "../core/optim.ts";
import type { Rng } from "../core/rng.ts";
import { meanSquaredError, polyakAverage } from "../core/td.ts";
import { type Trajectories, trajectoryStarts } from "../core/trajectories.ts";
import { cosineSchedule } from "../core/vp.ts";
import { column, copyArrays, type NdArray, ndarray, scalar } from "../engine/array.ts";
import { compile } from "../engine/compile.ts";
import { type Tensor, tf } from "../engine/tensor.ts";
import type { Plan, Planner, PlanningSession } from "./planner.ts";
import { returnLabels, type WindowConfig } from "./windows.ts";

/** Settings of the planner of changes. */
export interface RelativePlannerConfig extends Omit<WindowConfig, "horizon"> {
  /** Gradient steps of both networks. */
  updates: number;
  /** Rows per minibatch, of windows and of pairs for the inverse dynamics. */
  batchSize: number;
  /** Adam's step size at the start, of both networks; it decays to zero along a cosine. */
  learningRate: number;
  /** Steps of a plan beyond the present (K). */
  steps: number;
  /** States that a plan goes on from, the present one included (C); an episode's first state stands for those before it. */
  context: number;
  /** Width of the denoiser. */
  hidden: number;
  /** Hidden layers of the denoiser. */
  depth: number;
  /** Width of the inverse dynamics. */
  inverseHidden: number;
  /** Denoising steps, one network call each (T). */
  diffusionSteps: number;
  /** Share of training windows whose return is left out. */
  conditionDropout: number;
  /** Weight of the conditional prediction (w): 1 is conditional, more is stronger. */
  guidance: number;
  /** The wanted return, as a quantile of all rows' labels. */
  targetQuantile: number;
  /** Factor of all noise in sampling. */
  temperature: number;
}

/** Defaults. Ours; those that Decision Diffuser has are its authors' code's. */
export const relativePlannerDefaults: RelativePlannerConfig = {
  updates: 4000,
  batchSize: 256,
  learningRate: 1e-3,
  steps: 3,
  context: 2,
  hidden: 512,
  depth: 3,
  inverseHidden: 512,
  diffusionSteps: 10,
  conditionDropout: 0.25,
  guidance: 1.2,
  targetQuantile: 0.75,
  temperature: 0.5,
  discount: 0.99,
  returnsScale: 400,
  terminationPenalty: -100,
};

const limits: Limits<RelativePlannerConfig> = {
  learningRate: ranges.positive,
  steps: ranges.count,
  context: ranges.count,
  hidden: ranges.count,
  depth: ranges.count,
  inverseHidden: ranges.count,
  diffusionSteps: ranges.count,
  conditionDropout: ranges.belowOne,
  guidance: ranges.finite,
  targetQuantile: ranges.share,
  temperature: ranges.notNegative,
  discount: ranges.share,
  returnsScale: ranges.positive,
  terminationPenalty: ranges.finite,
};

/** Means and standard deviations of the data, and the return to ask for. */
export interface RelativeStatistics {
  /** Of states, `[S]` each. */
  state: { mean: Float64Array; deviation: Float64Array };
  /** Of the changes over 1 to K steps, `[K][S]`. */
  change: Float64Array[];
  /** Of rewards. */
  reward: { mean: number; deviation: number };
  /** The wanted return. */
  targetReturn: number;
}

/** What the planner knows of its task. */
export interface RelativePlannerSpec extends Spec {
  /** As {@linkcode fitRelative} gives them. */
  statistics: RelativeStatistics;
}

/** A minibatch of windows and, of other rows, pairs for the inverse dynamics. */
export interface RelativeBatch<L = NdArray> {
  /** Normalized states up to the present, `[batch, C S]`, the oldest first. */
  context: L;
  /** Scaled changes and normalized rewards of the next steps, `[batch, K (S + 1)]`. */
  window: L;
  /** Scaled discounted return from the present on, `[batch, 1]`. */
  returns: L;
  /** Normalized states, `[batch, S]`. */
  state: L;
  /** Their scaled changes in one step, `[batch, S]`. */
  change: L;
  /** The actions that made them, `[batch, A]`. */
  action: L;
}

/** State number `k` after `row`: the successor of the last row where the trajectory ends before. */
function stateAfter({ observation, nextObservation, observationDim: s }: Trajectories, last: Int32Array) {
  return (row: number, k: number): Float32Array => {
    if (row + k <= last[row]) return observation.subarray((row + k) * s, (row + k + 1) * s);
    return nextObservation.subarray(last[row] * s, (last[row] + 1) * s);
  };
}

/** The first and the last row of each row's trajectory. */
function boundsOf(data: Trajectories): { first: Int32Array; last: Int32Array } {
  const [first, last] = [new Int32Array(data.count), new Int32Array(data.count)];
  const starts = trajectoryStarts(data);
  starts.forEach((start, k) => {
    const end = starts[k + 1] ?? data.count;
    first.fill(start, start, end);
    last.fill(end - 1, start, end);
  });
  return { first, last };
}

/** Fits what the planner needs to know of the data. */
export function fitRelative(
  data: Trajectories,
  terminal: ArrayLike<number>,
  { steps, targetQuantile, ...labels }:
    & Pick<RelativePlannerConfig, "steps" | "targetQuantile">
    & Omit<WindowConfig, "horizon">,
): RelativeStatistics {
  const { observationDim: s, observation, count, reward } = data;
  const spread = (at: (row: number, d: number) => number) => {
    const [mean, squares] = [new Float64Array(s), new Float64Array(s)];
    for (let i = 0; i < count; i++) for (let d = 0; d < s; d++) mean[d] += at(i, d) / count;
    for (let i = 0; i < count; i++) for (let d = 0; d < s; d++) squares[d] += (at(i, d) - mean[d]) ** 2 / count;
    return { mean, deviation: squares.map((x) => Math.sqrt(x) + 1e-6) };
  };
  const later = stateAfter(data, boundsOf(data).last);
  const change = Array.from(
    { length: steps },
    (_, k) => spread((i, d) => later(i, k + 1)[d] - observation[i * s + d]).deviation,
  );
  const mean = reward.reduce((a, b) => a + b, 0) / count;
  const deviation = Math.sqrt(reward.reduce((a, b) => a + (b - mean) ** 2, 0) / count) + 1e-6;
  const sorted = returnLabels(data, terminal, labels).sort();
  return {
    state: spread((i, d) => observation[i * s + d]),
    change,
    reward: { mean, deviation },
    targetReturn: sorted[Math.round(targetQuantile * (count - 1))],
  };
}

/** Draws minibatches of {@linkcode RelativeBatch}. */
export function createRelativeWindows(
  data: Trajectories,
  terminal: ArrayLike<number>,
  { state, change, reward }: RelativeStatistics,
  config: Pick<RelativePlannerConfig, "steps" | "context"> & Omit<WindowConfig, "horizon">,
): (rows: number, rng: Rng) => RelativeBatch {
  const { observationDim: s, actionDim: a, observation, count } = data;
  const { steps, context } = config;
  const labels = returnLabels(data, terminal, config);
  const { first, last } = boundsOf(data);
  const after = stateAfter(data, last);
  const normalized = (row: number, out: Float32Array, at: number) => {
    for (let d = 0; d < s; d++) out[at + d] = (observation[row * s + d] - state.mean[d]) / state.deviation[d];
  };
  const changed = (row: number, k: number, out: Float32Array, at: number) => {
    const to = after(row, k);
    for (let d = 0; d < s; d++) out[at + d] = (to[d] - observation[row * s + d]) / change[k - 1][d];
  };
  return (rows, rng) => {
    const batch = {
      context: new Float32Array(rows * context * s),
      window: new Float32Array(rows * steps * (s + 1)),
      returns: new Float32Array(rows),
      state: new Float32Array(rows * s),
      change: new Float32Array(rows * s),
      action: new Float32Array(rows * a),
    };
    for (let b = 0; b < rows; b++) {
      const [row, pair] = [rng.integer(count), rng.integer(count)];
      for (let c = 0; c < context; c++) {
        normalized(Math.max(row - context + 1 + c, first[row]), batch.context, (b * context + c) * s);
      }
      for (let k = 1; k <= steps; k++) {
        const at = (b * steps + k - 1) * (s + 1);
        changed(row, k, batch.window, at);
        const paid = row + k - 1 <= last[row] ? data.reward[row + k - 1] : 0;
        batch.window[at + s] = (paid - reward.mean) / reward.deviation;
      }
      batch.returns[b] = labels[row];
      normalized(pair, batch.state, b * s);
      changed(pair, 1, batch.change, b * s);
      batch.action.set(data.action.subarray(pair * a, (pair + 1) * a), b * a);
    }
    const of = (name: keyof typeof batch) => ndarray(batch[name], [rows, batch[name].length / rows]);
    return {
      context: of("context"),
      window: of("window"),
      returns: of("returns"),
      state: of("state"),
      change: of("change"),
      action: of("action"),
    };
  };
}

/** The denoiser: embeddings of the diffusion step and the return, and a perceptron. */
export interface WindowNetwork<L = Tensor> {
  /** Embeds the diffusion step. */
  step: Linear<L>[];
  /** Embeds the return. */
  returns: Linear<L>[];
  /** From window, context and embeddings to the clean window. */
  trunk: Linear<L>[];
}

const embedding = 64;

/**
 * The clean window behind a noisy one, `[batch, K (S + 1)]`.
 *
 * @param keep `[batch, 1]`, 1 where the return counts, 0 where it is left out.
 */
export function cleanWindow(
  p: WindowNetwork,
  x: Tensor,
  { context, step, returns, keep }: { context: Tensor; step: Tensor; returns: Tensor; keep: Tensor },
): Tensor {
  const time = mlp(p.step, sinusoidalEmbedding(step, embedding), mish);
  const wanted = tf.mul(mlp(p.returns, returns, mish), keep);
  return mlp(p.trunk, tf.concat([x, context, time, wanted], 1), mish);
}

/** The action that makes a change, `[batch, A]` in `[-maxAction, maxAction]`. */
export function changeAction(p: Linear[], state: Tensor, change: Tensor, maxAction: number): Tensor {
  return tf.mul(tf.tanh(mlp(p, tf.concat([state, change], 1), relu)), maxAction);
}

/** Everything that training changes. */
export interface RelativePlannerArrays<L = NdArray> {
  /** The denoiser in training. */
  denoiser: Trained<WindowNetwork<L>, L>;
  /** Its average, which acts. */
  average: WindowNetwork<L>;
  /** Inverse dynamics in training. */
  inverse: Trained<Linear<L>[], L>;
}

interface UpdateNoise<L = NdArray> {
  step: L;
  clean: L;
  noisy: L;
  epsilon: L;
  keep: L;
}

// As the planner's: a copy until update 2000 (here a quarter of short trainings), then an average of this decay, every 10 updates.
const averaging = { decay: 0.995, every: 10, start: 2000 };
const clip = 6; // Deviations.

/**
 * Creates the planner.
 *
 * @throws {RangeError} If a setting is out of range.
 */
export function createRelativePlanner(
  config: RelativePlannerConfig,
  spec: RelativePlannerSpec,
): Planner<RelativeBatch> {
  assertConfig("create planner", config, { defaults: relativePlannerDefaults, limits });
  const { steps, context, diffusionSteps, guidance, temperature } = config;
  const { observationDim: s, actionDim: a, maxAction, statistics } = spec;
  const size = steps * (s + 1);
  const schedule = cosineSchedule(diffusionSteps);

  const train = compile<{
    state: RelativePlannerArrays;
    batch: RelativeBatch;
    noise: UpdateNoise;
    adam: AdamStep;
    rate: NdArray;
  }>("relative_planner/update", ({ state, batch, noise, adam, rate }) => {
    const { window } = batch;
    const x = tf.add(tf.mul(window, noise.clean), tf.mul(noise.epsilon, noise.noisy));
    const given = { context: batch.context, step: noise.step, returns: batch.returns, keep: noise.keep };
    const denoiser = trainStep(state.denoiser, (p) => meanSquaredError(cleanWindow(p, x, given), window), adam);
    const inverse = trainStep(
      state.inverse,
      (p) => meanSquaredError(changeAction(p, batch.state, batch.change, maxAction), batch.action),
      adam,
    );
    return {
      state: {
        denoiser: denoiser.next,
        average: polyakAverage(state.average, denoiser.next.params, rate),
        inverse: inverse.next,
      },
      metrics: { windowLoss: denoiser.value, actionLoss: inverse.value },
    };
  });

  const denoise = compile<
    {
      p: WindowNetwork<NdArray>;
      x: NdArray;
      context: NdArray;
      step: NdArray;
      returns: NdArray;
      z: NdArray;
      factors: NdArray;
    },
    { x: Tensor }
  >("relative_planner/denoise", ({ p, x, context, step, returns, z, factors }) => {
    const batch = x.shape[0];
    const both = (y: Tensor) => tf.concat([y, y], 0);
    const keep = tf.concat([tf.ones([batch, 1]), tf.zeros([batch, 1])], 0);
    const given = { context: both(context), step: tf.tile(step, [2 * batch, 1]), returns: both(returns), keep };
    const [conditional, unconditional] = tf.split(cleanWindow(p, both(x), given), 2, 0);
    const guided = tf.add(unconditional, tf.mul(tf.sub(conditional, unconditional), guidance)); // Ho & Salimans 2022.
    const [clean, noisy, sigma] = tf.split(factors, 3, 1);
    const mean = tf.add(tf.mul(tf.clipByValue(guided, -clip, clip), clean), tf.mul(x, noisy));
    return { x: tf.add(mean, tf.mul(z, sigma)) };
  });

  const connect = compile<{ p: Linear<NdArray>[]; state: NdArray; change: NdArray }, { action: Tensor }>(
    "relative_planner/inverse",
    ({ p, state, change }) => ({ action: changeAction(p, state, change, maxAction) }),
  );

  /** The reverse step's weights of the clean and the noisy window, and its noise, `[1, 3]`. */
  const factorsAt = (t: number) => {
    const { clean, noisy, variance } = schedule.posterior[t];
    return ndarray([clean, noisy, t > 0 ? temperature * Math.sqrt(variance) : 0], [1, 3]);
  };

  const startPlanning: Planner<RelativeBatch>["startPlanning"] = (state, rows, rng) => {
    const { average: p, inverse: { params: inverse } } = state.arrays as RelativePlannerArrays;
    const history: Float32Array[] = []; // Raw states `[rows, S]`, the last `context` of them.
    let plans = 0;
    const plan: PlanningSession["plan"] = async (observation) => {
      const seen = observation.length / (rows * s);
      for (let k = 0; k < seen; k++) {
        const now = new Float32Array(rows * s);
        for (let i = 0; i < rows; i++) now.set(observation.subarray((i * seen + k) * s, (i * seen + k + 1) * s), i * s);
        history.push(now);
        if (history.length > context) history.shift();
      }
      const given = new Float32Array(rows * context * s);
      for (let c = 0; c < context; c++) {
        const from = history[Math.max(history.length - context + c, 0)];
        for (let i = 0; i < rows; i++) {
          for (let d = 0; d < s; d++) {
            given[(i * context + c) * s + d] = (from[i * s + d] - statistics.state.mean[d]) /
              statistics.state.deviation[d];
          }
        }
      }
      const stream = rng.child(`${plans++}`);
      let x = ndarray(drawNormals(rows, size, stream.child("start")).data.map((z) => temperature * z), [rows, size]);
      for (let t = diffusionSteps - 1; t >= 0; t--) {
        const result: { x: NdArray } = await denoise({
          p,
          x,
          context: ndarray(given, [rows, context * s]),
          step: ndarray([t], [1, 1]),
          returns: column(new Float32Array(rows).fill(statistics.targetReturn)),
          z: t > 0
            ? drawNormals(rows, size, stream.child(`${t}`))
            : ndarray(new Float32Array(rows * size), [rows, size]),
          factors: factorsAt(t),
        });
        x = result.x;
      }
      return await readPlan(x.data as Float32Array, history.at(-1)!, rows, inverse);
    };
    return { plan };
  };

  /** Rewards, states and actions of windows, raw. */
  const readPlan = async (
    x: Float32Array,
    now: Float32Array,
    rows: number,
    inverse: Linear<NdArray>[],
  ): Promise<Plan> => {
    const reward = new Float32Array(rows * steps);
    const observation = new Float32Array(rows * steps * s);
    const [states, changes] = [new Float32Array(rows * steps * s), new Float32Array(rows * steps * s)];
    for (let i = 0; i < rows; i++) {
      for (let k = 0; k < steps; k++) {
        const [row, at] = [i * steps + k, (i * steps + k) * (s + 1)];
        reward[row] = statistics.reward.mean + statistics.reward.deviation * x[at + s];
        for (let d = 0; d < s; d++) {
          observation[row * s + d] = now[i * s + d] + statistics.change[k][d] * x[at + d];
          const before = k === 0 ? now[i * s + d] : observation[(row - 1) * s + d];
          states[row * s + d] = (before - statistics.state.mean[d]) / statistics.state.deviation[d];
          changes[row * s + d] = (observation[row * s + d] - before) / statistics.change[0][d];
        }
      }
    }
    const shape = [rows * steps, s];
    const { action }: { action: NdArray } = await connect({
      p: inverse,
      state: ndarray(states, shape),
      change: ndarray(changes, shape),
    });
    return { steps, reward, observation, action: action.data as Float32Array };
  };

  return {
    init(rng) {
      const { hidden, depth, inverseHidden } = config;
      const network: WindowNetwork<NdArray> = {
        step: initMlp([embedding, 2 * embedding, embedding], rng.child("step")),
        returns: initMlp([1, embedding, embedding], rng.child("returns")),
        trunk: initMlp([size + context * s + 2 * embedding, ...Array(depth).fill(hidden), size], rng.child("trunk")),
      };
      const inverse = initMlp([2 * s, inverseHidden, inverseHidden, a], rng.child("inverse"));
      const arrays: RelativePlannerArrays = {
        denoiser: initTrained(network),
        average: copyArrays(network),
        inverse: initTrained(inverse),
      };
      return { updates: 0, arrays };
    },

    async update(state, batch, rng) {
      const count = state.updates + 1;
      const [rows] = batch.window.shape;
      const start = Math.min(averaging.start, config.updates / 4);
      const rate = count % averaging.every > 0 ? 0 : count < start ? 1 : 1 - averaging.decay;
      const times = Array.from({ length: rows }, () => rng.integer(diffusionSteps));
      const level = (f: (alphaBar: number) => number) =>
        column(Float32Array.from(times, (t) => Math.sqrt(f(schedule.alphaBar[t]))));
      const noise: UpdateNoise = {
        step: column(Float32Array.from(times)),
        clean: level((x) => x),
        noisy: level((x) => 1 - x),
        epsilon: drawNormals(rows, size, rng),
        keep: column(Float32Array.from({ length: rows }, () => Number(rng.uniform() >= config.conditionDropout))),
      };
      const adam = adamStep(count, { learningRate: cosineDecay(config.learningRate, state.updates, config.updates) });
      const inputs = { state: state.arrays as RelativePlannerArrays, batch, noise, adam, rate: scalar(rate) };
      return finishUpdate(state, await train(inputs));
    },

    startPlanning,

    startActing(state, rows, rng) {
      const session = startPlanning(state, rows, rng);
      const nothing = new Float32Array(rows);
      return async ({ data }) => {
        const plan = await session.plan(data as Float32Array, nothing);
        const action = new Float32Array(rows * a);
        for (let i = 0; i < rows; i++) {
          action.set(plan.action.subarray(i * plan.steps * a, (i * plan.steps + 1) * a), i * a);
        }
        return ndarray(action, [rows, a]);
      };
    },
  };
}
