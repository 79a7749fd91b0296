/**
 * A cell's last two checkpoints, in its folder.
 *
 * @module
 */

import { join } from "node:path";
import type { AgentState } from "../../algorithms/core/agent.ts";
import { decodeCheckpoint, encodeCheckpoint, restoreTree } from "../../algorithms/engine/checkpoint.ts";
import { writeAtomically } from "../../tools/files.ts";
import { type Cell, cellLabel } from "./cell.ts";

const checkpointName = "checkpoint.safetensors";
const previousName = "checkpoint.previous.safetensors";

/** Where a training goes on. */
export interface Resumed {
  state: AgentState;
  trainingMs: number;
}

/** From the last checkpoint, or the one before if that one is damaged; from the start if there is none. */
export async function resume(folder: string, fresh: AgentState): Promise<Resumed> {
  const problems: string[] = [];
  for (const name of [checkpointName, previousName]) {
    let bytes: Uint8Array;
    try {
      bytes = await Deno.readFile(join(folder, name));
    } catch {
      continue;
    }
    try {
      const checkpoint = decodeCheckpoint(bytes);
      const arrays = restoreTree(fresh.arrays, checkpoint);
      return {
        state: { updates: Number(checkpoint.metadata.updates), arrays },
        trainingMs: Number(checkpoint.metadata.trainingMs),
      };
    } catch (error) {
      problems.push(`Cannot resume from "${join(folder, name)}": ${(error as Error).message}`);
    }
  }
  if (problems.length > 0) throw new Error(problems[0]);
  return { state: fresh, trainingMs: 0 };
}

/** Writes the state as the last checkpoint; the one that was becomes the one before. */
export async function save(folder: string, cell: Cell, state: AgentState, trainingMs: number): Promise<void> {
  let bytes: Uint8Array;
  try {
    bytes = encodeCheckpoint(state.arrays, { updates: `${state.updates}`, trainingMs: `${Math.round(trainingMs)}` });
  } catch (cause) {
    const text = (cause as Error).message;
    throw new Error(
      `Cannot train ${cellLabel(cell)}: it diverged by update ${state.updates}: ${text}; the last checkpoint is kept`,
      { cause },
    );
  }
  await writeAtomically(join(folder, checkpointName), bytes, join(folder, previousName));
}

/** A run's trained state, by its folder. */
export async function readState(run: string, fresh: AgentState): Promise<AgentState> {
  const checkpoint = decodeCheckpoint(await Deno.readFile(join(run, checkpointName)));
  return { updates: Number(checkpoint.metadata.updates), arrays: restoreTree(fresh.arrays, checkpoint) };
}
