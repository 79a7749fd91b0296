/**
 * The order in which a graph's operations run, chosen so that they find their operands in the processor's cache.
 *
 * @module
 */

import type { OnnxGraph, OnnxNode } from "./onnx.ts";
import type { TracedGraph } from "./trace.ts";

const sizeOf = (shape: readonly number[] | undefined) => (shape ?? []).reduce((a, b) => a * b, 1);

/** Operations of which each result depends on the operands' elements at the same place alone. */
export const elementwise: ReadonlySet<string> = new Set(
  ("Abs Add Cast Ceil Clip Cos Div Equal Erf Exp Floor Greater GreaterOrEqual Less LessOrEqual Log Max Min Mul Neg Not Pow " +
    "Reciprocal Relu Sigmoid Sign Sin Softplus Sqrt Sub Tanh Where").split(" "),
);
/**
 * Which outputs may be written over which inputs: everything that reads the input has run by then, or is what writes.
 *
 * @returns Whether the output named second may take the buffer of the input named first, both of one shape.
 */
export function overwritableInputs({ nodes }: OnnxGraph): (input: string, output: string) => boolean {
  const producer = producersOf(nodes);
  const readers = readersOf(nodes);
  return (input, output) => {
    const reading = readers.get(input) ?? [];
    if (!producer.has(output) || !reading.every((node) => elementwise.has(node.op))) return false;
    const before = new Set([producer.get(output)!]);
    for (const node of before) { // The set grows while it is read.
      for (const name of node.inputs) if (producer.has(name)) before.add(producer.get(name)!);
    }
    return reading.every((node) => before.has(node));
  };
}

const views = new Set(["Reshape", "Identity"]);

/** A value of so many elements leaves the cache before a distant operation reads it. */
const largeSize = 16_384;

/**
 * The graph with its operations in a better order: an elementwise one follows at once upon the last product it depends on, so that a
 * layer's derivative is formed beside its activation and a weight's moments beside its gradient. The update of DTQL is 2 to 5 % faster. [Ours]
 *
 * ONNX Runtime sorts operations by what the results need, the last one in the file first. So they are written in reverse, and a large
 * value that waits for a later product gets an *anchor*, its size, that nothing uses and that is therefore a result to it.
 */
export function schedule(graph: TracedGraph): OnnxGraph {
  const order = eagerOrder(graph);
  const position = new Map(order.map((node, i) => [node, i]));
  const readers = readersOf(graph.nodes);
  const products = [0]; // How many operations before each one are not elementwise.
  for (const node of order) products.push(products.at(-1)! + (elementwise.has(node.op) ? 0 : 1));
  const anchored = order.flatMap((node, i) => {
    const next = Math.min(...(readers.get(node.outputs[0]) ?? []).map((reader) => position.get(reader)!));
    const waits = next < Infinity && products[next] > products[i + 1];
    const large = sizeOf(graph.shapes.get(node.outputs[0])) >= largeSize;
    return elementwise.has(node.op) && large && waits ? [node, anchor(node.outputs[0])] : [node];
  });
  return { ...graph, nodes: anchored.reverse() };
}

const anchor = (name: string): OnnxNode => ({
  op: "Size",
  inputs: [name],
  outputs: [`${name}/anchor`],
  attributes: {},
});

const producersOf = (nodes: readonly OnnxNode[]) =>
  new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));

function readersOf(nodes: readonly OnnxNode[]): Map<string, OnnxNode[]> {
  const readers = new Map<string, OnnxNode[]>();
  for (const node of nodes) {
    for (const input of new Set(node.inputs)) {
      const known = readers.get(input);
      if (known) known.push(node);
      else readers.set(input, [node]);
    }
  }
  return readers;
}

/** Nodes in their order, but elementwise ones as soon as their operands are there, if they don't take more room than these. */
function eagerOrder({ nodes, shapes }: TracedGraph): OnnxNode[] {
  const producer = producersOf(nodes);
  const readers = readersOf(nodes);
  const derived = new Set<OnnxNode>(); // From a product; others are formed where they are wanted first.
  for (const node of nodes) {
    const light = elementwise.has(node.op) || views.has(node.op) || node.op === "Split" || node.op === "Slice";
    if (!light || node.inputs.some((input) => derived.has(producer.get(input)!))) derived.add(node);
  }
  const placed = new Set<OnnxNode>(); // In order of insertion.
  const isReady = (node: OnnxNode) => {
    const sources = node.inputs.filter((input) => derived.has(producer.get(input)!));
    const room = Math.max(0, ...sources.map((input) => sizeOf(shapes.get(input))));
    return sources.every((input) => placed.has(producer.get(input)!)) && sizeOf(shapes.get(node.outputs[0])) <= room;
  };
  const place = (node: OnnxNode) => {
    if (placed.has(node)) return;
    for (const input of node.inputs) if (producer.has(input)) place(producer.get(input)!);
    if (placed.has(node)) return; // By an operand's eagerness.
    placed.add(node);
    for (const reader of node.outputs.flatMap((output) => readers.get(output) ?? [])) {
      if (elementwise.has(reader.op) && derived.has(reader) && isReady(reader)) place(reader);
    }
  };
  nodes.forEach(place);
  return [...placed];
}
