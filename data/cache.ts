/**
 * Decoded arrays beside their source: a safetensors file that loads at the speed of the disk.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import type { HdfArray } from "./hdf5.ts";
import { tryLock } from "../tools/file_lock.ts";
import { partPath, sweepParts } from "../tools/files.ts";
import { isSame, type Source } from "./source.ts";

/** Arrays with the attributes of their sources. */
export interface CachedArrays {
  arrays: Map<string, HdfArray>;
  attributes: Map<string, string>;
  /** What they were read from, the dataset's file first. */
  sources: Source[];
}

const format = "2";

/** The cache's path for a source. */
export const cachePath = (path: string) => `${path}.arrays`;

interface Entry {
  dtype: "F32" | "I8";
  shape: number[];
  data_offsets: [number, number];
}

/** The header of the cache of `path`, whose sources have the bytes that it was made from; null if there is no such cache. */
async function readHeader(path: string) {
  using open = await Deno.open(cachePath(path));
  const { size } = await open.stat();
  const start = await readBytes(open, 0, 8);
  const length = Number(new DataView(start.buffer).getBigUint64(0, true));
  if (length > size) return null;
  const text = await readBytes(open, 8, length);
  const { __metadata__: metadata, ...entries } = JSON.parse(new TextDecoder().decode(text));
  if (metadata.format !== format || metadata.header !== headerSum(entries, metadata)) return null;
  const sources: Source[] = JSON.parse(metadata.sources);
  for (const [i, source] of sources.entries()) {
    if (!await isSame(i === 0 ? path : join(dirname(path), source.name), source)) return null;
  }
  return { metadata, entries, sources, begin: 8 + length, bytes: size - 8 - length };
}

/** What the cache of `path` was made from, the dataset's file first; null as by {@linkcode readCache}. */
export const cachedSources = (path: string): Promise<Source[] | null> =>
  readHeader(path).then((header) => header?.sources ?? null, () => null);

/**
 * Reads the cache of `path`; null if there is none, its sources have other bytes than those it was made from, or it does not have the
 * bytes that it was written with.
 */
export async function readCache(path: string): Promise<CachedArrays | null> {
  try {
    const header = await readHeader(path);
    if (!header) return null;
    const { metadata, entries, sources, begin, bytes } = header;
    const body = await readFast(cachePath(path), begin, bytes);
    if (`${crc32(body)}` !== metadata.body) return null;
    const arrays = Object.entries<Entry>(entries).map(([name, { dtype, shape, data_offsets: [at, end] }]) => {
      const data = dtype === "F32"
        ? new Float32Array(body.buffer, at, (end - at) / 4)
        : new Int8Array(body.buffer, at, end - at);
      return [name, { shape, data }] as const;
    });
    return { arrays: new Map(arrays), attributes: new Map(JSON.parse(metadata.attributes)), sources };
  } catch {
    return null;
  }
}

/** CRC-32 of all that a header says. */
function headerSum(
  entries: Record<string, Entry>,
  { format, sources, attributes, body }: Record<string, string>,
): string {
  return crc32(JSON.stringify([entries, format, sources, attributes, body])).toString(16);
}

async function readInto(file: Deno.FsFile, at: number, bytes: Uint8Array) {
  await file.seek(at, Deno.SeekMode.Start);
  for (let done = 0; done < bytes.length;) {
    const read = await file.read(bytes.subarray(done, done + (1 << 22)));
    if (read === null) throw new Error("cut short");
    done += read;
  }
}

async function readBytes(file: Deno.FsFile, at: number, n: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(n);
  await readInto(file, at, bytes);
  return bytes;
}

/** `n` bytes from `at`, read by several threads of the runtime at once. */
async function readFast(path: string, at: number, n: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(n);
  const part = Math.ceil(n / 4);
  await Promise.all([0, 1, 2, 3].map(async (k) => {
    using file = await Deno.open(path);
    await readInto(file, at + k * part, bytes.subarray(k * part, (k + 1) * part));
  }));
  return bytes;
}

/** Writes the cache of `path`; a cache that cannot be written, or that another process is writing, is done without. */
export async function writeCache(path: string, { arrays, attributes, sources }: CachedArrays) {
  const part = partPath(cachePath(path));
  try {
    using lock = await tryLock(`${cachePath(path)}.lock`);
    if (!lock) return;
    await sweepParts(cachePath(path));
    await writePart(part, arrays, { attributes: JSON.stringify([...attributes]), sources: JSON.stringify(sources) });
    await Deno.rename(part, cachePath(path));
  } catch {
    await Deno.remove(part).catch(() => {});
  }
}

async function writePart(part: string, arrays: ReadonlyMap<string, HdfArray>, texts: Record<string, string>) {
  const inOrder = [...arrays].sort(([, a], [, b]) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT); // Aligned.
  let end = 0;
  const entries: Record<string, Entry> = Object.fromEntries(inOrder.map(([name, { shape, data }]) => {
    const dtype = data instanceof Float32Array ? "F32" : "I8";
    return [name, { dtype, shape: [...shape], data_offsets: [end, end += data.byteLength] }];
  }));
  const data = inOrder.map(([, { data }]) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  const body = `${data.reduce((sum, bytes) => crc32(bytes, sum), 0)}`;
  const metadata = { format, ...texts, body };
  const __metadata__ = { ...metadata, header: headerSum(entries, metadata) };
  const json = new TextEncoder().encode(JSON.stringify({ __metadata__, ...entries }));
  const padded = new Uint8Array(Math.ceil(json.length / 8) * 8).fill(0x20);
  padded.set(json);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(padded.length), true);
  using file = await Deno.open(part, { write: true, create: true, truncate: true });
  for (const bytes of [length, padded, ...data]) {
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at, at + (1 << 22)));
  }
}
