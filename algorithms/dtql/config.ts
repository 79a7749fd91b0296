/**
 * Settings of DTQL and DQL-KL, and their defaults.
 *
 * @module
 */

import { assertRange, type CommonConfig } from "../core/config.ts";

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
};

/** Throws a RangeError at the first setting out of its range. */
export function assertDtql(name: string, config: DtqlConfig) {
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
