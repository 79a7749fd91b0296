/**
 * Gymnasium's spaces as Minari writes them down, and their elements as flat rows of numbers.
 *
 * Source: Gymnasium's `flatten` (Towers et al. 2024, arXiv 2407.17032): dictionaries in the order of their keys, tuples in that of
 * their indices, discrete numbers one-hot. Minari stores a dictionary as a group, a tuple as a group of `_index_0`, `_index_1`, ...
 *
 * @module
 */

import { toFloats } from "./fields.ts";
import type { HdfArray, Numbers } from "./hdf5.ts";

/** One array of a space. */
export interface Leaf {
  /** Where it lies, groups parted by `/`. */
  path: string;
  /** Kind of its space. */
  type: "Box" | "Discrete" | "MultiDiscrete" | "MultiBinary";
  /** Shape of an element in the file. */
  shape: readonly number[];
  /** Per number of an element, where it is one of several: the least, and how many there are. Null where it is taken as it is. */
  choices: readonly { start: number; count: number }[] | null;
}

/** Numbers of a flattened element. */
export const widthOf = ({ shape, choices }: Leaf): number =>
  choices ? choices.reduce((sum, { count }) => sum + count, 0) : shape.reduce((a, b) => a * b, 1);

/** A space as Minari writes it down: JSON, with Python's Infinity and NaN. */
export function parseSpace(text: string): unknown {
  return JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g, (part) => part.startsWith('"') ? part : "null"));
}

/** Python's order of texts, by code points; JavaScript's is by UTF-16 units. */
export function comparePython(a: string, b: string): number {
  const [x, y] = [[...a], [...b]].map((text) => text.map((c) => c.codePointAt(0)!));
  const at = x.findIndex((c, i) => c !== y[i]);
  return at < 0 ? x.length - y.length : at >= y.length ? 1 : x[at] - y[at];
}

const isCount = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) >= 0;

/**
 * The arrays of a space in the order of Gymnasium's `flatten`.
 *
 * @param path Where the space lies.
 * @throws {TypeError} If a part of it has no flat form, or is not written down as Minari does; the message names the part.
 */
export function leavesOf(space: unknown, path: string): Leaf[] {
  const fail = (why: string): never => {
    throw new TypeError(`${path} ${why}`);
  };
  const { type, subspaces, shape, n, start = 0, nvec } = (space ?? {}) as Record<string, unknown>;
  switch (type) {
    case "Dict": {
      if (typeof subspaces !== "object" || subspaces === null) return fail("must have subspaces");
      const sorted = Object.entries(subspaces).sort(([a], [b]) => comparePython(a, b));
      return sorted.flatMap(([key, part]) => leavesOf(part, `${path}/${key}`));
    }
    case "Tuple":
      if (!Array.isArray(subspaces)) return fail("must have subspaces");
      return subspaces.flatMap((part, i) => leavesOf(part, `${path}/_index_${i}`));
    case "Box":
      if (!Array.isArray(shape) || !shape.every(isCount)) return fail("must have a shape");
      return [{ path, type, shape, choices: null }];
    case "MultiBinary": {
      const lengths = [n].flat();
      if (!lengths.every(isCount)) return fail("must have n, a number or a shape");
      return [{ path, type, shape: lengths, choices: null }];
    }
    case "Discrete":
      if (!isCount(n) || !Number.isSafeInteger(start)) return fail("must have n and start");
      return [{ path, type, shape: [], choices: [{ start: start as number, count: n }] }];
    case "MultiDiscrete": {
      const lengths = shapeOf(nvec);
      const [counts, starts] = [[nvec].flat(Infinity), [start].flat(Infinity)];
      if (lengths.length === 0 || !counts.every(isCount)) return fail("must have nvec");
      const choices = counts.map((count, i) => ({ count, start: Number(starts[i] ?? 0) }));
      return [{ path, type, shape: lengths, choices }];
    }
    default:
      return fail(`is a ${typeof type === "string" ? type : "nameless"} space, which has no flat form here`);
  }
}

/** Shape of nested lists. */
const shapeOf = (list: unknown): number[] => Array.isArray(list) ? [list.length, ...shapeOf(list[0])] : [];

/**
 * Elements of an array of a space, flat and one after the other.
 *
 * @param what Begins the message of an error.
 * @throws {TypeError} If the array has not the shape of the space's elements.
 * @throws {RangeError} If a value is none of the space's; the message has its row.
 */
export function flattenLeaf(array: HdfArray<Numbers>, leaf: Leaf, what: string): Float32Array {
  const [rows, ...shape] = array.shape;
  if (shape.join() !== leaf.shape.join()) {
    throw new TypeError(
      `${what} must have elements of shape [${leaf.shape.join(", ")}], current is [${shape.join(", ")}]`,
    );
  }
  if (!leaf.choices) return toFloats(array, what);
  const out = new Float32Array(rows * widthOf(leaf));
  const perRow = leaf.choices.length;
  for (let i = 0, at = 0; i < array.data.length; i++) {
    const { start, count } = leaf.choices[i % perRow];
    const choice = Number(array.data[i]) - start;
    if (!(Number.isInteger(choice) && choice >= 0 && choice < count)) {
      const wanted = `be one of ${count} integers from ${start}`;
      throw new RangeError(`${what} must ${wanted}, row ${Math.floor(i / perRow)} has ${array.data[i]}`);
    }
    out[at + choice] = 1;
    at += count;
  }
  return out;
}
