/**
 * Small parameters joined into one vector: a graph of few long operations runs faster than one of many short.
 *
 * @module
 */

import { type Tensor, tf } from "./tensor.ts";

/** Leaves with fewer elements are small. */
const smallSize = 16_384;

/** Whether an array travels with others in one vector. */
export function isSmall({ shape }: { shape: readonly number[] }): boolean {
  return shape.reduce((a, b) => a * b, 1) < smallSize;
}

/** All small leaves as one vector, then each large one; elementwise arithmetic on the list is arithmetic on the leaves. */
export function joinSmall(leaves: readonly Tensor[]): Tensor[] {
  const small = leaves.filter(isSmall).map((leaf) => tf.reshape(leaf, [-1]));
  return [small.length > 0 ? tf.concat(small, 0) : tf.zeros([0]), ...leaves.filter((leaf) => !isSmall(leaf))];
}

/** Undoes {@linkcode joinSmall}, given leaves of the wanted shapes. */
export function separateSmall([vector, ...large]: readonly Tensor[], like: readonly Tensor[]): Tensor[] {
  const sizes = like.filter(isSmall).map((leaf) => leaf.size);
  const small = sizes.length > 0 ? tf.split(vector, sizes, 0) : [];
  return like.map((leaf) => isSmall(leaf) ? tf.reshape(small.shift()!, leaf.shape) : large.shift()!);
}
