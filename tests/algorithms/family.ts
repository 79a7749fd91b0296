/**
 * What the tests of FQL, SSCP, Consistency-AC, CPQL and BFQ share: filled networks, batches, scripted noise, and the comparison with
 * summaries of networks.
 *
 * @module
 */

import { assert } from "@std/assert";
import type { GeluCritic } from "../../algorithms/core/gelu_critic.ts";
import type { Linear } from "../../algorithms/core/nn.ts";
import type { Rng } from "../../algorithms/core/rng.ts";
import { type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { filled, filler, lcg, worstError } from "../golden.ts";

/** Sizes of the reference rows: S = 3, A = 2, B = 4. */
export const spec = { observationDim: 3, actionDim: 2, maxAction: 1 };

/** Float32 against float64, relative to `max(|expected|, 1)`. */
export const tolerance = 2e-5;

/** Asserts that numbers agree with nested arrays of expected ones. */
export function near(actual: ArrayLike<number>, expected: unknown, bound = tolerance) {
  const error = worstError(actual, [expected].flat(4) as number[]);
  assert(error <= bound, `worst error ${error}, allowed ${bound}`);
}

/** Numbers in [0, 1), row-major. */
export function uniform(seed: number, shape: readonly number[]): NdArray {
  const next = lcg(seed);
  return ndarray(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, next), shape);
}

/** The transitions of a base. */
export function batchAt(base: number) {
  const mask = filled(base + 4 * 1009, [4, 1]);
  return {
    observation: filled(base, [4, 3]),
    action: filled(base + 1009, [4, 2], 0.95),
    nextObservation: filled(base + 2 * 1009, [4, 3]),
    reward: filled(base + 3 * 1009, [4, 1]),
    terminal: ndarray(mask.data.map((v) => v > -0.2 ? 0 : 1), [4, 1]),
  };
}

/** Draw `i` of a base, unit-sized noise. */
export const drawAt = (base: number, i: number, rows = 4) => filled(base + 1009 * i, [rows, 2], 1.7);

/** A stream that gives prepared arrays and numbers, one after the other. */
export function scriptedRng(normals: NdArray[], uniforms: ArrayLike<number>[], coins: number[] = []): Rng {
  const fill = (from: ArrayLike<number>[]) => <A extends Float32Array | Float64Array>(out: A): A => {
    const next = from.shift()!;
    assert(next.length === out.length, `${next.length} numbers are prepared, ${out.length} wanted`);
    out.set(next);
    return out;
  };
  const rng: Rng = {
    child: () => rng,
    uniform: () => coins.shift()!,
    integer: () => {
      throw new Error("no integers are prepared");
    },
    fillNormal: fill(normals.map(({ data }) => data)),
    fillUniform: fill(uniforms),
  };
  return rng;
}

/** Filled affine maps through `sizes`. */
export const filledStack = (fill: ReturnType<typeof filler>, sizes: readonly number[]): Linear<NdArray>[] =>
  sizes.slice(1).map((n, i) => fill.linear(sizes[i], n));

/** A filled critic of FQL and SSCP with hidden layers of 8. */
export function filledGeluCritic(base: number): GeluCritic<NdArray> {
  const fill = filler(base);
  const value = () => {
    const [layers, norms]: [Linear<NdArray>[], ReturnType<typeof fill.norm>[]] = [[], []];
    for (const inputs of [5, 8, 8, 8]) {
      layers.push(fill.linear(inputs, 8));
      norms.push(fill.norm(8));
    }
    return { layers: [...layers, fill.linear(8, 1)], norms };
  };
  return { q1: value(), q2: value() };
}

/** A value network's arrays in the reference's order: each affine map, then its norm. */
export const orderedValue = ({ layers, norms }: { layers: Linear<NdArray>[]; norms: object[] }) =>
  layers.flatMap((layer, i) => i < norms.length ? [layer, norms[i]] : [layer]);

/** A twin critic's arrays in the reference's order. */
export const orderedCritic = ({ q1, q2 }: GeluCritic<NdArray>) => [...orderedValue(q1), ...orderedValue(q2)];

/** Summary of a network, or of a gradient, in the reference rows. */
export interface Summary {
  norms: number[];
  first: number[];
  sum?: number;
  sumsq?: number;
}

const leaves = (tree: unknown): NdArray[] =>
  tree !== null && typeof tree === "object" && "data" in tree && "shape" in tree
    ? [tree as NdArray]
    : Object.values(tree as object).flatMap(leaves);

/** Asserts that arrays, in the reference's order, have a summary. */
export function nearSummary(tree: unknown, expected: Summary, bound = tolerance) {
  const arrays = leaves(tree);
  near(arrays.map(({ data }) => Math.hypot(...data)), expected.norms, bound);
  near(arrays.map(({ data }) => data[0]), expected.first, bound);
  const all = arrays.flatMap(({ data }) => [...data]);
  if (expected.sum !== undefined) near([all.reduce((a, b) => a + b, 0)], expected.sum, bound);
  if (expected.sumsq !== undefined) near([all.reduce((a, b) => a + b * b, 0)], expected.sumsq, bound);
}

/** Numbers of a tree of arrays. */
export const countOf = (tree: unknown) => leaves(tree).reduce((sum, { data }) => sum + data.length, 0);
