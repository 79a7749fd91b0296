/**
 * The planner: a return-conditioned diffusion model of state and reward windows, and inverse dynamics for the actions.
 *
 * Source: a reconstruction of the generator in Li & Zhang 2024, arXiv 2402.00807, which extends Decision Diffuser (Ajay et al. 2023,
 * arXiv 2211.15657) by rewards and a context of past states; steps and constants are those of the latter's authors' code.
 * Deviation: which entries of a window are known follows from causality (ours), as neither text says.
 *
 * @module
 */

import { type AgentState, finishUpdate, type Spec } from "../core/agent.ts";
import { assertConfig, assertRange } from "../core/config.ts";
import { drawNormals } from "../core/acting.ts";
import { column, copyArrays, type NdArray, ndarray, scalar } from "../engine/array.ts";
import { compile } from "../engine/compile.ts";
import { initMlp, type Linear } from "../core/nn.ts";
import { type AdamStep, adamStep, initTrained, trainStep } from "../core/optim.ts";
import type { Rng } from "../core/rng.ts";
import { polyakAverage } from "../core/td.ts";
import { type Tensor, tf } from "../engine/tensor.ts";
import { cosineSchedule } from "../core/vp.ts";
import { denormalize, mapRows, normalize } from "./cdf_normalizer.ts";
import {
  drawPlannerNoise,
  inverseAction,
  inverseLoss,
  type PlannerArrays,
  type PlannerConfig,
  plannerDefaults,
  plannerLimits,
  plannerLoss,
  type PlannerNetworks,
  type PlannerNoise,
  type ReverseFactors,
  reverseFactors,
  reverseStep,
  unknownEntries,
} from "./planner_model.ts";
import { initTemporalUnet, type TemporalUnet, temporalUnetNoise } from "./temporal_unet.ts";
import type { Normalizers, WindowBatch } from "./windows.ts";

// Authors' code: a copy until update 2000, then an average of this decay, both every 10 updates.
const average = { decay: 0.995, every: 10, start: 2000 };

/** What a planner knows of its task. */
export interface PlannerSpec extends Spec {
  /** Maps of steps and actions to [-1, 1]. */
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

/** A planner for one task; `B` is what it trains on. */
export interface Planner<B = WindowBatch> {
  /** Fresh parameters and optimizer state. */
  init(rng: Rng): AgentState;
  /** One gradient step of all networks; `state` is spent by the call. */
  update(
    state: AgentState,
    batch: B,
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
  assertConfig("create planner", config, { defaults: plannerDefaults, limits: plannerLimits });
  const { horizon, context, multipliers, diffusionSteps } = config;
  const check = (name: keyof PlannerConfig, ok: boolean, wanted: string) =>
    assertRange("planner", name, config[name] as number, ok, wanted);
  const halvings = 2 ** (multipliers.length - 1);
  check("horizon", Number.isInteger(horizon / halvings) && horizon > 0, `a positive multiple of ${halvings}`);
  check("context", Number.isInteger(context) && context >= 1 && context < horizon, `an integer in [1, ${horizon})`);
  assertRange("planner", "multipliers[0]", multipliers[0], multipliers[0] === 1, "1");
  check("width", Number.isInteger(config.width / 8) && config.width > 0, "a positive multiple of 8");
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
