/**
 * Compilation: a pure TF.js function becomes one ONNX graph, traced once per input shape and run by ONNX Runtime.
 *
 * The same function runs eagerly on the other backends, so one program serves `onnx`, `tensorflow`, `webgpu`, `wasm`
 * and `cpu`.
 *
 * @module
 */

import type { NdArray } from "./array.ts";
import { type Backend, currentBackend, isEager, isOnGpu } from "./backend.ts";
import { buildOnDevice, type DeviceProgram, elementTypeOf } from "./device_program.ts";
import { tracePacked } from "./packed_graph.ts";
import { assertRanks } from "./kernels.ts";
import { createSession, giveTurn, type GpuBackend, loadOnDevice, openDevice, type Session } from "./runtime.ts";
import { overwritableInputs, schedule } from "./node_order.ts";
import { inState, type Layout, type LeafSpec, type Packing, packing, prepareCall } from "./state_buffers.ts";
import { type Call, currentGang, type RunCalls } from "./together.ts";
import { buildTogether } from "./together_program.ts";
import { type Computed, type Tensor, tf, type Traced } from "./tensor.ts";
import { treeEntries, treeLeaves, treeLike } from "./tree.ts";

export type { Computed, Traced } from "./tensor.ts";

interface Program extends Layout {
  session: Session;
  structure: unknown;
}

/** A compiled function. Call it with arrays; it resolves to arrays. */
export type Compiled<I, O> = (inputs: I) => Promise<Computed<O>>;

/** Arrays of states that were given to a call, from the moment of that call. */
const spent = new WeakSet<NdArray>();
/** What calls that have not ended are given. */
const reading = new Set<readonly NdArray[]>();

/**
 * Takes a call's arrays, before anything else can happen: its state may be given to no other call, and be read by none that has not
 * ended, for its buffers may be written over.
 *
 * @returns What ends the claim; `keeps` says that the state is as it was, because the call gave none back or failed before it began.
 */
function claim(name: string, leaves: readonly NdArray[], state: readonly NdArray[]): (keeps: boolean) => void {
  for (const leaf of leaves) {
    if (spent.has(leaf)) {
      throw new Error(`Cannot run ${name}: this state was given to an earlier call; use that call's result`);
    }
  }
  if (state.length > 0 && reading.size > 0) {
    const own = new Set(state);
    for (const others of reading) {
      if (others.some((leaf) => own.has(leaf))) {
        throw new Error(`Cannot run ${name}: another call still reads this state; await it first`);
      }
    }
  }
  for (const leaf of state) spent.add(leaf);
  reading.add(leaves);
  return (keeps) => {
    reading.delete(leaves);
    for (const leaf of keeps ? state : []) spent.delete(leaf);
  };
}

/**
 * Compiles a pure function from a tree of arrays to a tree of arrays.
 *
 * `fn` is called with symbolic tensors once per combination of input shapes; it must not read values, draw random
 * numbers, or branch on data. The key `state`, if inputs and outputs both have it, is *donated*: its buffers are reused
 * for a later call's result, so a state may be passed in once and is then spent, on every backend.
 *
 * @param name Name for messages and for the model.
 * @param fn From `{ name: tree of tensors }` to `{ name: tree of tensors }`.
 * @throws {TypeError} At the first call, if `fn` cannot be traced; the message names the operation.
 * @throws {Error} At a call with a state that is spent, or that another call still reads.
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
  const onDevice = new Map<string, Promise<DeviceProgram | undefined>>();
  const ofSeveral = new Map<string, Promise<RunCalls>>();
  /** Calls of several runs, of which each has a state. */
  const runTogether = async (inputs: I, key: string, calls: readonly Call[]): Promise<unknown[]> => {
    const runs = calls.length;
    const many = `${runs} runs ${key}`;
    const backend = currentBackend();
    if (isOnGpu(backend)) {
      const where = `${backend} ${many}`;
      let run = onDevice.get(where);
      if (!run) onDevice.set(where, run = buildForDevice(backend, name, fn, inputs, runs));
      const started = await run;
      if (started) {
        await giveTurn();
        return started(calls.map(({ leaves }) => leaves));
      }
    }
    let run = ofSeveral.get(many);
    if (!run) ofSeveral.set(many, run = buildTogether(name, fn, inputs, entriesOf(inputs), runs));
    return await (await run)(calls);
  };
  return async (inputs) => {
    const backend = currentBackend();
    const leaves = treeLeaves<NdArray>(inputs);
    const state = treeLeaves<NdArray>(inputs.state ?? []);
    const release = claim(name, leaves, state);
    let keeps = true;
    try {
      if (isEager(backend)) {
        const results = await runEagerly(name, fn, backend, inputs, leaves);
        keeps = !("state" in results);
        return results as Computed<O>;
      }
      const gang = state.length > 0 ? currentGang() : undefined;
      if (gang) {
        const key = typedKey(leaves);
        const results = await gang.call(programs, key, leaves, (calls) => runTogether(inputs, key, calls)) as object;
        keeps = !("state" in results);
        return results as Computed<O>;
      }
      if (isOnGpu(backend) && state.length > 0) {
        const key = `${backend} ${typedKey(leaves)}`;
        let run = onDevice.get(key);
        if (!run) onDevice.set(key, run = buildForDevice(backend, name, fn, inputs));
        const started = await run;
        if (started) {
          await giveTurn();
          const [results] = started([leaves]);
          keeps = false;
          return results as Computed<O>;
        }
      }
      let key = "";
      for (const leaf of leaves) key += `${leaf.data instanceof Int32Array ? "i" : ""}${leaf.shape};`;
      let program = programs.get(key);
      if (!program) programs.set(key, program = build(name, fn, inputs));
      const built = await program;
      keeps = !built.donated.includes(true); // A run that fails may have written over some of it.
      return await runProgram(built, leaves, state) as Computed<O>;
    } finally {
      release(keeps);
    }
  };
}

/** Shapes and types of arrays. */
function typedKey(leaves: readonly NdArray[]): string {
  let key = "";
  for (const leaf of leaves) key += `${elementTypeOf(leaf)}${leaf.shape};`;
  return key;
}

const entriesOf = (inputs: unknown) =>
  treeEntries<NdArray>(inputs).map(([path, leaf]) =>
    [path, { shape: leaf.shape, dtype: elementTypeOf(leaf) }] as const
  );

async function buildForDevice<I>(
  backend: GpuBackend,
  name: string,
  fn: (inputs: Traced<I>) => unknown,
  inputs: I,
  runs?: number,
): Promise<DeviceProgram | undefined> {
  const device = await openDevice(backend);
  return buildOnDevice(name, fn, inputs, entriesOf(inputs), device, (graph) => loadOnDevice(device, graph), runs);
}

async function build<I, O>(name: string, fn: (inputs: Traced<I>) => O, inputs: I): Promise<Program> {
  const entries = entriesOf(inputs);
  const packed = packing(entries);
  const { graph, structure, outputs, outputPackings: [unpacked] } = tracePacked(
    name,
    fn,
    inputs,
    entries,
    [packed],
    (found) => [packing(found)],
  );
  const nameOf = (prefix: string, found: readonly (readonly [string, LeafSpec])[], { offsets }: Packing) => {
    const apart = found.filter((_, i) => offsets[i] === undefined);
    return new Map(apart.map(([path], i) => [path, `${prefix}_${i}`]));
  };
  const [inputNames, outputNames] = [nameOf("input", entries, packed), nameOf("output", outputs, unpacked)];
  const isOverwritable = overwritableInputs(graph);
  return {
    session: await createSession(schedule(graph)),
    structure,
    inputs: packed,
    outputs: unpacked,
    specs: outputs.map(([, spec]) => spec),
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

async function runProgram(
  program: Program,
  leaves: readonly NdArray[],
  state: readonly NdArray[],
): Promise<unknown> {
  const call = prepareCall(program, leaves, state);
  await program.session.run(call.feeds, call.fetches);
  call.finish();
  return treeLike<NdArray, unknown>(program.structure, call.results);
}

/** On an eager backend the function runs as it is; tensors stay on the device only within one call. */
async function runEagerly<I, O>(
  name: string,
  fn: (inputs: Traced<I>) => O,
  backend: Backend,
  inputs: I,
  leaves: readonly NdArray[],
): Promise<object> {
  if (tf.getBackend() !== backend) throw new Error(`Cannot run ${name}: call useBackend("${backend}") first`);
  const outputs: Tensor[] = [];
  let structure: unknown;
  const engine = tf.engine();
  const { runKernel } = engine;
  engine.runKernel = <T extends Tensor | Tensor[]>(...[kernel, operands, attributes]: Parameters<typeof runKernel>) => {
    assertRanks(kernel, operands as Record<string, Tensor>);
    return runKernel.call(engine, kernel, operands, attributes) as T;
  };
  try {
    tf.tidy(() => {
      const tensors = leaves.map((leaf) => tf.tensor(leaf.data, [...leaf.shape], elementTypeOf(leaf)));
      structure = fn(treeLike<Tensor, Traced<I>>(inputs as Traced<I>, tensors));
      for (const leaf of treeLeaves<Tensor>(structure)) outputs.push(tf.keep(leaf.clone()));
    });
  } catch (error) {
    if (!(error instanceof TypeError && error.message.startsWith("Cannot broadcast "))) throw error;
    throw new TypeError(`Cannot run ${name}: ${error.message}`, { cause: error });
  } finally {
    engine.runKernel = runKernel;
  }
  const arrays = await Promise.all(outputs.map(async (tensor) => {
    const data = await tensor.data();
    tensor.dispose();
    return { shape: tensor.shape, data: data instanceof Int32Array ? data : Float32Array.from(data) };
  }));
  return treeLike<NdArray, object>(structure as object, arrays);
}
