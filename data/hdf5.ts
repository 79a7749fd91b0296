/**
 * HDF5 files: their arrays and attributes, read and written.
 *
 * @module
 */

import { dirname, resolve } from "node:path";
import h5wasm, { type File } from "h5wasm/node";
import { partPath } from "../tools/files.ts";
import { type HdfArray, type Numbers, numbersOf, product, readNumbers } from "./hdf5_arrays.ts";
import { checkDigests, digestOf, isWanted, isWhole } from "./hdf5_digests.ts";
import { isBeside, type Library, loadLibrary, opening, reasonOf } from "./hdf5_library.ts";
import { type ReadBytes, readSuperblock, unusualType } from "./hdf5_structure.ts";

export type { HdfArray, Numbers } from "./hdf5_arrays.ts";

/** What {@linkcode readHdf5} found. */
export interface HdfFile {
  /** Arrays by name, groups as `group/name`, in the types that the file has them in; booleans and other enumerations as integers. */
  arrays: Map<string, HdfArray<Numbers>>;
  /** Attributes of the root that are text or one number. */
  attributes: Map<string, string>;
  /** Names that hold no array of numbers, with the reason. */
  leftOut: Map<string, string>;
  /** What the root has, read or not; groups end in `/`. */
  names: string[];
  /** Paths of other files in the same folder that parts of this one lie in. */
  others: string[];
}

/** Settings of {@linkcode readHdf5}. */
export interface ReadOptions {
  /** Which arrays to read, by name; and which groups to look into, whose names end in `/`. @default all */
  only?: (name: string) => boolean;
  /** The most bytes that the arrays read may take in memory; compressed files can be a thousand times larger than they look. @default 4 GiB */
  mostBytes?: number;
}

/** Bytes that the superblock says a file has, or null if it is no HDF5 file. A shorter file is cut short. */
export async function hdf5Length(path: string): Promise<number | null> {
  using file = await Deno.open(path);
  return readSuperblock(readerOf(file))?.end ?? null;
}

interface OpenFile {
  file: Deno.FsFile;
  /** Reads at addresses of the file, relative to its base. */
  read: ReadBytes;
}

function open(path: string): OpenFile {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path);
    if (!file.statSync().isFile) throw new Error("it is a folder");
  } catch (cause) {
    throw new Error(`Cannot open dataset "${path}": the file must exist and be readable`, { cause });
  }
  const read = readerOf(file);
  const [block, { size }] = [readSuperblock(read), file.statSync()];
  if (block && block.end <= size) return { file, read: (at, length) => read(block.base + at, length) };
  file.close();
  const why = block
    ? `it is cut short: it must have ${block.end} bytes by its own header, current size is ${size}; get it again`
    : size === 0
    ? "it must be an HDF5 file, it is empty"
    : "it must be an HDF5 file with addresses of 8 bytes, it does not begin as one";
  throw new Error(`Cannot open dataset "${path}": ${why}`);
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

/** A failed read; it says that the file is damaged where a checksum proves it, and the reason everywhere. */
function readFailure(path: string, cause: unknown): Error {
  const reason = reasonOf(cause);
  const why = /incorrect data check|checksum|SHA-256|Fletcher32/.test(reason)
    ? `it is damaged (${reason}); get it again`
    : reason;
  return new Error(`Cannot read dataset "${path}": ${why}`, { cause });
}

/**
 * Reads the arrays of a file. Links are followed, those that lead back into a group above excepted; what lies in other files is
 * read if they are in the same folder.
 *
 * @throws {RangeError} If the arrays would take more than `mostBytes`.
 * @throws {Error} If the file is missing, cut short or no HDF5 file, or an array cannot be read; the message has the library's reason.
 */
export async function readHdf5(path: string, options: ReadOptions = {}): Promise<HdfFile> {
  const { only = () => true, mostBytes = 4 * 2 ** 30 } = options;
  const module = await loadLibrary();
  // From here on nothing is awaited: the library is one for all, and so is `opening`.
  const files = new Map([[resolve(path), open(path)]]);
  Object.assign(opening, { file: resolve(path), folder: dirname(resolve(path)), others: [] });
  let id: bigint | undefined;
  try {
    id = module.open(path, module.H5F_ACC_RDONLY, false, -1, -1);
    const attributes = readAttributes(module, id);
    const written = attributes.get("sha256");
    const { arrays, leftOut, names, visit } = createReader(module, id, files, mostBytes);
    visit("", [], isWhole(written) ? () => true : only);
    if (written !== undefined) checkDigests(arrays, written, only);
    for (const name of arrays.keys()) if (!isWanted(name, only)) arrays.delete(name);
    return { arrays, attributes, leftOut, names, others: [...new Set(opening.others)] };
  } catch (cause) {
    if (cause instanceof RangeError) throw new RangeError(`Cannot read dataset "${path}": ${cause.message}`, { cause });
    throw readFailure(path, cause);
  } finally {
    opening.file = "";
    for (const { file } of files.values()) file.close();
    try {
      if (id !== undefined) module.close_file(id);
    } catch {
      // A file whose structures are broken cannot be closed either.
    }
  }
}

/** Attributes of the root: texts and single numbers. */
function readAttributes(module: Library, id: bigint): Map<string, string> {
  const found = new Map<string, string>();
  const { H5T_INTEGER, H5T_FLOAT, H5T_STRING } = module.H5T_class_t;
  const root = new h5wasm.Group(id, "/");
  for (const name of module.get_attribute_names(id, "/")) {
    const { type, size, shape, total_size } = module.get_attribute_metadata(id, "/", name);
    const isNumber = type === H5T_INTEGER.value || type === H5T_FLOAT.value && (size === 4 || size === 8);
    if (!shape || total_size !== 1 || size > 2 ** 20 || type !== H5T_STRING.value && !isNumber) continue;
    found.set(name, String(root.get_attribute(name, false)));
  }
  return found;
}

/** In all; one in the other; and of one group, which links can multiply without end. */
const [mostNames, mostLevels, mostTimes] = [5e6, 50, 100];

function createReader(module: Library, id: bigint, files: Map<string, OpenFile>, mostBytes: number) {
  const arrays = new Map<string, HdfArray<Numbers>>();
  const leftOut = new Map<string, string>();
  const names: string[] = [];
  const reached = new Map<string, number>();
  let [bytesLeft, namesLeft] = [mostBytes, mostNames];

  /** The file that an object lies in, and the address of its header there. */
  const locate = (path: string): { file: string; address: number } => {
    const before = opening.others.length;
    const reference = Uint8Array.from(module.create_object_reference(id, path));
    const file = opening.others.length > before ? opening.others.at(-1)! : opening.file;
    return { file, address: Number(new DataView(reference.buffer).getBigUint64(0, true)) };
  };

  const typeOf = (name: string): [type: number, why: string] => {
    try {
      return [module.get_type(id, `/${name}`), ""];
    } catch (cause) {
      return [module.H5G_LINK, ` (${reasonOf(cause)})`];
    }
  };

  const visit = (group: string, above: readonly string[], only: (name: string) => boolean) => {
    const { file, address } = locate(`/${group}`);
    const here = `${address} ${file}`;
    if (above.includes(here)) return; // A link that leads back.
    if (above.length > mostLevels) throw new RangeError(`groups must be nested at most ${mostLevels} deep`);
    const times = (reached.get(here) ?? 0) + 1;
    if (times > mostTimes) throw new RangeError(`a group must have at most ${mostTimes} names, ${group} has more`);
    reached.set(here, times);
    for (const key of module.get_names(id, `/${group}`, false)) {
      if (--namesLeft < 0) throw new RangeError(`it must have at most ${mostNames} names`);
      const name = `${group}${key}`;
      const [type, why] = typeOf(name);
      if (group === "") names.push(type === module.H5G_GROUP ? `${name}/` : name);
      if (type === module.H5G_GROUP) {
        if (only(`${name}/`)) visit(`${name}/`, [...above, here], only);
      } else if (only(name)) {
        if (type === module.H5G_DATASET) readDataset(name);
        else leftOut.set(name, type === module.H5G_TYPE ? "it is a datatype" : `it links to what is not there${why}`);
      }
    }
  };

  const readDataset = (name: string) => {
    const metadata = module.get_dataset_metadata(id, `/${name}`);
    const type = numbersOf(module, metadata);
    if (typeof type === "string") return leftOut.set(name, type);
    const absent = metadata.virtual_sources?.find(({ file_name }) => !isBeside(file_name));
    if (absent) {
      return leftOut.set(name, `it is put together from ${absent.file_name}, which is not in the same folder`);
    }
    const { file, address } = locate(`/${name}`);
    const opened = files.get(file) ?? open(file);
    files.set(file, opened);
    const unusual = unusualType(opened.read, address);
    if (unusual) return leftOut.set(name, unusual);
    const shape = metadata.shape!;
    const count = product(shape);
    bytesLeft -= count * type.BYTES_PER_ELEMENT;
    if (!(bytesLeft >= 0)) {
      throw new RangeError(
        `its arrays must take at most ${mostBytes} bytes, those up to ${name} [${shape.join(", ")}] take more; ` +
          "allow more with mostBytes if you trust the file",
      );
    }
    try {
      const dataset = { module, id, name, metadata, address, read: opened.read };
      const data = readNumbers(dataset, type, mostBytes);
      arrays.set(name, { shape, data });
    } catch (cause) {
      if (cause instanceof RangeError) throw cause;
      throw new Error(`${name}: ${reasonOf(cause)}`, { cause });
    }
  };
  return { arrays, leftOut, names, visit };
}

/**
 * Writes arrays to a new file, gzip-compressed in row chunks; the file appears only when it is whole and reads back as it was
 * written. The attribute `sha256` of the root holds hashes of all values, which {@linkcode readHdf5} checks. The same arrays and
 * attributes give the same bytes.
 *
 * @param attributes Text attributes of the root.
 */
export async function writeHdf5(
  path: string,
  arrays: ReadonlyMap<string, HdfArray>,
  attributes: Readonly<Record<string, string>> = {},
) {
  await loadLibrary();
  const part = partPath(path, ++parts);
  try {
    const digests = Object.fromEntries([...arrays].map(([name, array]) => [name, digestOf(name, array)]));
    writeArrays(part, arrays, { ...attributes, sha256: JSON.stringify(digests) });
    await readHdf5(part, { mostBytes: Infinity }); // The library does not report a full disk.
    await Deno.rename(part, path);
  } catch (cause) {
    await Deno.remove(part).catch(() => {});
    const remedy = "the folder must be there and writable, and its disk must have space left";
    throw new Error(`Cannot write dataset "${path}": ${remedy} (${reasonOf(cause).replaceAll(part, path)})`, { cause });
  }
}

let parts = 0;

function writeArrays(path: string, arrays: ReadonlyMap<string, HdfArray>, attributes: Record<string, string>) {
  const { now } = Date;
  Date.now = () => 0; // The library dates every array; the same values are to be the same bytes.
  let file: File | undefined;
  const groups = new Set<string>();
  try {
    file = new h5wasm.File(path, "w", { libver: ["earliest", "latest"] });
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
    Date.now = now;
    file?.close();
  }
}
