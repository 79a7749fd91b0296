/**
 * A trained policy: an algorithm, its settings and its state, with everything needed to act.
 *
 * @module
 */

import { type NdArray, ndarray } from "../engine/array.ts";
import type { Agent, AgentState, AnyAlgorithm, Spec } from "./agent.ts";
import type { CommonConfig } from "./config.ts";
import type { Actor } from "./mlp_actor.ts";
import type { Rng } from "./rng.ts";
import { createRng } from "./rng.ts";

/** A policy ready to act, with a stream of noise of its own. */
export interface Policy {
  /** What trained it. */
  readonly algorithm: AnyAlgorithm;
  /** Its settings. */
  readonly config: CommonConfig;
  /** Sizes and bounds of its task. */
  readonly spec: Spec;
  /** Id of the dataset or task that it was trained on; null for data of no known task. */
  readonly task: string | null;
  /** Seed of its training. */
  readonly seed: number;
  /** Parameters and optimizer state; `state.updates` is how long it trained. */
  readonly state: AgentState;
  /** The algorithm's functions, for those who want them. */
  readonly agent: Agent;
  /**
   * Actions for observations: `[observationDim]` to `[actionDim]`, or several row by row, `[n observationDim]` to `[n actionDim]`.
   * A random policy draws new noise at every call.
   *
   * @param candidates Actions drawn per observation, of which the best by the critic is taken. @default 1
   * @throws {TypeError} If the length is no multiple of `observationDim`.
   */
  act(observation: ArrayLike<number>, candidates?: number): Promise<Float32Array>;
  /**
   * The fastest way to act on one observation: a plain function of it that allocates nothing.
   *
   * @throws {TypeError} If this algorithm's policy is no perceptron; the message says which are.
   */
  createActor(): Actor;
  /**
   * The policy as an ONNX file: `observation [batch, S]`, and unit Gaussian `noise` if it is random, to `action [batch, A]`. The batch is
   * any for policies of `train()` and `loadPolicy()`, unless their graph has an operation that {@linkcode anyBatch} knows nothing of; then,
   * and for others, it is 1.
   */
  exportPolicy(): Uint8Array;
}

/** What makes a {@linkcode Policy}. */
export type PolicyParts = Pick<Policy, "algorithm" | "config" | "spec" | "task" | "seed" | "state" | "agent">;

/** The stream of everything random in a run; children of it are named by what they are for. */
export const runStream = ({ task, algorithm, seed }: Pick<Policy, "task" | "algorithm" | "seed">): Rng =>
  createRng(`${task}/${algorithm.name}/${seed}`);

/** Makes a policy of a trained state. */
export function createPolicy(parts: PolicyParts): Policy {
  const { agent, algorithm, spec, state } = parts;
  const noise = runStream(parts).child("act");
  let calls = 0;
  return {
    ...parts,
    async act(observation, candidates = 1) {
      const rows = observation.length / spec.observationDim;
      if (!Number.isInteger(rows) || rows === 0) {
        throw new TypeError(
          `Cannot act: observation must have ${spec.observationDim} numbers a row, current length is ${observation.length}`,
        );
      }
      const input: NdArray = ndarray(Float32Array.from(observation), [rows, spec.observationDim]);
      const { data } = await agent.act(state, input, candidates, noise.child(`${calls++}`));
      return data as Float32Array;
    },
    createActor() {
      if (!agent.createActor) {
        throw new TypeError(
          `Cannot create an actor of ${algorithm.name}: its policy must be a perceptron, and it is sampled step by step; use act()`,
        );
      }
      return agent.createActor(state, noise.child("actor"));
    },
    exportPolicy: () => agent.exportPolicy(state),
  };
}
