/**
 * Exported files that take any number of rows at once, made from files that take one.
 *
 * @module
 */

import { elementwise } from "./node_order.ts";
import {
  type Attribute,
  encodeOnnx,
  type OnnxConstant,
  type OnnxGraph,
  type OnnxNode,
  type OnnxValue,
} from "./onnx.ts";
import { decodeOnnx } from "./onnx_reader.ts";
import type { Shape } from "./shape.ts";

/** The name of the dimension. */
const batch = "batch";

/** Operations of one operand that keep its shape and the axes of which are counted from the first or the last. */
const alongAxis = new Set(["Softmax", "LogSoftmax", "LayerNormalization"]);

/** Operations along axes that an input lists. */
const reductions = new Set(["ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"]);

/** Operations of which the operands' axes are aligned at the last one. */
const broadcasting = new Set([...elementwise, "And", "Or", "Atanh", "IsNaN", "LeakyRelu"]);

const back = (axis: number) => axis < 0 ? axis : axis + 1;

/** The shape that shapes of one rank or less broadcast to. */
function broadcastShape(shapes: readonly Shape[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) => Math.max(...shapes.map((shape) => shape.at(i - rank) ?? 1)));
}

/**
 * The graph with one more axis in front of every value that depends on an input, of rows. What is the same for all rows, the weights,
 * stays as it is, so that each row's numbers come of the same operations as before. An axis of length 1 at the front of an input or
 * output gives way to that of the rows: `[1, S]` becomes `[batch, S]`, but `[2, A]` becomes `[batch, 2, A]`.
 *
 * @throws {TypeError} If it has an operation of which nothing is known here.
 */
function withBatch(graph: OnnxGraph): OnnxGraph {
  const constants = new Map<string, OnnxConstant>(graph.constants.map((constant) => [constant.name, constant]));
  const nodes: OnnxNode[] = [];
  /** Shapes of one row's values. */
  const shapes = new Map<string, Shape>(graph.constants.map(({ name, shape }) => [name, shape]));
  /** Values with the axis. */
  const many = new Set<string>();

  const refuse = (why: string): never => {
    throw new TypeError(`Cannot export ${graph.name} for any batch: ${why}`);
  };
  const shapeOf = (name: string): Shape => shapes.get(name) ?? refuse(`nothing is known of "${name}"`);
  const listed = (name: string): number[] => {
    const constant = constants.get(name);
    return constant?.dtype === "int64"
      ? Array.from(constant.data as BigInt64Array, Number)
      : refuse(`a shape or an axis depends on the input`);
  };
  const ints = (values: readonly number[]): string => {
    const name = `batch/ints_${values.join("_")}`;
    constants.set(name, { name, shape: [values.length], dtype: "int64", data: BigInt64Array.from(values, BigInt) });
    return name;
  };
  /** A value of our own, made once. */
  const made = new Map<string, string>();
  const value = (op: string, inputs: string[], attributes: Record<string, Attribute> = {}): string => {
    const key = `${op}(${inputs})${JSON.stringify(attributes)}`;
    const name = made.get(key) ?? `batch/${made.size}`;
    if (!made.has(key)) nodes.push({ op, inputs, outputs: [name], attributes });
    made.set(key, name);
    return name;
  };
  const reshaped = (name: string, shape: Shape) => value("Reshape", [name, ints([-1, ...shape])]);
  /** With ones after the axis, up to a rank; a value without the axis broadcasts as it is. */
  const lifted = (name: string, rank: number): string => {
    const shape = shapeOf(name);
    if (!many.has(name) || shape.length >= rank) return name;
    return reshaped(name, [...Array<number>(rank - shape.length).fill(1), ...shape]);
  };
  /** With the axis, whatever it was. */
  const full = (name: string): string => {
    if (many.has(name)) return name;
    const rows = value("Shape", [graph.inputs[0].name], { start: { int: 0 }, end: { int: 1 } });
    return value("Expand", [name, value("Concat", [rows, ints(shapeOf(name))], { axis: { int: 0 } })]);
  };

  function convert(node: OnnxNode) {
    const { op, inputs, attributes } = node;
    const [x, y] = inputs;
    const isMany = inputs.some((name) => many.has(name));
    const int = (name: string) => (attributes[name] as { int: number } | undefined)?.int ?? 0;
    const axis = int("axis");
    /** Writes the operation, with the axis or as it is, and what is known of its results. */
    const write = (inputs: string[], results: readonly Shape[], own: Record<string, Attribute> = attributes) => {
      nodes.push(isMany ? { ...node, inputs, attributes: own } : node);
      node.outputs.forEach((name, i) => {
        shapes.set(name, results[i]);
        if (isMany) many.add(name);
      });
    };
    if (op === "Clip" && inputs.slice(1).some((bound) => many.has(bound))) {
      refuse("a clip's bounds depend on the input");
    }
    if (broadcasting.has(op)) {
      const shape = broadcastShape(inputs.map(shapeOf));
      return write(inputs.map((name) => lifted(name, shape.length)), [shape]);
    }
    if (alongAxis.has(op)) {
      if (inputs.slice(1).some((name) => many.has(name))) refuse(`the scale of ${op} depends on the input`);
      const rows = shapeOf(x).with(-1, 1);
      return write(inputs, [shapeOf(x), rows, rows], { ...attributes, axis: { int: back(axis) } });
    }
    if (reductions.has(op)) {
      const axes = listed(y);
      const places = axes.map((i) => i < 0 ? i + shapeOf(x).length : i);
      const kept = shapeOf(x).map((n, i) => places.includes(i) ? 1 : n);
      const shape = int("keepdims") ? kept : kept.filter((_, i) => !places.includes(i));
      return write([x, ints(axes.map(back))], [shape]);
    }
    switch (op) {
      case "Identity":
        return write(inputs, [shapeOf(x)]);
      case "Reshape":
        return write([x, ints([-1, ...listed(y)])], [listed(y)]);
      case "Expand": {
        const shape = broadcastShape([shapeOf(x), listed(y)]);
        return write([lifted(x, shape.length), ints([1, ...shape])], [shape]);
      }
      case "Transpose": {
        const { ints: perm } = attributes.perm as { ints: readonly number[] };
        return write(inputs, [perm.map((i) => shapeOf(x)[i])], { perm: { ints: [0, ...perm.map(back)] } });
      }
      case "Slice": {
        const [starts, ends, axes] = inputs.slice(1, 4).map(listed);
        if (inputs.length > 4) refuse("a slice has steps");
        const shape = shapeOf(x).map((n, i) => axes.includes(i) ? ends[axes.indexOf(i)] - starts[axes.indexOf(i)] : n);
        return write([x, y, inputs[2], ints(axes.map(back))], [shape]);
      }
      case "Concat": {
        const at = axis < 0 ? axis + shapeOf(x).length : axis;
        const length = inputs.reduce((sum, name) => sum + shapeOf(name)[at], 0);
        return write(isMany ? inputs.map(full) : inputs, [shapeOf(x).with(at, length)], { axis: { int: back(axis) } });
      }
      case "Split":
        return write(inputs, listed(y).map((n) => shapeOf(x).with(axis, n)), { axis: { int: back(axis) } });
      case "MatMul": {
        const [left, right] = [shapeOf(x), shapeOf(y)];
        const isVector = left.length === 1 && right.length === 2;
        if (!isVector && (left.length !== right.length || left.length < 2)) {
          refuse(`a product of [${left}] and [${right}]`);
        }
        if (isVector && many.has(y)) refuse("the weights of a product depend on the input");
        const outer = broadcastShape([left.slice(0, -2), right.slice(0, -2)]);
        return write(inputs, [isVector ? right.slice(1) : [...outer, left.at(-2)!, right.at(-1)!]]);
      }
      case "Gemm": { // Of all rows as one matrix, for the operation knows no further axes.
        const [[rows, length], columns] = [shapeOf(x), shapeOf(y).at(int("transB") ? -2 : -1)!];
        if (!isMany) return write(inputs, [[rows, columns]]);
        const bias = inputs[2] === undefined ? [] : shapeOf(inputs[2]);
        if (int("transA") || inputs.slice(1).some((name) => many.has(name)) || bias.length === 2 && bias[0] > 1) {
          refuse("a product that is no layer's");
        }
        const [output] = node.outputs;
        const flat = `${output}/flat`;
        nodes.push({ ...node, inputs: [reshaped(x, [length]), ...inputs.slice(1)], outputs: [flat] });
        nodes.push({ op: "Reshape", inputs: [flat, ints([-1, rows, columns])], outputs: [output], attributes: {} });
        shapes.set(output, [rows, columns]);
        return many.add(output);
      }
    }
    refuse(`operation ${node.domain ?? ""}${op}`);
  }

  /** An input or output as the file has it. */
  const port = (value: OnnxValue): OnnxValue => {
    const shape = value.shape as readonly number[];
    return { ...value, shape: [batch, ...shape.slice(shape[0] === 1 ? 1 : 0)] };
  };
  const inner = (name: string) => `${name}/rows`;
  for (const { name, shape } of graph.inputs) {
    shapes.set(inner(name), shape as readonly number[]);
    many.add(inner(name));
    const target = ints([-1, ...shape as readonly number[]]);
    nodes.push({ op: "Reshape", inputs: [name, target], outputs: [inner(name)], attributes: {} });
  }
  const ports = new Set([...graph.inputs, ...graph.outputs].map(({ name }) => name));
  const renamed = (name: string) => ports.has(name) ? inner(name) : name;
  for (const node of graph.nodes) {
    convert({ ...node, inputs: node.inputs.map(renamed), outputs: node.outputs.map(renamed) });
  }
  const outputs = graph.outputs.map(port);
  for (const { name, shape } of outputs) {
    if (!many.has(inner(name))) refuse(`"${name}" does not depend on the input`);
    const target = ints([-1, ...shape.slice(1) as number[]]);
    nodes.push({ op: "Reshape", inputs: [inner(name), target], outputs: [name], attributes: {} });
  }
  const used = new Set(nodes.flatMap(({ inputs }) => inputs));
  return {
    name: graph.name,
    nodes,
    inputs: graph.inputs.map(port),
    outputs,
    constants: [...constants.values()].filter(({ name }) => used.has(name)),
  };
}

/** What {@linkcode anyBatch} makes. */
export interface Batched {
  /** The file. */
  bytes: Uint8Array;
  /** Why it takes one row at a time; null if it takes any number. */
  fixed: string | null;
}

const isBatched = ({ inputs }: OnnxGraph) => inputs.some(({ shape }) => shape.includes(batch));

/**
 * An exported file, of a policy or a diffusion model, so that it takes any number of observations at once: `observation [batch, S]` to
 * `action [batch, A]`. A row's numbers are those of the file as it was. A file with an operation of which nothing is known here stays as
 * it is.
 */
export function anyBatch(bytes: Uint8Array): Batched {
  try {
    const graph = decodeOnnx(bytes);
    return { bytes: isBatched(graph) ? bytes : encodeOnnx(withBatch(graph)), fixed: null };
  } catch (error) {
    return { bytes, fixed: (error as Error).message };
  }
}

/** A file of {@linkcode anyBatch} for one row; another stays as it is. */
export function oneRow(bytes: Uint8Array): Uint8Array {
  let graph: OnnxGraph;
  try {
    graph = decodeOnnx(bytes);
  } catch {
    return bytes; // Another program's; whoever opens it says what is wrong with it.
  }
  if (!isBatched(graph)) return bytes;
  const one = (value: OnnxValue): OnnxValue => ({
    ...value,
    shape: (value.shape as readonly (number | string)[]).map((n) => n === batch ? 1 : n),
  });
  return encodeOnnx({ ...graph, inputs: graph.inputs.map(one), outputs: graph.outputs.map(one) });
}
