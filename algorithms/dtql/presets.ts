/**
 * Per-task settings of DTQL and DQL-KL, all from the authors' code.
 *
 * @module
 */

import type { Algorithm } from "../core/agent.ts";
import { type DtqlConfig, dtqlDefaults } from "./config.ts";

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
