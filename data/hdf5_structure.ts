/**
 * What HDF5's library knows of a file but its WebAssembly build does not say: where the file begins and ends, how numbers are stored
 * bit by bit, and where the chunks of a dataset lie. With the latter, chunks are inflated by the runtime's zlib, some times faster
 * than in WebAssembly.
 *
 * Source: HDF5 File Format Specification 3.0: superblocks (II.A), object headers of both versions (IV.A.1), datatypes (IV.A.2.d),
 * chunks in a version 1 B-tree (III.A.1, IV.A.2.i). Addresses of objects are the library's own references.
 *
 * @module
 */

/** A chunk of a dataset. */
export interface Chunk {
  /** Its first byte in the file. */
  address: number;
  /** Its bytes in the file, filters applied. */
  bytes: number;
  /** Bit i is set if the i-th filter was left out. */
  skipped: number;
  /** Of its first element in the dataset, one number per axis. */
  offset: number[];
}

/** Reads `length` bytes from `at`; fewer where the file ends. */
export type ReadBytes = (at: number, length: number) => Uint8Array;

/** Where an HDF5 file begins and ends. */
export interface Superblock {
  /** What every address in the file is relative to; not 0 behind a user block. */
  base: number;
  /** Bytes that the whole file has. */
  end: number;
}

/** A structure that is not of the kind read here. */
class Unfamiliar extends Error {}

function expect(condition: boolean): asserts condition {
  if (!condition) throw new Unfamiliar();
}

/** What `compute` gives, or null where a structure is not of the kind read here. */
function familiar<T>(compute: () => T): T | null {
  try {
    return compute();
  } catch (error) {
    if (error instanceof Unfamiliar) return null;
    throw error;
  }
}

/** Numbers of a structure, one after the other; all little endian. */
function fields(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const take = (n: number) => {
    expect(n >= 0 && at + n <= bytes.length);
    at += n;
    return at - n;
  };
  return {
    skip: (n: number) => void take(n),
    signature: (text: string) => expect([...text].every((c) => bytes[take(1)] === c.charCodeAt(0))),
    byte: () => bytes[take(1)],
    short: () => view.getUint16(take(2), true),
    int: () => view.getUint32(take(4), true),
    /** An address or a length. */
    long() {
      const n = Number(view.getBigUint64(take(8), true));
      expect(Number.isSafeInteger(n));
      return n;
    },
    part: (n: number) => bytes.subarray(take(n), at),
    left: () => bytes.length - at,
  };
}
type Fields = ReturnType<typeof fields>;

const signature = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];

/** Whether `bytes`, as far as they go, begin as an HDF5 file does. */
export function isHdf5(bytes: Uint8Array): boolean {
  return bytes.length > 0 && signature.every((byte, i) => i >= bytes.length || bytes[i] === byte);
}

/** The superblock, which a user block of 512, 1024, 2048, ... bytes may precede; null if there is none that is read here. */
export function readSuperblock(read: ReadBytes): Superblock | null {
  for (let at = 0;; at = at === 0 ? 512 : 2 * at) {
    const bytes = read(at, 64);
    if (bytes.length < 48) return null;
    if (!isHdf5(bytes)) continue;
    return familiar(() => {
      const block = fields(bytes);
      block.skip(8);
      const version = block.byte();
      expect(version <= 3);
      if (version < 2) block.skip(4);
      expect(block.byte() === 8 && block.byte() === 8); // Bytes of an address and of a length.
      block.skip(version < 2 ? 9 + 4 * version : 1);
      const base = block.long();
      block.skip(8);
      return { base: at, end: block.long() + at - base }; // The place counts, as for the library: a block may have been put before.
    });
  }
}

const messages = { datatype: 0x03, layout: 0x08, continuation: 0x10 };

/** The first message of a kind in the object header at an address; `shared` if it stands elsewhere and its body says where. */
function findMessage(read: ReadBytes, header: number, kind: number): { body: Fields; shared: boolean } {
  const modern = familiar(() => fields(read(header, 4)).signature("OHDR")) !== null;
  const start = modern ? modernHeader(read, header) : oldHeader(read, header);
  const blocks = [start.block];
  for (const [address, length] of blocks) { // Grows while it goes.
    expect(length < 1 << 24 && blocks.length < 1000);
    const block = fields(read(address, length));
    while (block.left() >= start.messageBytes) {
      const [type, size] = modern ? [block.byte(), block.short()] : [block.short(), block.short()];
      const flags = block.byte();
      block.skip(start.messageBytes - (modern ? 4 : 5));
      const body = fields(block.part(size));
      if (type === kind) return { body, shared: (flags & 2) !== 0 };
      if (type !== messages.continuation) continue;
      const [next, bytes] = [body.long(), body.long()];
      if (modern) fields(read(next, 4)).signature("OCHK");
      blocks.push(modern ? [next + 4, bytes - 8] : [next, bytes]);
    }
  }
  throw new Unfamiliar();
}

interface HeaderStart {
  block: [address: number, length: number];
  /** Bytes before the body of a message. */
  messageBytes: number;
}

function oldHeader(read: ReadBytes, header: number): HeaderStart {
  const prefix = fields(read(header, 12));
  expect(prefix.byte() === 1);
  prefix.skip(7);
  return { block: [header + 16, prefix.int()], messageBytes: 8 };
}

function modernHeader(read: ReadBytes, header: number): HeaderStart {
  const prefix = fields(read(header, 34));
  prefix.signature("OHDR");
  expect(prefix.byte() === 2);
  const flags = prefix.byte();
  const times = flags & 0x20 ? 16 : 0;
  const attributes = flags & 0x10 ? 4 : 0;
  prefix.skip(times + attributes);
  const width = flags & 3;
  const length = width === 0
    ? prefix.byte()
    : width === 1
    ? prefix.short()
    : width === 2
    ? prefix.int()
    : prefix.long();
  return { block: [header + 6 + times + attributes + (1 << width), length], messageBytes: flags & 4 ? 6 : 4 };
}

const ieee: Record<number, number[]> = { // Offset, precision, exponent's place and size, mantissa's place and size, bias.
  2: [0, 16, 10, 5, 0, 10, 15],
  4: [0, 32, 23, 8, 0, 23, 127],
  8: [0, 64, 52, 11, 0, 52, 1023],
};

/** Why the numbers of a datatype are not those of a typed array of its size; null if they are. */
function unusualNumbers(type: Fields): string | null {
  const kind = type.byte() & 15;
  const bits = type.byte() | type.byte() << 8 | type.byte() << 16;
  const size = type.int();
  if (kind === 8) return unusualNumbers(type); // An enumeration: its base type follows.
  const [offset, precision] = [type.short(), type.short()];
  if (kind === 0) {
    const whole = offset === 0 && precision === 8 * size;
    return whole ? null : `it holds integers of ${precision} bits in ${8 * size}`;
  }
  expect(kind === 1);
  const found = [offset, precision, type.byte(), type.byte(), type.byte(), type.byte(), type.int()];
  const plain = (bits >> 4 & 3) === 2 && (bits >> 8 & 255) === 8 * size - 1 &&
    ieee[size]?.every((x, i) => x === found[i]);
  return plain
    ? null
    : `it holds numbers of ${found[1]} bits with ${found[3]} for the exponent and ${found[5]} for the mantissa`;
}

/**
 * Why the integers, floats or enumerated values of the dataset with an object header are not as their size says: padded or cut
 * integers, floats that are not IEEE's. Null if they are.
 *
 * @param read Reads at addresses of the file, relative to its base.
 */
export function unusualType(read: ReadBytes, header: number): string | null {
  const found = familiar(() => {
    let { body, shared } = findMessage(read, header, messages.datatype);
    if (shared) {
      expect([2, 3].includes(body.byte()) && [0, 2].includes(body.byte())); // A committed type, at an address.
      ({ body, shared } = findMessage(read, body.long(), messages.datatype));
      expect(!shared);
    }
    return { why: unusualNumbers(body) };
  });
  return found ? found.why : "its type is described in a way that is not read here";
}

/** Calls `visit` with the key and the address of every child at the leaves of a version 1 B-tree of chunks. */
function visitLeaves(read: ReadBytes, root: number, keyBytes: number, visit: (key: Fields, child: number) => void) {
  const descend = (node: number, level?: number) => {
    const head = fields(read(node, 24));
    head.signature("TREE");
    expect(head.byte() === 1);
    const here = head.byte();
    expect(level === undefined ? here < 16 : here === level);
    const used = head.short();
    const entries = fields(read(node + 24, used * (keyBytes + 8)));
    for (let i = 0; i < used; i++) {
      const [key, child] = [fields(entries.part(keyBytes)), entries.long()];
      if (here > 0) descend(child, here - 1);
      else visit(key, child);
    }
  };
  descend(root);
}

/**
 * The chunks of the dataset of 4-byte elements with an object header; null if the file has other structures than those known here.
 *
 * @param read Reads at addresses of the file, relative to its base.
 * @param shape Of the dataset.
 * @param chunk Lengths of a chunk's axes.
 */
export function findChunks(
  read: ReadBytes,
  header: number,
  shape: readonly number[],
  chunk: readonly number[],
): Chunk[] | null {
  return familiar(() => {
    const { body: layout } = findMessage(read, header, messages.layout);
    expect(layout.byte() === 3 && layout.byte() === 2); // Version 3, chunked.
    expect(layout.byte() === shape.length + 1);
    const tree = layout.long();
    expect([...chunk, 4].every((length) => layout.int() === length));

    const counts = shape.map((length, axis) => Math.ceil(length / chunk[axis]));
    const total = counts.reduce((a, b) => a * b, 1);
    const chunks: Chunk[] = [];
    const seen = new Set<number>();
    visitLeaves(read, tree, 8 * (shape.length + 2), (key, address) => {
      const [bytes, skipped] = [key.int(), key.int()];
      const offset = shape.map(() => key.long());
      const index = offset.reduce((sum, at, axis) => {
        expect(at % chunk[axis] === 0 && at < shape[axis]);
        return sum * counts[axis] + at / chunk[axis];
      }, 0);
      expect(chunks.length < total);
      seen.add(index);
      chunks.push({ address, bytes, skipped, offset });
    });
    expect(seen.size === total && chunks.length === total);
    return chunks;
  });
}
