/**
 * Locks of the system, where the file system has them.
 *
 * @module
 */

import { dirname } from "node:path";
import { errorNumber } from "./files.ts";
import { shownPath } from "./paths.ts";

/** File systems without flock, or their folders, of which that was said. */
const said = new Set<number | string>();

/** Whether flock gives the file to this process; null, and that is said once, if the file system has no flock. */
export function tryFlock(file: Deno.FsFile, path: string): boolean | null {
  try {
    return file.tryLockSync(true);
  } catch (error) {
    if (!hasNoLocks(error)) throw error;
  }
  const folder = dirname(path);
  const system = file.statSync().dev || folder; // Windows may have no number.
  const what = "this file system has no locks (flock); a file that names this process stands in for one";
  if (!said.has(system)) console.error(`${shownPath(folder)}: ${what}`);
  said.add(system);
  return null;
}

/** ENOLCK, ENOSYS, EOPNOTSUPP, and ENOTSUP where that is another; Windows: invalid function, not supported, not implemented. */
const noLocks: Record<string, number[]> = { linux: [37, 38, 95], darwin: [77, 78, 102, 45], windows: [1, 50, 120] };

/**
 * Whether a lock failed because the file system has none.
 *
 * @param os Whose numbers errors have.
 */
export function hasNoLocks(error: unknown, os: string = Deno.build.os): boolean {
  const text = `${(error as { code?: string }).code} ${error}`;
  return error instanceof Deno.errors.NotSupported || /\b(ENOTSUP|EOPNOTSUPP|ENOLCK|ENOSYS)\b/.test(text) ||
    (noLocks[os] ?? []).includes(errorNumber(error));
}
