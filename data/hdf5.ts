/**
 * HDF5 files through h5wasm; chunks of floats through the runtime's zlib.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { dirname, resolve } from "node:path";
import { inflateSync } from "node:zlib";
import h5wasm from "h5wasm/node";
import { findChunks, type ReadBytes, readSuperblock, unusualType } from "./hdf5_structure.ts";

/** Numbers of any type that HDF5 and JavaScript both have. */
export type Numbers =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float16Array
  | Float32Array
  | Float64Array;

/** An array with its shape. */
export interface HdfArray<D extends Numbers = Float32Array | Int8Array> {
  /** Lengths of its axes. */
  shape: readonly number[];
  /** Values, row-major. */
  data: D;
}

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

type Library = Awaited<typeof h5wasm.ready>;
type Metadata = ReturnType<Library["get_dataset_metadata"]>;

/** Whether a file that another one names lies in its folder; the library would take zeros for what is not there. */
function isBeside(name: string): boolean {
  if (name === ".") return true; // The same file.
  const path = resolve(opening.folder, name);
  try {
    return dirname(path) === opening.folder && Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Files that the library opens while {@linkcode readHdf5} runs: none but those beside its own, as a file may name any. */
const opening = { folder: "", file: "", others: [] as string[] };

let library: Promise<Library> | undefined;

/** The library, set to throw its errors instead of printing them. */
function loadLibrary(): Promise<Library> {
  return library ??= h5wasm.ready.then((module) => {
    module.activate_throwing_error_handler();
    const fs = module.FS as unknown as FileSystem;
    // A file that had an error stays open in the library, which knows files by inode: without this it would go on with what it once
    // read, whatever has taken the file's place.
    const { fstat, open, unlink } = fs;
    let serial = 0;
    fs.fstat = (descriptor) => Object.assign(fstat(descriptor), { ino: ++serial });
    fs.unlink = (path) => scratch.test(path) ? undefined : unlink(path);
    fs.open = (path, flags, mode) => {
      if (scratch.test(path)) return openScratch(fs, path, flags);
      const full = resolve(path);
      if (!opening.file || full === opening.file || (flags & 3) !== 0) return open(path, flags, mode);
      if (dirname(full) !== opening.folder) throw new fs.ErrnoError(notThere);
      const opened = open(path, flags, mode);
      opening.others.push(full);
      return opened;
    };
    return module;
  });
}

/** Of the library's files, which are the system's. */
interface FileSystem {
  fstat(descriptor: number): { ino: number };
  open(path: string, flags: number, mode?: number): unknown;
  unlink(path: string): void;
  createStream(stream: object): unknown;
  ErrnoError: new (code: number) => Error;
}

/** What the library writes the text of an error to, to read it from there: kept in memory, as not every process may write files. */
const scratch = /^\/tmp\/tmpfile_\w+$/;

function openScratch(fs: FileSystem, path: string, flags: number): unknown {
  let text = new Uint8Array(0);
  return fs.createStream({
    path,
    flags,
    position: 0,
    seekable: true,
    node: { mode: 0o100600 },
    stream_ops: {
      write({ position }: { position: number }, buffer: Int8Array, offset: number, length: number) {
        const longer = new Uint8Array(Math.max(text.length, position + length));
        longer.set(text);
        longer.set(buffer.subarray(offset, offset + length), position);
        text = longer;
        return length;
      },
      read({ position }: { position: number }, buffer: Int8Array, offset: number, length: number) {
        const part = text.subarray(position, position + length);
        buffer.set(part, offset);
        return part.length;
      },
      llseek: ({ position }: { position: number }, offset: number, whence: number) =>
        offset + [0, position, text.length][whence],
    },
  });
}

const notThere = 44; // ENOENT, as WASI numbers it.

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

/** What went wrong, by the innermost line of the library's stack; at most a line of it. */
function reasonOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  const [, filter] = /required filter '(.*?)' is not registered/.exec(text) ?? [];
  if (filter !== undefined) {
    return `its filter ${filter} is not at hand here; \`h5repack -f GZIP=4\` writes a copy without it`;
  }
  return ([...text.matchAll(/\(\): (.*)$/gm)].at(-1)?.[1] ?? text.split("\n")[0]).slice(0, 200);
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
      const data = count === 0
        ? new type(0)
        : readFloatChunks(opened.read, address, module, id, name, metadata, mostBytes) ??
          readThroughLibrary(module, id, name, metadata, type);
      arrays.set(name, { shape, data });
    } catch (cause) {
      if (cause instanceof RangeError) throw cause;
      throw new Error(`${name}: ${reasonOf(cause)}`, { cause });
    }
  };
  return { arrays, leftOut, names, visit };
}

const product = (lengths: readonly number[]) => lengths.reduce((a, b) => a * b, 1);

type NumbersType = { new (length: number): Numbers; new (buffer: ArrayBuffer): Numbers; BYTES_PER_ELEMENT: number };

/** The typed array of a dataset's numbers, or what else it holds. */
function numbersOf(module: Library, { type, size, signed, shape, littleEndian }: Metadata): NumbersType | string {
  const { H5T_INTEGER, H5T_FLOAT, H5T_ENUM } = module.H5T_class_t;
  if (type === H5T_ENUM.value && size > 1 && !littleEndian) return "it holds enumerated values in big-endian order";
  if (type === H5T_INTEGER.value || type === H5T_ENUM.value) {
    const whole: Record<number, [NumbersType, NumbersType]> = {
      1: [Int8Array, Uint8Array],
      2: [Int16Array, Uint16Array],
      4: [Int32Array, Uint32Array],
      8: [BigInt64Array, BigUint64Array],
    };
    if (!whole[size]) return `it holds integers of ${8 * size} bits`;
    return !shape ? emptySpace : shape.length === 0 ? single : whole[size][signed ? 0 : 1];
  }
  if (type === H5T_FLOAT.value) {
    const float: Record<number, NumbersType> = { 2: Float16Array, 4: Float32Array, 8: Float64Array };
    if (!float[size]) return `it holds floating-point numbers of ${8 * size} bits`;
    return !shape ? emptySpace : shape.length === 0 ? single : float[size];
  }
  return `it holds ${kinds[type] ?? "values of a type that is not read here"}, not numbers`;
}

const [emptySpace, single] = ["it has no dataspace, so no values", "it is a single value, not an array"];
/** By HDF5's number of the class. */
const kinds: Record<number, string> = {
  3: "text",
  4: "bits",
  5: "opaque bytes",
  6: "values of a compound type (complex numbers are one)",
  7: "references",
  9: "lists of various lengths",
  10: "arrays in every element",
  11: "complex numbers",
};

const blockBytes = 2 ** 27;

/** A dataset's numbers as the library reads them, some rows at a time, so that no copy of the whole is in its memory. */
function readThroughLibrary(
  module: Library,
  id: bigint,
  name: string,
  { shape, chunks }: Metadata,
  type: NumbersType,
): Numbers {
  const [rows, ...rest] = shape!;
  const rowBytes = product(rest) * type.BYTES_PER_ELEMENT;
  const chunkRows = chunks?.[0] ?? 1;
  const most = Math.min(rows, chunkRows * Math.max(Math.floor(blockBytes / rowBytes / chunkRows), 1));
  const bytes = new Uint8Array(rows * rowBytes);
  const pointer = module._malloc(most * rowBytes);
  if (pointer === 0) throw new Error(`no memory for ${most * rowBytes} bytes at once`);
  try {
    for (let row = 0; row < rows; row += most) {
      const n = Math.min(most, rows - row);
      const count = n === rows ? null : [n, ...rest].map(BigInt);
      const offset = count && [row, ...rest.map(() => 0)].map(BigInt);
      module.get_dataset_data(id, `/${name}`, count, offset, count && count.map(() => 1n), BigInt(pointer));
      bytes.set(module.HEAPU8.subarray(pointer, pointer + n * rowBytes), row * rowBytes);
    }
  } finally {
    module._free(pointer);
  }
  return new type(bytes.buffer);
}

const [deflate, shuffle] = [1, 2]; // HDF5's numbers of filters.

/** Float32 in chunks, plain, shuffled or deflated, in less than half of the library's time. Undefined for what else there is. */
function readFloatChunks(
  read: ReadBytes,
  address: number,
  module: Library,
  id: bigint,
  name: string,
  { type, size, littleEndian, shape, chunks: lengths }: Metadata,
  mostBytes: number,
): Float32Array | undefined {
  if (type !== module.H5T_class_t.H5T_FLOAT.value || size !== 4 || !littleEndian || !lengths) return undefined;
  const ids = module.get_dataset_filters(id, `/${name}`).map((filter) => filter.id);
  if (ids.some((id) => id !== deflate && id !== shuffle)) return undefined;
  const chunks = findChunks(read, address, shape!, lengths);
  if (!chunks) return undefined;
  const count = product(lengths);
  if (4 * count > mostBytes) throw new RangeError(`${name} must have chunks of at most ${mostBytes} bytes`);
  const out = new Float32Array(product(shape!));
  for (const { address, bytes, skipped, offset } of chunks) {
    let data = read(address, bytes);
    for (let i = ids.length - 1; i >= 0; i--) {
      if (skipped >> i & 1) continue;
      data = ids[i] === deflate ? inflateSync(data, { maxOutputLength: 4 * count }) : unshuffle(data);
    }
    if (data.length !== 4 * count) throw new Error(`a chunk has ${data.length} bytes for ${4 * count}`);
    placeChunk(out, shape!, new Float32Array(data.buffer, data.byteOffset, count), lengths, offset);
  }
  return out;
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

/** Whether an array is among those that `only` asks for, and so are the groups that it lies in. */
function isWanted(name: string, only: (name: string) => boolean): boolean {
  for (let at = name.indexOf("/"); at >= 0; at = name.indexOf("/", at + 1)) {
    if (!only(name.slice(0, at + 1))) return false;
  }
  return only(name);
}

/** Whether the attribute `sha256` is of the first kind that was written: one hash over all arrays. */
const isWhole = (written: string | undefined) => written !== undefined && /^[0-9a-f]{64}$/.test(written);

/** Compares arrays with the hashes that {@linkcode writeHdf5} left; a list of names, so that none can be lost. */
function checkDigests(
  arrays: ReadonlyMap<string, HdfArray<Numbers>>,
  written: string,
  only: (name: string) => boolean,
) {
  const fail = () => {
    throw new Error("its values do not have the SHA-256 it was written with");
  };
  if (isWhole(written)) {
    const sorted = [...arrays].sort(([a], [b]) => a < b ? -1 : 1);
    const hash = createHash("sha256");
    for (const [name, array] of sorted) updateDigest(hash, name, array);
    if (hash.digest("hex") !== written) fail();
    return;
  }
  let hashes: [string, unknown][];
  try {
    hashes = Object.entries(JSON.parse(written));
  } catch {
    return fail();
  }
  const wanted = new Map(hashes.filter(([name]) => isWanted(name, only)));
  if (wanted.size !== arrays.size) fail();
  for (const [name, array] of arrays) if (wanted.get(name) !== digestOf(name, array)) fail();
}

function updateDigest(hash: ReturnType<typeof createHash>, name: string, { shape, data }: HdfArray<Numbers>) {
  hash.update(`${name}[${shape}]${data.BYTES_PER_ELEMENT}`);
  hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

/** SHA-256 over name, shape and values. */
function digestOf(name: string, array: HdfArray<Numbers>): string {
  const hash = createHash("sha256");
  updateDigest(hash, name, array);
  return hash.digest("hex");
}

/**
 * Writes arrays to a new file, gzip-compressed in row chunks; the file appears only when it is whole and reads back as it was
 * written. The attribute `sha256` of the root holds hashes of all values, which {@linkcode readHdf5} checks.
 *
 * @param attributes Text attributes of the root.
 */
export async function writeHdf5(
  path: string,
  arrays: ReadonlyMap<string, HdfArray>,
  attributes: Readonly<Record<string, string>> = {},
) {
  await loadLibrary();
  const part = `${path}.${Deno.pid}.${++parts}.part`;
  try {
    const digests = Object.fromEntries([...arrays].map(([name, array]) => [name, digestOf(name, array)]));
    writeArrays(part, arrays, { ...attributes, sha256: JSON.stringify(digests) });
    await readHdf5(part, { mostBytes: Infinity }); // The library does not report a full disk.
    await Deno.rename(part, path);
  } catch (cause) {
    await Deno.remove(part).catch(() => {});
    const remedy = "the folder must be there and writable, and its disk must have space left";
    throw new Error(`Cannot write dataset "${path}": ${remedy} (${reasonOf(cause)})`, { cause });
  }
}

let parts = 0;

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
