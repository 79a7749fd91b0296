/**
 * HDF5 files in D4RL's layout, through h5wasm; chunks of floats through the runtime's zlib.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { inflateSync } from "node:zlib";
import h5wasm, { type Dataset, type File, Group } from "h5wasm/node";
import { findChunks, type ReadBytes } from "./hdf5_chunks.ts";

/** A float array with its shape, as it lies in the file. */
export interface HdfArray {
  /** Lengths of its axes. */
  shape: readonly number[];
  /** Values, row-major. */
  data: Float32Array | Int8Array;
}

const signature = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];

/** Whether `bytes`, as far as they go, begin as an HDF5 file does. */
export function isHdf5(bytes: Uint8Array): boolean {
  return bytes.length > 0 && signature.every((byte, i) => i >= bytes.length || bytes[i] === byte);
}

/** The end of an HDF5 file by its own superblock, or null if the file is none. A shorter file is cut short. */
export async function hdf5Length(path: string): Promise<number | null> {
  const head = new Uint8Array(64);
  using file = await Deno.open(path);
  const n = await file.read(head);
  if (n === null || n < 64 || !isHdf5(head)) return null;
  const version = head[8]; // HDF5 File Format Specification, II.A
  const [at, offsetBytes] = version < 2 ? [version === 0 ? 40 : 44, head[13]] : [28, head[9]];
  return offsetBytes === 8 ? Number(new DataView(head.buffer).getBigUint64(at, true)) : null;
}

let library: Promise<unknown> | undefined;

/** The library, set to throw its errors instead of printing them. */
function loadLibrary(): Promise<unknown> {
  return library ??= h5wasm.ready.then((module) => {
    module.activate_throwing_error_handler();
    // A file that had an error stays open in the library, which knows files by inode: without this it would go on with what it once
    // read, whatever has taken the file's place.
    const fs = module.FS as unknown as { fstat(descriptor: number): { ino: number } };
    const { fstat } = fs;
    let serial = 0;
    fs.fstat = (descriptor) => Object.assign(fstat(descriptor), { ino: ++serial });
  });
}

const damaged = "it is damaged or cut short; delete it and get it again";

async function open(path: string): Promise<Deno.FsFile> {
  let [file, end]: [Deno.FsFile | undefined, number | null] = [undefined, null];
  try {
    file = await Deno.open(path);
    end = await hdf5Length(path);
  } catch (cause) {
    file?.close();
    throw new Error(`Cannot open dataset "${path}": the file must exist and be readable`, { cause });
  }
  const { size } = file.statSync();
  if (end !== null && end <= size) return file;
  file.close();
  const why = end === null
    ? "it must be an HDF5 file, its first bytes are others"
    : `${damaged} (it must have ${end} bytes, current size is ${size})`;
  throw new Error(`Cannot open dataset "${path}": ${why}`);
}

/**
 * Reads every array of a file; groups become `group/name`. Floats come as Float32Array, booleans as Int8Array.
 *
 * @throws {Error} If the file is missing, cut short or no HDF5 file, or an array cannot be read.
 */
export async function readHdf5(
  path: string,
): Promise<{ arrays: Map<string, HdfArray>; attributes: Map<string, string> }> {
  await loadLibrary();
  using disk = await open(path);
  const read = readerOf(disk);
  const arrays = new Map<string, HdfArray>();
  const attributes = new Map<string, string>();
  const visit = (group: Group, prefix: string) => {
    for (const key of group.keys()) {
      const name = `${prefix}${key}`;
      const entity = group.get(key);
      if (entity instanceof Group) visit(entity, `${name}/`);
      else if (entity && "value" in entity) {
        const dataset = entity as Dataset;
        const array = readFloatChunks(read, name, dataset) ?? readArray(dataset);
        if (array) arrays.set(name, array);
      }
    }
  };
  let file: File | undefined;
  try {
    file = new h5wasm.File(path, "r");
    for (const [name, { value }] of Object.entries(file.attrs)) attributes.set(name, String(value));
    visit(file, "");
  } catch (cause) {
    throw new Error(`Cannot read dataset "${path}": ${damaged}`, { cause });
  } finally {
    file?.close();
  }
  const written = attributes.get("sha256");
  if (written !== undefined && written !== digestArrays(arrays)) {
    throw new Error(
      `Cannot read dataset "${path}": ${damaged} (its values do not have the SHA-256 it was written with)`,
    );
  }
  return { arrays, attributes };
}

/** Reads bytes of an open file; fewer where it ends. */
function readerOf(file: Deno.FsFile): ReadBytes {
  const { size } = file.statSync();
  return (at, length) => {
    const bytes = new Uint8Array(Math.max(Math.min(length, size - at), 0));
    if (bytes.length > 0) file.seekSync(at, Deno.SeekMode.Start);
    for (let done = 0; done < bytes.length;) {
      const n = file.readSync(bytes.subarray(done));
      if (n === null) return bytes.subarray(0, done); // Another process has cut it.
      done += n;
    }
    return bytes;
  };
}

const [deflate, shuffle] = [1, 2]; // HDF5's numbers of filters.

/** Float32 in chunks, plain, shuffled or deflated, in less than half of the library's time. Undefined for what else there is. */
function readFloatChunks(read: ReadBytes, name: string, dataset: Dataset): HdfArray | undefined {
  const { shape, dtype, filters, metadata: { chunks: lengths } } = dataset;
  const ids = filters.map(({ id }) => id);
  if (!shape || dtype !== "<f" || !lengths || ids.some((id) => id !== deflate && id !== shuffle)) return undefined;
  const chunks = findChunks(read, name, shape, lengths);
  if (!chunks) return undefined;
  const count = lengths.reduce((a, b) => a * b, 1);
  const out = new Float32Array(shape.reduce((a, b) => a * b, 1));
  for (const { address, bytes, skipped, offset } of chunks) {
    let data = read(address, bytes);
    for (let i = ids.length - 1; i >= 0; i--) {
      if (skipped >> i & 1) continue;
      data = ids[i] === deflate ? inflateSync(data, { maxOutputLength: 4 * count }) : unshuffle(data);
    }
    if (data.length !== 4 * count) throw new Error(`${name} has a chunk of ${data.length} bytes for ${4 * count}`);
    placeChunk(out, shape, new Float32Array(data.buffer, data.byteOffset, count), lengths, offset);
  }
  return { shape, data: out };
}

/** Undoes the filter that stores first bytes of all floats, then second ones, and so on. */
function unshuffle(data: Uint8Array): Uint8Array {
  const count = data.length / 4;
  return Uint8Array.from(data, (_, i) => data[(i % 4) * count + (i >> 2)]);
}

/** Copies a chunk into the whole; what reaches beyond its end is padding. */
function placeChunk(
  out: Float32Array,
  shape: readonly number[],
  chunk: Float32Array,
  lengths: readonly number[],
  offset: readonly number[],
) {
  const last = shape.length - 1;
  const copy = (axis: number, from: number, to: number) => {
    const n = Math.min(lengths[axis], shape[axis] - offset[axis]);
    if (axis === last) {
      out.set(chunk.subarray(from, from + n), to + offset[last]);
    } else if (axis === last - 1 && lengths[last] === 1) { // Columns, as h5py's chunks often are.
      const stride = shape[last];
      for (let i = 0, k = (to + offset[axis]) * stride + offset[last]; i < n; i++, k += stride) {
        out[k] = chunk[from + i];
      }
    } else {
      for (let i = 0; i < n; i++) {
        copy(axis + 1, (from + i) * lengths[axis + 1], (to + offset[axis] + i) * shape[axis + 1]);
      }
    }
  };
  copy(0, 0, 0);
}

/** A dataset's numbers; undefined for text and for single values, of which D4RL's metadata has some. */
function readArray(dataset: Dataset): HdfArray | undefined {
  const { shape, value } = dataset;
  if (!shape || shape.length === 0) return undefined;
  if (value instanceof Float32Array || value instanceof Int8Array) return { shape, data: value };
  return value instanceof Float64Array ? { shape, data: Float32Array.from(value) } : undefined;
}

/** SHA-256 over names, shapes and values. */
function digestArrays(arrays: ReadonlyMap<string, HdfArray>): string {
  const hash = createHash("sha256");
  for (const [name, { shape, data }] of [...arrays].sort(([a], [b]) => a < b ? -1 : 1)) {
    hash.update(`${name}[${shape}]${data.BYTES_PER_ELEMENT}`);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest("hex");
}

/**
 * Writes arrays to a new file, gzip-compressed in row chunks; the file appears only when it is whole and reads back as it was
 * written. The attribute `sha256` of the root holds a hash of all values, which {@linkcode readHdf5} checks.
 *
 * @param attributes Text attributes of the root.
 */
export async function writeHdf5(
  path: string,
  arrays: ReadonlyMap<string, HdfArray>,
  attributes: Readonly<Record<string, string>> = {},
) {
  await loadLibrary();
  const part = `${path}.part`;
  try {
    writeArrays(part, arrays, { ...attributes, sha256: digestArrays(arrays) });
    await readHdf5(part); // The library does not report a full disk.
    await Deno.rename(part, path);
  } catch (cause) {
    await Deno.remove(part).catch(() => {});
    const remedy = "the folder must be writable and its disk must have space left; free some and run again";
    throw new Error(`Cannot write dataset "${path}": ${remedy}`, { cause });
  }
}

function writeArrays(path: string, arrays: ReadonlyMap<string, HdfArray>, attributes: Record<string, string>) {
  const file = new h5wasm.File(path, "w", { libver: ["earliest", "latest"] });
  const groups = new Set<string>();
  try {
    for (const [name, { shape, data }] of arrays) {
      for (let at = name.indexOf("/"); at > 0; at = name.indexOf("/", at + 1)) {
        const group = name.slice(0, at);
        if (!groups.has(group)) file.create_group(group);
        groups.add(group);
      }
      const chunks = [Math.min(shape[0], 4096), ...shape.slice(1)];
      const dtype = data instanceof Int8Array ? "<b" : "<f";
      file.create_dataset({ name, data, shape: [...shape], chunks, compression: 4, dtype });
    }
    for (const [name, value] of Object.entries(attributes)) file.create_attribute(name, value);
    file.flush();
  } finally {
    file.close();
  }
}
