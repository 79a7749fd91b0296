/**
 * The graph under construction while a function is traced: nodes, constants, and the symbolic tensors that stand for their values.
 *
 * A symbolic tensor may be a *view*: the graph's value has another shape (a reshape) or a smaller, broadcastable one (a fill, an
 * expanded gradient); nodes for these are written only where an operation needs them.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { tf } from "./tensor.ts";
import type { Attribute, DType, OnnxConstant, OnnxNode } from "./onnx.ts";
import { sameShape, type Shape, sizeOf } from "./shape.ts";

/** A value of the graph. */
export interface Value {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
}

/** A tensor's value, and the shape that it is seen as. */
interface Handle {
  readonly value: Value;
  readonly shape: Shape;
}

/** A symbolic tensor, as TF.js hands it to kernels. */
export type Info = tf.TensorInfo;

type Data = Float32Array | Int32Array | BigInt64Array | Uint8Array;

let current: Graph | null = null;

/** The graph under construction; null outside of a trace. */
export function tracing(): Graph | null {
  return current;
}

/** Runs `fn` with a graph under construction. */
export function whileTracing<T>(graph: Graph, fn: () => T): T {
  current = graph;
  try {
    return fn();
  } finally {
    current = null;
  }
}

/**
 * The graph under construction.
 *
 * @throws {Error} Outside of a trace.
 */
export function currentGraph(): Graph {
  if (!current) throw new Error("Cannot trace: no compiled function is being traced");
  return current;
}

/** Nodes, constants and the symbolic tensors that stand for their values. */
export class Graph {
  readonly nodes: OnnxNode[] = [];
  readonly constants = new Map<string, OnnxConstant>();
  readonly handles = new WeakMap<object, Handle>();
  readonly splats = new Map<string, number>(); // Scalar constants, by name.
  readonly shapes = new Map<string, Shape>();
  readonly pieces = new Map<string, { whole: Value; start: number }>(); // Of vectors that were split.
  readonly #known = new Map<string, Value[]>(); // Common sub-expressions: one node for equal operations.
  #count = 0;

  name(): string {
    return `v${this.#count++}`;
  }

  constant(data: Data, shape: Shape, dtype: DType): Value {
    const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
    const key = `${dtype}[${shape}]=${createHash("sha256").update(bytes).digest("base64")}`;
    const found = this.constants.get(key);
    if (found) return found;
    const value = { name: this.name(), shape: [...shape], dtype, data };
    this.constants.set(key, value);
    if (shape.length === 0) this.splats.set(value.name, Number(data[0]));
    return value;
  }

  ints(values: readonly number[]): Value {
    return this.constant(BigInt64Array.from(values, BigInt), [values.length], "int64");
  }

  nodeOutputs(
    op: string,
    inputs: readonly Value[],
    outputs: readonly { shape: Shape; dtype: DType }[],
    attributes: Record<string, Attribute> = {},
  ): Value[] {
    const key = `${op}(${inputs.map((v) => v.name)})${JSON.stringify(attributes)}${outputs.map((o) => o.shape.join())}`;
    const found = this.#known.get(key);
    if (found) return found;
    const values = outputs.map(({ shape, dtype }) => ({ name: this.name(), shape: [...shape], dtype }));
    for (const value of values) this.shapes.set(value.name, value.shape);
    this.nodes.push({ op, inputs: inputs.map((v) => v.name), outputs: values.map((v) => v.name), attributes });
    this.#known.set(key, values);
    return values;
  }

  node(op: string, inputs: readonly Value[], shape: Shape, dtype: DType, attributes?: Record<string, Attribute>) {
    return this.nodeOutputs(op, inputs, [{ shape, dtype }], attributes)[0];
  }

  /** A symbolic tensor over `value`, seen as `shape`. */
  tensor(value: Value, shape: Shape = value.shape): Info {
    const dataId = {};
    this.handles.set(dataId, { value, shape });
    return { dataId, shape: [...shape], dtype: value.dtype === "int64" ? "int32" : value.dtype };
  }

  /** The graph's view of a tensor, which may also be an eager one captured from outside. */
  handle(info: Info): Handle {
    const known = this.handles.get(info.dataId);
    if (known) return sameShape(known.shape, info.shape) ? known : { value: known.value, shape: info.shape };
    const outside = tf.engine().state.tensorInfo.get(info.dataId);
    if (!outside || outside.backend === backend) throw new Error("Cannot trace: a tensor of another trace was used");
    const data = outside.backend.readSync(info.dataId) as Float32Array | Int32Array | Uint8Array;
    return { value: this.constant(data.slice(), info.shape, info.dtype as DType), shape: info.shape };
  }

  /** A value of exactly the tensor's shape. */
  exact(info: Info): Value {
    const { value, shape } = this.handle(info);
    if (sameShape(value.shape, shape)) return value;
    const op = sizeOf(value.shape) === sizeOf(shape) ? "Reshape" : "Expand";
    return this.node(op, [value, this.ints(shape)], shape, value.dtype);
  }

  /** A value that broadcasts to the tensor's shape. */
  loose(info: Info): Value {
    const { value, shape } = this.handle(info);
    const reshaped = sizeOf(value.shape) === sizeOf(shape) && sizeOf(shape) > 1 && !sameShape(value.shape, shape);
    return reshaped || value.shape.length > shape.length ? this.exact(info) : value;
  }
}

/** Symbolic tensors hold no values, so reading one is an error that names the way out. */
class TracingBackend extends tf.KernelBackend {
  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): object {
    const data = values as Float32Array | Int32Array | Uint8Array;
    const typed = dtype === "int32"
      ? Int32Array.from(data)
      : dtype === "bool"
      ? Uint8Array.from(data)
      : Float32Array.from(data);
    return constantTensor(currentGraph(), typed, shape, dtype as DType).dataId;
  }
  override read(): never {
    throw new TypeError(
      "Cannot read a tensor's values inside a compiled function: data() and dataSync() have no value while the " +
        "function is traced; return the tensor from the function and read it there",
    );
  }
  override readSync(): never {
    return this.read();
  }
  override disposeData(): boolean {
    return true;
  }
  override incRef() {}
  override refCount(): number {
    return 1;
  }
  override numDataIds(): number {
    return 0;
  }
  override floatPrecision(): 32 {
    return 32;
  }
  override timerAvailable(): boolean {
    return false;
  }
}

/** A constant; one of equal elements is kept as a scalar, which broadcasts. */
function constantTensor(g: Graph, data: Data, shape: Shape, dtype: DType): Info {
  const splat = data.length > 1 && (data as Float32Array).every((x) => x === data[0]);
  return splat ? g.tensor(g.constant(data.slice(0, 1), [], dtype), shape) : g.tensor(g.constant(data, shape, dtype));
}

/** The backend that symbolic tensors live on. */
export const backend: tf.KernelBackend = new TracingBackend();

/** Its name in TF.js. */
export const backendName = "onestep-trace";

/** The tensor of a value of the graph. */
export function tensorOf(info: Info): tf.Tensor {
  return tf.engine().makeTensorFromTensorInfo(info, backend);
}
