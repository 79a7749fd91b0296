/**
 * Getting a dataset's file: from the folder, or from the network, and never a wrong or broken one.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename, dirname } from "node:path";
import { catalog, type CatalogEntry, d4rlHost, d4rlMirrors, datasetPath, hashFits, unknownDataset } from "./catalog.ts";
import { hdf5Length, isHdf5 } from "./hdf5.ts";

/** How far a download is. */
export interface FetchProgress {
  /** Bytes on disk, and in all if that is known. */
  received: number;
  /** Size of the file; null if the host does not say. */
  total: number | null;
  /** Over the last seconds. */
  bytesPerSecond: number;
  /** What is going on. */
  note: string;
}

/** Settings of {@linkcode fetchDataset}. */
export interface FetchOptions {
  /** Where datasets lie. @default {@linkcode datasetFolder} */
  folder?: string;
  /** Base URLs to try in order; all but D4RL's own have the files by their names alone. */
  hosts?: readonly string[];
  /** Milliseconds without a byte after which a connection counts as stalled. @default 30000 */
  stallMs?: number;
  /** Attempts per host that end without a single new byte. @default 4 */
  attempts?: number;
  /** First wait between attempts, milliseconds; doubles each time. @default 1000 */
  backoffMs?: number;
  /** Called as bytes arrive. */
  onProgress?: (progress: FetchProgress) => void;
  /** Stops the download; what came stays. */
  signal?: AbortSignal;
}

/** A host that cannot be used for this file, whatever we try. */
class HostError extends Error {}

const longestWaitMs = 60_000;

/**
 * The path of a catalog dataset's verified file, downloaded if need be. A download goes on where an earlier one stopped;
 * two processes that want the same file share one download.
 *
 * @throws {RangeError} If the id is unknown.
 * @throws {Error} If no host gives the file, what it gives is not the file, or the disk is full; what was received stays in
 * a `.part` file unless it is wrong.
 */
export async function fetchDataset(id: string, options: FetchOptions = {}): Promise<string> {
  const entry = catalog.get(id);
  if (!entry) throw unknownDataset(id);
  return await fetchFile(entry, datasetPath(id, options.folder), options);
}

/** As {@linkcode fetchDataset}, for any entry and place. */
export async function fetchFile(entry: CatalogEntry, path: string, options: FetchOptions = {}): Promise<string> {
  const { hosts = [d4rlHost, ...d4rlMirrors], onProgress = () => {}, signal } = options;
  if (await exists(path)) {
    await verifyFile(entry, path);
    return path;
  }
  await Deno.mkdir(dirname(path), { recursive: true });
  using _lock = await takeTurn(`${path}.lock`, () => onProgress(waiting), signal);
  if (await exists(path)) return path; // Another process was faster, and it has verified the file.
  const part = `${path}.part`;
  const problems: string[] = [];
  for (const host of hosts) {
    const url = `${host.replace(/\/?$/, "/")}${host === d4rlHost ? entry.path : basename(path)}`;
    try {
      await download(url, part, entry, options);
      await verifyFile(entry, part);
      await Deno.rename(part, path);
      await Deno.remove(`${path}.lock`).catch(() => {});
      return path;
    } catch (error) {
      if (signal?.aborted) throw new Error(`Cannot fetch "${entry.id}": stopped; the same command goes on`);
      if (!(error instanceof HostError)) throw error;
      problems.push(`${new URL(url).host}: ${error.message}`);
    }
  }
  throw new Error(
    `Cannot fetch "${entry.id}": ${
      problems.join("; ")
    }. Connect to a network that reaches it, name another host with ` +
      `--mirror, or put the file at ${path} yourself`,
  );
}

const waiting: FetchProgress = {
  received: 0,
  total: null,
  bytesPerSecond: 0,
  note: "another process is downloading it",
};

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false;
  }
}

/** A lock that ends with the process; waits for another holder. */
async function takeTurn(path: string, onWait: () => void, signal?: AbortSignal): Promise<Disposable> {
  for (;;) {
    const file = await Deno.open(path, { create: true, write: true });
    if (await file.tryLock(true)) return file;
    file.close();
    onWait();
    await pause(200, signal);
  }
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
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

/** Downloads into `part`, trying again while the host makes progress or may recover. */
async function download(url: string, part: string, entry: CatalogEntry, options: FetchOptions) {
  const { attempts = 4, backoffMs = 1000, signal } = options;
  for (let failures = 0;;) {
    const before = await sizeOf(part);
    let waitMs = 0;
    let reason: string;
    try {
      await transfer(url, part, entry, options);
      return;
    } catch (error) {
      if (signal?.aborted || error instanceof HostError || isDiskError(error)) throw diskError(part, error);
      waitMs = error instanceof Busy ? error.waitMs : 0;
      reason = error instanceof Error ? error.message : String(error);
      if (error instanceof Error && error.cause instanceof Error) reason = error.cause.message.replace(/^.*?\): /, "");
    }
    failures = await sizeOf(part) > before ? 1 : failures + 1;
    if (failures >= attempts) throw new HostError(`gave up after ${attempts} attempts (${reason})`);
    await pause(Math.min(Math.max(waitMs, backoffMs * 2 ** (failures - 1)), longestWaitMs), signal);
  }
}

/** The host asks to be left alone for a while. */
class Busy extends Error {
  constructor(readonly status: number, readonly waitMs: number) {
    super(`it answers ${status}`);
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).size;
  } catch {
    return 0;
  }
}

const isDiskError = (error: unknown) =>
  error instanceof Deno.errors.PermissionDenied || /ENOSPC|EROFS|EACCES|os error (28|30|13)/.test(String(error));

function diskError(path: string, error: unknown): unknown {
  return isDiskError(error)
    ? new Error(
      `Cannot write "${path}": ${
        (error as Error).message
      }; free some space or choose another folder with D4RL_DATASET_DIR`,
    )
    : error;
}

/** One request: appends what it gives to `part`, from where that ends. */
async function transfer(url: string, part: string, entry: CatalogEntry, options: FetchOptions) {
  const { stallMs = 30_000, onProgress = () => {}, signal } = options;
  const have = await sizeOf(part);
  const stalled = new AbortController();
  let timer = setTimeout(() => stalled.abort(), stallMs);
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stalled.abort(), stallMs);
  };
  try {
    const response = await fetch(url, {
      headers: have > 0 ? { range: `bytes=${have}-` } : {},
      signal: signal ? AbortSignal.any([stalled.signal, signal]) : stalled.signal,
    });
    alive();
    if (response.status === 416) { // What we have is not a beginning of what it has.
      await response.body?.cancel();
      await Deno.remove(part);
      throw new Error("it has fewer bytes than were received before");
    }
    if (response.status === 429 || response.status >= 500) {
      await response.body?.cancel();
      throw new Busy(response.status, 1000 * Number(response.headers.get("retry-after") ?? 0) || 0);
    }
    if (!response.ok || !response.body) {
      await response.body?.cancel();
      throw new HostError(`it answers ${response.status} ${response.statusText}`.trim());
    }
    const resumes = response.status === 206 && rangeStart(response) === have;
    const from = resumes ? have : 0; // A host that ignores ranges sends everything again.
    const length = Number(response.headers.get("content-length") ?? NaN);
    const total = entry.bytes ?? (Number.isNaN(length) ? null : from + length);
    if (entry.bytes !== null && !Number.isNaN(length) && from + length !== entry.bytes) {
      const type = response.headers.get("content-type") ?? "no type";
      await response.body.cancel();
      throw new HostError(`it offers ${from + length} bytes of ${type}, the file has ${entry.bytes}`);
    }
    using file = await Deno.open(part, { write: true, create: true, truncate: from === 0 });
    await file.seek(from, Deno.SeekMode.Start);
    let received = from;
    const start = performance.now();
    for await (const chunk of response.body) {
      alive();
      if (received === 0 && !isHdf5(chunk)) {
        throw new HostError(`it answers with ${response.headers.get("content-type") ?? "something"}, not with HDF5`);
      }
      for (let at = 0; at < chunk.length;) at += await file.write(chunk.subarray(at));
      received += chunk.length;
      const bytesPerSecond = 1000 * (received - from) / Math.max(performance.now() - start, 1);
      onProgress({ received, total, bytesPerSecond, note: new URL(url).host });
    }
    if (total !== null && received < total) {
      throw new Error(`it closed the connection at ${received} of ${total} bytes`);
    }
  } catch (error) {
    if (stalled.signal.aborted && !signal?.aborted) throw new Error(`it sent nothing for ${stallMs / 1000} s`);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

const rangeStart = (response: Response) =>
  Number(/^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1] ?? NaN);

/**
 * Checks that a file is the catalog's: HDF5, complete, of the published size and hash.
 *
 * @throws {Error} If it is not; a `.part` file of wrong content is removed, any other file is left to its owner.
 */
export async function verifyFile(entry: CatalogEntry, path: string): Promise<{ sha256: string; verified: boolean }> {
  const bytes = await sizeOf(path);
  const end = await hdf5Length(path);
  const hash = createHash("sha256");
  {
    using file = await Deno.open(path);
    const buffer = new Uint8Array(1 << 20);
    for (let n = await file.read(buffer); n !== null; n = await file.read(buffer)) hash.update(buffer.subarray(0, n));
  }
  const sha256 = hash.digest("hex");
  const problem = end === null
    ? "it must be an HDF5 file, its first bytes are others"
    : bytes < end
    ? `it must have ${end} bytes by its own header, current size is ${bytes}: it is cut short`
    : entry.bytes !== null && bytes !== entry.bytes
    ? `it must have ${entry.bytes} bytes, current size is ${bytes}`
    : entry.sha256 !== null && !hashFits(sha256, entry.sha256)
    ? `its SHA-256 must be ${entry.sha256}, current is ${sha256}`
    : null;
  if (!problem) return { sha256, verified: entry.sha256 !== null };
  if (path.endsWith(".part")) {
    await Deno.remove(path);
    throw new HostError(`what it sent is not the file: ${problem}`);
  }
  throw new Error(`Cannot use "${path}" as ${entry.id}: ${problem}; delete it and fetch it again`);
}
