/**
 * What acting needs of all that training changes.
 *
 * @module
 */

import type { NdArray } from "../../algorithms/engine/array.ts";
import { mapTree, treeEntries } from "../../algorithms/engine/tree.ts";

/** The arrays of a tree that `use` reads, by their paths. */
export async function arraysRead(
  tree: unknown,
  use: (watched: unknown) => Promise<void>,
): Promise<Record<string, NdArray>> {
  const read = new Set<string>();
  await use(mapTree<NdArray, NdArray>(tree, ({ data, shape }, path) => ({
    shape,
    get data() {
      read.add(path);
      return data;
    },
  })));
  return Object.fromEntries(treeEntries<NdArray>(tree).filter(([path]) => read.has(path)));
}

/**
 * `tree` with the arrays that {@linkcode arraysRead} gave.
 *
 * @throws {Error} If one of them is not in the tree, or has another shape there.
 */
export function withArrays(tree: unknown, arrays: ReadonlyMap<string, NdArray>): unknown {
  const left = new Set(arrays.keys());
  const whole = mapTree<NdArray, NdArray>(tree, (leaf, path) => {
    const found = arrays.get(path);
    if (!found) return leaf;
    left.delete(path);
    if (`${found.shape}` === `${leaf.shape}`) return found;
    throw new Error(
      `Cannot restore "${path}": it must be [${leaf.shape.join(", ")}], current is [${found.shape.join(", ")}]`,
    );
  });
  const [unknown] = left;
  if (unknown !== undefined) throw new Error(`Cannot restore "${unknown}": the agent has no such array`);
  return whole;
}
