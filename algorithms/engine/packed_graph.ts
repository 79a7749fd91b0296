/**
 * The graph of a function of trees, with small arrays together in one vector: each array that goes in or out costs microseconds a call.
 *
 * @module
 */

import type { DType } from "./onnx.ts";
import { sizeOf } from "./shape.ts";
import type { LeafSpec, Packing } from "./state_buffers.ts";
import { type Tensor, tf, type Traced } from "./tensor.ts";
import { type TracedGraph, traceGraph } from "./trace.ts";
import { treeEntries, treeLike } from "./tree.ts";

/** Leaves of a tree, in order: path, shape and type. */
export type Entries = readonly (readonly [path: string, spec: LeafSpec])[];

/** What was traced. */
export interface PackedGraph {
  /** Takes and gives the leaves that lie in no vector, in order, then the vectors. */
  graph: TracedGraph;
  /** The tree that comes out, with tensors. */
  structure: unknown;
  outputs: Entries;
  outputPackings: readonly Packing[];
}

/** Whether leaf `i` has an array of its own. */
export const isApart = (packings: readonly Packing[], i: number): boolean =>
  packings.every(({ offsets }) => offsets[i] === undefined);

/**
 * Traces a function of trees.
 *
 * @param entries Leaves of `inputs`.
 * @param inputPackings What lies together in each vector.
 * @param packOutputs The same of what comes out.
 */
export function tracePacked<I>(
  name: string,
  fn: (inputs: Traced<I>) => unknown,
  inputs: I,
  entries: Entries,
  inputPackings: readonly Packing[],
  packOutputs: (outputs: Entries) => readonly Packing[],
): PackedGraph {
  const own = entries.filter((_, i) => isApart(inputPackings, i)).map(([, spec]) => spec);
  const vectors = inputPackings.map(({ length }) => ({ shape: [length], dtype: "float32" as const }));
  let structure: unknown;
  let outputs: Entries = [];
  let outputPackings: readonly Packing[] = [];
  const graph = traceGraph(name, [...own, ...vectors], (tensors) => {
    const packed = tensors.splice(own.length);
    const parts = inputPackings.map(({ offsets }, v) => {
      const sizes = entries.filter((_, i) => offsets[i] !== undefined).map(([, { shape }]) => sizeOf(shape));
      return sizes.length > 0 ? tf.split(packed[v], sizes, 0) : [];
    });
    const leaves = entries.map(([, { shape }], i) => {
      const v = inputPackings.findIndex(({ offsets }) => offsets[i] !== undefined);
      return v < 0 ? tensors.shift()! : tf.reshape(parts[v].shift()!, [...shape]);
    });
    structure = fn(treeLike<Tensor, Traced<I>>(inputs as Traced<I>, leaves));
    const results = treeEntries<Tensor>(structure);
    outputs = results.map(([path, { shape, dtype }]) => [path, { shape, dtype: dtype as DType }] as const);
    outputPackings = packOutputs(outputs);
    const apart = results.filter((_, i) => isApart(outputPackings, i)).map(([, tensor]) => tensor);
    const joined = outputPackings.map(({ offsets }) => {
      const together = results.filter((_, i) => offsets[i] !== undefined).map(([, tensor]) => tf.reshape(tensor, [-1]));
      return together.length > 0 ? tf.concat(together, 0) : tf.zeros([0]);
    });
    return [...apart, ...joined];
  });
  return { graph, structure, outputs, outputPackings };
}
