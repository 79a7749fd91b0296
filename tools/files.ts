/**
 * Files that are whole or absent.
 *
 * @module
 */

import { dirname, join } from "node:path";

/**
 * Writes a file beside its place, then renames it there; a failed write leaves the old file and nothing else.
 *
 * @param previous Where the old file goes, if it is to be kept.
 */
export async function writeAtomically(path: string, content: string | Uint8Array, previous?: string) {
  const part = `${path}.${Deno.pid}.part`;
  try {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    {
      using file = await Deno.open(part, { write: true, create: true, truncate: true });
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
      await file.sync();
    }
    if (previous) await Deno.rename(path, previous).catch(() => {}); // There may be none yet.
    await Deno.rename(part, path);
  } catch (error) {
    await Deno.remove(part).catch(() => {});
    throw writeError(path, error);
  }
}

/** Removes what killed processes were writing in a folder that no other process writes to. */
export async function removeParts(folder: string) {
  for (const { name } of Deno.readDirSync(folder)) {
    if (name.endsWith(".part")) await Deno.remove(join(folder, name)).catch(() => {});
  }
}

/** Creates a folder and those above it. */
export async function makeFolder(path: string) {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (error) {
    throw writeError(path, error);
  }
}

/** A failed write as one line with its remedy. */
export function writeError(path: string, cause: unknown): Error {
  const text = cause instanceof Error ? cause.message : String(cause);
  const remedy = /ENOSPC|no space|os error 28/i.test(text)
    ? `the disk must have space left; free some of ${dirname(path)} and run again, nothing is lost`
    : cause instanceof Deno.errors.PermissionDenied || cause instanceof Deno.errors.NotCapable ||
        /EACCES|EROFS|os error (13|30)/.test(text)
    ? "the folder must be writable; change its permissions or choose another with --out"
    : text;
  return new Error(`Cannot write "${path}": ${remedy}`, { cause });
}

/** A JSON file, or null if it is absent or unreadable. */
export async function readJson<T>(path: string): Promise<T | null> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch {
    return null;
  }
}
