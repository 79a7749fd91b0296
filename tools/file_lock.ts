/**
 * One process at a time: a lock is a file that says who holds it, and is removed at the end.
 *
 * Where the file system has flock, that is the lock, and it ends with its process at the latest. Where it has none, the file itself
 * is the lock: made exclusively, and taken over only on the machine that made it, once its process is gone from there. So machines
 * that share a folder must differ in their names, and containers of one name must see each other's processes.
 *
 * @module
 */

import { tryFlock } from "./flock.ts";
import { type Holder, holderOf, isGone, ownText, readHolder } from "./lock_holder.ts";
import { pause } from "./pause.ts";

/** Settings of {@linkcode takeLock}. */
export interface LockOptions {
  /** Called again and again while another process holds it. */
  onWait?: (holder: Holder) => void;
  /** Ends the waiting. */
  signal?: AbortSignal;
}

/**
 * Takes a lock. Waits while another process holds it.
 *
 * @throws {Error} If the file cannot be made, or the waiting is stopped.
 */
export async function takeLock(path: string, { onWait, signal }: LockOptions = {}): Promise<Disposable> {
  for (;;) {
    const lock = await tryLock(path, onWait);
    if (lock) return lock;
    await pause(200, signal);
  }
}

/** The lock, or null if another process holds it, which `onHeld` is told. */
export async function tryLock(path: string, onHeld: (by: Holder) => void = () => {}): Promise<Disposable | null> {
  for (;;) {
    const opened = openLock(path);
    if (!opened) continue;
    using open = new DisposableStack();
    const file = open.use(opened.file);
    const locked = tryFlock(file, path);
    if (locked && !isAt(path, file)) continue; // Its holder removed it meanwhile.
    const there = readHolder(path);
    const isItself = locked === null;
    // A token in a file that flock gives: a machine on which the same folder has no flock holds it.
    if (isItself ? opened.isNew : locked && !there?.token) {
      const text = ownText(isItself);
      try {
        write(file, text);
      } catch (error) {
        if (isItself) attempt(() => Deno.removeSync(path));
        if (isItself) throw error; // Where there is flock, a full disk keeps no one from it.
      }
      const held = open.move();
      return {
        [Symbol.dispose]() {
          const isThere = isItself ? readHolder(path)?.text === text : isAt(path, file); // Its folder may have been put aside.
          if (isThere) attempt(() => Deno.removeSync(path));
          attempt(() => file.truncateSync()); // Windows removes no file that is open.
          held.dispose();
        },
      };
    }
    const isStale = locked !== false && there !== null && await isGone(there);
    if (isStale && removeStale(path, there.text)) continue;
    onHeld(isStale ? holderOf(guardOf(path), true) : holderOf(path, locked !== false));
    return null;
  }
}

/** The lock's file, made if there is none; null if it was removed meanwhile. */
function openLock(path: string): { file: Deno.FsFile; isNew: boolean } | null {
  const options = { read: true, write: true };
  try {
    return { file: Deno.openSync(path, { ...options, createNew: true }), isNew: true };
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  try {
    if (!Deno.lstatSync(path).isSymlink) return { file: Deno.openSync(path, options), isNew: false };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  throw new Error(`Cannot lock "${path}": it must not be a symbolic link; remove the link`);
}

/** Whether a path leads to an open file. */
function isAt(path: string, file: Deno.FsFile): boolean {
  try {
    const [there, own] = [Deno.statSync(path), file.statSync()];
    return there.ino === own.ino && there.dev === own.dev;
  } catch {
    return false;
  }
}

function write(file: Deno.FsFile, text: string) {
  file.truncateSync();
  file.writeSync(new TextEncoder().encode(text));
}

const guardOf = (path: string) => `${path}.stale`;

/** Removes a file whose holder is gone, if it still is that one; one process at a time does, or the second would remove a third's. */
function removeStale(path: string, text: string): boolean {
  try {
    using guard = Deno.openSync(guardOf(path), { write: true, createNew: true });
    write(guard, ownText(true));
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
  if (readHolder(path)?.text === text) attempt(() => Deno.removeSync(path));
  Deno.removeSync(guardOf(path));
  return true;
}

/** Does what a lock can do without; whether it was done. */
function attempt(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}
