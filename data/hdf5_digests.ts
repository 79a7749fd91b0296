/**
 * Hashes of arrays, which a file that is written here carries: in its attribute `sha256`, as JSON by array.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { HdfArray, Numbers } from "./hdf5_arrays.ts";

/** Whether an array is among those that `only` asks for, and so are the groups that it lies in. */
export function isWanted(name: string, only: (name: string) => boolean): boolean {
  for (let at = name.indexOf("/"); at >= 0; at = name.indexOf("/", at + 1)) {
    if (!only(name.slice(0, at + 1))) return false;
  }
  return only(name);
}

/** Whether the attribute `sha256` is of the first kind that was written: one hash over all arrays. */
export const isWhole = (written: string | undefined) => written !== undefined && /^[0-9a-f]{64}$/.test(written);

/** Compares arrays with the hashes that {@linkcode writeHdf5} left; a list of names, so that none can be lost. */
export function checkDigests(
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
export function digestOf(name: string, array: HdfArray<Numbers>): string {
  const hash = createHash("sha256");
  updateDigest(hash, name, array);
  return hash.digest("hex");
}
