/**
 * A function of tensors as an `.onnx` file: what users deploy.
 *
 * @module
 */

import type { NdArray } from "./array.ts";
import type { Traced } from "./compile.ts";
import { encodeOnnx, renameValues } from "./onnx.ts";
import { type Tensor, tf } from "./tensor.ts";
import { traceGraph } from "./trace.ts";
import { mapTree } from "./tree.ts";

/** What is done to an input before a function sees it, while {@linkcode withMappedInput} makes something. */
let mapped: { name: string; map(x: Tensor): Tensor } | null = null;

/** What `make` makes, with an input of what it exports passed through `map`, in the exported graph. */
export function withMappedInput<T>(name: string, map: (x: Tensor) => Tensor, make: () => T): T {
  const outer = mapped;
  mapped = { name, map };
  try {
    return make();
  } finally {
    mapped = outer;
  }
}

/**
 * A function of named inputs as the bytes of an `.onnx` file, with everything else in it as constants.
 *
 * @param inputs Shape of each input, all `float32`.
 * @param fn From tensors by those names to tensors by the names of the outputs; see {@linkcode asConstants}.
 */
export function exportOnnx(
  name: string,
  inputs: Readonly<Record<string, readonly number[]>>,
  fn: (inputs: Record<string, Tensor>) => Record<string, Tensor>,
): Uint8Array {
  const names = Object.keys(inputs);
  let outputNames: string[] = [];
  const specs = names.map((key) => ({ shape: inputs[key], dtype: "float32" as const }));
  const graph = traceGraph(name, specs, (tensors) => {
    const seen = names.map((key, i) => [key, key === mapped?.name ? mapped.map(tensors[i]) : tensors[i]]);
    const outputs = fn(Object.fromEntries(seen));
    outputNames = Object.keys(outputs);
    return Object.values(outputs);
  });
  const named = new Map([
    ...names.map((key, i) => [graph.inputs[i].name, key] as const),
    ...outputNames.map((key, i) => [graph.outputs[i].name, key] as const),
  ]);
  return encodeOnnx(renameValues(graph, named));
}

/** Arrays as tensors, to be used inside of {@linkcode exportOnnx}. */
export function asConstants<T>(tree: T): Traced<T> {
  return mapTree<NdArray, Tensor>(tree, ({ data, shape }) => tf.tensor(data, [...shape]));
}
