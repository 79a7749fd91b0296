/**
 * What the benchmarks run of any algorithm: its update at halfcheetah size, on random transitions.
 *
 * @module
 */

import type { AgentState, Algorithm } from "../algorithms/core/agent.ts";
import { type CommonConfig, resolveConfig } from "../algorithms/core/config.ts";
import { createRng } from "../algorithms/core/rng.ts";
import type { NdArray } from "../algorithms/engine/array.ts";
import { type Backend, useBackend } from "../algorithms/engine/backend.ts";
import { treeEntries } from "../algorithms/engine/tree.ts";
import { drawTransitions, spec } from "./dtql_workload.ts";

/**
 * An algorithm's updates, one after the other, on a backend that must be in use at each.
 *
 * @param overrides What differs from its default settings.
 */
export async function createUpdates<C extends CommonConfig>(
  algorithm: Algorithm<C>,
  backend: Backend,
  overrides: Partial<C> = {},
) {
  await useBackend(backend);
  const config = resolveConfig(algorithm, "none", overrides);
  const agent = algorithm.create(config, spec);
  const batch = drawTransitions(config.batchSize, createRng("batch"));
  let state: AgentState = agent.init(createRng("agent"));
  const moments = treeEntries<NdArray>(state.arrays).filter(([path]) => path.includes("adam/first"));
  return {
    batchSize: config.batchSize,
    /** Numbers that it trains. */
    parameters: moments.reduce((sum, [, { data }]) => sum + data.length, 0),
    async update() {
      ({ state } = await agent.update(state, batch, createRng(`noise/${state.updates}`)));
    },
  };
}
