/**
 * A training's folder: one process at a time, checkpoints with their identity, what it is and its scores.
 *
 * @module
 */

import { join } from "node:path";
import type { AgentState } from "../../algorithms/core/agent.ts";
import { decodeCheckpoint, encodeCheckpoint, restoreTree } from "../../algorithms/engine/checkpoint.ts";
import { tryLock } from "../../tools/file_lock.ts";
import { makeFolder, writeAtomically, writeError } from "../../tools/files.ts";
import type { Holder } from "../../tools/lock_holder.ts";

/** What a checkpoint is of; one of another identity is refused. */
export type Identity = Readonly<Record<"task" | "algorithm" | "seed" | "hash", string>>;

/** Holds the folder for this process. Null while another process holds it, which `onHeld` is told. */
export async function lockFolder(folder: string, onHeld?: (by: Holder) => void): Promise<Disposable | null> {
  const path = join(folder, "lock");
  for (;;) {
    try {
      return await tryLock(path, onHeld);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw writeError(path, error);
      await makeFolder(folder); // It was put aside meanwhile.
    }
  }
}

const checkpointName = "checkpoint.safetensors";
const previousName = "checkpoint.previous.safetensors";

/** A state and how long it has trained. */
export interface Resumed {
  state: AgentState;
  trainingMs: number;
}

/**
 * From the last checkpoint, or the one before if that one is damaged; from the start if there is none.
 *
 * @throws {Error} If there are checkpoints and none can be read, or one is another run's; the message names the file.
 */
export async function resume(folder: string, fresh: AgentState, identity: Identity): Promise<Resumed> {
  const problems: string[] = [];
  for (const name of [checkpointName, previousName]) {
    const path = join(folder, name);
    let bytes: Uint8Array;
    try {
      bytes = await Deno.readFile(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue;
      throw error;
    }
    try {
      const checkpoint = decodeCheckpoint(bytes);
      const { metadata } = checkpoint;
      for (const [key, wanted] of Object.entries(identity)) {
        if (metadata[key] === wanted) continue;
        throw new Error(`its ${key} must be ${wanted}, current is ${metadata[key] ?? "missing"}; it is another run's`);
      }
      const arrays = restoreTree(fresh.arrays, checkpoint);
      return { state: { updates: Number(metadata.updates), arrays }, trainingMs: Number(metadata.trainingMs) };
    } catch (error) {
      problems.push(`Cannot resume from "${path}": ${(error as Error).message}`);
    }
  }
  if (problems.length > 0) throw new Error(problems[0]);
  return { state: fresh, trainingMs: 0 };
}

/**
 * Keeps a state as the last checkpoint, and the one before it beside.
 *
 * @throws {Error} If a value is not finite: the training diverged.
 */
export async function saveCheckpoint(
  folder: string,
  label: string,
  { state, trainingMs }: Resumed,
  identity: Identity,
) {
  const { updates } = state;
  let bytes: Uint8Array;
  try {
    bytes = encodeCheckpoint(state.arrays, {
      ...identity,
      updates: `${updates}`,
      trainingMs: `${Math.round(trainingMs)}`,
    });
  } catch (cause) {
    const text = (cause as Error).message;
    throw new Error(`Cannot train ${label}: it diverged by update ${updates}: ${text}; the last checkpoint is kept`, {
      cause,
    });
  }
  await writeAtomically(join(folder, checkpointName), bytes, join(folder, previousName));
}
