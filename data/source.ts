/**
 * What a dataset was read from, so that bytes are known again and others are not mistaken for them.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename } from "node:path";
import { crc32 } from "node:zlib";

/** A file whose bytes have been seen. */
export interface Source {
  /** In the folder of the dataset's file. */
  name: string;
  /** Size. */
  bytes: number;
  /** In hex. */
  sha256: string;
  /** Of {@linkcode markOf}. */
  mark: string;
}

const [pieces, step] = [4, 1 << 20];

/** A mark that the bytes of a file decide, at the speed of the disk: CRC-32 of each quarter. It knows changed files, not forged ones. */
export async function markOf(path: string): Promise<string> {
  const { size } = await Deno.stat(path);
  const length = Math.ceil(size / pieces);
  const sums = await Promise.all(Array.from({ length: pieces }, async (_, k) => {
    using file = await Deno.open(path);
    await file.seek(k * length, Deno.SeekMode.Start);
    const buffer = new Uint8Array(Math.min(step, length));
    let sum = 0;
    for (let left = Math.min(length, size - k * length); left > 0;) {
      const n = await file.read(buffer.subarray(0, Math.min(left, buffer.length)));
      if (n === null) throw new Error(`Cannot read "${path}": it became shorter meanwhile`);
      sum = crc32(buffer.subarray(0, n), sum);
      left -= n;
    }
    return sum;
  }));
  return sums.map((sum) => sum.toString(16).padStart(8, "0")).join("");
}

/** SHA-256 of a file, in hex. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  const buffer = new Uint8Array(step);
  for (let n = await file.read(buffer); n !== null; n = await file.read(buffer)) hash.update(buffer.subarray(0, n));
  return hash.digest("hex");
}

/** A file as a {@linkcode Source}. */
export async function sourceOf(path: string): Promise<Source> {
  const { size } = await Deno.stat(path);
  const mark = await markOf(path); // First: what changes later has another.
  return { name: basename(path), bytes: size, mark, sha256: await sha256Of(path) };
}

/** Whether a file has the bytes that were seen. */
export async function isSame(path: string, { bytes, mark }: Source): Promise<boolean> {
  const size = await Deno.stat(path).then((info) => info.isFile ? info.size : null, () => null);
  return size === bytes && await markOf(path) === mark;
}
