/**
 * Where the chunks of a dataset lie in an HDF5 file, read from the file itself; HDF5's library has it, its WebAssembly build does not
 * say. With it, chunks are inflated by the runtime's zlib, some times faster than in WebAssembly.
 *
 * Source: HDF5 File Format Specification 3.0, the structures of HDF5 1.0 to 1.6, which libraries write unless told otherwise:
 * superblock 0 (II.A), symbol tables (III.A to C), object headers (IV.A.1.a), chunks in a version 1 B-tree (IV.A.2.i).
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

/** Reads `length` bytes from `at`. */
export type ReadBytes = (at: number, length: number) => Uint8Array;

/** A structure that is not of the kind read here. */
class Unfamiliar extends Error {}

function expect(condition: boolean): asserts condition {
  if (!condition) throw new Unfamiliar();
}

/** Numbers of a structure, one after the other; all little endian. */
function fields(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const take = (n: number) => {
    expect(at + n <= bytes.length);
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
  };
}

const messages = { layout: 0x08, continuation: 0x10, symbolTable: 0x11 };

/** The first message of a kind in the object header at an address. */
function findMessage(read: ReadBytes, header: number, kind: number): ReturnType<typeof fields> {
  const prefix = fields(read(header, 12));
  expect(prefix.byte() === 1);
  prefix.skip(1);
  const count = prefix.short();
  prefix.skip(4);
  const blocks = [[header + 16, prefix.int()]];
  let seen = 0;
  for (const [address, length] of blocks) { // Grows while it goes.
    expect(length < 1 << 20 && blocks.length < 1000);
    const block = fields(read(address, length));
    for (let left = length; left >= 8 && seen < count; seen++) {
      const [type, size] = [block.short(), block.short()];
      block.skip(4);
      const body = block.part(size);
      left -= 8 + size;
      if (type === kind) return fields(body);
      if (type === messages.continuation) {
        const next = fields(body);
        blocks.push([next.long(), next.long()]);
      }
    }
  }
  throw new Unfamiliar();
}

/** Calls `visit` with the key and the address of every child at the leaves of a version 1 B-tree. */
function visitLeaves(
  read: ReadBytes,
  root: number,
  type: 0 | 1,
  keyBytes: number,
  visit: (key: ReturnType<typeof fields>, child: number) => void,
) {
  const descend = (node: number, level?: number) => {
    const head = fields(read(node, 24));
    head.signature("TREE");
    expect(head.byte() === type);
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

/** The object header of the member `name` of the group with an object header. */
function findMember(read: ReadBytes, group: number, name: string): number {
  const table = findMessage(read, group, messages.symbolTable);
  const [tree, heap] = [table.long(), table.long()];
  const head = fields(read(heap, 32));
  head.signature("HEAP");
  head.skip(4);
  const length = head.long();
  head.skip(8);
  expect(length < 1 << 26);
  const names = read(head.long(), length);
  const wanted = [...new TextEncoder().encode(name), 0];
  let found: number | undefined;
  visitLeaves(read, tree, 0, 8, (_, node) => {
    const head = fields(read(node, 8));
    head.signature("SNOD");
    head.skip(2);
    const count = head.short();
    const symbols = fields(read(node + 8, 40 * count));
    for (let i = 0; i < count; i++) {
      const at = symbols.long();
      const address = fields(symbols.part(8));
      symbols.skip(24);
      if (wanted.every((byte, k) => names[at + k] === byte)) found = address.long(); // Links have none.
    }
  });
  expect(found !== undefined);
  return found;
}

/**
 * The chunks of the dataset `name`, whose groups are parted by `/`; null if the file has other structures than those known here.
 *
 * @param shape Of the dataset.
 * @param chunk Lengths of a chunk's axes.
 */
export function findChunks(
  read: ReadBytes,
  name: string,
  shape: readonly number[],
  chunk: readonly number[],
): Chunk[] | null {
  try {
    const superblock = fields(read(0, 96));
    superblock.skip(8);
    expect(superblock.byte() === 0);
    superblock.skip(4);
    expect(superblock.byte() === 8 && superblock.byte() === 8); // Bytes of an address and of a length.
    superblock.skip(9);
    expect(superblock.long() === 0); // Addresses are relative to this.
    superblock.skip(32);
    const header = name.split("/").reduce((group, member) => findMember(read, group, member), superblock.long());

    const layout = findMessage(read, header, messages.layout);
    expect(layout.byte() === 3 && layout.byte() === 2); // Version 3, chunked.
    expect(layout.byte() === shape.length + 1);
    const tree = layout.long();
    expect([...chunk, 4].every((length) => layout.int() === length));

    const counts = shape.map((length, axis) => Math.ceil(length / chunk[axis]));
    const total = counts.reduce((a, b) => a * b, 1);
    const chunks: Chunk[] = [];
    const seen = new Set<number>();
    visitLeaves(read, tree, 1, 8 * (shape.length + 2), (key, address) => {
      const [bytes, skipped] = [key.int(), key.int()];
      const offset = shape.map(() => key.long());
      const index = offset.reduce((sum, at, axis) => {
        expect(at % chunk[axis] === 0 && at < shape[axis]);
        return sum * counts[axis] + at / chunk[axis];
      }, 0);
      seen.add(index);
      chunks.push({ address, bytes, skipped, offset });
    });
    expect(seen.size === total && chunks.length === total);
    return chunks;
  } catch (error) {
    if (error instanceof Unfamiliar) return null;
    throw error;
  }
}
