/**
 * The planner: a return-conditioned diffusion model of state and reward windows, and inverse dynamics for the actions.
 *
 * Source: a reconstruction of the generator in Li & Zhang 2024, arXiv 2402.00807, which extends Decision Diffuser (Ajay et al. 2023,
 * arXiv 2211.15657) by rewards and a context of past states; steps and constants are those of the latter's authors' code.
 * Deviation: which entries of a window are known follows from causality (ours), as neither text says.
 *
 * @module
 */

import { type AgentState, assertRange, drawNormals, finishUpdate, type Spec } from "../core/agent.ts";
import { column, compile, copyArrays, type NdArray, ndarray, scalar } from "../core/compile.ts";
import { initMlp, type Linear, mlp, relu } from "../core/nn.ts";
import { type AdamStep, adamStep, initTrained, type Trained, trainStep } from "../core/optim.ts";
import type { Rng } from "../core/rng.ts";
import { meanSquaredError, polyakAverage } from "../core/td.ts";
import { type Tensor, tf } from "../core/tensor.ts";
import { cosineSchedule, type VpSchedule } from "../core/vp.ts";
import { denormalize, mapRows, normalize } from "./cdf_normalizer.ts";
import { initTemporalUnet, type TemporalUnet, temporalUnetNoise } from "./temporal_unet.ts";
import type { Normalizers, WindowBatch, WindowConfig } from "./windows.ts";

/** Settings of the planner. */
export interface PlannerConfig extends WindowConfig {
  updates: number;
  batchSize: number;
  learningRate: number;
  /** Steps of the past that a plan goes on from, the present one included (C). */
  context: number;
  /** Width of the network's first level, and those of all levels in units of it. */
  width: number;
  multipliers: readonly number[];
  inverseHidden: number;
  /** Denoising steps (T). */
  diffusionSteps: number;
  /** Share of training windows whose return is left out. */
  conditionDropout: number;
  /** Weight of the conditional noise (w): 1 is conditional, more is stronger. */
  guidance: number;
  /** Wanted return, in units of `returnsScale`. */
  targetReturn: number;
  /** Factor of all noise in sampling. */
  temperature: number;
}

/** Defaults: the networks and settings of Decision Diffuser's authors' code, its paper's context. */
export const plannerDefaults: PlannerConfig = {
  updates: 1_000_000,
  batchSize: 64, // Two micro-batches of 32.
  learningRate: 2e-4,
  horizon: 100,
  context: 20,
  width: 128,
  multipliers: [1, 4, 8],
  inverseHidden: 256,
  diffusionSteps: 200,
  conditionDropout: 0.25,
  guidance: 1.2,
  targetReturn: 0.9,
  temperature: 0.5,
  discount: 0.99,
  returnsScale: 400,
  terminationPenalty: -100,
};

// Authors' code: a copy until update 2000, then an average of this decay, both every 10 updates.
const average = { decay: 0.995, every: 10, start: 2000 };

/** The networks. */
export interface PlannerNetworks<L = Tensor> {
  unet: TemporalUnet<L>;
  /** From two successive observations to the action between them, all normalized. */
  inverse: Linear<L>[];
}

/** Everything that training changes. */
export interface PlannerArrays {
  networks: Trained<PlannerNetworks<NdArray>>;
  /** The average that acts. */
  average: PlannerNetworks<NdArray>;
}

/** Noise of one update. */
export interface PlannerNoise<L = NdArray> {
  /** Diffusion step, `[batch, 1]`, and `sqrt(alphaBar)`, `sqrt(1 - alphaBar)` of it, `[batch, 1, 1]`. */
  step: L;
  clean: L;
  noisy: L;
  /** `[batch, horizon, channels]` */
  epsilon: L;
  /** 1 where a window's entry is to be found, 0 where it is known; `[batch, horizon, channels]`. */
  unknown: L;
  /** 1 where the return counts, `[batch, 1]`. */
  keep: L;
}

/** 1 for every entry that is unknown with `context` steps given: their observations are known, and all rewards but the last. */
export function unknownEntries(context: number, horizon: number, channels: number): Float32Array {
  return new Float32Array(horizon * channels).map((_, i) => {
    const [t, channel] = [Math.floor(i / channels), i % channels];
    return t < context && !(t === context - 1 && channel === channels - 1) ? 0 : 1;
  });
}

/** Draws {@linkcode PlannerNoise}. */
export function drawPlannerNoise(
  [batch, horizon, channels]: readonly number[],
  config: Pick<PlannerConfig, "context" | "conditionDropout">,
  schedule: VpSchedule,
  rng: Rng,
): PlannerNoise {
  const steps = Array.from({ length: batch }, () => rng.integer(schedule.beta.length));
  const unknown = new Float32Array(batch * horizon * channels);
  for (let b = 0; b < batch; b++) {
    unknown.set(unknownEntries(1 + rng.integer(config.context), horizon, channels), b * horizon * channels);
  }
  const levels = (f: (alphaBar: number) => number) =>
    ndarray(steps.map((t) => Math.sqrt(f(schedule.alphaBar[t]))), [batch, 1, 1]);
  return {
    step: column(Float32Array.from(steps)),
    clean: levels((x) => x),
    noisy: levels((x) => 1 - x),
    epsilon: ndarray(rng.fillNormal(new Float32Array(unknown.length)), [batch, horizon, channels]),
    unknown: ndarray(unknown, [batch, horizon, channels]),
    keep: column(Float32Array.from({ length: batch }, () => Number(rng.uniform() >= config.conditionDropout))),
  };
}

/** Noise prediction error over all entries, those known counting 0. */
export function plannerLoss(p: TemporalUnet, batch: WindowBatch<Tensor>, noise: PlannerNoise<Tensor>): Tensor {
  const { window, returns } = batch;
  const noised = tf.add(tf.mul(window, noise.clean), tf.mul(noise.epsilon, noise.noisy));
  const x = tf.add(window, tf.mul(noise.unknown, tf.sub(noised, window))); // Known entries stay clean.
  const found = temporalUnetNoise(p, x, noise.step, returns, noise.keep);
  return tf.mean(tf.mul(noise.unknown, tf.square(tf.sub(found, noise.epsilon))));
}

/** The action between successive observations, `[n, S]` each, normalized. */
export function inverseAction(p: Linear[], observation: Tensor, nextObservation: Tensor): Tensor {
  return mlp(p, tf.concat([observation, nextObservation], 1), relu);
}

/** Mean squared error of the actions between all steps of the windows. */
export function inverseLoss(p: Linear[], { window, action }: WindowBatch<Tensor>): Tensor {
  const [batch, horizon, channels] = window.shape;
  const [s, a] = [channels - 1, action.shape[2]!];
  const pairs = batch * (horizon - 1);
  const steps = (from: number) => tf.reshape(tf.slice(window, [0, from, 0], [batch, horizon - 1, s]), [pairs, s]);
  const taken = tf.reshape(tf.slice(action, [0, 0, 0], [batch, horizon - 1, a]), [pairs, a]);
  return meanSquaredError(inverseAction(p, steps(0), steps(1)), taken);
}

/** Factors of one reverse step, scalars; see {@linkcode reverseStep}. */
export interface ReverseFactors<L = NdArray> {
  /** `1 / sqrt(alphaBar)` and `sqrt(1 / alphaBar - 1)`: from the noisy window and its noise to the clean one. */
  rescale: L;
  remove: L;
  /** The posterior mean's weights of the clean and the noisy window, and its deviation times the temperature. */
  clean: L;
  noisy: L;
  deviation: L;
  guidance: L;
}

/** Factors of step `t`. */
export function reverseFactors(
  { alphaBar, posterior }: VpSchedule,
  t: number,
  { guidance, temperature }: Pick<PlannerConfig, "guidance" | "temperature">,
): ReverseFactors {
  const { clean, noisy, variance } = posterior[t];
  return {
    rescale: scalar(Math.sqrt(1 / alphaBar[t])),
    remove: scalar(Math.sqrt(1 / alphaBar[t] - 1)),
    clean: scalar(clean),
    noisy: scalar(noisy),
    deviation: scalar(t > 0 ? temperature * Math.sqrt(variance) : 0),
    guidance: scalar(guidance),
  };
}

/**
 * One guided step of denoising: `noise = unconditional + guidance (conditional - unconditional)` (Ho & Salimans 2022,
 * arXiv 2207.12598), then the posterior given the clean window that it implies, clipped to [-1, 1].
 *
 * @param z Unit Gaussians shaped like `x`.
 */
export function reverseStep(
  x: Tensor,
  conditional: Tensor,
  unconditional: Tensor,
  z: Tensor,
  f: ReverseFactors<Tensor>,
): Tensor {
  const noise = tf.add(unconditional, tf.mul(tf.sub(conditional, unconditional), f.guidance));
  const clean = tf.clipByValue(tf.sub(tf.mul(x, f.rescale), tf.mul(noise, f.remove)), -1, 1);
  return tf.add(tf.add(tf.mul(clean, f.clean), tf.mul(x, f.noisy)), tf.mul(z, f.deviation));
}

/** What a planner knows of its task. */
export interface PlannerSpec extends Spec {
  normalizers: Normalizers;
}

/** What a plan says of the present and of the next steps; raw units, row-major. */
export interface Plan {
  /** Steps that the plan holds beyond the present. */
  steps: number;
  /** Rewards of the present step and those after it but the last, `[rows, steps]`. */
  reward: Float32Array;
  /** Observations after the present, `[rows, steps, S]`. */
  observation: Float32Array;
  /** Actions from one to the next, `[rows, steps, A]`, clipped to the bounds. */
  action: Float32Array;
}

/** Plans for several episodes at once, all at the same step. */
export interface PlanningSession {
  /**
   * Appends what was seen and plans on.
   *
   * @param observation Raw observations since the last plan, `[rows, seen, S]`: 1 at the start.
   * @param reward The model's rewards of the steps before each of them, `[rows, seen]`; those of the start count nothing.
   */
  plan(observation: Float32Array, reward: Float32Array): Promise<Plan>;
}

/** A planner for one task. */
export interface Planner {
  /** Fresh parameters and optimizer state. */
  init(rng: Rng): AgentState;
  /** One gradient step of all networks; `state` is spent by the call. */
  update(
    state: AgentState,
    batch: WindowBatch,
    rng: Rng,
  ): Promise<{ state: AgentState; metrics: Record<string, number> }>;
  /** Starts to plan for `rows` episodes. */
  startPlanning(state: AgentState, rows: number, rng: Rng): PlanningSession;
  /** A policy with a memory for `rows` episodes from their start: the first action of a new plan at every step. */
  startActing(state: AgentState, rows: number, rng: Rng): (observation: NdArray) => Promise<NdArray>;
}

/**
 * Creates a planner.
 *
 * @throws {RangeError} If a setting is out of range.
 */
export function createPlanner(config: PlannerConfig, spec: PlannerSpec): Planner {
  const { horizon, context, multipliers, diffusionSteps } = config;
  const check = (name: keyof PlannerConfig, ok: boolean, wanted: string) =>
    assertRange("planner", name, config[name] as number, ok, wanted);
  const halvings = 2 ** (multipliers.length - 1);
  check("horizon", Number.isInteger(horizon / halvings) && horizon > 0, `a positive multiple of ${halvings}`);
  check("context", Number.isInteger(context) && context >= 1 && context < horizon, `an integer in [1, ${horizon})`);
  check("width", Number.isInteger(config.width / 8) && config.width > 0, "a positive multiple of 8");
  check("conditionDropout", config.conditionDropout >= 0 && config.conditionDropout < 1, "in [0, 1)");
  const { observationDim: s, actionDim: a, maxAction, normalizers } = spec;
  const channels = s + 1;
  const schedule = cosineSchedule(diffusionSteps);

  const train = compile<{
    state: PlannerArrays;
    batch: WindowBatch;
    noise: PlannerNoise;
    step: AdamStep;
    rate: NdArray;
  }>("planner/update", ({ state, batch, noise, step, rate }) => {
    const { next, terms } = trainStep(state.networks, ({ unet, inverse }) => {
      const [noiseLoss, actionLoss] = [plannerLoss(unet, batch, noise), inverseLoss(inverse, batch)];
      return { total: tf.mul(tf.add(noiseLoss, actionLoss), 0.5), noiseLoss, actionLoss };
    }, step);
    const averaged = polyakAverage(state.average, next.params, rate);
    return { state: { networks: next, average: averaged }, metrics: terms };
  });

  const denoise = compile<{
    p: TemporalUnet<NdArray>;
    x: NdArray;
    known: NdArray;
    unknown: NdArray;
    step: NdArray;
    returns: NdArray;
    z: NdArray;
    factors: ReverseFactors;
  }, { x: Tensor }>("planner/denoise", ({ p, x, known, unknown, step, returns, z, factors }) => {
    const batch = x.shape[0];
    const both = (y: Tensor) => tf.concat([y, y], 0);
    const keep = tf.concat([tf.ones([batch, 1]), tf.zeros([batch, 1])], 0);
    const noise = temporalUnetNoise(p, both(x), tf.tile(step, [2 * batch, 1]), both(returns), keep);
    const [conditional, unconditional] = tf.split(noise, 2, 0);
    const next = reverseStep(x, conditional, unconditional, z, factors);
    return { x: tf.where(tf.greater(unknown, 0), next, known) };
  });

  const connect = compile<{ p: Linear<NdArray>[]; from: NdArray; to: NdArray }, { action: Tensor }>(
    "planner/inverse",
    ({ p, from, to }) => ({ action: inverseAction(p, from, to) }),
  );

  const startPlanning: Planner["startPlanning"] = (state, rows, rng) => {
    const { average: { unet, inverse } } = state.arrays as PlannerArrays;
    const shape = [rows, horizon, channels];
    const size = horizon * channels;
    const draw = (name: string, factor: number) =>
      drawNormals(rows, size, rng.child(name)).data.map((x) => factor * x) as Float32Array;
    const history: Float32Array[] = []; // Normalized steps `[rows, channels]`, the last `context` of them.
    let plans = 0;
    return {
      async plan(observation, reward) {
        const seen = observation.length / (rows * s);
        for (let k = 0; k < seen; k++) {
          const step = new Float32Array(rows * channels);
          for (let i = 0; i < rows; i++) {
            for (let d = 0; d < s; d++) {
              step[i * channels + d] = normalize(normalizers.step[d], observation[(i * seen + k) * s + d]);
            }
            const before = history.at(-1); // The reward belongs to the step before.
            if (before) before[i * channels + s] = normalize(normalizers.step[s], reward[i * seen + k]);
          }
          history.push(step);
          if (history.length > context) history.shift();
        }
        const c = history.length;
        const [known, unknown] = [new Float32Array(rows * size), new Float32Array(rows * size)];
        const pattern = unknownEntries(c, horizon, channels);
        for (let i = 0; i < rows; i++) {
          unknown.set(pattern, i * size);
          history.forEach((step, t) =>
            known.set(step.subarray(i * channels, (i + 1) * channels), i * size + t * channels)
          );
        }
        const stream = `${plans++}`;
        const start = draw(`${stream}/start`, config.temperature).map((x, i) => unknown[i] > 0 ? x : known[i]);
        let x = ndarray(start, shape);
        for (let t = diffusionSteps - 1; t >= 0; t--) {
          const result = await denoise({
            p: unet,
            x,
            known: ndarray(known, shape),
            unknown: ndarray(unknown, shape),
            step: ndarray([t], [1, 1]),
            returns: column(new Float32Array(rows).fill(config.targetReturn)),
            z: ndarray(t > 0 ? draw(`${stream}/${t}`, 1) : new Float32Array(rows * size), shape),
            factors: reverseFactors(schedule, t, config),
          });
          x = result.x;
        }
        return await readPlan(x.data as Float32Array, rows, c, inverse);
      },
    };
  };

  /** Rewards, observations and actions of windows from step `c` on. */
  const readPlan = async (x: Float32Array, rows: number, c: number, inverse: Linear<NdArray>[]): Promise<Plan> => {
    const steps = horizon - c;
    const plan = {
      steps,
      reward: new Float32Array(rows * steps),
      observation: new Float32Array(rows * steps * s),
    };
    const [from, to] = [0, 1].map(() => new Float32Array(rows * steps * s));
    for (let i = 0; i < rows; i++) {
      for (let k = 0; k < steps; k++) {
        const at = (i * horizon + c - 1 + k) * channels;
        const row = i * steps + k;
        plan.reward[row] = denormalize(normalizers.step[s], x[at + s]);
        from.set(x.subarray(at, at + s), row * s);
        to.set(x.subarray(at + channels, at + channels + s), row * s);
        for (let d = 0; d < s; d++) {
          plan.observation[row * s + d] = denormalize(normalizers.step[d], x[at + channels + d]);
        }
      }
    }
    const shape = [rows * steps, s];
    const { action } = await connect({ p: inverse, from: ndarray(from, shape), to: ndarray(to, shape) });
    const raw = mapRows(denormalize, normalizers.action, action.data);
    return { ...plan, action: raw.map((x) => Math.min(Math.max(x, -maxAction), maxAction)) };
  };

  return {
    init(rng) {
      const networks: PlannerNetworks<NdArray> = {
        unet: initTemporalUnet(channels, config, rng.child("unet")),
        inverse: initMlp([2 * s, config.inverseHidden, config.inverseHidden, a], rng.child("inverse")),
      };
      const arrays: PlannerArrays = { networks: initTrained(networks), average: copyArrays(networks) };
      return { updates: 0, arrays };
    },

    async update(state, batch, rng) {
      const count = state.updates + 1;
      const rate = count % average.every > 0 ? 0 : count < average.start ? 1 : 1 - average.decay;
      const result = await train({
        state: state.arrays as PlannerArrays,
        batch,
        noise: drawPlannerNoise(batch.window.shape, config, schedule, rng),
        step: adamStep(count, { learningRate: config.learningRate }),
        rate: scalar(rate),
      });
      return finishUpdate(state, result);
    },

    startPlanning,

    startActing(state, rows, rng) {
      const session = startPlanning(state, rows, rng);
      let reward = new Float32Array(rows);
      return async ({ data }) => {
        const plan = await session.plan(data as Float32Array, reward);
        reward = Float32Array.from({ length: rows }, (_, i) => plan.reward[i * plan.steps]);
        const action = new Float32Array(rows * a);
        for (let i = 0; i < rows; i++) {
          const at = i * plan.steps * a;
          action.set(plan.action.subarray(at, at + a), i * a);
        }
        return ndarray(action, [rows, a]);
      };
    },
  };
}
