/**
 * HDF5 files in D4RL's layout, through h5wasm.
 *
 * @module
 */

import { createHash } from "node:crypto";
import h5wasm, { type Dataset, type File, Group } from "h5wasm/node";

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
  return library ??= h5wasm.ready.then((module) => module.activate_throwing_error_handler());
}

const damaged = "it is damaged or cut short; delete it and get it again";

async function open(path: string): Promise<File> {
  await loadLibrary();
  let size: number;
  try {
    size = (await Deno.stat(path)).size;
  } catch (cause) {
    throw new Error(`Cannot open dataset "${path}": the file must exist and be readable`, { cause });
  }
  const end = await hdf5Length(path);
  if (end === null) {
    throw new Error(`Cannot open dataset "${path}": it must be an HDF5 file, its first bytes are others`);
  }
  if (size < end) {
    throw new Error(`Cannot open dataset "${path}": ${damaged} (it must have ${end} bytes, current size is ${size})`);
  }
  try {
    return new h5wasm.File(path, "r");
  } catch (cause) {
    throw new Error(`Cannot open dataset "${path}": ${damaged}`, { cause });
  }
}

/** Rows of one dataset to read. */
export interface ReadTask {
  /** Of the file. */
  path: string;
  /** Of the dataset in it. */
  name: string;
  /** First row. */
  start: number;
  /** Row after the last. */
  end: number;
}

/** Floats of this many bytes are read some rows at a time, by this thread and its helpers. */
const largeBytes = 4 << 20;
const taskBytes = 1 << 20;

/**
 * Reads every array of a file; groups become `group/name`. Floats come as Float32Array, booleans as Int8Array.
 *
 * @param threads Threads that decompress large arrays, this one included. @default the number of cores, at most 4
 * @throws {Error} If the file is missing, cut short or no HDF5 file, or an array cannot be read.
 */
export async function readHdf5(
  path: string,
  threads: number = Math.min(navigator.hardwareConcurrency, 4),
): Promise<{ arrays: Map<string, HdfArray>; attributes: Map<string, string> }> {
  const file = await open(path);
  const arrays = new Map<string, HdfArray>();
  const attributes = new Map<string, string>();
  const tasks: ReadTask[] = [];
  const visit = (group: Group, prefix: string) => {
    for (const key of group.keys()) {
      const name = `${prefix}${key}`;
      const entity = group.get(key);
      if (entity instanceof Group) visit(entity, `${name}/`);
      else if (entity && "value" in entity) {
        const dataset = entity as Dataset;
        const { shape, dtype, metadata: { chunks } } = dataset;
        const width = shape?.slice(1).reduce((a, b) => a * b, 1) ?? 0;
        const rows = shape?.[0] ?? 0;
        if (!shape || dtype !== "<f" || !chunks || 4 * rows * width < largeBytes) {
          const array = readArray(dataset);
          if (array) arrays.set(name, array);
          continue;
        }
        if (rows * width > 2 ** 31) throw new Error(`${name} is too large`);
        arrays.set(name, { shape, data: new Float32Array(rows * width) });
        const step = Math.max(Math.ceil(taskBytes / (4 * width * chunks[0])), 1) * chunks[0]; // Whole chunks.
        for (let start = 0; start < rows; start += step) {
          tasks.push({ path, name, start, end: Math.min(start + step, rows) });
        }
      }
    }
  };
  try {
    for (const [name, { value }] of Object.entries(file.attrs)) attributes.set(name, String(value));
    visit(file, "");
    const keep = ({ name, start }: ReadTask, data: Float32Array) => {
      const { shape, data: whole } = arrays.get(name)!;
      whole.set(data, start * (whole.length / shape[0]));
    };
    const helping = helpRead(tasks, threads - 1, keep);
    helping.catch(() => tasks.length = 0); // It is thrown below, by `await helping`.
    for (let task = tasks.shift(); task; task = tasks.shift()) {
      keep(task, rowsOf(file, task));
      await new Promise((resolve) => setTimeout(resolve)); // Lets the helpers' answers in.
    }
    await helping;
  } catch (cause) {
    throw new Error(`Cannot read dataset "${path}": ${damaged}`, { cause });
  } finally {
    tasks.length = 0;
    file.close();
  }
  const written = attributes.get("sha256");
  if (written !== undefined && written !== digestArrays(arrays)) {
    throw new Error(
      `Cannot read dataset "${path}": ${damaged} (its values do not have the SHA-256 it was written with)`,
    );
  }
  return { arrays, attributes };
}

/** A dataset's numbers; undefined for text and for single values, of which D4RL's metadata has some. */
function readArray(dataset: Dataset): HdfArray | undefined {
  const { shape, value } = dataset;
  if (!shape || shape.length === 0) return undefined;
  if (value instanceof Float32Array || value instanceof Int8Array) return { shape, data: value };
  return value instanceof Float64Array ? { shape, data: Float32Array.from(value) } : undefined;
}

function rowsOf(file: File, { name, start, end }: ReadTask): Float32Array<ArrayBuffer> {
  const dataset = file.get(name) as Dataset;
  return dataset.slice([[start, end], ...dataset.shape!.slice(1).map((): [] => [])]) as Float32Array<ArrayBuffer>;
}

/** Reads the rows of one task. */
export async function readRows(task: ReadTask): Promise<Float32Array<ArrayBuffer>> {
  const file = await open(task.path);
  try {
    return rowsOf(file, task);
  } finally {
    file.close();
  }
}

/** What a reading worker says: that it listens, the rows, or why it failed. */
export type ReadMessage = "up" | Float32Array | { message: string };

async function helpRead(tasks: ReadTask[], helpers: number, onRows: (task: ReadTask, data: Float32Array) => void) {
  const pool = Array.from({ length: Math.min(helpers, tasks.length) }, () => {
    const worker = new Worker(new URL("./hdf5_worker.ts", import.meta.url), { type: "module" });
    const answer = () =>
      new Promise<ReadMessage>((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = (event) => {
          event.preventDefault();
          reject(new Error(event.message));
        };
      });
    return { worker, answer, up: answer() };
  });
  try {
    await Promise.all(pool.map(async ({ worker, answer, up }) => {
      await up; // Before this, messages to it are lost.
      for (let task = tasks.shift(); task; task = tasks.shift()) {
        const rows = answer();
        worker.postMessage(task);
        const data = await rows;
        if (!(data instanceof Float32Array)) throw new Error(data === "up" ? "out of order" : data.message);
        onRows(task, data);
      }
    }));
  } finally {
    for (const { worker } of pool) worker.terminate();
  }
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
  const file = new h5wasm.File(path, "w");
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
