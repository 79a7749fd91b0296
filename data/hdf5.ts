/**
 * HDF5 files in D4RL's layout, through h5wasm.
 *
 * @module
 */

import h5wasm, { type Dataset, type File, Group } from "h5wasm/node";

/** A float array with its shape, as it lies in the file. */
export interface HdfArray {
  shape: readonly number[];
  data: Float32Array | Int8Array;
}

async function open(path: string): Promise<File> {
  await h5wasm.ready;
  let size: number;
  try {
    size = (await Deno.stat(path)).size;
  } catch (cause) {
    throw new Error(`Cannot open dataset "${path}": the file must exist and be readable`, { cause });
  }
  const head = new Uint8Array(8);
  using file = await Deno.open(path);
  await file.read(head);
  if (String.fromCharCode(...head.subarray(1, 4)) !== "HDF") {
    throw new Error(`Cannot open dataset "${path}": it must be an HDF5 file, its first bytes are ${head.join(" ")}`);
  }
  const opened = new h5wasm.File(path, "r");
  if (opened.file_id < 0n) {
    throw new Error(
      `Cannot open dataset "${path}": it is damaged or cut short (${size} bytes); delete it and get it again`,
    );
  }
  return opened;
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
  const attributes = new Map(Object.entries(file.attrs).map(([name, { value }]) => [name, String(value)]));
  const visit = (group: Group, prefix: string) => {
    for (const name of group.keys()) {
      const entity = group.get(name);
      if (entity instanceof Group) visit(entity, `${prefix}${name}/`);
      else if (entity && "value" in entity) {
        const array = readArray(entity as Dataset, `${prefix}${name}`, path);
        if (array) arrays.set(`${prefix}${name}`, array);
      }
    }
  };
  try {
    visit(file, "");
  } finally {
    file.close();
  }
  return { arrays, attributes };
}

function readArray(dataset: Dataset, name: string, path: string): HdfArray | undefined {
  let value: unknown;
  try {
    value = dataset.value;
  } catch (cause) {
    throw new Error(
      `Cannot read "${name}" of "${path}": the file is damaged or cut short; delete it and get it again`,
      {
        cause,
      },
    );
  }
  const shape = dataset.shape ?? [];
  if (value instanceof Float32Array || value instanceof Int8Array) return { shape, data: value };
  if (value instanceof Float64Array) return { shape, data: Float32Array.from(value) };
  return undefined; // Text and scalars, of which D4RL's metadata has some.
}

/**
 * Writes arrays to a new file, gzip-compressed in row chunks; the file appears only when it is whole.
 *
 * @param attributes Text attributes of the root.
 */
export async function writeHdf5(
  path: string,
  arrays: ReadonlyMap<string, HdfArray>,
  attributes: Readonly<Record<string, string>> = {},
) {
  await h5wasm.ready;
  const part = `${path}.part`;
  const file = new h5wasm.File(part, "w");
  if (file.file_id < 0n) throw new Error(`Cannot write dataset "${path}": the folder must exist and be writable`);
  try {
    for (const [name, { shape, data }] of arrays) {
      const at = name.lastIndexOf("/");
      if (at > 0 && !file.get(name.slice(0, at))) file.create_group(name.slice(0, at));
      const chunks = [Math.min(shape[0], 4096), ...shape.slice(1)];
      file.create_dataset({
        name,
        data,
        shape: [...shape],
        chunks,
        compression: 4,
        dtype: data instanceof Int8Array ? "<b" : "<f",
      });
    }
    for (const [name, value] of Object.entries(attributes)) file.create_attribute(name, value);
    file.flush();
  } finally {
    file.close();
  }
  if (!await readsBack(part, arrays)) {
    await Deno.remove(part).catch(() => {});
    throw new Error(
      `Cannot write dataset "${path}": it does not read back as written; the disk is full or failing, free some space and run again`,
    );
  }
  await Deno.rename(part, path);
}

/** Whether a file holds what was written: the library does not report a full disk. */
async function readsBack(path: string, wanted: ReadonlyMap<string, HdfArray>): Promise<boolean> {
  try {
    const { arrays } = await readHdf5(path);
    return [...wanted].every(([name, { data }]) => {
      const found = arrays.get(name)?.data;
      return found?.length === data.length && found.every((x, i) => Object.is(x, data[i]));
    });
  } catch {
    return false;
  }
}
