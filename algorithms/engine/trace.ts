/**
 * Tracing: a function run on symbolic tensors, gradients included, leaves its whole computation behind as one graph.
 *
 * @module
 */

import {
  backend,
  backendName,
  currentGraph,
  Graph,
  type Info,
  tensorOf,
  tracing,
  type Value,
  whileTracing,
} from "./graph.ts";
import { kernels } from "./kernels.ts";
import type { DType, OnnxGraph, OnnxNode } from "./onnx.ts";
import type { Shape } from "./shape.ts";
import { tf } from "./tensor.ts";

function registerOnce() {
  if (tf.findBackendFactory(backendName)) return;
  tf.registerBackend(backendName, () => backend, 0);
  for (const [kernelName, kernel] of Object.entries(kernels)) {
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs }) => kernel(currentGraph(), inputs as Record<string, Info> & Info[], attrs ?? {}),
    });
  }
}

/** Gives every result the name of its output; one that is an input, a constant or named already is copied to it. */
function nameOutputs(g: Graph, results: readonly Value[], outputs: readonly Value[]) {
  const made = new Set(g.nodes.flatMap((n) => n.outputs));
  const names = new Map<string, string>();
  results.forEach(({ name, shape }, i) => {
    g.shapes.set(outputs[i].name, shape);
    if (made.has(name) && !names.has(name)) names.set(name, outputs[i].name);
    else g.nodes.push({ op: "Identity", inputs: [name], outputs: [outputs[i].name], attributes: {} });
  });
  for (const node of g.nodes) {
    node.inputs = node.inputs.map((name) => names.get(name) ?? name);
    node.outputs = node.outputs.map((name) => names.get(name) ?? name);
  }
}

/** Gemm(A, B) + C with a bias row C becomes one Gemm; nodes that no output needs are dropped. */
function simplify(graph: Graph, outputs: readonly Value[]): OnnxNode[] {
  const uses = new Map<string, number>();
  for (const name of [...graph.nodes.flatMap((n) => n.inputs), ...outputs.map((v) => v.name)]) {
    uses.set(name, (uses.get(name) ?? 0) + 1);
  }
  const producer = new Map(graph.nodes.flatMap((n) => n.outputs.map((o) => [o, n] as const)));
  const needed = new Set(outputs.map((v) => v.name));
  const kept: OnnxNode[] = [];
  for (const original of graph.nodes.toReversed()) {
    if (!original.outputs.some((o) => needed.has(o))) continue;
    let node = original;
    const product = producer.get(node.inputs[0]);
    if (node.op === "Add" && product?.op === "Gemm" && product.inputs.length === 2 && uses.get(node.inputs[0]) === 1) {
      const columns = graph.shapes.get(node.inputs[0])![1];
      const bias = graph.shapes.get(node.inputs[1]);
      if (bias?.at(-1) === columns && bias.every((n, i) => i === bias.length - 1 || n === 1)) {
        node = { ...product, inputs: [...product.inputs, node.inputs[1]], outputs: node.outputs };
      }
    }
    kept.push(node);
    for (const input of node.inputs) needed.add(input);
  }
  return kept.reverse();
}

/** An input of the graph: its type, and how to find it again. */
export interface TracedValue {
  shape: Shape;
  dtype: DType;
}

/** A graph with the shapes of its values. */
export interface TracedGraph extends OnnxGraph {
  shapes: ReadonlyMap<string, readonly number[]>;
}

/**
 * Runs `fn` on symbolic tensors and returns what it computes as an ONNX graph.
 *
 * @param name The function's name, for messages and the model.
 * @param inputs Shape and type of each input, which the graph calls `input_0`, `input_1`, ...
 * @param fn The function, from symbolic tensors to tensors, which the graph calls `output_0`, `output_1`, ...
 * @throws {TypeError} If `fn` reads a value, draws random numbers, combines tensors of different ranks neither of which is a scalar
 * (except in `tf.where`), or uses an operation without a kernel here.
 */
export function traceGraph(
  name: string,
  inputs: readonly TracedValue[],
  fn: (inputs: tf.Tensor[]) => tf.Tensor[],
): TracedGraph {
  registerOnce();
  if (tracing()) throw new Error(`Cannot compile ${name}: another function is being traced`);
  const g = new Graph();
  const previous = tf.getBackend();
  const random = Math.random;
  Math.random = () => {
    throw new TypeError(
      `Cannot compile ${name}: random numbers were drawn inside; draw them before, pass them as inputs`,
    );
  };
  try {
    tf.setBackend(backendName);
    const values = inputs.map(({ shape, dtype }, i) => ({ name: `input_${i}`, shape, dtype }));
    for (const { name, shape } of values) g.shapes.set(name, shape);
    const results: Value[] = [];
    whileTracing(
      g,
      () =>
        tf.tidy(() =>
          results.push(...fn(values.map((value) => tensorOf(g.tensor(value)))).map((tensor) => g.exact(tensor)))
        ),
    );
    const outputs = results.map((value, i) => ({ ...value, name: `output_${i}` }));
    nameOutputs(g, results, outputs);
    const nodes = simplify(g, outputs);
    const used = new Set(nodes.flatMap((n) => n.inputs));
    const constants = [...g.constants.values()].filter((c) => used.has(c.name));
    return { name, nodes, inputs: values, outputs, constants, shapes: g.shapes };
  } catch (error) {
    throw named(error, name);
  } finally {
    Math.random = random;
    if (previous) tf.setBackend(previous);
  }
}

function named(error: unknown, name: string): unknown {
  const missing = error instanceof Error && /^Kernel '(\w+)' not registered/.exec(error.message);
  if (missing) {
    return new TypeError(
      `Cannot compile ${name}: operation ${missing[1]} has no traced kernel; add it to kernels in ` +
        "algorithms/engine/kernels.ts",
      { cause: error },
    );
  }
  if (error instanceof TypeError && /^Cannot (read|broadcast) /.test(error.message)) {
    return new TypeError(`Cannot compile ${name}: ${error.message}`, { cause: error });
  }
  return error;
}
