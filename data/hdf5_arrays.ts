/**
 * The numbers of HDF5's datasets: through the library, and chunks of floats through the runtime's zlib.
 *
 * @module
 */

import { inflateSync } from "node:zlib";
import type { Library, Metadata } from "./hdf5_library.ts";
import { findChunks, type ReadBytes } from "./hdf5_structure.ts";

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

/** A dataset in a file that is open. */
export interface OpenDataset {
  module: Library;
  /** Of the file, in the library. */
  id: bigint;
  name: string;
  metadata: Metadata;
  /** Of its object header, in the file that it lies in. */
  address: number;
  /** Reads there. */
  read: ReadBytes;
}

/** Elements of a shape. */
export const product = (lengths: readonly number[]) => lengths.reduce((a, b) => a * b, 1);

/** A typed array's constructor. */
export type NumbersType = {
  new (length: number): Numbers;
  new (buffer: ArrayBuffer): Numbers;
  BYTES_PER_ELEMENT: number;
};

/** The typed array of a dataset's numbers, or what else it holds. */
export function numbersOf(
  module: Library,
  { type, size, signed, shape, littleEndian }: Metadata,
): NumbersType | string {
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

/** A dataset's numbers, which are of `type` and take at most `mostBytes`. */
export function readNumbers(dataset: OpenDataset, type: NumbersType, mostBytes: number): Numbers {
  if (product(dataset.metadata.shape!) === 0) return new type(0);
  return readFloatChunks(dataset, mostBytes) ?? readThroughLibrary(dataset, type);
}

const blockBytes = 2 ** 27;

/** A dataset's numbers as the library reads them, some rows at a time, so that no copy of the whole is in its memory. */
function readThroughLibrary(
  { module, id, name, metadata: { shape, chunks } }: OpenDataset,
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
function readFloatChunks({ module, id, name, metadata, address, read }: OpenDataset, mostBytes: number) {
  const { type, size, littleEndian, shape, chunks: lengths } = metadata;
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
