/**
 * Buffers of a compiled function's states: small arrays packed into one, and used ones taken again for the next state.
 *
 * @module
 */

import { type NdArray, ndarray } from "./array.ts";
import { sizeOf } from "./shape.ts";
import { isSmall } from "./join.ts";
import type { DType } from "./onnx.ts";

/** Shape and element type of an array. */
export interface LeafSpec {
  shape: readonly number[];
  dtype: DType;
}

/** Where arrays lie in one packed buffer, undefined for one with a buffer of its own, and the buffer's length. */
export interface Packing {
  offsets: readonly (number | undefined)[];
  length: number;
}

/** Whether a leaf at this path belongs to the state. */
export const inState = (path: string): boolean => path === "state" || path.startsWith("state/");

/** Packs small floats, those of the state unless `belongs` says otherwise: each buffer costs microseconds per call. */
export function packing(
  entries: readonly (readonly [path: string, spec: LeafSpec])[],
  belongs: (path: string) => boolean = inState,
): Packing {
  let length = 0;
  const offsets = entries.map(([path, { shape, dtype }]) => {
    const size = sizeOf(shape);
    if (!belongs(path) || dtype !== "float32" || !isSmall({ shape })) return undefined;
    length += size;
    return length - size;
  });
  return { offsets, length };
}

/** How the inputs and outputs of a compiled function lie in memory. */
export interface Layout {
  inputs: Packing;
  outputs: Packing;
  /** Shape and type of each output leaf. */
  specs: readonly LeafSpec[];
  /** For each output leaf, whether it belongs to the donated state. */
  donated: readonly boolean[];
  /** For each output leaf, the input leaf whose buffer it may be written over; undefined for one with a buffer of its own. */
  over: readonly (number | undefined)[];
  /** Buffers of states that were used up, to write the next state into: the packed one first. */
  free: NdArray[][];
}

/** A call's arrays for the runtime, those it returns, and what is to be done once it has run. */
export interface PreparedCall {
  feeds: NdArray[];
  fetches: NdArray[];
  results: NdArray[];
  finish(): void;
}

/** Which buffers the leaves of a state made here lie in. */
const owners = new WeakMap<NdArray, { free: NdArray[][]; buffers: NdArray[] }>();

/**
 * Lays out a call.
 *
 * @param leaves All input leaves, in order.
 * @param state Those of the state, which the call spends if the function gives a state back.
 */
export function prepareCall(layout: Layout, leaves: readonly NdArray[], state: readonly NdArray[]): PreparedCall {
  const { inputs, outputs, specs, donated, over } = layout;
  const owner = state.length > 0 ? owners.get(state[0]) : undefined;
  const apart = new Set(leaves.map(({ data }) => data)).size === leaves.length; // No array stands for two inputs.
  const whole = owner !== undefined && leaves.every((leaf, i) =>
    inputs.offsets[i] === undefined ||
    owners.get(leaf) === owner && leaf.data.buffer === owner.buffers[0].data.buffer &&
      leaf.data.byteOffset === 4 * inputs.offsets[i]
  ) && state.every((leaf) => owners.get(leaf) === owner);
  const donates = donated.includes(true) && state.length > 0;

  const [packed, ...large] = (donates ? layout.free.pop() : undefined) ?? [
    ndarray(new Float32Array(outputs.length), [outputs.length]),
    ...specs.filter((_, i) => donated[i] && outputs.offsets[i] === undefined && over[i] === undefined).map(newArray),
  ];
  let next = 0;
  const parts = partsOf(packed, specs, outputs);
  // New objects each time, so that a spent state stays spent when its buffers come back as another state.
  const results = specs.map((spec, i): NdArray => {
    if (over[i] !== undefined) return whole && apart ? { ...leaves[over[i]] } : newArray(spec);
    if (outputs.offsets[i] === undefined) return donated[i] ? { ...large[next++] } : newArray(spec);
    return { shape: spec.shape, data: parts[i]! };
  });
  return {
    feeds: [
      ...leaves.filter((_, i) => inputs.offsets[i] === undefined),
      whole ? owner.buffers[0] : pack(leaves, inputs),
    ],
    fetches: [...results.filter((_, i) => outputs.offsets[i] === undefined), packed],
    results,
    finish() {
      if (!donates) return;
      if (whole) owner.free.push(owner.buffers);
      const holder = { free: layout.free, buffers: [packed, ...large] };
      results.forEach((leaf, i) => donated[i] && owners.set(leaf, holder));
    },
  };
}

function newArray({ shape, dtype }: LeafSpec): NdArray {
  const size = sizeOf(shape);
  return { shape, data: dtype === "int32" ? new Int32Array(size) : new Float32Array(size) };
}

const knownParts = new WeakMap<NdArray["data"], (NdArray["data"] | undefined)[]>();

/** The packed outputs' views of their buffer, made once: buffers come back, and views are dear. */
function partsOf({ data }: NdArray, specs: readonly LeafSpec[], { offsets }: Packing) {
  const known = knownParts.get(data);
  if (known) return known;
  const parts = specs.map(({ shape }, i) => {
    const offset = offsets[i];
    return offset === undefined ? undefined : data.subarray(offset, offset + sizeOf(shape));
  });
  knownParts.set(data, parts);
  return parts;
}

function pack(leaves: readonly NdArray[], { offsets, length }: Packing): NdArray {
  const data = new Float32Array(length);
  leaves.forEach((leaf, i) => offsets[i] !== undefined && data.set(leaf.data, offsets[i]));
  return ndarray(data, [length]);
}
