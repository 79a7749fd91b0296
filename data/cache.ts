/**
 * Decoded arrays beside their source: a safetensors file that loads at the speed of the disk.
 *
 * @module
 */

import type { HdfArray } from "./hdf5.ts";

/** What a cache was made from; another size or time makes it stale. */
export interface CacheSource {
  bytes: number;
  modifiedMs: number;
}

/** Arrays with the attributes of their source. */
export interface CachedArrays {
  arrays: Map<string, HdfArray>;
  attributes: Map<string, string>;
}

const format = "1";

/** The cache's path for a source. */
export const cachePath = (path: string) => `${path}.arrays`;

/** Size and time of a file. */
export async function sourceOf(path: string): Promise<CacheSource> {
  const { size, mtime } = await Deno.stat(path);
  return { bytes: size, modifiedMs: mtime?.getTime() ?? 0 };
}

type Header = Record<string, { dtype: "F32" | "I8"; shape: number[]; data_offsets: [number, number] }>;

/** Reads the cache of `path`; null if there is none, it is stale, or it is not whole. */
export async function readCache(path: string): Promise<CachedArrays | null> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(cachePath(path));
  } catch {
    return null;
  }
  using open = file;
  try {
    const { size } = await open.stat();
    const start = await readBytes(open, 0, 8);
    const length = Number(new DataView(start.buffer).getBigUint64(0, true));
    if (length > size) return null;
    const header = JSON.parse(new TextDecoder().decode(await readBytes(open, 8, length)));
    const { __metadata__: metadata, ...entries } = header as { __metadata__: Record<string, string> } & Header;
    if (metadata.format !== format || metadata.source !== JSON.stringify(await sourceOf(path))) return null;
    const end = Math.max(...Object.values(entries as Header).map(({ data_offsets: [, last] }) => last));
    if (size !== 8 + length + end) return null;
    const buffer = await readFast(cachePath(path), 8 + length, end);
    const arrays = Object.entries(entries as Header).map(([name, { dtype, shape, data_offsets: [at, last] }]) => {
      const data = dtype === "F32"
        ? new Float32Array(buffer, at, (last - at) / 4)
        : new Int8Array(buffer, at, last - at);
      return [name, { shape, data }] as const;
    });
    return { arrays: new Map(arrays), attributes: new Map(JSON.parse(metadata.attributes)) };
  } catch {
    return null;
  }
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
async function readFast(path: string, at: number, n: number): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(n);
  const part = Math.ceil(n / 4);
  await Promise.all([0, 1, 2, 3].map(async (k) => {
    using file = await Deno.open(path);
    await readInto(file, at + k * part, bytes.subarray(k * part, (k + 1) * part));
  }));
  return bytes.buffer;
}

/** Writes the cache of `path`; a cache that cannot be written is done without. */
export async function writeCache(path: string, { arrays, attributes }: CachedArrays) {
  const entries = [...arrays].sort(([, a], [, b]) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT); // Aligned.
  let end = 0;
  const header = Object.fromEntries(entries.map(([name, { shape, data }]) => {
    const dtype = data instanceof Float32Array ? "F32" : "I8";
    return [name, { dtype, shape, data_offsets: [end, end += data.byteLength] }];
  }));
  const source = JSON.stringify(await sourceOf(path));
  const __metadata__ = { format, source, attributes: JSON.stringify([...attributes]) };
  const json = new TextEncoder().encode(JSON.stringify({ __metadata__, ...header }));
  const padded = new Uint8Array(Math.ceil(json.length / 8) * 8).fill(0x20);
  padded.set(json);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(padded.length), true);
  const part = `${cachePath(path)}.${Deno.pid}.part`;
  try {
    using file = await Deno.open(part, { write: true, create: true, truncate: true });
    const pieces = entries.map(([, { data }]) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    for (const bytes of [length, padded, ...pieces]) {
      for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at, at + (1 << 22)));
    }
    await Deno.rename(part, cachePath(path));
  } catch {
    await Deno.remove(part).catch(() => {});
  }
}
