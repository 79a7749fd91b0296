/**
 * Every algorithm, small: for what must hold of all.
 *
 * @module
 */

import type { Agent, AgentState, AnyAlgorithm, Batch, Spec } from "../../algorithms/core/agent.ts";
import { resolveConfig } from "../../algorithms/core/config.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { ndarray } from "../../algorithms/engine/array.ts";
import * as registry from "../../algorithms/registry.ts";
import { stitchingStudy } from "../../results/experiments/stitching/algorithm.ts";
import { srpoToy } from "../../results/experiments/toy/model.ts";

/** Three numbers to see, two to act by. */
export const spec: Spec = {
  observationDim: 3,
  actionDim: 2,
  maxAction: 2, // Whoever takes it for 1 is found out.
  observationStatistics: { mean: Float32Array.of(0.1, 0, -0.2), standardDeviation: [0.5, 1, 2] },
};

/** Transitions of a batch. */
export const rows = 8;

/** Those of the registry, and the experiments' own. */
export const algorithms = { ...registry, srpo_toy: srpoToy, stitching: stitchingStudy } as unknown as Record<
  string,
  AnyAlgorithm
>;

/** Networks of a width, every phase but the last of two updates. */
export function smallSettings(name: string, width = 16): Record<string, unknown> {
  const algorithm = algorithms[name];
  const small: Record<string, unknown> = { hidden: width, batchSize: rows, updates: 100 };
  for (const phase of algorithm.phases ?? []) small[phase] = 2;
  if ("pretrainUpdates" in algorithm.defaults) small.diffusionHidden = width;
  if ("behaviourUpdates" in algorithm.defaults) Object.assign(small, { behaviourHidden: width, blocks: 2 });
  if (name === "srpo_toy") small.hidden = 80;
  if (name === "stitching") {
    delete small.hidden;
    small.cloning = { hidden: width };
  }
  return small;
}

/** An agent with {@linkcode smallSettings}. */
export function createSmall(name: string, width = 16): Agent {
  const algorithm = algorithms[name];
  return algorithm.create(resolveConfig(algorithm, "none", smallSettings(name, width)), spec);
}

/** Random transitions. */
export function drawTransitions(seed: string): Batch {
  const rng = createRng(seed);
  const draw = (dim: number, most = 1) =>
    ndarray(rng.fillUniform(new Float32Array(rows * dim)).map((u) => most * (2 * u - 1)), [rows, dim]);
  return {
    observation: draw(3),
    action: draw(2, spec.maxAction),
    reward: draw(1),
    nextObservation: draw(3),
    nextAction: draw(2, spec.maxAction),
    terminal: ndarray(Float32Array.from({ length: rows }, (_, i) => i % 4 === 0 ? 1 : 0), [rows, 1]),
  };
}

/** An agent after so many updates in all, and what the last one measured. */
export async function train(agent: Agent, updates: number, from?: AgentState) {
  let state = from ?? agent.init(createRng("init"));
  let metrics: Record<string, number> = {};
  for (let k = state.updates; k < updates; k++) {
    ({ state, metrics } = await agent.update(state, drawTransitions(`${k}`), createRng(`update/${k}`)));
  }
  return { state, metrics };
}
