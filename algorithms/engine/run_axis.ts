/**
 * Graphs for several runs at once: every value that depends on an input has one more axis in front, of runs.
 *
 * @module
 */

import { elementwise } from "./node_order.ts";
import type { Attribute, OnnxConstant, OnnxNode } from "./onnx.ts";
import type { Shape } from "./shape.ts";
import type { TracedGraph } from "./trace.ts";

/** Operations of which the operands' axes are aligned at the last one. */
const broadcasting = new Set([...elementwise, "And", "Or", "Atanh", "IsNaN", "LeakyRelu"]);

/** Operations along axes that an input lists. */
const reductions = new Set(["ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"]);

const ones = (n: number) => Array<number>(n).fill(1);
const back = (axis: number) => axis < 0 ? axis : axis + 1;

/**
 * The graph of `runs` runs: inputs and outputs have an axis of runs in front, and each run's numbers are those of the run alone, up to
 * rounding (a product with a bias is a product and a sum here, a LayerNormalization scales after it).
 *
 * @throws {TypeError} If it has an operation of which nothing is known here.
 */
export function withRuns(graph: TracedGraph, runs: number): TracedGraph {
  const constants = new Map<string, OnnxConstant>(graph.constants.map((constant) => [constant.name, constant]));
  const shapes = new Map<string, Shape>();
  const nodes: OnnxNode[] = [];
  /** Values with the axis. */
  const many = new Set<string>();
  /** The value's shape in one run. */
  const shapeOf = (name: string): Shape => graph.shapes.get(name) ?? constants.get(name)!.shape;
  const data = (name: string) => Array.from(constants.get(name)!.data as BigInt64Array, Number);

  const ints = (values: readonly number[]): string => {
    const name = `ints_${values.join("_")}`;
    const of = BigInt64Array.from(values, BigInt);
    constants.set(name, { name, shape: [values.length], dtype: "int64", data: of });
    return name;
  };
  const known = new Map<string, string>();
  /** A value of our own, made once. */
  const value = (op: string, inputs: string[], shape: Shape, attributes: Record<string, Attribute> = {}): string => {
    const key = `${op}(${inputs})${JSON.stringify(attributes)}`;
    const found = known.get(key);
    if (found) return found;
    const name = `runs_${known.size}`;
    known.set(key, name);
    shapes.set(name, shape);
    nodes.push({ op, inputs, outputs: [name], attributes });
    return name;
  };
  const reshaped = (name: string, shape: Shape) => value("Reshape", [name, ints(shape)], shape);
  /** With the axis, and ones after it up to a rank; one without the axis broadcasts as it is. */
  const lifted = (name: string, rank: number): string => {
    const shape = shapeOf(name);
    if (!many.has(name) || shape.length >= rank) return name;
    return reshaped(name, [runs, ...ones(rank - shape.length), ...shape]);
  };
  /** With the axis, whatever it was. */
  const full = (name: string): string => {
    if (many.has(name)) return name;
    const shape = [runs, ...shapeOf(name)];
    return value("Expand", [name, ints(shape)], shape);
  };
  /** The last two axes swapped. */
  const turned = (name: string): string => {
    const [rows, columns] = shapeOf(name);
    return many.has(name)
      ? value("Transpose", [name], [runs, columns, rows], { perm: { ints: [0, 2, 1] } })
      : value("Transpose", [name], [columns, rows], { perm: { ints: [1, 0] } });
  };

  /** Gives a result, with the axis, the name that it has in the graph. */
  const result = (name: string, op: string, inputs: string[], attributes: Record<string, Attribute> = {}) => {
    nodes.push({ op, inputs, outputs: [name], attributes });
    many.add(name);
  };

  function convert({ op, inputs, outputs, attributes, domain }: OnnxNode) {
    const [output] = outputs;
    const shape = shapeOf(output);
    const axis = (attributes.axis as { int: number } | undefined)?.int;
    const [x, y] = inputs;
    const refuse = (why: string): never => {
      throw new TypeError(`Cannot run several seeds of ${graph.name} at once: ${why}`);
    };
    if (op === "Clip") {
      if (inputs.slice(1).some((bound) => many.has(bound))) refuse("the bounds of a clip must be constants");
      return result(output, op, inputs, attributes);
    }
    if (broadcasting.has(op)) {
      const rank = Math.max(...inputs.map((name) => shapeOf(name).length));
      return result(output, op, inputs.map((name) => lifted(name, rank)), attributes);
    }
    if (reductions.has(op)) return result(output, op, [x, ints(data(y).map(back))], attributes);
    switch (op) {
      case "Identity":
        return result(output, op, inputs);
      case "Reshape":
        return result(output, op, [x, ints([runs, ...data(y)])]);
      case "Expand":
        return result(output, op, [lifted(x, shape.length), ints([runs, ...data(y)])]);
      case "Tile":
        return result(output, op, [x, ints([1, ...data(y)])]);
      case "Transpose":
        return result(output, op, inputs, {
          perm: { ints: [0, ...(attributes.perm as { ints: readonly number[] }).ints.map(back)] },
        });
      case "Pad": {
        const pads = data(y);
        const half = pads.length / 2;
        return result(output, op, [x, ints([0, ...pads.slice(0, half), 0, ...pads.slice(half)]), ...inputs.slice(2)]);
      }
      case "Slice":
        return result(output, op, [x, y, inputs[2], ints(data(inputs[3]).map(back)), ...inputs.slice(4)]);
      case "CumSum":
        return result(output, op, [x, reshapedAxis(y)], attributes);
      case "Concat":
        return result(output, op, inputs.map(full), { axis: { int: back(axis!) } });
      case "Split":
        nodes.push({ op, inputs, outputs, attributes: { axis: { int: back(axis!) } } });
        return outputs.forEach((name) => many.add(name));
      case "Softmax":
      case "LogSoftmax":
      case "ArgMax":
        return result(output, op, inputs, { ...attributes, axis: { int: back(axis!) } });
      case "Gather":
        if (many.has(x) && many.has(y)) return gatherEach(output, x, y, axis!);
        return result(output, op, inputs, { axis: { int: many.has(x) ? back(axis!) : axis! } });
      case "MatMul": {
        const [rows, columns] = [shapeOf(x), shapeOf(y)];
        if (rows.length === columns.length && rows.length >= 2) return result(output, op, inputs);
        if (rows.length !== 1 || columns.length !== 2) refuse(`a product of [${rows}] and [${columns}]`);
        if (!many.has(x)) return result(output, op, inputs); // [n] x [runs, n, m]
        const product = value(op, [reshaped(x, [runs, 1, rows[0]]), y], [runs, 1, columns[1]]);
        return result(output, "Reshape", [product, ints([runs, columns[1]])]);
      }
      case "Gemm": {
        const flag = (name: string) => (attributes[name] as { int: number } | undefined)?.int === 1;
        const factors = [flag("transA") ? turned(x) : x, flag("transB") ? turned(y) : y];
        if (inputs.length === 2) return result(output, "MatMul", factors);
        const product = value("MatMul", factors, [runs, ...shape]);
        return result(output, "Add", [product, lifted(inputs[2], 2)]);
      }
      case "LayerNormalization": {
        const [rows, n] = shapeOf(x);
        const fill = (of: number) => {
          const name = `fill_${n}_${of}`;
          constants.set(name, { name, shape: [n], dtype: "float32", data: new Float32Array(n).fill(of) });
          return name;
        };
        const plain = `${output}/normalized`;
        shapes.set(plain, [runs, rows, n]);
        nodes.push({ op, inputs: [x, fill(1), fill(0)], outputs: [plain, ...outputs.slice(1)], attributes });
        outputs.slice(1).forEach((name) => many.add(name));
        const scaled = value("Mul", [plain, lifted(inputs[1], 2)], [runs, rows, n]);
        return result(output, "Add", [scaled, lifted(inputs[2], 2)]);
      }
      case "BatchNormalization": { // Of rows: (x - mean) scale; see `tracedRowsScaled()`.
        const [, rows] = shapeOf(x);
        const column = (name: string) => reshaped(full(name), [runs, 1, rows, 1]);
        const centred = value("Sub", [x, column(inputs[3])], [runs, ...shape]);
        return result(output, "Mul", [centred, column(inputs[1])]);
      }
    }
    refuse(`operation ${domain ?? ""}${op}`);
  }
  /** Rows of each run's array at each run's places: of all runs' arrays, one after the other. */
  function gatherEach(output: string, x: string, places: string, axis: number) {
    if (axis !== 0) {
      throw new TypeError(`Cannot run several seeds of ${graph.name} at once: rows alone can be gathered`);
    }
    const [[rows, ...rest], lengths] = [shapeOf(x), shapeOf(places)];
    const first = `first_of_${rows}_${lengths.length}`;
    const shape = [runs, ...ones(lengths.length)];
    constants.set(first, {
      name: first,
      shape,
      dtype: "int32",
      data: Int32Array.from({ length: runs }, (_, i) => i * rows),
    });
    const moved = value("Add", [places, first], [runs, ...lengths]);
    result(output, "Gather", [reshaped(x, [runs * rows, ...rest]), moved], { axis: { int: 0 } });
  }
  /** The axis of a cumulative sum, a scalar constant. */
  function reshapedAxis(name: string): string {
    const moved = `axis_${back(data(name)[0])}`;
    constants.set(moved, {
      name: moved,
      shape: [],
      dtype: "int64",
      data: BigInt64Array.of(BigInt(back(data(name)[0]))),
    });
    return moved;
  }

  for (const { name } of graph.inputs) many.add(name);
  const results = new Set(graph.outputs.map(({ name }) => name));
  for (const node of graph.nodes) {
    if (node.inputs.some((name) => many.has(name))) convert(node);
    else {
      const outputs = node.outputs.map((name) => results.has(name) ? `${name}/one` : name);
      nodes.push({ ...node, outputs });
      node.outputs.forEach((name, i) => {
        if (!results.has(name)) return;
        shapes.set(outputs[i], shapeOf(name));
        nodes.push({
          op: "Expand",
          inputs: [outputs[i], ints([runs, ...shapeOf(name)])],
          outputs: [name],
          attributes: {},
        });
        many.add(name);
      });
    }
  }
  for (const [name, shape] of graph.shapes) {
    if (!shapes.has(name)) shapes.set(name, many.has(name) ? [runs, ...shape] : shape);
  }
  const used = new Set(nodes.flatMap(({ inputs }) => inputs));
  const axis = <V extends { shape: readonly (number | string)[] | "sequence" }>(port: V): V => ({
    ...port,
    shape: [runs, ...port.shape],
  });
  return {
    ...graph,
    nodes,
    inputs: graph.inputs.map(axis),
    outputs: graph.outputs.map(axis),
    constants: [...constants.values()].filter(({ name }) => used.has(name)),
    shapes,
  };
}
