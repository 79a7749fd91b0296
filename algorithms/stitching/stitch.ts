/**
 * Stitching as a whole: models of the data, then passes of the stitcher with values trained anew.
 *
 * Source: a reconstruction of the stitching in Li & Zhang 2024, arXiv 2402.00807, with the steps of Hepburn & Montana 2022,
 * arXiv 2211.11603. Actions are decoded by inverse dynamics, which the former's reviews name, or by the latter's autoencoder; rewards
 * by the latter's regression or its Wasserstein GAN.
 *
 * @module
 */

import { type NdArray, ndarray } from "../engine/array.ts";
import { assertConfig, assertNames, type KnownSettings, ranges } from "../core/config.ts";
import type { Rng } from "../core/rng.ts";
import type { Stage } from "../core/stage.ts";
import type { Trajectories } from "../core/trajectories.ts";
import { actionVaeDefaults, actionVaeFunction, trainActionVae } from "./action_vae.ts";
import { type DynamicsConfig, dynamicsDefaults, dynamicsLimits, predictDynamics, trainDynamics } from "./dynamics.ts";
import {
  inverseDefaults,
  type RegressionConfig,
  regressionFunction,
  regressionLimits,
  rewardDefaults,
  trainRegression,
  trainValue,
  valueDefaults,
  valueFunction,
} from "./regression.ts";
import { rewardGanDefaults, rewardGanFunction, trainRewardGan } from "./reward_gan.ts";
import { joinColumns } from "../core/rows.ts";
import { applyWalks, type Connections, type StitchConfig, walkTrajectories } from "./stitcher.ts";

const decoders = ["inverse", "vae"] as const;
const rewardModels = ["regression", "gan"] as const;

/** Settings of {@linkcode stitch}. */
export interface StitchingConfig extends StitchConfig {
  /** Passes over the data (K). */
  passes: number;
  /** Training of the dynamics ensemble. */
  dynamics: DynamicsConfig;
  /** Training of the value function. */
  value: RegressionConfig;
  /** What makes the actions of stitched steps. */
  decoder: "inverse" | "vae";
  /** Training of the inverse dynamics. */
  inverse: RegressionConfig;
  /** Training of the conditional VAE. */
  vae: RegressionConfig;
  /** What makes their rewards. */
  rewards: "regression" | "gan";
  /** Training of the reward regression. */
  reward: RegressionConfig;
  /** Training of the reward GAN. */
  gan: RegressionConfig;
}

/** Defaults, but for the radius, which is the task's: Hopper 0.1, HalfCheetah 3, Walker2d 1. */
export const stitchingDefaults: Omit<StitchingConfig, "radius"> = {
  passes: 5, // Hepburn & Montana clone the data of the fifth.
  dynamics: dynamicsDefaults,
  value: valueDefaults,
  decoder: "inverse",
  inverse: inverseDefaults,
  vae: actionVaeDefaults,
  rewards: "regression",
  reward: rewardDefaults,
  gan: rewardGanDefaults,
};

/** Throws a RangeError at the first setting that is unknown or beyond its limits. */
function assertStitching(config: StitchingConfig) {
  const defaults = { ...stitchingDefaults, radius: 1, maxSteps: 1 };
  const limits = {
    radius: ranges.positive,
    maxSteps: ranges.count,
    passes: ranges.wholeNumber,
    decoder: decoders,
    rewards: rewardModels,
  };
  const check = <C extends object>(settings: C, known: KnownSettings<C>, prefix: string) => {
    assertNames("stitch", settings, known.defaults, prefix);
    assertConfig("stitch", settings, known, prefix);
  };
  check({ maxSteps: 1, ...config }, { defaults, limits }, "");
  check(config.dynamics, { defaults: dynamicsDefaults, limits: dynamicsLimits }, "dynamics.");
  for (const part of ["value", "inverse", "vae", "reward", "gan"] as const) {
    check(config[part], { defaults: valueDefaults, limits: regressionLimits }, `${part}.`);
  }
}

/** What a pass did. */
export interface PassReport {
  /** Steps made up between trajectories. */
  stitches: number;
  /** Trajectories rewritten. */
  accepted: number;
  /** Mean return over trajectories, by the data's and the model's rewards. */
  meanReturn: number;
}

const computeAlways: Stage = (_, compute) => compute(() => {});

/** Trajectories as a tree of arrays, and back. */
export interface TrajectoryArrays {
  /** `[count, observationDim]` */
  observation: NdArray;
  /** `[count, actionDim]` */
  action: NdArray;
  /** `[count]` */
  reward: NdArray;
  /** `[count, observationDim]` */
  nextObservation: NdArray;
  /** `[count]`, 1 at the last row of each trajectory. */
  done: NdArray;
}

/** Trajectories as arrays that a {@linkcode Stage} can keep. */
export function trajectoryArrays(t: Trajectories): TrajectoryArrays {
  const { count, observationDim: s, actionDim: a } = t;
  return {
    observation: ndarray(t.observation, [count, s]),
    action: ndarray(t.action, [count, a]),
    reward: ndarray(t.reward, [count]),
    nextObservation: ndarray(t.nextObservation, [count, s]),
    done: ndarray(t.done, [count]),
  };
}

/** Undoes {@linkcode trajectoryArrays}. */
export function trajectoriesOf({ observation, action, reward, nextObservation, done }: TrajectoryArrays): Trajectories {
  const floats = ({ data }: NdArray) => data as Float32Array;
  return {
    count: done.data.length,
    observationDim: observation.shape[1],
    actionDim: action.shape[1],
    observation: floats(observation),
    action: floats(action),
    reward: floats(reward),
    nextObservation: floats(nextObservation),
    done: floats(done),
  };
}

type Decoder = (connections: Connections) => Promise<{ action: Float32Array; reward: Float32Array }>;

/** Trains what decodes stitched connections, their actions and the rewards of these; what is random in it has a stream per pass. */
async function trainDecoder(
  data: Trajectories,
  config: StitchingConfig,
  rng: Rng,
  stage: Stage,
): Promise<(pass: number) => Decoder> {
  const { observationDim: s, actionDim: a, count, observation, nextObservation, action, reward } = data;
  const connections = joinColumns(count, [observation, s], [nextObservation, s]);
  const bound = action.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const trainInverse = async () => {
    const fit = { inputs: connections, targets: action, count };
    const apply = regressionFunction(
      await stage(
        "inverse dynamics",
        (said) => trainRegression(fit, config.inverse, bound, rng.child("inverse"), said),
      ),
      bound,
    );
    return () => apply;
  };
  const trainVae = async () => {
    const p = await stage(
      "action autoencoder",
      (said) => trainActionVae({ connections, action, count }, config.vae, bound, rng.child("vae"), said),
    );
    return (pass: number) => actionVaeFunction(p, bound, rng.child(`vae/${pass}`));
  };
  const actions = await (config.decoder === "vae" ? trainVae() : trainInverse());

  const transitions = {
    inputs: joinColumns(count, [observation, s], [action, a], [nextObservation, s]),
    targets: reward,
    count,
  };
  const trainGan = async () => {
    const p = await stage("reward GAN", (said) => trainRewardGan(transitions, config.gan, rng.child("gan"), said));
    return (pass: number) => rewardGanFunction(p, rng.child(`gan/${pass}`));
  };
  const trainReward = async () => {
    const apply = regressionFunction(
      await stage(
        "rewards",
        (said) => trainRegression(transitions, config.reward, Infinity, rng.child("reward"), said),
      ),
      Infinity,
    );
    return () => apply;
  };
  const rewards = await (config.rewards === "gan" ? trainGan() : trainReward());

  return (pass) => {
    const [actionsOf, rewardsOf] = [actions(pass), rewards(pass)];
    return async ({ observation, nextObservation }) => {
      const rows = observation.length / s;
      const action = await actionsOf(joinColumns(rows, [observation, s], [nextObservation, s]), rows);
      const transition = joinColumns(rows, [observation, s], [action, a], [nextObservation, s]);
      return { action, reward: await rewardsOf(transition, rows) };
    };
  };
}

/**
 * Stitches a dataset.
 *
 * @param terminal `[count]`, 1 where the environment ended the episode; the first pass's values know these, later ones take every
 * end for one (authors' code).
 * @param stage Called with every step that takes long; it may keep results and report progress.
 */
export async function stitch(
  start: Trajectories,
  terminal: Float32Array,
  config: StitchingConfig,
  rng: Rng,
  stage: Stage = computeAlways,
): Promise<{ data: Trajectories; passes: PassReport[] }> {
  assertStitching(config);
  const { members, epochs } = config.dynamics;
  const dynamics = await stage(
    "dynamics",
    (said) =>
      trainDynamics(start, config.dynamics, rng.child("dynamics"), (member, epoch) => {
        said((member + epoch / epochs) / members);
      }),
  );
  const decoderOf = await trainDecoder(start, config, rng, stage);

  let data = start;
  const passes: PassReport[] = [];
  for (let pass = 0; pass < config.passes; pass++) {
    const name = `pass ${pass + 1} of ${config.passes}`;
    const before = data;
    const ends = pass === 0 ? terminal : before.done;
    const value = await stage(
      `${name}, values`,
      (said) => trainValue(before, ends, config.value, rng.child(`value/${pass}`), said),
    );
    const { trajectories, report } = await stage(name, async (said) => {
      const predictions = {
        ...await predictDynamics(dynamics, before.observation, before.count),
        nextValue: await valueFunction(value)(before.nextObservation, before.count),
      };
      const starts = before.done.reduce((sum, x) => sum + x, 0);
      const walks = walkTrajectories(before, predictions, config, (k) => said(k / starts));
      const { data: after, stitches, accepted } = await applyWalks(before, walks, decoderOf(pass));
      const meanReturn = after.reward.reduce((sum, r) => sum + r, 0) / walks.length;
      return { trajectories: trajectoryArrays(after), report: ndarray([stitches, accepted, meanReturn], [3]) };
    });
    data = trajectoriesOf(trajectories);
    const [stitches, accepted, meanReturn] = report.data;
    passes.push({ stitches, accepted, meanReturn });
  }
  return { data, passes };
}
