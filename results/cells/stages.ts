/**
 * Long work in steps whose results are kept in files, so that a killed process loses at most one of them.
 *
 * @module
 */

import { join } from "node:path";
import { decodeCheckpoint, encodeCheckpoint, nestTensors } from "../../algorithms/engine/checkpoint.ts";
import type { Stage } from "../../algorithms/core/stage.ts";
import { makeFolder, writeAtomically } from "../../tools/files.ts";

/**
 * A {@linkcode Stage} that keeps results in `folder`, one safetensors file each.
 *
 * @throws {Error} If a result is not finite or cannot be written; the message names the stage.
 */
export async function keepStages(folder: string, onProgress: (note: string) => void): Promise<Stage> {
  await makeFolder(folder);
  return async (name, compute) => {
    const path = join(folder, `${name.replaceAll(/[^a-z0-9]+/gi, "_")}.safetensors`);
    const kept = await readStage(path, name);
    if (kept !== null) return kept as never;
    onProgress(name);
    const result = await compute((share) => onProgress(`${name}, ${Math.round(100 * share)} %`));
    let bytes: Uint8Array;
    try {
      bytes = encodeCheckpoint(result, { stage: name });
    } catch (cause) {
      throw new Error(`Cannot go on after "${name}": ${(cause as Error).message}; it diverged`, { cause });
    }
    await writeAtomically(path, bytes);
    return result;
  };
}

/** A stage's result; null if there is none, or what is there is damaged or another stage's, so that it is computed again. */
async function readStage(path: string, name: string): Promise<unknown> {
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  try {
    const checkpoint = decodeCheckpoint(bytes);
    return checkpoint.metadata.stage === name ? nestTensors(checkpoint) : null;
  } catch {
    return null;
  }
}
