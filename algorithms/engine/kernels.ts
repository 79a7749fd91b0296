/**
 * What each operation writes into the graph: one line per TF.js kernel, and a few kernels of our own.
 *
 * To add an operation, add one line to {@linkcode kernels} and one case to `tests/engine/trace_test.ts`.
 *
 * @module
 */

import { type Graph, type Info, tensorOf, tracing, type Value } from "./graph.ts";
import type { Attribute, DType } from "./onnx.ts";
import { sameShape, type Shape, sizeOf } from "./shape.ts";
import { tf } from "./tensor.ts";

// deno-lint-ignore no-explicit-any -- TF.js types the attributes of each kernel as its own interface
type Attributes = any;

const broadcast = (a: Shape, b: Shape) => tf.backend_util.assertAndGetBroadcastShape([...a], [...b]);
const range = (n: number) => Array.from({ length: n }, (_, i) => i);

/** Appends nodes for a TF.js kernel and returns symbolic tensors. */
export type Kernel = (g: Graph, inputs: Record<string, Info> & Info[], attributes: Attributes) => Info | Info[];

const unary = (op: string, attributes?: Record<string, Attribute>, dtype?: DType): Kernel => (g, { x }) => {
  const value = g.loose(x);
  return g.tensor(g.node(op, [value], value.shape, dtype ?? value.dtype, attributes), x.shape);
};

const commutative = new Set(["Add", "Mul"]);

/**
 * The shape of an operation of several operands: they have one rank, or are scalars. TF.js would give the smaller rank leading axes of
 * length 1, so that `[n]` with `[n, 1]` became `[n, n]`.
 */
function equalRanks(name: string, shapes: readonly Shape[]): Shape {
  const ranks = new Set(shapes.map((shape) => shape.length).filter((rank) => rank > 0));
  if (ranks.size > 1) {
    const shown = shapes.map((shape) => `[${shape.join(", ")}]`).join(" and ");
    throw new TypeError(
      `Cannot broadcast in ${name}: operands must have one rank, or be scalars, current shapes are ${shown}; reshape one of them`,
    );
  }
  return shapes.reduce(broadcast);
}

const elementwise = (op: string, dtype?: DType): Kernel => (g, { a, b }) =>
  combined(g, op, [a, b], equalRanks(op, [a.shape, b.shape]), dtype);

/** TF.js's kernels of two operands: the ONNX operator, and the type that it gives if that is not the operands'. */
const binaryKernels: Readonly<Record<string, [op: string, dtype?: DType]>> = {
  Add: ["Add"],
  Equal: ["Equal", "bool"],
  Greater: ["Greater", "bool"],
  GreaterEqual: ["GreaterOrEqual", "bool"],
  Less: ["Less", "bool"],
  LessEqual: ["LessOrEqual", "bool"],
  LogicalAnd: ["And", "bool"],
  LogicalOr: ["Or", "bool"],
  Maximum: ["Max"],
  Minimum: ["Min"],
  Multiply: ["Mul"],
  Pow: ["Pow"],
  RealDiv: ["Div"],
  Sub: ["Sub"],
};

/**
 * Refuses operands that a trace refuses, where TF.js runs an operation at once.
 *
 * @throws {TypeError} If they have different ranks, neither of which is a scalar's.
 */
export function assertRanks(kernel: string, { a, b }: Readonly<Record<string, { shape: Shape }>>): void {
  const op = { NotEqual: "Equal", SquaredDifference: "Sub" }[kernel] ?? binaryKernels[kernel]?.[0];
  if (op !== undefined) equalRanks(op, [a.shape, b.shape]);
  if (kernel === "BatchMatMul") equalRanks("MatMul", [a, b].map(({ shape }) => shape.slice(0, -2)));
}

/** `a op b`, of a shape that both broadcast to. */
function combined(g: Graph, op: string, [a, b]: readonly [Info, Info], shape: Shape, dtype?: DType): Info {
  const [x, y] = [g.loose(a), g.loose(b)];
  const [left, right] = [g.splats.get(x.name), g.splats.get(y.name)];
  if ((op === "Mul" || op === "Div") && right === 1 || (op === "Add" || op === "Sub") && right === 0) {
    return g.tensor(x, shape);
  }
  if (op === "Mul" && left === 1 || op === "Add" && left === 0) return g.tensor(y, shape);
  const small = broadcast(x.shape, y.shape);
  const operands = commutative.has(op) && y.shape.length === 0 ? [y, x] : [x, y]; // The faster order for scalars.
  return g.tensor(g.node(op, operands, small, dtype ?? x.dtype), shape);
}

const scalar = (g: Graph, x: number, dtype: DType = "float32") =>
  g.constant(dtype === "int32" ? Int32Array.of(x) : Float32Array.of(x), [], dtype);

const reduce = (op: string): Kernel => (g, { x }, { axis, reductionIndices, keepDims }) => {
  const axes = tf.util.parseAxisParam(axis ?? reductionIndices ?? range(x.shape.length), x.shape);
  if (axes.length === 0) return g.tensor(g.exact(x));
  const kept = x.shape.map((n, i) => axes.includes(i) ? 1 : n);
  const shape = keepDims ? kept : kept.filter((_, i) => !axes.includes(i));
  const attributes = { keepdims: { int: keepDims ? 1 : 0 } };
  const value = g.exact(x);
  return g.tensor(g.node(op, [value, g.ints(axes)], shape, value.dtype, attributes));
};

const slice = (g: Graph, x: Info, begin: readonly number[], size: readonly number[], steps?: readonly number[]) => {
  const value = g.exact(x);
  if (!steps && sameShape(size, x.shape)) return g.tensor(value);
  const end = begin.map((b, i) => b + size[i] * (steps?.[i] ?? 1));
  const inputs = [value, g.ints(begin), g.ints(end), g.ints(range(begin.length))];
  return g.tensor(g.node("Slice", steps ? [...inputs, g.ints(steps)] : inputs, size, value.dtype));
};

/** Vectors with neighbouring pieces of one vector put together again. */
function mergePieces(g: Graph, values: Value[]): Value[] {
  const runs: { whole: Value; start: number; end: number }[] = [];
  for (const value of values) {
    const { whole, start } = g.pieces.get(value.name) ?? { whole: value, start: 0 };
    const [last, end] = [runs.at(-1), start + value.shape[0]];
    if (last?.whole.name === whole.name && last.end === start) last.end = end;
    else runs.push({ whole, start, end });
  }
  return runs.map(({ whole, start, end }) => {
    if (start === 0 && end === whole.shape[0]) return whole;
    const piece = values.find((value) => {
      const found = g.pieces.get(value.name);
      return found?.whole.name === whole.name && found.start === start && value.shape[0] === end - start;
    });
    return piece ?? g.node("Slice", [whole, g.ints([start]), g.ints([end]), g.ints([0])], [end - start], whole.dtype);
  });
}

const concat = (g: Graph, xs: Info[], axis: number) => {
  const pieces = xs.filter((x) => x.shape[axis] > 0).map((x) => g.exact(x));
  const values = xs[0].shape.length === 1 ? mergePieces(g, pieces) : pieces;
  if (values.length === 1) return g.tensor(values[0]);
  const shape = values[0].shape.map((n, i) => i === axis ? values.reduce((sum, v) => sum + v.shape[i], 0) : n);
  return g.tensor(g.node("Concat", values, shape, values[0].dtype, { axis: { int: axis } }));
};

const split: Kernel = (g, { x }, { numOrSizeSplits, axis }) => {
  const along = tf.util.parseAxisParam(axis, x.shape)[0];
  const sizes = tf.backend_util.prepareSplitSize(x as tf.Tensor, numOrSizeSplits, along);
  const value = g.exact(x);
  const outputs = sizes.map((n) => ({ shape: x.shape.map((m, i) => i === along ? n : m), dtype: value.dtype }));
  const values = g.nodeOutputs("Split", [value, g.ints(sizes)], outputs, { axis: { int: along } });
  let start = 0;
  for (const piece of x.shape.length === 1 ? values : []) {
    g.pieces.set(piece.name, { whole: value, start });
    start += piece.shape[0];
  }
  return values.map((v) => g.tensor(v));
};

const transpose = (g: Graph, value: Value, perm: readonly number[]) =>
  perm.every((p, i) => p === i)
    ? value
    : g.node("Transpose", [value], perm.map((p) => value.shape[p]), value.dtype, { perm: { ints: perm } });

const matMul: Kernel = (g, { a, b }, { transposeA, transposeB }) => {
  const y = g.exact(b);
  const swap = (rank: number) => [...range(rank - 2), rank - 1, rank - 2];
  const rows = a.shape[a.shape.length - (transposeA ? 1 : 2)];
  const columns = y.shape[y.shape.length - (transposeB ? 2 : 1)];
  if (a.shape.length === 2 && b.shape.length === 2) {
    if (rows === 1 && !transposeB && columns > 1) { // A weighted column sum: of a vector, which is faster and needs no reshape after.
      const { value } = g.handle(a);
      const splat = g.splats.get(value.name);
      const length = [y.shape[0]];
      const vector = splat === undefined
        ? g.exact(g.tensor(value, length))
        : g.constant(new Float32Array(y.shape[0]).fill(splat), length, "float32");
      return g.tensor(g.node("MatMul", [vector, y], [columns], "float32"), [1, columns]);
    }
    const attributes = { transA: { int: transposeA ? 1 : 0 }, transB: { int: transposeB ? 1 : 0 } };
    return g.tensor(g.node("Gemm", [g.exact(a), y], [rows, columns], "float32", attributes));
  }
  const left = transposeA ? transpose(g, g.exact(a), swap(a.shape.length)) : g.exact(a);
  const right = transposeB ? transpose(g, y, swap(b.shape.length)) : y;
  const batch = equalRanks("MatMul", [a.shape, b.shape].map((shape) => shape.slice(0, -2)));
  return g.tensor(g.node("MatMul", [left, right], [...batch, rows, columns], "float32"));
};

const fill = (g: Graph, shape: Shape, value: number, dtype: DType) =>
  dtype === "bool"
    ? g.tensor(g.constant(Uint8Array.of(value), [], "bool"), shape)
    : g.tensor(scalar(g, value, dtype), shape);

const select: Kernel = (g, { condition, t, e }) => {
  const values = [condition, t, e].map((x) => g.loose(x));
  const small = values.map((v) => v.shape).reduce(broadcast);
  return g.tensor(g.node("Where", values, small, values[1].dtype), t.shape);
};

const view: Kernel = (g, { x }) => {
  const { value, shape } = g.handle(x);
  return g.tensor(value, shape);
};

/** Applies traced kernel `name` from within another kernel. */
const run = (g: Graph, name: string, inputs: Record<string, Info>, attributes: Attributes = {}) =>
  kernels[name](g, inputs as Record<string, Info> & Info[], attributes) as Info;

/** What each TF.js kernel writes into the graph. */
export const kernels: Record<string, Kernel> = {
  Abs: unary("Abs"),
  Atanh: unary("Atanh"),
  Ceil: unary("Ceil"),
  Cos: unary("Cos"),
  Erf: unary("Erf"),
  Exp: unary("Exp"),
  Floor: unary("Floor"),
  IsNan: unary("IsNaN", {}, "bool"),
  Log: unary("Log"),
  LogicalNot: unary("Not", {}, "bool"),
  Neg: unary("Neg"),
  Reciprocal: unary("Reciprocal"),
  Relu: unary("Relu"),
  Sigmoid: unary("Sigmoid"),
  Sign: unary("Sign"),
  Sin: unary("Sin"),
  Softplus: unary("Softplus"),
  Sqrt: unary("Sqrt"),
  Tanh: unary("Tanh"),
  ...Object.fromEntries(Object.entries(binaryKernels).map(([name, [op, dtype]]) => [name, elementwise(op, dtype)])),
  All: (g, { x }, attributes) => cast(g, run(g, "Min", { x: cast(g, x, "int32") }, attributes), "bool"),
  Any: (g, { x }, attributes) => cast(g, run(g, "Max", { x: cast(g, x, "int32") }, attributes), "bool"),
  Max: reduce("ReduceMax"),
  Mean: reduce("ReduceMean"),
  Min: reduce("ReduceMin"),
  Sum: reduce("ReduceSum"),
  AddN: (g, xs) => xs.reduce((a, b) => run(g, "Add", { a, b })),
  ArgMax: (g, { x }, { axis }) => {
    const value = g.exact(x);
    const along = tf.util.parseAxisParam(axis, x.shape)[0];
    const shape = x.shape.filter((_, i) => i !== along);
    const found = g.node("ArgMax", [value], shape, "int64", { axis: { int: along }, keepdims: { int: 0 } });
    return g.tensor(g.node("Cast", [found], shape, "int32", { to: { int: 6 } }));
  },
  BatchMatMul: matMul,
  Cast: (g, { x }, { dtype }) => cast(g, x, dtype),
  ClipByValue: (g, { x }, { clipValueMin, clipValueMax }) => {
    const value = g.loose(x);
    const bounds = [scalar(g, clipValueMin), scalar(g, clipValueMax)];
    return g.tensor(g.node("Clip", [value, ...bounds], value.shape, value.dtype), x.shape);
  },
  Concat: (g, xs, { axis }) => concat(g, xs, tf.util.parseAxisParam(axis, xs[0].shape)[0]),
  Cumsum: (g, { x }, { axis, exclusive, reverse }) => {
    const attributes = { exclusive: { int: exclusive ? 1 : 0 }, reverse: { int: reverse ? 1 : 0 } };
    const along = g.constant(BigInt64Array.of(BigInt(axis)), [], "int64");
    return g.tensor(g.node("CumSum", [g.exact(x), along], x.shape, "float32", attributes));
  },
  ExpandDims: (g, { input }, { dim }) => {
    const at = dim < 0 ? input.shape.length + 1 + dim : dim;
    return g.tensor(g.exact(input), input.shape.toSpliced(at, 0, 1));
  },
  Expm1: (g, { x }) => { // tanh(x/2) (e^x + 1), which keeps small x as e^x - 1 does not.
    const half = run(g, "Multiply", { a: x, b: fill(g, [], 0.5, "float32") });
    const above = run(g, "Add", { a: run(g, "Exp", { x }), b: fill(g, [], 1, "float32") });
    return run(g, "Multiply", { a: run(g, "Tanh", { x: half }), b: above });
  },
  Fill: (g, _, { shape, value, dtype }) => fill(g, shape, value, dtype ?? "float32"),
  GatherV2: (g, { x, indices }, { axis, batchDims }) => {
    if (batchDims) throw new TypeError(`Cannot trace gather: batchDims must be 0, current value is ${batchDims}`);
    const along = tf.util.parseAxisParam(axis, x.shape)[0];
    const shape = x.shape.toSpliced(along, 1, ...indices.shape);
    const attributes = { axis: { int: along } };
    return g.tensor(g.node("Gather", [g.exact(x), g.exact(indices)], shape, x.dtype as DType, attributes));
  },
  Identity: view,
  LeakyRelu: (g, { x }, { alpha }) => unary("LeakyRelu", { alpha: { float: alpha } })(g, { x } as never, {}),
  Log1p: (g, { x }) => { // For small x 2 atanh(x / (2 + x)), which keeps it as log(1 + x) does not.
    const number = (value: number) => fill(g, [], value, "float32");
    const ratio = run(g, "RealDiv", { a: x, b: run(g, "Add", { a: x, b: number(2) }) });
    const near = run(g, "Multiply", { a: run(g, "Atanh", { x: ratio }), b: number(2) });
    const far = run(g, "Log", { x: run(g, "Add", { a: x, b: number(1) }) });
    const isNear = run(g, "Less", { a: run(g, "Abs", { x }), b: number(0.5) });
    return run(g, "Select", { condition: isNear, t: near, e: far });
  },
  LogSoftmax: (g, { logits }) =>
    g.tensor(g.node("LogSoftmax", [g.exact(logits)], logits.shape, "float32", { axis: { int: -1 } })),
  NotEqual: (g, { a, b }) => run(g, "LogicalNot", { x: run(g, "Equal", { a, b }) }),
  OnesLike: (g, { x }) => fill(g, x.shape, 1, x.dtype as DType),
  Pack: (g, xs, { axis }) => {
    const along = axis < 0 ? axis + xs[0].shape.length + 1 : axis;
    return concat(g, xs.map((x) => g.tensor(g.exact(x), x.shape.toSpliced(along, 0, 1))), along);
  },
  PadV2: (g, { x }, { paddings, constantValue }) => {
    const shape = x.shape.map((n, i) => n + paddings[i][0] + paddings[i][1]);
    const pads = [...paddings.map((p: number[]) => p[0]), ...paddings.map((p: number[]) => p[1])];
    return g.tensor(
      g.node("Pad", [g.exact(x), g.ints(pads), scalar(g, constantValue, x.dtype as DType)], shape, x.dtype as DType),
    );
  },
  Reshape: (g, { x }, { shape }) => {
    const wanted = tf.util.inferFromImplicitShape(shape, sizeOf(x.shape));
    const { value } = g.handle(x);
    if (value.shape.length === 0) return g.tensor(value, wanted); // A fill stays a fill.
    return g.tensor(sizeOf(value.shape) === sizeOf(x.shape) ? value : g.exact(x), wanted);
  },
  Rsqrt: (g, { x }) => run(g, "Reciprocal", { x: run(g, "Sqrt", { x }) }),
  Select: select,
  Slice: (g, { x }, { begin, size }) => {
    const [start, extent] = tf.slice_util.parseSliceParams(x as tf.Tensor, begin, size);
    return slice(g, x, start, extent);
  },
  Softmax: (g, { logits }) =>
    g.tensor(g.node("Softmax", [g.exact(logits)], logits.shape, "float32", { axis: { int: -1 } })),
  SplitV: split,
  Square: (g, { x }) => run(g, "Multiply", { a: x, b: x }),
  SquaredDifference: (g, { a, b }) => run(g, "Square", { x: run(g, "Sub", { a, b }) }),
  Step: (g, { x }, { alpha }) => {
    const positive = run(g, "Greater", { a: x, b: fill(g, [], 0, "float32") });
    if (!alpha) return cast(g, positive, "float32");
    const [t, e] = [1, alpha].map((value) => fill(g, x.shape, value, "float32"));
    return run(g, "Select", { condition: positive, t, e });
  },
  StridedSlice: (g, { x }, attributes) => {
    const { begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } = attributes;
    const info = tf.slice_util.sliceInfo(
      [...x.shape],
      begin,
      end,
      strides,
      beginMask,
      endMask,
      ellipsisMask,
      newAxisMask,
      shrinkAxisMask,
    );
    const sliced = slice(g, x, info.begin, info.finalShapeSparse, info.strides);
    return run(g, "Reshape", { x: sliced }, { shape: info.finalShape });
  },
  Tile: (g, { x }, { reps }) => {
    const shape = x.shape.map((n, i) => n * reps[i]);
    const { value } = g.handle(x);
    if (value.shape.length === 0) return g.tensor(value, shape);
    return g.tensor(g.node("Tile", [g.exact(x), g.ints(reps)], shape, x.dtype as DType));
  },
  Transpose: (g, { x }, { perm }) => g.tensor(transpose(g, g.exact(x), perm)),
  Unpack: (g, { value }, { axis }) => {
    const along = tf.util.parseAxisParam(axis, value.shape)[0];
    const parts = split(g, { x: value } as never, { numOrSizeSplits: value.shape[along], axis: along }) as Info[];
    return parts.map((part) => g.tensor(g.exact(part), value.shape.toSpliced(along, 1)));
  },
  ZerosLike: (g, { x }) => fill(g, x.shape, 0, x.dtype as DType),
};

function cast(g: Graph, x: Info, dtype: DType): Info {
  const value = g.loose(x);
  if (value.dtype === dtype) return g.tensor(value, x.shape);
  const to = { float32: 1, int32: 6, int64: 7, bool: 9 }[dtype];
  return g.tensor(g.node("Cast", [value], value.shape, dtype, { to: { int: to } }), x.shape);
}

/** Names of the TF.js kernels that can be traced. */
export function tracedKernels(): string[] {
  return Object.keys(kernels).sort();
}

/**
 * `x + row` or `x row` for `x [..., n]` and `row [n]`, the only operations on two ranks.
 *
 * @throws {TypeError} If `row` is none of the last axis.
 */
export function byRow(op: "Add" | "Mul", x: tf.Tensor, row: tf.Tensor): tf.Tensor {
  if (row.rank !== 1 || row.shape[0] !== x.shape.at(-1)) {
    const [rows, columns] = [row, x].map(({ shape }) => `[${shape.join(", ")}]`);
    throw new TypeError(
      `Cannot broadcast in ${op}: a row for ${columns} must have its last axis alone, current shape is ${rows}`,
    );
  }
  const g = tracing();
  if (g) return tensorOf(combined(g, op, [x, row], x.shape));
  const shown = tf.reshape(row, x.shape.map((n, i) => i === x.rank - 1 ? n : 1));
  return op === "Add" ? tf.add(x, shown) : tf.mul(x, shown);
}

/**
 * Kernels of our own, for one ONNX operator where TF.js would write many; outside a trace the caller composes them.
 *
 * @returns `[scaled and shifted, mean, inverse standard deviation]` for `x [batch, n]`: `[batch, n]`, `[batch, 1]`, `[batch, 1]`;
 * null outside a trace.
 */
export function tracedLayerNormalization(
  x: tf.Tensor,
  scale: tf.Tensor,
  shift: tf.Tensor,
  epsilon: number,
): tf.Tensor[] | null {
  const g = tracing();
  if (!g) return null;
  const row = [x.shape[0], 1];
  const values = g.nodeOutputs(
    "LayerNormalization",
    [x, scale, shift].map((tensor) => g.exact(tensor)),
    [{ shape: x.shape, dtype: "float32" }, { shape: row, dtype: "float32" }, { shape: row, dtype: "float32" }],
    { axis: { int: -1 }, epsilon: { float: epsilon } },
  );
  return values.map((v) => tensorOf(g.tensor(v)));
}

/**
 * `(x - mean) scale` for `x [batch, n]` and `mean` and `scale [batch, 1]` in one pass, as a BatchNormalization whose channels are the rows;
 * null outside a trace.
 */
export function tracedRowsScaled(x: tf.Tensor, mean: tf.Tensor, scale: tf.Tensor): tf.Tensor | null {
  const g = tracing();
  if (!g) return null;
  const [rows, n] = x.shape;
  const view = (tensor: tf.Tensor, shape: Shape) => g.exact(g.tensor(g.exact(tensor), shape));
  const fill = (value: number) => g.constant(new Float32Array(rows).fill(value), [rows], "float32");
  const inputs = [view(x, [1, rows, n]), view(scale, [rows]), fill(0), view(mean, [rows]), fill(1)];
  const scaled = g.node("BatchNormalization", inputs, [1, rows, n], "float32", { epsilon: { float: 0 } });
  return tensorOf(g.tensor(scaled, [rows, n]));
}
