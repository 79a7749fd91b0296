/**
 * Acting on one observation at the speed of memory: a multilayer perceptron as a few loops of WebAssembly SIMD.
 *
 * A call of ONNX Runtime costs about 0.1 ms before it computes anything, ten times what a small network takes. This module writes
 * its own WebAssembly, under 500 bytes of it, so that a call is one function over weights that lie in the order in which they are read.
 * Activations other than ReLU are loops of JavaScript over a table between the layers.
 *
 * @module
 */

import { type NdArray, ndarray } from "../engine/array.ts";
import type { Linear } from "./nn.ts";
import type { Rng } from "./rng.ts";

/** A policy of one observation `[S]`; the action `[A]` that it returns is overwritten by the next call. Nothing is allocated. */
export type Actor = (observation: ArrayLike<number>) => Float32Array;

const width = 32; // Outputs that are summed at a time: eight registers of four.
const floatBytes = 4;

type Layer = (x: number, weights: number, bias: number, y: number, inputs: number, end: number, least: number) => void;

/**
 * A deterministic policy: `maxAction tanh(mlp(observation))`.
 *
 * @param layers `[in, out]` weights; copied.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { createMlpActor } from "./mlp_actor.ts";
 * import { initMlp } from "./nn.ts";
 * import { createRng } from "./rng.ts";
 * const act = createMlpActor(initMlp([17, 256, 256, 6], createRng(0)), 1);
 * assert(act(new Float32Array(17)).length === 6);
 * ```
 */
export function createMlpActor(layers: readonly Linear<NdArray>[], maxAction: number): Actor {
  const forward = createMlp(layers);
  return (observation) => {
    const action = forward(observation);
    for (let i = 0; i < action.length; i++) action[i] = maxAction * Math.tanh(action[i]);
    return action;
  };
}

/**
 * One sample per call of a Gaussian policy under tanh, `maxAction tanh(mean + exp(logStd) noise)`; the layers give the means, then
 * the logarithms of the standard deviations.
 *
 * @param logStds Least and largest logarithm of a standard deviation.
 */
export function createGaussianActor(
  layers: readonly Linear<NdArray>[],
  maxAction: number,
  [least, most]: readonly [number, number],
  rng: Rng,
): Actor {
  const forward = createMlp(layers);
  const noise = new Float32Array(layers[layers.length - 1].weight.shape[1] / 2);
  const action = new Float32Array(noise.length);
  return (observation) => {
    const head = forward(observation);
    rng.fillNormal(noise);
    for (let i = 0; i < action.length; i++) {
      const std = Math.exp(Math.min(Math.max(head[action.length + i], least), most));
      action[i] = maxAction * Math.tanh(head[i] + std * noise[i]);
    }
    return action;
  };
}

/** A policy of one pass that takes noise, for {@linkcode createNoiseActor}. */
export interface NoisePolicy {
  /** A perceptron on `[observation, noise]`, `[in, out]` weights; see {@linkcode arrangeInputs}. */
  layers: readonly Linear<NdArray>[];
  /** Between its layers. */
  activation: Activation;
  /** Factor of the noise in the action. */
  skip: number;
  /** Factor of the perceptron in the action. */
  out: number;
}

/** One sample per call of a policy of noise `z`, `maxAction clip(skip z + out mlp([observation, z]))`, clipped to [-1, 1]. */
export function createNoiseActor(
  { layers, activation, skip, out }: NoisePolicy,
  maxAction: number,
  rng: Rng,
): Actor {
  const forward = createMlp(layers, activation);
  const noise = new Float32Array(layers[layers.length - 1].weight.shape[1]);
  const observationDim = layers[0].weight.shape[0] - noise.length;
  const input = new Float32Array(observationDim + noise.length);
  return (observation) => {
    rng.fillNormal(noise);
    for (let i = 0; i < observationDim; i++) input[i] = observation[i];
    input.set(noise, observationDim);
    const action = forward(input);
    for (let i = 0; i < action.length; i++) {
      action[i] = maxAction * Math.min(Math.max(skip * noise[i] + out * action[i], -1), 1);
    }
    return action;
  };
}

/** Inputs of a layer, from a row of its weights on: `count` that are kept, each times `factor` (1 unless given), or fixed `values`. */
export type InputPart = { from: number; count: number; factor?: number } | { from: number; values: ArrayLike<number> };

/**
 * A layer whose kept inputs stand in the order of `parts`, and whose fixed ones are added to its bias.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { arrangeInputs } from "./mlp_actor.ts";
 * import { ndarray } from "../engine/array.ts";
 * const layer = { weight: ndarray([1, 2, 3], [3, 1]), bias: ndarray([10], [1]) };
 * const { weight, bias } = arrangeInputs(layer, [{ from: 2, count: 1 }, { from: 1, values: [5] }, { from: 0, count: 1 }]);
 * assertEquals([...weight.data, ...bias.data], [3, 1, 20]);
 * ```
 */
export function arrangeInputs({ weight, bias }: Linear<NdArray>, parts: readonly InputPart[]): Linear<NdArray> {
  const outputs = weight.shape[1];
  const kept: number[] = [];
  const sums = Float64Array.from(bias.data);
  for (const part of parts) {
    const rows = "values" in part ? part.values.length : part.count;
    for (let i = 0; i < rows; i++) {
      const row = weight.data.subarray((part.from + i) * outputs, (part.from + i + 1) * outputs);
      if ("values" in part) row.forEach((w, o) => sums[o] += part.values[i] * w);
      else row.forEach((w) => kept.push((part.factor ?? 1) * w));
    }
  }
  return { weight: ndarray(kept, [kept.length / outputs, outputs]), bias: ndarray(Float32Array.from(sums), [outputs]) };
}

/** What stands between the layers of {@linkcode createMlp}. */
export type Activation = "relu" | "gelu" | "mish";

const curves: Readonly<Record<Exclude<Activation, "relu">, (x: number) => number>> = {
  gelu: (x) => x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * x * (1 + 0.044715 * x * x))),
  mish: (x) => x * Math.tanh(Math.log1p(Math.exp(x))),
};

// An exponential per hidden unit would cost as much as the products: both curves are read from a table, x above its reach and 0 below, where
// they are above -5e-8.
const [reach, perUnit] = [20, 100];

/** Values of a curve and, times the spacing, its slopes at points `1 / perUnit` apart from `-reach` to `reach`. */
function tabulate(curve: (x: number) => number): Float64Array {
  const [points, step] = [2 * reach * perUnit + 1, 1e-5];
  const table = new Float64Array(2 * points);
  for (let i = 0; i < points; i++) {
    const x = i / perUnit - reach;
    table[2 * i] = curve(x);
    table[2 * i + 1] = (curve(x + step) - curve(x - step)) / (2 * step * perUnit);
  }
  return table;
}

const tables = new Map<Activation, Float64Array>();

/** Applies a curve in place, by cubics through values and slopes: within 1e-9, before rounding to float32. */
function applyTable(table: Float64Array, y: Float32Array) {
  for (let k = 0; k < y.length; k++) {
    const x = y[k];
    if (x >= reach) continue;
    if (x <= -reach) {
      y[k] = 0;
      continue;
    }
    const at = (x + reach) * perUnit;
    const i = Math.floor(at), u = at - i, j = 2 * i;
    const low = table[j], high = table[j + 2], from = table[j + 1], to = table[j + 3];
    const rise = high - low;
    y[k] = low + u * (from + u * (3 * rise - 2 * from - to + u * (from + to - 2 * rise)));
  }
}

/**
 * A perceptron as {@linkcode mlp} computes it; its output is overwritten by the next call.
 *
 * @param activation Between the layers. @default "relu"
 */
export function createMlp(layers: readonly Linear<NdArray>[], activation: Activation = "relu"): Actor {
  const padded = (n: number) => Math.ceil(n / width) * width;
  const sizes = [layers[0].weight.shape[0], ...layers.map(({ weight }) => weight.shape[1])];
  let floats = 0;
  const reserve = (n: number) => {
    const at = floats;
    floats += padded(n);
    return at * floatBytes;
  };
  const values = sizes.map((n) => reserve(n));
  const places = layers.map((_, i) => ({
    weights: reserve(sizes[i] * padded(sizes[i + 1])),
    bias: reserve(sizes[i + 1]),
  }));
  const { memory, layer } = instantiate(Math.ceil(floats * floatBytes / 65_536));
  const all = new Float32Array(memory.buffer);
  layers.forEach(({ weight, bias }, i) => {
    const [inputs, outputs] = weight.shape;
    const [to, biasTo] = [places[i].weights / floatBytes, places[i].bias / floatBytes];
    for (let o = 0; o < outputs; o++) {
      const block = to + Math.floor(o / width) * width * inputs + o % width; // Blocks of 32 columns, one after the other.
      for (let k = 0; k < inputs; k++) all[block + k * width] = weight.data[k * outputs + o];
      all[biasTo + o] = bias.data[o];
    }
  });
  const input = new Float32Array(memory.buffer, values[0], sizes[0]);
  const output = new Float32Array(memory.buffer, values[values.length - 1], sizes[sizes.length - 1]);
  const [count, last] = [layers.length, layers.length - 1];
  const least = activation === "relu" ? 0 : -Infinity;
  let table = tables.get(activation);
  if (!table && activation !== "relu") tables.set(activation, table = tabulate(curves[activation]));
  const hidden = sizes.slice(1).map((n, i) => new Float32Array(memory.buffer, values[i + 1], n));
  return (observation) => {
    for (let i = 0; i < input.length; i++) input[i] = observation[i];
    for (let i = 0; i < count; i++) {
      const { weights, bias } = places[i];
      const end = values[i + 1] + padded(sizes[i + 1]) * floatBytes;
      layer(values[i], weights, bias, values[i + 1], sizes[i], end, i < last ? least : -Infinity);
      if (table && i < last) applyTable(table, hidden[i]);
    }
    return output;
  };
}

let compiled: WebAssembly.Module | undefined;

function instantiate(pages: number): { memory: WebAssembly.Memory; layer: Layer } {
  const memory = new WebAssembly.Memory({ initial: pages });
  compiled ??= new WebAssembly.Module([true, false].map(writeModule).find((bytes) => WebAssembly.validate(bytes))!);
  const { exports } = new WebAssembly.Instance(compiled, { m: { m: memory } });
  return { memory, layer: exports.l as Layer };
}

/**
 * One layer: `y = max(least, bias + x W)`, 32 outputs at a time, up to the address `end`; in WebAssembly's binary format, version 1.
 *
 * @param isFused Whether products are added in one operation, of the relaxed SIMD that not every browser has; a quarter faster.
 */
function writeModule(isFused: boolean): Uint8Array<ArrayBuffer> {
  const [i32, f32, v128] = [0x7f, 0x7d, 0x7b];
  const [x, weights, bias, y, inputs, end, least, at, stop, sum, splat] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 17];
  const sums = [0, 1, 2, 3, 4, 5, 6, 7].map((k) => sum + k);
  const get = (local: number) => [0x20, local];
  const set = (local: number) => [0x21, local];
  const constant = (n: number) => n < 64 ? [0x41, n] : [0x41, n & 127 | 128, n >> 7];
  const [add, shiftLeft, isLess, loop, repeatIf, end_] = [[0x6a], [0x74], [0x49], [0x03, 0x40], [0x0d, 0], [0x0b]];
  const simd = (op: number, ...rest: number[]) => [0xfd, ...(op < 128 ? [op] : [op & 127 | 128, op >> 7]), ...rest];
  const load = (offset: number) => simd(0, 4, offset);
  const store = (offset: number) => simd(11, 4, offset);
  const [loadSplat, splatFloat, plus, times, maximum] = [simd(9, 2, 0), simd(19), simd(0xe4), simd(0xe6), simd(0xe9)];
  const addProduct = (s: number) => isFused ? [...get(s), ...simd(0x105)] : [...times, ...get(s), ...plus];
  const advance = (local: number, bytes: number) => [...get(local), ...constant(bytes), ...add, ...set(local)];
  const whileLess = (a: number, b: number) => [...get(a), ...get(b), ...isLess, ...repeatIf, ...end_];
  const code = [
    loop, // Outputs, 32 at a time.
    ...sums.map((s, k) => [...get(bias), ...load(16 * k), ...set(s)]),
    [...get(x), ...set(at), ...get(x), ...get(inputs), ...constant(2), ...shiftLeft, ...add, ...set(stop)],
    loop, // Inputs.
    [...get(at), ...loadSplat, ...set(splat)],
    ...sums.map((s, k) => [...get(splat), ...get(weights), ...load(16 * k), ...addProduct(s), ...set(s)]),
    [...advance(weights, 128), ...advance(at, 4), ...whileLess(at, stop)],
    ...sums.map((s, k) => [...get(y), ...get(s), ...get(least), ...splatFloat, ...maximum, ...store(16 * k)]),
    [...advance(bias, 128), ...advance(y, 128), ...whileLess(y, end)],
    end_,
  ].flat();
  const unsigned = (n: number): number[] => n < 128 ? [n] : [n & 127 | 128, ...unsigned(n >> 7)];
  const section = (id: number, bytes: number[]) => [id, ...unsigned(bytes.length), ...bytes];
  const body = [2, 2, i32, 9, v128, ...code]; // Two kinds of locals.
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 7, i32, i32, i32, i32, i32, i32, f32, 0]),
    ...section(2, [1, 1, 0x6d, 1, 0x6d, 2, 0, 1]), // Memory "m" of "m".
    ...section(3, [1, 0]),
    ...section(7, [1, 1, 0x6c, 0, 0]), // Function "l".
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ]);
}
