/**
 * Graphs as ONNX Runtime's WebGPU provider wants them.
 *
 * @module
 */

import type { OnnxConstant, OnnxGraph, OnnxNode } from "./onnx.ts";

/** The name of an input of {@linkcode forDevice}'s graph, after those of the function: the number 1. */
export const one = "one";

/**
 * The graph with two changes.
 *
 * - A split into many parts becomes slices: a shader of WebGPU may use eight buffers at least, one of which is what is split.
 * - A result that is a view of another value, an input's say, becomes that value times {@linkcode one}. The provider would copy it, and a
 *   replayed run leaves copies out: it repeats shaders alone. A constant 1 would be optimized away.
 */
export function forDevice(graph: OnnxGraph): OnnxGraph {
  const constants = new Map(graph.constants.map((constant) => [constant.name, constant]));
  const ints = (value: number): string => {
    const name = `slice_${value}`;
    const constant: OnnxConstant = { name, shape: [1], dtype: "int64", data: BigInt64Array.of(BigInt(value)) };
    constants.set(name, constant);
    return name;
  };
  const results = new Set(graph.outputs.map(({ name }) => name));
  const nodes = graph.nodes.flatMap((node): OnnxNode[] => {
    const [output] = node.outputs;
    if ((node.op === "Identity" || node.op === "Reshape") && results.has(output)) {
      const view = `${output}/view`;
      return [{ ...node, outputs: [view] }, { op: "Mul", inputs: [view, one], outputs: [output], attributes: {} }];
    }
    if (node.op !== "Split" || node.outputs.length <= 7) return [node];
    const [input, sizes] = node.inputs;
    const { int: axis } = node.attributes.axis as { int: number };
    let end = 0;
    return node.outputs.map((part, i) => {
      const begin = end;
      end += Number((constants.get(sizes)!.data as BigInt64Array)[i]);
      return { op: "Slice", inputs: [input, ints(begin), ints(end), ints(axis)], outputs: [part], attributes: {} };
    });
  });
  const used = new Set(nodes.flatMap(({ inputs }) => inputs));
  return {
    ...graph,
    nodes,
    inputs: [...graph.inputs, { name: one, shape: [], dtype: "float32" }],
    constants: [...constants.values()].filter(({ name }) => used.has(name)),
  };
}
