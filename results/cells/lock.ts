/**
 * One process at a time in a cell's folder.
 *
 * @module
 */

import { join } from "node:path";
import { writeError } from "../../tools/files.ts";

const lockPollMs = 500;

/**
 * Holds a folder for this process; the lock ends with it, however it ends.
 *
 * @param onWait Called while another process holds it.
 */
export async function lockFolder(folder: string, onWait: () => void): Promise<Disposable> {
  for (;;) {
    const held = await tryLockFolder(folder);
    if (held) return held;
    onWait();
    await new Promise((done) => setTimeout(done, lockPollMs));
  }
}

/** Holds a folder for this process; null if another one holds it. */
export async function tryLockFolder(folder: string): Promise<Disposable | null> {
  const path = join(folder, "lock");
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { create: true, write: true });
  } catch (error) {
    throw writeError(path, error);
  }
  if (await file.tryLock(true)) return file;
  file.close();
  return null;
}
