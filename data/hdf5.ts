/**
 * HDF5 files in D4RL's layout, through h5wasm.
 *
 * @module
 */

import { createHash } from "node:crypto";
import h5wasm, { type Dataset, type File, Group } from "h5wasm/node";

/** A float array with its shape, as it lies in the file. */
export interface HdfArray {
  shape: readonly number[];
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

/**
 * Reads every array of a file; groups become `group/name`. Floats come as Float32Array, booleans as Int8Array.
 *
 * @throws {Error} If the file is missing, cut short or no HDF5 file, or an array cannot be read.
 */
export async function readHdf5(
  path: string,
): Promise<{ arrays: Map<string, HdfArray>; attributes: Map<string, string> }> {
  const file = await open(path);
  const arrays = new Map<string, HdfArray>();
  const attributes = new Map<string, string>();
  const visit = (group: Group, prefix: string) => {
    for (const name of group.keys()) {
      const entity = group.get(name);
      if (entity instanceof Group) visit(entity, `${prefix}${name}/`);
      else if (entity && "value" in entity) {
        const array = readArray(entity as Dataset);
        if (array) arrays.set(`${prefix}${name}`, array);
      }
    }
  };
  try {
    for (const [name, { value }] of Object.entries(file.attrs)) attributes.set(name, String(value));
    visit(file, "");
  } catch (cause) {
    throw new Error(`Cannot read dataset "${path}": ${damaged}`, { cause });
  } finally {
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
