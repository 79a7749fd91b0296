/**
 * Compiled functions of a state on a GPU: the state stays in the device's memory from call to call, arrays beside it go up in one vector,
 * and what else comes out is fetched when it is read.
 *
 * @module
 */

import type { NdArray } from "./array.ts";
import { forDevice } from "./device_graph.ts";
import type { OnnxGraph } from "./onnx.ts";
import type { Device, DeviceSession, DeviceTensor } from "./ort_device.ts";
import type { ElementType } from "./ort_model.ts";
import { type Entries, isApart, tracePacked } from "./packed_graph.ts";
import { withRuns } from "./run_axis.ts";
import { sameShape, type Shape, sizeOf } from "./shape.ts";
import { inState, type Packing, packing } from "./state_buffers.ts";
import type { Traced } from "./tensor.ts";
import { treeLike } from "./tree.ts";

/**
 * A compiled function on a device: starts it and returns what comes out, of which the values are fetched when they are first read.
 *
 * @param calls For each run, all input leaves, in order; those of the state are spent once the function has started.
 * @returns For each run, a tree of arrays.
 */
export type DeviceProgram = (calls: readonly (readonly NdArray[])[]) => unknown[];

/** Values in tensors of a device, until others are written over them. */
interface Held {
  readonly device: Device;
  readonly tensors: readonly DeviceTensor[];
  /** Arrays that lie in them. */
  count: number;
  /** The values, once they were fetched. */
  values?: NdArray["data"][];
  /** Why they can no longer be fetched. */
  gone?: string;
}

/** Where an array lies: in which of the tensors, from which number on. */
interface Place {
  held: Held;
  tensor: number;
  offset: number;
}

const places = new WeakMap<NdArray, Place>();

/** The type of an array's elements, by which it need not be fetched. */
export function elementTypeOf(array: NdArray): ElementType {
  const place = places.get(array);
  if (place) return place.held.tensors[place.tensor].dtype;
  return array.data instanceof Int32Array ? "int32" : "float32";
}

const newData = ({ shape, dtype }: Pick<DeviceTensor, "shape" | "dtype">): NdArray["data"] =>
  dtype === "int32" ? new Int32Array(sizeOf(shape)) : new Float32Array(sizeOf(shape));

/** The values of the tensors, fetched once. */
function valuesOf(held: Held): NdArray["data"][] {
  if (held.values) return held.values;
  const { device, tensors, gone } = held;
  if (gone) throw new Error(`Cannot read an array on the GPU: ${gone}`);
  const values = tensors.map(newData);
  device.download(tensors, values.map((data, i) => ({ shape: tensors[i].shape, data })));
  return held.values = values;
}

/** An array whose values lie on the device. `data` is its own property, so that `structuredClone()` copies it. */
function deviceArray(place: Place, shape: readonly number[]): NdArray {
  let data: NdArray["data"] | undefined;
  const array: NdArray = {
    shape,
    get data() {
      return data ??= valuesOf(place.held)[place.tensor].subarray(place.offset, place.offset + sizeOf(shape));
    },
  };
  places.set(array, place);
  place.held.count++;
  return array;
}

/** The tensors that leaves of a tree lie in: those together in a vector first, then those apart. */
interface Layout {
  key: string;
  specs: readonly Pick<DeviceTensor, "shape" | "dtype">[];
  /** Numbers of one run in each tensor. */
  strides: readonly number[];
  /** For each leaf of the tree, which tensor it lies in, and from which number of its run on; undefined for one elsewhere. */
  at: readonly (Omit<Place, "held"> | undefined)[];
}

/** @param axis That of runs, `[runs]`, or none. */
function layOut(
  entries: Entries,
  { length, offsets }: Packing,
  belongs: (path: string) => boolean,
  axis: Shape,
): Layout {
  const each: Pick<DeviceTensor, "shape" | "dtype">[] = [];
  if (length > 0) each.push({ shape: [length], dtype: "float32" });
  const at = entries.map(([path, { shape, dtype }], i) => {
    if (!belongs(path)) return undefined;
    const offset = offsets[i];
    if (offset !== undefined) return { tensor: 0, offset };
    each.push({ shape, dtype: dtype as ElementType });
    return { tensor: each.length - 1, offset: 0 };
  });
  const specs = each.map(({ shape, dtype }) => ({ shape: [...axis, ...shape], dtype }));
  const key = specs.map(({ shape, dtype }) => `${dtype}[${shape}]`).join();
  return { key, specs, strides: each.map(({ shape }) => sizeOf(shape)), at };
}

/** Tensors by the layouts that they hold: states that were used up leave theirs to later ones. */
const pools = new WeakMap<Device, Map<string, (readonly DeviceTensor[])[]>>();

function poolOf(device: Device, { key, specs }: Layout) {
  const all = pools.get(device) ?? new Map<string, (readonly DeviceTensor[])[]>();
  pools.set(device, all);
  const free = all.get(key) ?? [];
  all.set(key, free);
  return {
    take: () => free.pop() ?? specs.map(({ shape, dtype }) => device.tensor(shape, dtype)),
    give: (tensors: readonly DeviceTensor[]) => void free.push(tensors),
  };
}

/** States that nobody can reach any more. */
const dropped = new FinalizationRegistry<() => void>((give) => give());

/**
 * Builds a function that takes `state` for a device.
 *
 * @param entries Leaves of `inputs`.
 * @param load Loads a graph onto the device.
 * @param runs Runs at once, each with a call of its own. @default one run, without an axis
 * @returns Undefined if the function gives no state back.
 */
export function buildOnDevice<I>(
  name: string,
  fn: (inputs: Traced<I>) => unknown,
  inputs: I,
  entries: Entries,
  device: Device,
  load: (graph: OnnxGraph) => DeviceSession,
  runs?: number,
): DeviceProgram | undefined {
  const isGiven = (path: string) => !inState(path);
  const packBoth = (found: Entries) => [packing(found), packing(found, isGiven)] as const;
  const full = (packings: readonly Packing[]) => packings.filter(({ length }) => length > 0);
  const packedIn = packBoth(entries);
  const { graph, structure, outputs } = tracePacked(
    name,
    fn,
    inputs,
    entries,
    full(packedIn),
    (found) => full(packBoth(found)),
  );
  const packedOut = packBoth(outputs);
  const axis = runs === undefined ? [] : [runs];
  const [stateIn, given] = packedIn.map((packed, i) => layOut(entries, packed, [inState, isGiven][i], axis));
  const [stateOut, rest] = packedOut.map((packed, i) => layOut(outputs, packed, [inState, isGiven][i], axis));
  if (stateOut.specs.length === 0) return undefined;

  const session = load(forDevice(runs === undefined ? graph : withRuns(graph, runs)));
  const [before, after] = [poolOf(device, stateIn), poolOf(device, stateOut)];
  const stateLeaves = entries.flatMap(([path], i) => inState(path) ? [i] : []);
  const givenTensors = given.specs.map(({ shape, dtype }) => device.tensor(shape, dtype));
  const newVector = ({ length }: Packing) => new Float32Array(length * (runs ?? 1));
  const vector = newVector(packedIn[1]);
  const one = device.tensor([], "float32");
  device.upload([{ shape: [], data: Float32Array.of(1) }], [one]);
  /** Results beside the state that lie beside each state's tensors. */
  const restBeside = new WeakMap<DeviceTensor, { tensors: readonly DeviceTensor[]; held?: Held }>();

  /** Which tensors of the state and beside it the graph takes or gives, in its order: leaves apart, then vectors. */
  const orderOf = (packings: readonly Packing[], layouts: readonly [Layout, Layout]) => {
    const apart = layouts[0].at.flatMap((at, i) =>
      isApart(packings, i) ? [at ? { of: 0, tensor: at.tensor } : { of: 1, tensor: layouts[1].at[i]!.tensor }] : []
    );
    return [...apart, ...packings.flatMap(({ length }, of) => length > 0 ? [{ of, tensor: 0 }] : [])];
  };
  const [orderIn, orderOut] = [orderOf(packedIn, [stateIn, given]), orderOf(packedOut, [stateOut, rest])];
  const inOrder = (
    order: typeof orderIn,
    state: readonly DeviceTensor[],
    beside: readonly DeviceTensor[],
  ) => order.map(({ of, tensor }) => (of === 0 ? state : beside)[tensor]);

  /** The tensors that hold the whole state of all runs, if all of it lies as it should. */
  const heldState = (calls: readonly (readonly NdArray[])[]): Held | undefined => {
    const held = places.get(calls[0][stateLeaves[0]])?.held;
    if (!held || held.device !== device || held.gone || held.count !== calls.length * stateLeaves.length) {
      return undefined;
    }
    if (!held.tensors.every(({ shape }, t) => sameShape(shape, stateIn.specs[t].shape))) return undefined;
    const lies = calls.every((leaves, run) =>
      stateLeaves.every((i) => {
        const place = places.get(leaves[i]);
        const { tensor, offset } = stateIn.at[i]!;
        return place?.held === held && place.tensor === tensor &&
          place.offset === run * stateIn.strides[tensor] + offset;
      })
    );
    return lies ? held : undefined;
  };

  /** The tensor that leaf `i` of all runs is, if they lie in one as they should. */
  const tensorOf = (calls: readonly (readonly NdArray[])[], i: number, shape: Shape): DeviceTensor | undefined => {
    const first = places.get(calls[0][i]);
    const found = first?.held.device === device && !first.held.gone && first.held.tensors[first.tensor];
    if (!found || !sameShape(found.shape, shape)) return undefined;
    const size = sizeOf(calls[0][i].shape);
    const lies = calls.every((leaves, run) => {
      const place = places.get(leaves[i]);
      return place?.held === first.held && place.tensor === first.tensor && place.offset === run * size;
    });
    return lies ? found : undefined;
  };

  /** Copies leaves of a layout up; those apart that lie on the device already are taken as they are, if they may be. */
  const upload = (
    calls: readonly (readonly NdArray[])[],
    { at: places, specs, strides }: Layout,
    { length, offsets }: Packing,
    tensors: readonly DeviceTensor[],
    packed: Float32Array,
    mayTake: boolean,
  ): readonly DeviceTensor[] => {
    const used = [...tensors];
    const [arrays, targets]: [NdArray[], DeviceTensor[]] = [[], []];
    places.forEach((at, i) => {
      if (!at) return;
      const offset = offsets[i];
      if (offset !== undefined) {
        return calls.forEach((leaves, run) => packed.set(leaves[i].data, run * length + offset));
      }
      const { tensor } = at;
      const found = mayTake ? tensorOf(calls, i, specs[tensor].shape) : undefined;
      if (found) {
        used[tensor] = found;
        return;
      }
      const all = runs === undefined ? calls[0][i].data : newData(specs[tensor]);
      if (runs !== undefined) calls.forEach((leaves, run) => all.set(leaves[i].data, run * strides[tensor]));
      arrays.push({ shape: specs[tensor].shape, data: all });
      targets.push(tensors[tensor]);
    });
    if (length > 0) {
      arrays.push({ shape: specs[0].shape, data: packed });
      targets.push(tensors[0]);
    }
    if (arrays.length > 0) device.upload(arrays, targets);
    return used;
  };

  return (calls) => {
    const held = heldState(calls);
    const from = held?.tensors ?? before.take();
    const to = after.take();
    let beside = restBeside.get(to[0]);
    if (!beside) {
      beside = { tensors: rest.specs.map(({ shape, dtype }) => device.tensor(shape, dtype)) };
      restBeside.set(to[0], beside);
    }
    try {
      if (!held) upload(calls, stateIn, packedIn[0], from, newVector(packedIn[0]), false);
      const beneath = upload(calls, given, packedIn[1], givenTensors, vector, true);
      if (beside.held) {
        beside.held.gone = "later results were written over it; read it before the second call after its own";
      }
      session.run(
        [...inOrder(orderIn, from, beneath), one],
        inOrder(orderOut, to, beside.tensors),
      );
    } catch (error) {
      after.give(to);
      if (!held) before.give(from);
      throw error;
    }
    if (held) {
      held.gone = "this state was given to a later call; use that call's result";
      dropped.unregister(held);
    }
    before.give(from);
    const next: Held = { device, tensors: to, count: 0 };
    dropped.register(next, () => after.give(to), next);
    beside.held = { device, tensors: beside.tensors, count: 0 };
    const besides = beside.held;
    return calls.map((_, run) => {
      const results = outputs.map(([, { shape }], i) => {
        const isState = stateOut.at[i] !== undefined;
        const { at, strides } = isState ? stateOut : rest;
        const held = isState ? next : besides;
        const { tensor, offset } = at[i]!;
        return deviceArray({ held, tensor, offset: run * strides[tensor] + offset }, shape);
      });
      return treeLike<NdArray, unknown>(structure, results);
    });
  };
}
