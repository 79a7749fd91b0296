/**
 * Onestep distils slow, iterative diffusion policies into fast ones, for offline reinforcement learning.
 *
 * Draw a bandit, train DTQL's one-step policy on it, and take an action:
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { createRng, dtql, drawBanditBatch, makeBandit, ndarray, resolveConfig } from "@onestep/onestep";
 *
 * const rng = createRng(0);
 * const bandit = makeBandit("25gaussians", "far", 10_000, rng.child("data"));
 * const config = resolveConfig(dtql, "25gaussians-far", { hidden: 32, batchSize: 64, updates: 20 });
 * const agent = dtql.create(config, { observationDim: 1, actionDim: 2, maxAction: bandit.maxAction });
 *
 * let state = agent.init(rng.child("init"));
 * for (let k = 0; k < config.updates; k++) {
 *   const batch = drawBanditBatch(bandit, config.batchSize, rng.child(`batch/${k}`));
 *   ({ state } = await agent.update(state, batch, rng.child(`update/${k}`)));
 * }
 * const action = await agent.act(state, ndarray([0], [1, 1]), 1, rng.child("act"));
 * assert(action.data.every((x) => Math.abs(x) <= bandit.maxAction));
 * ```
 *
 * @module
 */

export * from "./algorithms/mod.ts";
export * from "./data/mod.ts";
export * from "./environments/mod.ts";
export * from "./results/train/mod.ts";
