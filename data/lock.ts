/**
 * One process at a time.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";

/** Settings of {@linkcode takeLock}. */
export interface LockOptions {
  /** Called again and again while another process holds it. */
  onWait?: () => void;
  /** Ends the waiting. */
  signal?: AbortSignal;
}

/**
 * Takes a lock, a file that it makes and removes; it ends with the process at the latest. Waits while another process holds it.
 *
 * @throws {Error} If the file cannot be made, or the waiting is stopped.
 */
export async function takeLock(path: string, { onWait = () => {}, signal }: LockOptions = {}): Promise<Disposable> {
  for (;;) {
    const lock = await tryLock(path);
    if (lock) return lock;
    onWait();
    await pause(200, signal);
  }
}

/** The lock, or null if another process holds it. */
export async function tryLock(path: string): Promise<Disposable | null> {
  const file = await Deno.open(path, { create: true, write: true });
  // A holder removes the file when it ends, so that the one that was opened may be another by now.
  const isSame = async () => (await file.stat()).ino === (await Deno.stat(path).catch(() => null))?.ino;
  if (!await file.tryLock(true) || !await isSame()) {
    file.close();
    return null;
  }
  return {
    [Symbol.dispose]() {
      try {
        Deno.removeSync(path);
      } catch {
        // Windows removes no file that is open.
      }
      file.close();
    },
  };
}

/**
 * Waits.
 *
 * @throws {Error} If `signal` ends it.
 */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new Error("stopped"));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Removes what killed processes left of a file that they were writing, `<path>.<numbers>.part`; call it with the file's lock. */
export async function sweepParts(path: string) {
  const [folder, name] = [dirname(path), basename(path)];
  for await (const entry of Deno.readDir(folder)) {
    const isPart = entry.name.startsWith(`${name}.`) && /^[\d.]+\.part$/.test(entry.name.slice(name.length + 1));
    if (isPart) await Deno.remove(join(folder, entry.name)).catch(() => {});
  }
}
