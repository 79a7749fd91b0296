/**
 * Stitching as a whole: models of the data, then passes of the stitcher with values trained anew.
 *
 * Source: a reconstruction of the stitching in Li & Zhang 2024, arXiv 2402.00807, with the steps of Hepburn & Montana 2022,
 * arXiv 2211.11603, and the inverse dynamics that the former's reviews name as its decoder.
 *
 * @module
 */

import type { Rng } from "../core/rng.ts";
import { type DynamicsConfig, dynamicsDefaults, trainDynamics } from "./dynamics.ts";
import {
  inverseDefaults,
  type RegressionConfig,
  rewardDefaults,
  trainRegression,
  trainValue,
  valueDefaults,
} from "./regression.ts";
import { applyWalks, type Connections, type StitchConfig, type Trajectories, walkTrajectories } from "./stitcher.ts";

/** Settings of {@linkcode stitch}. */
export interface StitchingConfig extends StitchConfig {
  /** Passes over the data (K). */
  passes: number;
  dynamics: DynamicsConfig;
  value: RegressionConfig;
  reward: RegressionConfig;
  inverse: RegressionConfig;
}

/** Defaults, but for the radius, which is the task's: Hopper 0.1, HalfCheetah 3, Walker2d 1. */
export const stitchingDefaults: Omit<StitchingConfig, "radius"> = {
  passes: 5, // Hepburn & Montana clone the data of the fifth.
  dynamics: dynamicsDefaults,
  value: valueDefaults,
  reward: rewardDefaults,
  inverse: inverseDefaults,
};

/** What a pass did. */
export interface PassReport {
  stitches: number;
  accepted: number;
  /** Mean return over trajectories, by the data's and the model's rewards. */
  meanReturn: number;
}

/**
 * Stitches a dataset.
 *
 * @param terminal `[count]`, 1 where the environment ended the episode; the first pass's values know these, later ones take every
 * end for one (authors' code).
 * @param onProgress Called with what is being done and the share of it that is done.
 */
export async function stitch(
  start: Trajectories,
  terminal: Float32Array,
  config: StitchingConfig,
  rng: Rng,
  onProgress: (stage: string, share: number) => void = () => {},
): Promise<{ data: Trajectories; passes: PassReport[] }> {
  const { observationDim: s, actionDim: a, count } = start;
  const { members, epochs } = config.dynamics;
  const dynamics = await trainDynamics(start, config.dynamics, rng.child("dynamics"), (member, epoch) => {
    onProgress("dynamics", (member + epoch / epochs) / members);
  });
  const joined = (rows: number, ...parts: [Float32Array, number][]) => {
    const dim = parts.reduce((sum, [, d]) => sum + d, 0);
    const out = new Float32Array(rows * dim);
    let offset = 0;
    for (const [source, d] of parts) {
      for (let i = 0; i < rows; i++) out.set(source.subarray(i * d, (i + 1) * d), i * dim + offset);
      offset += d;
    }
    return out;
  };
  const { observation, nextObservation, action, reward } = start;
  const connections = joined(count, [observation, s], [nextObservation, s]);
  const bound = action.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const inverse = await trainRegression(
    { inputs: connections, targets: action, count },
    config.inverse,
    bound,
    rng.child("inverse"),
    (k) => onProgress("inverse dynamics", k / config.inverse.updates),
  );
  const rewards = await trainRegression(
    { inputs: joined(count, [observation, s], [action, a], [nextObservation, s]), targets: reward, count },
    config.reward,
    Infinity,
    rng.child("reward"),
    (k) => onProgress("rewards", k / config.reward.updates),
  );
  const decode = async ({ observation, nextObservation }: Connections) => {
    const rows = observation.length / s;
    const action = await inverse(joined(rows, [observation, s], [nextObservation, s]), rows);
    return { action, reward: await rewards(joined(rows, [observation, s], [action, a], [nextObservation, s]), rows) };
  };

  let data = start;
  const passes: PassReport[] = [];
  for (let pass = 0; pass < config.passes; pass++) {
    const ends = pass === 0 ? terminal : data.done;
    const stage = `pass ${pass + 1} of ${config.passes}`;
    const value = await trainValue(data, ends, config.value, rng.child(`value/${pass}`), (k) => {
      onProgress(`${stage}, values`, k / config.value.updates);
    });
    const predictions = {
      ...await dynamics.predict(data.observation, data.count),
      nextValue: await value(data.nextObservation, data.count),
    };
    const trajectories = data.done.reduce((sum, x) => sum + x, 0);
    const walks = walkTrajectories(data, predictions, config, (k) => onProgress(`${stage}, walks`, k / trajectories));
    const result = await applyWalks(data, walks, decode);
    data = result.data;
    const meanReturn = data.reward.reduce((sum, r) => sum + r, 0) / walks.length;
    passes.push({ stitches: result.stitches, accepted: result.accepted, meanReturn });
  }
  return { data, passes };
}
