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
    let bytes: Uint8Array | null = null;
    try {
      bytes = await Deno.readFile(path);
    } catch {
      // Computed below.
    }
    if (bytes) return nestTensors(decodeCheckpoint(bytes)) as never;
    onProgress(name);
    const result = await compute((share) => onProgress(`${name}, ${Math.round(100 * share)} %`));
    try {
      bytes = encodeCheckpoint(result);
    } catch (cause) {
      throw new Error(`Cannot go on after "${name}": ${(cause as Error).message}; it diverged`, { cause });
    }
    await writeAtomically(path, bytes);
    return result;
  };
}
