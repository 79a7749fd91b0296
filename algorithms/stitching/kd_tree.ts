/**
 * A KD-tree (Bentley 1975) for exact radius search in a dozen dimensions, where grids and R-trees of the plane do not help.
 *
 * @module
 */

const leafSize = 24;

/** Finds all points within a distance of another. */
export interface KdTree {
  /** Indices of the points at most `radius` (Euclidean) from `point`, in no order; the array is reused by the next call. */
  within(point: ArrayLike<number>, radius: number): readonly number[];
}

/**
 * Builds a tree over `points`, row-major `[n, dim]`, which must not change afterwards.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { buildKdTree } from "./kd_tree.ts";
 * assertEquals([...buildKdTree(Float32Array.of(0, 0, 3, 4, 9, 9), 2).within([0, 0], 5)].sort(), [0, 1]);
 * ```
 */
export function buildKdTree(points: Float32Array, dim: number): KdTree {
  const n = points.length / dim;
  if (!Number.isInteger(n)) {
    throw new TypeError(`Cannot build KD-tree: points must be [n, ${dim}], current length is ${points.length}`);
  }
  const order = Int32Array.from({ length: n }, (_, i) => i);
  // A node over order[from, to): its axis and split value; a leaf has axis -1. Children of node i are 2i + 1 and 2i + 2.
  const axes: number[] = [];
  const splits: number[] = [];
  const build = (node: number, from: number, to: number) => {
    axes[node] = -1;
    if (to - from <= leafSize) return;
    const axis = widestAxis(points, dim, order, from, to);
    const middle = (from + to) >> 1;
    selectNth(points, dim, order, axis, from, to - 1, middle);
    axes[node] = axis;
    splits[node] = points[order[middle] * dim + axis];
    build(2 * node + 1, from, middle);
    build(2 * node + 2, middle, to);
  };
  build(0, 0, n);

  const found: number[] = [];
  const search = (node: number, from: number, to: number, point: ArrayLike<number>, radius: number) => {
    const axis = axes[node];
    if (axis < 0) {
      for (let i = from; i < to; i++) {
        let sum = 0;
        for (let d = 0, at = order[i] * dim; d < dim && sum <= radius * radius; d++) {
          sum += (points[at + d] - point[d]) ** 2;
        }
        if (sum <= radius * radius) found.push(order[i]);
      }
      return;
    }
    const middle = (from + to) >> 1;
    if (point[axis] - radius <= splits[node]) search(2 * node + 1, from, middle, point, radius);
    if (point[axis] + radius >= splits[node]) search(2 * node + 2, middle, to, point, radius);
  };
  return {
    within(point, radius) {
      found.length = 0;
      search(0, 0, n, point, radius);
      return found;
    },
  };
}

function widestAxis(points: Float32Array, dim: number, order: Int32Array, from: number, to: number): number {
  let [best, widest] = [0, -1];
  for (let d = 0; d < dim; d++) {
    let [low, high] = [Infinity, -Infinity];
    for (let i = from; i < to; i++) {
      const x = points[order[i] * dim + d];
      if (x < low) low = x;
      if (x > high) high = x;
    }
    if (high - low > widest) [best, widest] = [d, high - low];
  }
  return best;
}

/** Hoare's selection: afterwards `order[nth]` is in its sorted place, smaller values before it and larger ones after. */
function selectNth(
  points: Float32Array,
  dim: number,
  order: Int32Array,
  axis: number,
  low: number,
  high: number,
  nth: number,
) {
  const value = (i: number) => points[order[i] * dim + axis];
  while (low < high) {
    const pivot = value((low + high) >> 1);
    let [i, j] = [low, high];
    while (i <= j) {
      while (value(i) < pivot) i++;
      while (value(j) > pivot) j--;
      if (i <= j) {
        [order[i], order[j]] = [order[j], order[i]];
        i++;
        j--;
      }
    }
    if (nth <= j) high = j;
    else if (nth >= i) low = i;
    else return;
  }
}
