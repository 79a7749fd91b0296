/**
 * Getting a dataset's file: from the folder, or from the network, and never a wrong or broken one.
 *
 * @module
 */

import { basename, dirname } from "node:path";
import { takeLock } from "../tools/file_lock.ts";
import type { Holder } from "../tools/lock_holder.ts";
import { pause } from "../tools/pause.ts";
import {
  catalog,
  type CatalogEntry,
  d4rlHost,
  d4rlMirrors,
  datasetPath,
  findEntry,
  hostVariable,
  unknownDataset,
} from "./catalog.ts";
import { isHdf5 } from "./hdf5_structure.ts";
import { hdf5Length } from "./hdf5.ts";
import { sha256Of } from "./source.ts";

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
  /**
   * Base URLs to try in order; all but D4RL's own have the files by their names alone.
   * @default `D4RL_DATASET_HOST`, or D4RL's own and a mirror
   */
  hosts?: readonly string[];
  /** Milliseconds without a byte, or with too few, after which a connection counts as stalled. @default 30000 */
  stallMs?: number;
  /** Fewer on average over `stallMs` are too few. @default 1000 */
  leastBytesPerSecond?: number;
  /** The most bytes of a file whose size is not published. @default 4 GiB */
  mostUnknownBytes?: number;
  /** Attempts per host that end without getting further. @default 4 */
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

/** What a host sent is not the file. */
class WrongFile extends HostError {}

const longestWaitMs = 60_000;

/**
 * The path of a catalog dataset's verified file, downloaded if need be. A download goes on where an earlier one stopped if it is of the
 * same file for certain: its hash is published, or the host says so. Two processes that want the same file share one download.
 *
 * @throws {RangeError} If the id is unknown.
 * @throws {Error} If no host gives the file, what it gives is not the file, or the disk is full; what was received stays in
 * a `.part` file unless it is wrong.
 */
export async function fetchDataset(id: string, options: FetchOptions = {}): Promise<string> {
  if (!catalog.has(id)) throw unknownDataset(id);
  return await fetchFile(findEntry(id), datasetPath(id, options.folder), options);
}

/** The hosts that are asked unless others are named. */
function defaultHosts(): readonly string[] {
  const own = Deno.env.get(hostVariable);
  return own ? [own] : [d4rlHost, ...d4rlMirrors];
}

/** As {@linkcode fetchDataset}, for any entry and place. */
export async function fetchFile(entry: CatalogEntry, path: string, options: FetchOptions = {}): Promise<string> {
  const { hosts = defaultHosts(), onProgress = () => {}, signal } = options;
  if (await exists(path)) {
    await verifyFile(entry, path);
    return path;
  }
  const part = `${path}.part`;
  await Deno.mkdir(dirname(path), { recursive: true });
  for (const place of [path, part, `${part}.from`, `${path}.sha256`, `${path}.lock`]) await refuseLink(entry, place);
  using _lock = await takeLock(`${path}.lock`, { onWait: (by) => onProgress(waiting(by)), signal });
  if (await exists(path)) return path; // Another process was faster, and it has verified the file.
  const problems: string[] = [];
  for (const host of hosts) {
    const url = `${host.replace(/\/?$/, "/")}${host === d4rlHost ? entry.path : basename(path)}`;
    try {
      await downloadOnce(url, part, entry, path, options);
      await Deno.rename(part, path);
      await forget(`${part}.from`);
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

/** Nothing is written through a link: it may lead anywhere. */
async function refuseLink(entry: CatalogEntry, path: string) {
  const info = await Deno.lstat(path).catch(() => null);
  if (info?.isSymlink) {
    throw new Error(
      `Cannot fetch "${entry.id}": ${path} must not be a symbolic link, as it may lead anywhere; remove the link`,
    );
  }
}

const forget = (path: string) => Deno.remove(path).catch(() => {});

const waiting = ({ who, remedy }: Holder): FetchProgress => ({
  received: 0,
  total: null,
  bytesPerSecond: 0,
  note: `${who} is downloading it${remedy}`,
});

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false;
  }
}

/** The whole, verified file at `part`; what went on from an earlier download and came out wrong is got once more from its beginning. */
async function downloadOnce(url: string, part: string, entry: CatalogEntry, path: string, options: FetchOptions) {
  const resumes = await sizeOf(part) > 0;
  try {
    await download(url, part, entry, options);
    await verifyFile(entry, part, path);
  } catch (error) {
    if (!(error instanceof WrongFile)) throw error;
    await forget(part);
    if (!resumes) throw error;
    await download(url, part, entry, options);
    await verifyFile(entry, part, path).catch(async (error) => {
      await forget(part);
      throw error;
    });
  }
}

/** Downloads into `part`, trying again while the host makes progress or may recover. */
async function download(url: string, part: string, entry: CatalogEntry, options: FetchOptions) {
  const { attempts = 4, backoffMs = 1000, signal } = options;
  let furthest = await sizeOf(part);
  for (let failures = 0;;) {
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
    const size = await sizeOf(part);
    failures = size > furthest + leastPerWindow(options) ? 1 : failures + 1;
    furthest = Math.max(furthest, size);
    if (failures >= attempts) throw new HostError(`gave up after ${attempts} attempts (${reason})`);
    await pause(Math.min(Math.max(waitMs, backoffMs * 2 ** (failures - 1)), longestWaitMs), signal);
  }
}

const leastPerWindow = ({ stallMs = 30_000, leastBytesPerSecond = 1000 }: FetchOptions) =>
  leastBytesPerSecond * stallMs / 1000;

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

/** Where a part came from, so that it is gone on with only as a part of the same file. */
interface Origin {
  url: string;
  /** The host's ETag or date of the file; null if it has none that can be asked for. */
  validator: string | null;
}

const validatorOf = ({ headers }: Response): string | null => {
  const tag = headers.get("etag");
  return tag && !tag.startsWith("W/") ? tag : headers.get("last-modified");
};

/** How many bytes of `part` to go on from, with the validator to ask for: those of a file with a published hash, or of the same one. */
async function resumable(
  url: string,
  part: string,
  entry: CatalogEntry,
): Promise<[have: number, validator: string | null]> {
  const have = await sizeOf(part);
  const origin: Origin | null = await Deno.readTextFile(`${part}.from`).then(JSON.parse).catch(() => null);
  const validator = origin?.url === url && typeof origin.validator === "string" ? origin.validator : null;
  const isBeginning = have > 0 && (entry.sha256 !== null || validator !== null) &&
    (entry.bytes === null || have <= entry.bytes);
  return isBeginning ? [have, validator] : [0, null];
}

/** One request: appends what it gives to `part`, from where that ends. */
async function transfer(url: string, part: string, entry: CatalogEntry, options: FetchOptions) {
  const { stallMs = 30_000, mostUnknownBytes = 4 * 2 ** 30, onProgress = () => {}, signal } = options;
  const [have, validator] = await resumable(url, part, entry);
  if (have > 0 && have === entry.bytes) return;
  const most = entry.bytes ?? mostUnknownBytes;
  const stalled = new AbortController();
  let [received, seen, arrived] = [0, 0, 0];
  const timer = setInterval(() => {
    arrived = received - seen;
    seen = received;
    if (arrived <= leastPerWindow(options)) stalled.abort();
  }, stallMs);
  try {
    const response = await fetch(url, {
      headers: {
        "accept-encoding": "identity", // Sizes and ranges are those of the file itself.
        ...(have > 0 ? { range: `bytes=${have}-`, ...(validator ? { "if-range": validator } : {}) } : {}),
      },
      signal: signal ? AbortSignal.any([stalled.signal, signal]) : stalled.signal,
    });
    const refuse = async (error: Error) => {
      await response.body?.cancel();
      throw error;
    };
    if (response.status === 416) { // What we have is not a beginning of what it has.
      await forget(part);
      return await refuse(new Error("it has fewer bytes than were received before"));
    }
    if (response.status === 429 || response.status >= 500) {
      return await refuse(new Busy(response.status, 1000 * Number(response.headers.get("retry-after") ?? 0) || 0));
    }
    if (!response.ok || !response.body) {
      return await refuse(new HostError(`it answers ${response.status} ${response.statusText}`.trim()));
    }
    const encoding = response.headers.get("content-encoding") ?? "identity";
    if (encoding !== "identity") return await refuse(new HostError(`it sends the file as ${encoding}, not as it is`));
    const resumes = response.status === 206 && rangeStart(response) === have;
    if (response.status === 206 && !resumes) {
      return await refuse(new HostError("it answers with another range than asked for"));
    }
    const from = resumes ? have : 0; // A host that ignores ranges, or has another file by now, sends everything again.
    const length = Number(response.headers.get("content-length") ?? NaN);
    const offered = Number.isNaN(length) ? null : from + length;
    const type = response.headers.get("content-type") ?? "no type";
    if (offered !== null && (entry.bytes === null ? offered > most : offered !== most)) {
      const limit = entry.bytes === null ? `at most ${most} are taken` : `the file has ${most}`;
      return await refuse(new HostError(`it offers ${offered} bytes of ${type}, ${limit}`));
    }
    const total = entry.bytes ?? offered;
    if (from === 0) await Deno.writeTextFile(`${part}.from`, JSON.stringify({ url, validator: validatorOf(response) }));
    using file = await Deno.open(part, { write: true, create: true, truncate: from === 0 });
    await file.seek(from, Deno.SeekMode.Start);
    const start = performance.now();
    for await (const chunk of response.body) {
      if (from + received === 0 && !isHdf5(chunk)) throw new HostError(`it answers with ${type}, not with HDF5`);
      if (from + received + chunk.length > most) {
        await forget(part);
        throw new HostError(
          `it sends more than the ${most} bytes that ${entry.bytes === null ? "are taken" : "the file has"}`,
        );
      }
      for (let at = 0; at < chunk.length;) at += await file.write(chunk.subarray(at));
      received += chunk.length;
      const bytesPerSecond = 1000 * received / Math.max(performance.now() - start, 1);
      onProgress({ received: from + received, total, bytesPerSecond, note: new URL(url).host });
    }
    if (total !== null && from + received < total) {
      throw new Error(`it closed the connection at ${from + received} of ${total} bytes`);
    }
  } catch (error) {
    if (!stalled.signal.aborted || signal?.aborted) throw error;
    throw new Error(`it sent ${arrived === 0 ? "nothing" : `${arrived} bytes`} for ${stallMs / 1000} s`);
  } finally {
    clearInterval(timer);
  }
}

const rangeStart = (response: Response) =>
  Number(/^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1] ?? NaN);

/** What the SHA-256 of a file was compared with. */
export type Compared = "published" | "first seen here" | "nothing";

/**
 * Checks that a file is the catalog's: HDF5, complete, of the published size and hash. Where no hash is published, the first one that
 * was seen is kept beside the file (`.sha256`, as sha256sum writes it) and compared later.
 *
 * @param place Where the file will lie.
 * @throws {Error} If it is not; a `.part` file of wrong content counts as its host's fault.
 */
export async function verifyFile(
  entry: CatalogEntry,
  path: string,
  place: string = path,
): Promise<{ sha256: string; compared: Compared }> {
  const bytes = await sizeOf(path);
  const end = await hdf5Length(path);
  const sha256 = await sha256Of(path);
  if (path !== place) {
    const problem = end === null ? notHdf5 : mismatch(entry, { bytes, sha256 }, await firstSeen(entry, place));
    if (problem) throw new WrongFile(`what it sent is not the file: ${problem}`);
  } else if (end === null || bytes < end) {
    const problem = end === null ? notHdf5 : `it must have ${end} bytes by its own header, current size is ${bytes}`;
    throw new Error(`Cannot use "${path}" as ${entry.id}: ${problem}; ${remedy(entry)}`);
  }
  return { sha256, compared: await requireEntry(entry, place, { bytes, sha256 }) };
}

const notHdf5 = "it must be an HDF5 file, its first bytes are others";
const remedy = ({ id }: CatalogEntry) => `move it away and run \`deno task dataset fetch ${id}\``;

/**
 * Requires size and SHA-256 of a file to be those of the catalog's entry.
 *
 * @throws {Error} If they are not.
 */
export async function requireEntry(
  entry: CatalogEntry,
  path: string,
  file: { bytes: number; sha256: string },
): Promise<Compared> {
  const seen = await firstSeen(entry, path);
  const problem = mismatch(entry, file, seen);
  if (problem) throw new Error(`Cannot use "${path}" as ${entry.id}: ${problem}; ${remedy(entry)}`);
  if (entry.sha256 !== null) return "published";
  if (seen !== null) return "first seen here";
  const line = `${file.sha256}  ${basename(path)}\n`;
  await Deno.writeTextFile(`${path}.sha256`, line, { createNew: true }).catch(() => {}); // The folder may be read-only.
  return "nothing";
}

/** The hash that a file without a published one had first; null if none is kept. */
async function firstSeen(entry: CatalogEntry, path: string): Promise<string | null> {
  if (entry.sha256 !== null) return null;
  const text = await Deno.readTextFile(`${path}.sha256`).catch(() => null);
  if (text === null) return null;
  const [, hash] = /^([0-9a-f]{64})\s/.exec(text) ?? [];
  if (hash) return hash;
  throw new Error(
    `Cannot use "${path}.sha256": it must begin with 64 digits in hex, as sha256sum writes them; mend or remove it`,
  );
}

/** Why a file is not the entry's; null if it is. */
function mismatch(
  entry: CatalogEntry,
  { bytes, sha256 }: { bytes: number; sha256: string },
  seen: string | null,
): string | null {
  if (entry.bytes !== null && bytes !== entry.bytes) {
    return `it must have ${entry.bytes} bytes, current size is ${bytes}`;
  }
  if (entry.sha256 !== null && sha256 !== entry.sha256) {
    return `its SHA-256 must be ${entry.sha256}, current is ${sha256}`;
  }
  return seen !== null && sha256 !== seen
    ? `its SHA-256 must be ${seen} as it was first seen here (the file's .sha256), current is ${sha256}`
    : null;
}
