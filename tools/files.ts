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
    if (previous) await renameOver(path, previous).catch(() => {}); // There may be none yet.
    await renameOver(part, path);
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

const windows = Deno.build.os === "windows";
/** How long a file may be held by another program, such as a virus scanner, before that is an error. */
const heldMs = 1000;

/** Renames a file, over another if there is one, so that a loss of power leaves one of the two. */
export async function renameOver(from: string, to: string): Promise<void> {
  for (const start = performance.now();; await new Promise((done) => setTimeout(done, 50))) {
    try {
      await Deno.rename(from, to);
      break;
    } catch (error) {
      if (!windows || !isHeld(error) || performance.now() - start > heldMs) throw error;
    }
  }
  try {
    using folder = await Deno.open(dirname(to));
    await folder.sync();
  } catch {
    // Windows opens no folders, some file systems sync none, and not everyone may read what they write.
  }
}

const numberOf = (error: unknown) => Number(String(error).match(/os error (\d+)/)?.[1]);
/** Access denied, sharing violation. */
const isHeld = (error: unknown) => [5, 32].includes(numberOf(error));

/**
 * A failed write as one line with its remedy.
 *
 * @param os Whose numbers errors have.
 */
export function writeError(path: string, cause: unknown, os: string = Deno.build.os): Error {
  const text = cause instanceof Error ? cause.message : String(cause);
  const number = numberOf(text);
  const [full, quota]: [number[], number] = os === "windows"
    ? [[39, 112], 1295]
    : os === "darwin"
    ? [[28], 69]
    : [[28], 122];
  const denied = os === "windows" ? [19] : [13, 30];
  const remedy = full.includes(number) || /ENOSPC|no space/i.test(text)
    ? `the disk must have space left; free some of ${dirname(path)} and run again, nothing is lost`
    : number === quota || /EDQUOT/.test(text)
    ? "your quota must have space left; remove what you do not need from that disk and run again, nothing is lost"
    : os === "windows" && isHeld(text)
    ? "no other program may have it open, and you must be allowed to write it; close what shows it and run again"
    : denied.includes(number) || cause instanceof Deno.errors.PermissionDenied ||
        cause instanceof Deno.errors.NotCapable ||
        /EACCES|EROFS/.test(text)
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
