/**
 * Compilation: a pure TF.js function becomes one ONNX graph, traced once per input shape and run by ONNX Runtime.
 *
 * The same function runs eagerly on the other backends, so one program serves `onnx`, `tensorflow`, `webgpu`, `wasm`
 * and `cpu`.
 *
 * @module
 */

import { type NdArray, ndarray } from "./array.ts";
import { type Backend, currentBackend } from "./backend.ts";
import { isSmall } from "./join.ts";
import { type DType, encodeOnnx, renameValues } from "./onnx.ts";
import { createSession, type Session } from "./runtime.ts";
import { overwritableInputs, schedule } from "./node_order.ts";
import { type Tensor, tf } from "./tensor.ts";
import { traceGraph } from "./trace.ts";
import { mapTree, treeEntries, treeLeaves, treeLike } from "./tree.ts";

/** The tree `T` with every array replaced by a tensor: what a compiled function sees of its inputs. */
export type Traced<T> = T extends NdArray ? Tensor : T extends object ? { [K in keyof T]: Traced<T[K]> } : T;

/** The tree `T` with every tensor replaced by an array: what a compiled function returns. */
export type Computed<T> = T extends Tensor ? NdArray : T extends object ? { [K in keyof T]: Computed<T[K]> } : T;

const dtypeOf = (array: NdArray): DType => array.data instanceof Int32Array ? "int32" : "float32";
const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const newArray = ({ shape, dtype }: Spec): NdArray => {
  const size = sizeOf(shape);
  return { shape, data: dtype === "int32" ? new Int32Array(size) : new Float32Array(size) };
};

type Spec = { shape: readonly number[]; dtype: DType };

interface Program {
  session: Session;
  structure: unknown;
  /** For each input and output leaf, where it lies in the packed buffer; undefined for a leaf with its own. */
  inputOffsets: readonly (number | undefined)[];
  outputOffsets: readonly (number | undefined)[];
  outputs: readonly Spec[];
  /** For each output leaf, whether it belongs to the donated state. */
  donated: readonly boolean[];
  /** For each output leaf, the input leaf whose buffer it may be written over; undefined for one with a buffer of its own. */
  over: readonly (number | undefined)[];
  /** Buffers of states that were used up, to write the next state into: the packed one first. */
  free: NdArray[][];
}

/** A compiled function. Call it with arrays; it resolves to arrays. */
export type Compiled<I, O> = (inputs: I) => Promise<Computed<O>>;

const spent = new WeakSet<NdArray>();
const owners = new WeakMap<NdArray, { free: NdArray[][]; buffers: NdArray[] }>();

/**
 * Compiles a pure function from a tree of arrays to a tree of arrays.
 *
 * `fn` is called with symbolic tensors once per combination of input shapes; it must not read values, draw random
 * numbers, or branch on data. The key `state`, if inputs and outputs both have it, is *donated*: its buffers are reused
 * for a later call's result, so a state may be passed in once and is then spent.
 *
 * @param name Name for messages and for the model.
 * @param fn From `{ name: tree of tensors }` to `{ name: tree of tensors }`.
 * @throws {TypeError} At the first call, if `fn` cannot be traced; the message names the operation.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { ndarray } from "./array.ts";
 * import { compile } from "./compile.ts";
 * import { tf } from "./tensor.ts";
 * const double = compile("double", ({ x }) => ({ y: tf.mul(x, 2) }));
 * const { y } = await double({ x: ndarray([1, 2, 3], [3]) });
 * assert(y.data[2] === 6);
 * ```
 */
export function compile<
  // deno-lint-ignore no-explicit-any -- the tensors that `fn` sees are checked through Traced<I>
  I extends Record<string, any> = Record<string, NdArray>,
  // deno-lint-ignore no-explicit-any -- as above
  O extends Record<string, any> = Record<string, any>,
>(name: string, fn: (inputs: Traced<I>) => O): Compiled<I, O> {
  const programs = new Map<string, Promise<Program>>();
  const eager = new Map<string, Compiled<I, O>>();
  return (inputs) => {
    const backend = currentBackend();
    if (backend !== "onnx") {
      let run = eager.get(backend);
      if (!run) eager.set(backend, run = runEagerly(name, fn, backend));
      return run(inputs);
    }
    const leaves = treeLeaves<NdArray>(inputs);
    let key = "";
    for (const leaf of leaves) key += `${leaf.data instanceof Int32Array ? "i" : ""}${leaf.shape};`;
    let program = programs.get(key);
    if (!program) programs.set(key, program = build(name, fn, inputs));
    return runProgram(name, program, inputs, leaves) as Promise<Computed<O>>;
  };
}

const inState = (path: string) => path === "state" || path.startsWith("state/");

interface Packing {
  offsets: (number | undefined)[];
  length: number;
}

/** Offsets of a state's small floats in one packed buffer, and its length: each buffer costs microseconds per call. */
function packing(entries: readonly (readonly [string, Spec])[]): Packing {
  let length = 0;
  const offsets = entries.map(([path, { shape, dtype }]) => {
    const size = sizeOf(shape);
    if (!inState(path) || dtype !== "float32" || !isSmall({ shape })) return undefined;
    length += size;
    return length - size;
  });
  return { offsets, length };
}

async function build<I, O>(name: string, fn: (inputs: Traced<I>) => O, inputs: I): Promise<Program> {
  const entries = treeEntries<NdArray>(inputs).map(([path, leaf]) =>
    [path, { shape: leaf.shape, dtype: dtypeOf(leaf) }] as const
  );
  const packed = packing(entries);
  const own = entries.filter((_, i) => packed.offsets[i] === undefined).map(([, spec]) => spec);
  let structure: unknown;
  let outputs: readonly (readonly [string, Spec])[] = [];
  let unpacked = packed;
  const graph = traceGraph(name, [...own, { shape: [packed.length], dtype: "float32" }], (tensors) => {
    const vector = tensors.pop()!;
    const small = entries.filter((_, i) => packed.offsets[i] !== undefined).map(([, spec]) => spec);
    const parts = small.length > 0 ? tf.split(vector, small.map((spec) => sizeOf(spec.shape)), 0) : [];
    const leaves = entries.map(([, { shape }], i) =>
      packed.offsets[i] === undefined ? tensors.shift()! : tf.reshape(parts.shift()!, [...shape])
    );
    structure = fn(treeLike<Tensor, Traced<I>>(inputs as Traced<I>, leaves));
    const results = treeEntries<Tensor>(structure);
    outputs = results.map(([path, { shape, dtype }]) => [path, { shape, dtype: dtype as DType }] as const);
    unpacked = packing(outputs);
    const [together, apart] = [true, false].map((isPacked) =>
      results.filter((_, i) => (unpacked.offsets[i] !== undefined) === isPacked).map(([, tensor]) => tensor)
    );
    const joined = together.map((tensor) => tf.reshape(tensor, [-1]));
    return [...apart, joined.length > 0 ? tf.concat(joined, 0) : tf.zeros([0])];
  });
  const nameOf = (prefix: string, found: readonly (readonly [string, Spec])[], { offsets }: Packing) => {
    const apart = found.filter((_, i) => offsets[i] === undefined);
    return new Map(apart.map(([path], i) => [path, `${prefix}_${i}`]));
  };
  const [inputNames, outputNames] = [nameOf("input", entries, packed), nameOf("output", outputs, unpacked)];
  const isOverwritable = overwritableInputs(graph);
  return {
    session: await createSession(schedule(graph)),
    structure,
    inputOffsets: packed.offsets,
    outputOffsets: unpacked.offsets,
    outputs: outputs.map(([, spec]) => spec),
    donated: outputs.map(([path]) => inState(path)),
    over: outputs.map(([path, spec]) => {
      const [from, to] = [inputNames.get(path), outputNames.get(path)];
      if (!inState(path) || from === undefined || to === undefined || !isOverwritable(from, to)) return undefined;
      const input = entries.findIndex(([name]) => name === path);
      const alike = `${entries[input][1].shape}` === `${spec.shape}` && entries[input][1].dtype === spec.dtype;
      return alike ? input : undefined;
    }),
    free: [],
  };
}

const packedLength = (leaves: readonly Spec[] | readonly NdArray[], offsets: readonly (number | undefined)[]) =>
  leaves.reduce((sum, leaf, i) => offsets[i] === undefined ? sum : sum + sizeOf(leaf.shape), 0);

async function runProgram(
  name: string,
  pending: Promise<Program>,
  inputs: Record<string, unknown>,
  leaves: readonly NdArray[],
): Promise<unknown> {
  for (const leaf of leaves) {
    if (spent.has(leaf)) {
      throw new Error(`Cannot run ${name}: this state was given to an earlier call; use that call's result`);
    }
  }
  const program = await pending;
  const { inputOffsets, outputOffsets, outputs, donated, over } = program;
  const state = treeLeaves<NdArray>(inputs.state ?? []);
  const owner = state.length > 0 ? owners.get(state[0]) : undefined;
  const apart = new Set(leaves.map(({ data }) => data)).size === leaves.length; // No array stands for two inputs.
  const whole = owner !== undefined && leaves.every((leaf, i) =>
    inputOffsets[i] === undefined ||
    owners.get(leaf) === owner && leaf.data.buffer === owner.buffers[0].data.buffer &&
      leaf.data.byteOffset === 4 * inputOffsets[i]
  ) && state.every((leaf) => owners.get(leaf) === owner);
  const donates = donated.includes(true) && state.length > 0;
  if (donates) state.forEach((leaf) => spent.add(leaf));

  const own = leaves.filter((_, i) => inputOffsets[i] === undefined);
  const feeds = [...own, whole ? owner.buffers[0] : pack(leaves, inputOffsets)];

  const [packed, ...large] = (donates ? program.free.pop() : undefined) ?? [
    ndarray(new Float32Array(packedLength(outputs, outputOffsets)), [packedLength(outputs, outputOffsets)]),
    ...outputs.filter((_, i) => donated[i] && outputOffsets[i] === undefined && over[i] === undefined).map(newArray),
  ];
  let next = 0;
  const parts = partsOf(packed, outputs, outputOffsets);
  // New objects each time, so that a spent state stays spent when its buffers come back as another state.
  const results = outputs.map((spec, i): NdArray => {
    const offset = outputOffsets[i];
    if (over[i] !== undefined) return whole && apart ? { ...leaves[over[i]] } : newArray(spec);
    if (offset === undefined) return donated[i] ? { ...large[next++] } : newArray(spec);
    return { shape: spec.shape, data: parts[i]! };
  });
  await program.session.run(feeds, [...results.filter((_, i) => outputOffsets[i] === undefined), packed]);
  if (donates) {
    if (whole) owner.free.push(owner.buffers);
    const holder = { free: program.free, buffers: [packed, ...large] };
    results.forEach((leaf, i) => donated[i] && owners.set(leaf, holder));
  }
  return treeLike<NdArray, unknown>(program.structure, results);
}

const knownParts = new WeakMap<NdArray["data"], (NdArray["data"] | undefined)[]>();

/** The packed outputs' views of their buffer, made once: buffers come back, and views are dear. */
function partsOf({ data }: NdArray, outputs: readonly Spec[], offsets: readonly (number | undefined)[]) {
  const known = knownParts.get(data);
  if (known) return known;
  const parts = outputs.map(({ shape }, i) => {
    const offset = offsets[i];
    return offset === undefined ? undefined : data.subarray(offset, offset + sizeOf(shape));
  });
  knownParts.set(data, parts);
  return parts;
}

function pack(leaves: readonly NdArray[], offsets: readonly (number | undefined)[]): NdArray {
  const length = packedLength(leaves, offsets);
  const data = new Float32Array(length);
  leaves.forEach((leaf, i) => offsets[i] !== undefined && data.set(leaf.data, offsets[i]));
  return ndarray(data, [length]);
}

/** On an eager backend the function runs as it is; tensors stay on the device only within one call. */
function runEagerly<I, O>(name: string, fn: (inputs: Traced<I>) => O, backend: Backend): Compiled<I, O> {
  return async (inputs) => {
    if (tf.getBackend() !== backend) throw new Error(`Cannot run ${name}: call useBackend("${backend}") first`);
    const outputs: Tensor[] = [];
    let structure: unknown;
    tf.tidy(() => {
      const tensors = treeLeaves<NdArray>(inputs).map((leaf) =>
        tf.tensor(leaf.data, [...leaf.shape], dtypeOf(leaf) as "float32" | "int32")
      );
      structure = fn(treeLike<Tensor, Traced<I>>(inputs as Traced<I>, tensors));
      for (const leaf of treeLeaves<Tensor>(structure)) outputs.push(tf.keep(leaf.clone()));
    });
    const arrays = await Promise.all(outputs.map(async (tensor) => {
      const data = await tensor.data();
      tensor.dispose();
      return { shape: tensor.shape, data: data instanceof Int32Array ? data : Float32Array.from(data) };
    }));
    return treeLike<NdArray, unknown>(structure, arrays) as Computed<O>;
  };
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
    const outputs = fn(Object.fromEntries(names.map((key, i) => [key, tensors[i]])));
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
