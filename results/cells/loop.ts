/**
 * The streams of a cell's randomness, by name, so that a run needs no generator's state to resume exactly.
 *
 * @module
 */

import { createRng, type Rng } from "../../algorithms/core/rng.ts";
import type { AgentState } from "../../algorithms/core/agent.ts";
import type { Cell } from "./cell.ts";
import type { Training } from "./study.ts";

/** A cell's own stream. */
export const cellRng = ({ task, algorithm, seed }: Pick<Cell, "task" | "algorithm" | "seed">): Rng =>
  createRng(`${task}/${algorithm}/${seed}`);

/** The stream of the state that training starts from. */
export const initRng = (rng: Rng): Rng => rng.child("init");

/** The next update of a training. */
export const nextUpdate = (training: Training<unknown>, state: AgentState, rng: Rng) =>
  training.update(state, rng.child(`batch/${state.updates}`), rng.child(`update/${state.updates}`));

/** The stream of the evaluation. */
export const evaluationRng = (rng: Rng): Rng => rng.child("evaluation");
