/**
 * Settings of SRPO, their defaults and per-task presets (Chen et al. 2023, arXiv 2310.07297, and the authors' code).
 *
 * @module
 */

import type { Algorithm } from "../core/agent.ts";
import { assertRange, type CommonConfig, type Limits, ranges } from "../core/config.ts";

/** The words of {@linkcode SrpoWeighting}. */
export const srpoWeightings: readonly SrpoWeighting[] = [
  "VDS",
  "VDSnoise",
  "stable",
  "stablenoise",
  "score",
  "scorenoise",
];

/** How the policy's gradient weighs the score at a time (omega), with or without the baseline that subtracts the noise. */
export type SrpoWeighting = "VDS" | "VDSnoise" | "stable" | "stablenoise" | "score" | "scorenoise";

/** Settings of SRPO. */
export interface SrpoConfig extends CommonConfig {
  /** Weight of the action value against the score (beta of the authors' code; 1 / beta of the paper weighs the score). */
  inverseTemperature: number;
  /** `VDS`: sigma^2; `stable`: 1; `score`: alpha / sigma; with `noise`: the baseline of Eq. 15. */
  weighting: SrpoWeighting;
  /** Whether the value's gradient is scaled to unit root mean square per row. */
  normalizeGradient: boolean;
  /** Updates of the behaviour model, then of the critic; the policy has the rest of `updates`. */
  behaviourUpdates: number;
  /** Updates of the critic, after those of the behaviour model. */
  criticUpdates: number;
  /** Rows per update of the behaviour model; `batchSize` is that of critic and policy. */
  behaviourBatchSize: number;
  /** Adam's step size. */
  learningRate: number;
  /** AdamW's decay of the behaviour model. */
  weightDecay: number;
  /** Share of the behaviour model's hidden units that are dropped in training. */
  dropout: number;
  /** Expectile level of the state value, in (0, 1). */
  expectile: number;
  /** Discount of the return, in [0, 1]. */
  discount: number;
  /** Share of the new parameters that a target takes at each update. */
  polyakRate: number;
  /** Width of critic and policy, and number of the policy's hidden layers. */
  hidden: number;
  /** The policy's hidden layers. */
  policyDepth: number;
  /** Width and residual blocks of the behaviour model; its blocks are four times as wide inside. */
  behaviourHidden: number;
  /** Residual blocks of the behaviour model. */
  blocks: number;
}

/** Defaults, from the authors' code. */
export const srpoDefaults: SrpoConfig = {
  inverseTemperature: 0.05, // beta; per task in the presets
  weighting: "VDS",
  normalizeGradient: false,
  behaviourUpdates: 2_000_000,
  criticUpdates: 1_500_000,
  behaviourBatchSize: 2048,
  learningRate: 3e-4,
  weightDecay: 0.01,
  dropout: 0.1,
  expectile: 0.7,
  discount: 0.99,
  polyakRate: 0.005,
  hidden: 256,
  policyDepth: 2,
  behaviourHidden: 256,
  blocks: 3,
  updates: 4_500_000,
  batchSize: 256,
  candidates: 1,
  rewardTransform: "iql_locomotion",
  normalizeObservations: false,
};

/** What the settings may be. */
export const srpoLimits: Limits<SrpoConfig> = {
  inverseTemperature: ranges.positive,
  weighting: srpoWeightings,
  behaviourUpdates: ranges.wholeNumber,
  criticUpdates: ranges.wholeNumber,
  behaviourBatchSize: ranges.count,
  learningRate: ranges.positive,
  weightDecay: ranges.notNegative,
  dropout: ranges.belowOne,
  expectile: ranges.betweenZeroAndOne,
  discount: ranges.belowOne,
  polyakRate: ranges.rate,
  hidden: ranges.count,
  policyDepth: ranges.count,
  behaviourHidden: ranges.count,
  blocks: ranges.count,
};

/** Throws a RangeError unless the phases leave updates for the policy. */
export function assertSrpo({ updates, behaviourUpdates, criticUpdates }: SrpoConfig) {
  const before = behaviourUpdates + criticUpdates;
  assertRange("SRPO", "updates", updates, updates > before, `above behaviour's and critic's (${before})`);
}

const locomotion: Record<string, number> = {
  "halfcheetah-medium-v2": 0.2,
  "halfcheetah-medium-replay-v2": 0.2,
  "halfcheetah-medium-expert-v2": 0.01,
  "hopper-medium-v2": 0.05,
  "hopper-medium-replay-v2": 0.2,
  "hopper-medium-expert-v2": 0.01,
  "walker2d-medium-v2": 0.05,
  "walker2d-medium-replay-v2": 0.5,
  "walker2d-medium-expert-v2": 0.1,
};
const antmaze: Record<string, number> = {
  "antmaze-umaze-v2": 0.02,
  "antmaze-umaze-diverse-v2": 0.04,
  "antmaze-medium-play-v2": 0.08,
  "antmaze-medium-diverse-v2": 0.05,
  "antmaze-large-play-v2": 0.06,
  "antmaze-large-diverse-v2": 0.05,
};
const source = "authors' code; locomotion: paper, Table 2";
const maze: Partial<SrpoConfig> = {
  expectile: 0.9,
  policyDepth: 4,
  normalizeGradient: true,
  rewardTransform: "iql_antmaze",
};

/** Per-task settings: the 15 tasks of the paper; others have no preset. */
export const srpoPresets: Algorithm<SrpoConfig>["presets"] = Object.fromEntries([
  ...Object.entries(locomotion).map(([task, inverseTemperature]) => [task, { source, config: { inverseTemperature } }]),
  ...Object.entries(antmaze).map(([task, inverseTemperature]) => [
    task,
    { source, config: { inverseTemperature, ...maze } },
  ]),
]);
