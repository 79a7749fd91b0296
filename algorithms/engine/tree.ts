/**
 * Trees: nested plain objects and arrays of leaves, the form of parameters, states and batches.
 *
 * Leaves are visited in insertion order of the keys, so that a tree has one order everywhere: in the compiled graph, in
 * a checkpoint, in a flat vector.
 *
 * @module
 */

/** A leaf, or nested objects and arrays of leaves. */
export type Tree<L> = L | { readonly [key: string]: Tree<L> } | readonly Tree<L>[];

function isBranch(node: unknown): node is Record<string, unknown> | unknown[] {
  if (Array.isArray(node)) return true;
  return typeof node === "object" && node !== null && Object.getPrototypeOf(node) === Object.prototype &&
    !("shape" in node && "data" in node);
}

/** Every leaf of `tree` with its path, `a/b/0`. */
export function treeEntries<L>(tree: unknown, path = ""): [string, L][] {
  if (!isBranch(tree)) return [[path, tree as L]];
  return Object.entries(tree).flatMap(([key, child]) => treeEntries<L>(child, path === "" ? key : `${path}/${key}`));
}

/** Every leaf of `tree`, in order. */
export function treeLeaves<L>(tree: unknown): L[] {
  const leaves: L[] = [];
  const visit = (node: unknown) => isBranch(node) ? Object.values(node).forEach(visit) : leaves.push(node as L);
  visit(tree);
  return leaves;
}

/**
 * The tree of `f(leaf, path)`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { mapTree } from "./tree.ts";
 * assert(mapTree<number, number>({ a: [1, 2] }, (x) => 2 * x).a[1] === 4);
 * ```
 */
// deno-lint-ignore no-explicit-any -- the result mirrors the argument's structure, which no type of ours can say
export function mapTree<A, B>(tree: unknown, f: (leaf: A, path: string) => B, path = ""): any {
  if (!isBranch(tree)) return f(tree as A, path);
  const down = (child: unknown, key: string | number) => mapTree(child, f, path === "" ? `${key}` : `${path}/${key}`);
  if (Array.isArray(tree)) return tree.map(down);
  return Object.fromEntries(Object.entries(tree).map(([key, child]) => [key, down(child, key)]));
}

/** A tree with the structure of `like` and the given leaves, in order. */
export function treeLike<L, T>(like: T, leaves: readonly L[]): T {
  let next = 0;
  const build = (node: unknown): unknown => {
    if (!isBranch(node)) return leaves[next++];
    if (Array.isArray(node)) return node.map(build);
    const copy: Record<string, unknown> = {};
    for (const key in node) copy[key] = build(node[key]);
    return copy;
  };
  return build(like) as T;
}

/** `f` over the leaves of two trees of one structure. */
export function zipTree<L, T>(a: T, b: T, f: (a: L, b: L) => L): T {
  const other = treeLeaves<L>(b);
  let next = 0;
  return mapTree<L, L>(a, (x) => f(x, other[next++]));
}
