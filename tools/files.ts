/**
 * Files that are whole or absent.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";

/** The name of a machine that may not be asked for its own. */
export const unknownHost = "host";
let host: string | undefined;

/** This machine's name, as a file's may have it; {@linkcode unknownHost} without the right to know it, which is not asked for. */
export function hostName(): string {
  const may = () => Deno.permissions.querySync({ name: "sys", kind: "hostname" }).state === "granted";
  return host ??= may() && Deno.hostname().replaceAll(/[^\w-]/g, "-").slice(0, 63) || unknownHost;
}

/**
 * Where this process writes a file before it is whole: `<path>.<host>.<process>.part`, which no other process writes to.
 *
 * @param more Tells parts of one process apart.
 */
export const partPath = (path: string, more?: number): string =>
  [path, hostName(), Deno.pid, ...(more === undefined ? [] : [more]), "part"].join(".");

/**
 * Writes a file beside its place, then renames it there; a failed write leaves the old file and nothing else.
 *
 * @param previous Where the old file goes, if it is to be kept.
 */
export async function writeAtomically(path: string, content: string | Uint8Array, previous?: string) {
  const part = partPath(path);
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
    throw writeError(path, error, Deno.build.os, part);
  }
}

/**
 * Removes what killed processes were writing in a folder. Call it with the folder's lock: a process that writes there, here or on
 * another machine, must have it.
 */
export async function removeParts(folder: string) {
  for (const { name } of Deno.readDirSync(folder)) {
    if (name.endsWith(".part")) await Deno.remove(join(folder, name)).catch(() => {});
  }
}

/** As {@linkcode removeParts}, of one file alone, also by names without a host; call it with the file's lock. */
export async function sweepParts(path: string) {
  const [folder, name] = [dirname(path), basename(path)];
  for await (const entry of Deno.readDir(folder)) {
    const rest = entry.name.startsWith(`${name}.`) ? entry.name.slice(name.length + 1) : "";
    if (/^([\w-]+\.)?\d+(\.\d+)*\.part$/.test(rest)) await Deno.remove(join(folder, entry.name)).catch(() => {});
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

/** The number that the system gives an error; NaN if it says none. */
export const errorNumber = (error: unknown): number => Number(String(error).match(/os error (\d+)/)?.[1]);
/** Access denied, sharing violation. */
const isHeld = (error: unknown) => [5, 32].includes(errorNumber(error));

/**
 * A failed write as one line with its remedy.
 *
 * @param os Whose numbers errors have.
 * @param part Where it was written to; its name, which has the machine's, is not said.
 */
export function writeError(path: string, cause: unknown, os: string = Deno.build.os, part = path): Error {
  const text = (cause instanceof Error ? cause.message : String(cause)).replaceAll(part, path);
  const number = errorNumber(text);
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
