/**
 * Onestep distils slow, iterative diffusion policies into fast ones, for offline reinforcement learning.
 *
 * Load data, train an algorithm on them, score its policy in the simulator, save it:
 *
 * ```ts ignore
 * import { dtql, evaluate, loadTransitions, train } from "@onestep/onestep";
 *
 * const data = await loadTransitions("hopper-medium-replay-local");
 * const policy = await train(dtql, data, { updates: 20_000 });
 * console.log((await evaluate(policy, { episodes: 10 })).normalized);
 * await Deno.writeFile("policy.onnx", policy.exportPolicy());
 * ```
 *
 * The same on a bandit, in a second:
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { banditMetrics, createRng, dtql, makeBandit, train } from "@onestep/onestep";
 *
 * const bandit = makeBandit("25gaussians", "far", 10_000, createRng(0));
 * const policy = await train(dtql, bandit, { updates: 20, overrides: { hidden: 32, batchSize: 64 } });
 * const actions = await policy.act(new Float32Array(100)); // one per observation
 * assert(actions.length === 200);
 * assert(banditMetrics(bandit, actions).nearestMean < 20);
 * ```
 *
 * This module has what most programs need. Everything else lies in the sub-paths `algorithms`, `core`, `engine`, `data`,
 * `environments` and `results`.
 *
 * @module
 */

// Training and evaluation.
export { compare, type Comparison } from "./results/train/compare.ts";
export { findAlgorithm, loadPolicy } from "./results/train/policy_folder.ts";
export { createCurve, type Curve } from "./results/train/scores.ts";
export { type Run, type Runs, type SeedsOptions, train, type TrainOptions } from "./results/train/train.ts";
export { type TrainingData, trainSteps } from "./algorithms/core/train.ts";
export type { Policy } from "./algorithms/core/policy.ts";
export { evaluate, type Score } from "./environments/evaluate.ts";

// Algorithms.
export { bc } from "./algorithms/bc.ts";
export { bfq } from "./algorithms/bfq.ts";
export { bridged, definedCells } from "./algorithms/bridges/mod.ts";
export { consistencyAc, cpql } from "./algorithms/consistency_ac.ts";
export { diffusionQl } from "./algorithms/diffusion_ql.ts";
export { dqlKl, dtql } from "./algorithms/dtql/mod.ts";
export { fql } from "./algorithms/fql.ts";
export { iql } from "./algorithms/iql.ts";
export { rebrac } from "./algorithms/rebrac.ts";
export { behaviourSampling, srpo } from "./algorithms/srpo/mod.ts";
export { sscp } from "./algorithms/sscp.ts";
export { td3Bc } from "./algorithms/td3_bc.ts";
export * as registry from "./algorithms/registry.ts";
export type { Agent, AgentState, Algorithm, AnyAlgorithm, Batch, Spec } from "./algorithms/core/agent.ts";
export { type CommonConfig, resolveConfig } from "./algorithms/core/config.ts";

// Data.
export { banditMetrics, type BanditReward, makeBandit } from "./data/bandits.ts";
export { datasetCard } from "./data/card.ts";
export { catalog } from "./data/catalog.ts";
export { createTransitions, loadTransitions, qlearningDataset, type Transitions } from "./data/d4rl.ts";
export { type Dataset, loadDataset } from "./data/dataset.ts";
export { fetchDataset } from "./data/fetch.ts";
export { episodesFrame, statisticsFrame } from "./data/frames.ts";
export { makeLocalDataset } from "./data/local.ts";
export { localRecipes } from "./data/recipes.ts";
export { datasetTrajectories } from "./data/trajectories.ts";

// Environments.
export { createEnvironment, type Environment } from "./environments/environment.ts";
export { type Episode, playEpisodes } from "./environments/episodes.ts";
export { normalizedScore } from "./environments/scores.ts";
export { findTask } from "./environments/tasks.ts";

// Things that show themselves, in a notebook and in a terminal.
export { curveText, showFigure, showFrame, showTable } from "./data/show/display.ts";

// Arrays, seeds, engines.
export { type NdArray, ndarray } from "./algorithms/engine/array.ts";
export { useBackend, useThreads } from "./algorithms/engine/backend.ts";
export { createRng, type Rng } from "./algorithms/core/rng.ts";
