/**
 * Settings of DTQL and DQL-KL, their defaults and per-task presets (Chen, Wang & Zhou 2024, arXiv 2405.19690, and the authors' code).
 *
 * @module
 */

import { assertRange, type CommonConfig, type Limits, ranges } from "../core/config.ts";
import type { Algorithm } from "../core/agent.ts";

const schedules = ["constant", "cosine"] as const;
const actorNoises = ["independent", "quasirandom"] as const;
const denoisedKinds = ["clipped", "free"] as const;
const starts = ["copies", "independent"] as const;

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
   * How the noise of the draws is drawn: `independent` (authors' code), or `quasirandom` [Ours], points spread evenly
   * over the noise's space, each with its mirror image. Gradients have the same mean and much less variance.
   */
  actorNoise: "independent" | "quasirandom";
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
  normalizeObservations: false,
};

/** What the settings of DTQL and DQL-KL may be. */
export const dtqlLimits: Limits<DtqlConfig> = {
  trustRegionWeight: ranges.positive,
  valueWeight: ranges.notNegative,
  likelihoodWeight: ranges.notNegative,
  learningRate: ranges.positive,
  criticLearningRate: ranges.positive,
  schedule: schedules,
  pretrainUpdates: ranges.wholeNumber,
  expectile: ranges.betweenZeroAndOne,
  discount: ranges.belowOne,
  polyakRate: ranges.rate,
  actorRows: ranges.wholeNumber,
  valueRows: ranges.wholeNumber,
  actorNoise: actorNoises,
  denoised: denoisedKinds,
  hidden: ranges.count,
  diffusionHidden: ranges.count,
  timeDim: ranges.embedding,
  depth: ranges.count,
};

/** Throws a RangeError at a setting that does not go with the others. */
export function assertDtql(name: string, config: DtqlConfig) {
  const draws = config.actorRows || config.batchSize;
  assertRange(name, "valueRows", config.valueRows, config.valueRows <= draws, `an integer from 0 to ${draws}`);
  const early = config.pretrainUpdates < config.updates;
  assertRange(name, "pretrainUpdates", config.pretrainUpdates, early, `below updates (${config.updates})`);
}

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

const taskPresets: Algorithm<DtqlConfig>["presets"] = Object.fromEntries([
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

/** Settings of DQL-KL. */
export interface DqlKlConfig extends DtqlConfig {
  /**
   * What the one-step policy and the diffusion network of its actions start from after pretraining: `copies` of the behaviour model,
   * or `independent` random networks, as in the authors' bandit script, which does not pretrain.
   */
  start: "copies" | "independent";
}

/** Defaults of DQL-KL. */
export const dqlKlDefaults: DqlKlConfig = { ...dtqlDefaults, start: "copies" };

/** What the settings of DQL-KL may be. */
export const dqlKlLimits: Limits<DqlKlConfig> = { ...dtqlLimits, start: starts };

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
  batchSize: 10_000, // All data at every update.
};

/** Settings of the 2-D bandits; there eta weighs the value term. */
const banditPresets = <C extends DtqlConfig>(own: (name: string) => Partial<C>): Algorithm<C>["presets"] => {
  const source = "authors' code, 2-D bandit script and its published commands";
  const names = ["25gaussians-far", "25gaussians-hard", "25gaussians-near", "swissroll-far", "swissroll-near"];
  return Object.fromEntries(names.map((name) => [name, { source, config: { ...banditConfig, ...own(name) } }]));
};

/** Per-task settings of DTQL, all from the authors' code. */
export const dtqlPresets: Algorithm<DtqlConfig>["presets"] = {
  ...taskPresets,
  ...banditPresets<DtqlConfig>((name) => name === "swissroll-far" ? { valueWeight: 5 } : {}),
};

const klUpdates: Record<string, number> = { "25gaussians-far": 2000, "25gaussians-hard": 2500, "swissroll-near": 1500 };

/** Per-task settings of DQL-KL: DTQL's, and the bandits' from the authors' code. */
export const dqlKlPresets: Algorithm<DqlKlConfig>["presets"] = {
  ...taskPresets,
  ...banditPresets<DqlKlConfig>((name) => ({ start: "independent", updates: klUpdates[name] ?? 3500 })),
};
