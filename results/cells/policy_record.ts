/**
 * What a policy in a folder is, as JSON.
 *
 * @module
 */

import type { AnyAlgorithm, Spec } from "../../algorithms/core/agent.ts";
import type { CommonConfig } from "../../algorithms/core/config.ts";
import type { Policy } from "../../algorithms/core/policy.ts";
import * as registry from "../../algorithms/registry.ts";
import type { Identity } from "./run_folder.ts";

/** What a policy is, as JSON. */
export interface PolicyRecord {
  algorithm: string;
  /** Where its code is, if it is not one of this package's. */
  module: string | null;
  config: CommonConfig;
  spec: Spec;
  task: string | null;
  seed: number;
  /** What the checkpoint beside it must say. */
  identity: Identity;
}

const isRegistered = (algorithm: AnyAlgorithm) => Object.values<AnyAlgorithm>(registry).includes(algorithm);

/** Sizes, bounds and statistics of a task alone, as JSON can hold them. */
export function plainSpec({ observationDim, actionDim, maxAction, observationStatistics: statistics }: Spec): Spec {
  if (!statistics) return { observationDim, actionDim, maxAction };
  const { mean, standardDeviation } = statistics;
  const observationStatistics = { mean: Array.from(mean), standardDeviation: Array.from(standardDeviation) };
  return { observationDim, actionDim, maxAction, observationStatistics };
}

/** What `loadPolicy()` needs to know of a policy. */
export function policyRecord(
  { algorithm, config, spec, task, seed }: Pick<Policy, "algorithm" | "config" | "spec" | "task" | "seed">,
  identity: Identity,
): PolicyRecord {
  return {
    algorithm: algorithm.name,
    module: isRegistered(algorithm) ? null : algorithm.module ?? null,
    config,
    spec: plainSpec(spec),
    task,
    seed,
    identity,
  };
}
