/**
 * The deterministic fillers behind the reference numbers: a linear congruential generator and the networks it fills.
 *
 * @module
 */

import { type NdArray, ndarray } from "../algorithms/engine/array.ts";
import type { Rng } from "../algorithms/core/rng.ts";
import type { Linear } from "../algorithms/core/nn.ts";
import type { Critic, DiffusionNetwork, QNetwork } from "../algorithms/dtql/mod.ts";
import type { TwinCritic } from "../algorithms/core/twin_critic.ts";
import type { BehaviourNetwork } from "../algorithms/core/ln_resnet.ts";

/** Numbers in [0, 1): `s <- 1664525 s + 1013904223 mod 2^32`, advanced before each output. */
export function lcg(seed: number): () => number {
  let s = seed >>> 0;
  return () => (s = (Math.imul(1664525, s) + 1013904223) >>> 0) / 2 ** 32;
}

/** Row-major numbers `scale (2u - 1)`. */
export function filled(seed: number, shape: readonly number[], scale = 1): NdArray {
  const next = lcg(seed);
  const size = shape.reduce((a, b) => a * b, 1);
  return ndarray(Float32Array.from({ length: size }, () => scale * (2 * next() - 1)), shape);
}

/** Fills tensors in PyTorch's order: tensor j with seed `base + 7919 j`. */
export function filler(base: number) {
  let j = 0;
  const vector = (n: number, shift = 0) => {
    const next = lcg(base + 7919 * j++);
    return ndarray(Float32Array.from({ length: n }, () => shift + 0.2 * (2 * next() - 1)), [n]);
  };
  return {
    linear(inputs: number, outputs: number): Linear<NdArray> {
      const next = lcg(base + 7919 * j++);
      const data = new Float32Array(inputs * outputs); // PyTorch's [out, in], written transposed.
      for (let o = 0; o < outputs; o++) {
        for (let i = 0; i < inputs; i++) data[i * outputs + o] = (2 * next() - 1) * Math.sqrt(3 / inputs);
      }
      return { weight: ndarray(data, [inputs, outputs]), bias: vector(outputs) };
    },
    norm: (n: number) => ({ scale: vector(n, 1), shift: vector(n) }),
    skip: (n: number) => j += n,
  };
}

const stack = (fill: ReturnType<typeof filler>, sizes: readonly number[]) =>
  sizes.slice(1).map((n, i) => fill.linear(sizes[i], n));

/** A filled diffusion network. */
export function filledScore(base: number, s: number, a: number, hidden: number, e: number): DiffusionNetwork<NdArray> {
  const fill = filler(base);
  return { time: stack(fill, [e, 2 * e, e]), trunk: stack(fill, [a + s + e, hidden, hidden, hidden, hidden, a]) };
}

/** A filled critic. */
export function filledCritic(base: number, s: number, a: number, hidden: number): Critic<NdArray> {
  const fill = filler(base);
  const q = (): QNetwork<NdArray> => {
    const layers: Linear<NdArray>[] = [];
    const norms = [];
    for (const inputs of [s + a, hidden, hidden]) {
      layers.push(fill.linear(inputs, hidden));
      norms.push(fill.norm(hidden));
    }
    layers.push(fill.linear(hidden, 1));
    return { layers, norms };
  };
  return { q1: q(), q2: q(), v: stack(fill, [s, hidden, hidden, hidden, 1]) };
}

/** A filled one-step policy. */
export function filledActor(base: number, s: number, a: number, hidden: number): Linear<NdArray>[] {
  return stack(filler(base), [s, hidden, hidden, hidden, 2 * a]);
}

/** SRPO's behaviour network, filled; its unused linear maps take their turns in the filler. */
export function filledBehaviour(base: number, s: number, a: number) {
  const draw = lcg(base);
  const frequencies = ndarray(Float32Array.from({ length: 32 }, () => 30 * (2 * draw() - 1)), [1, 32]);
  const fill = filler(base);
  fill.skip(1); // The frequencies.
  const input = fill.linear(a + s + 128, 256);
  const blocks = [0, 1, 2].map(() => {
    const block = { norm: fill.norm(256), first: fill.linear(256, 1024), second: fill.linear(1024, 256) };
    fill.skip(2);
    return block;
  });
  const output = fill.linear(256, a);
  const network: BehaviourNetwork<NdArray> = { input, blocks, output, time: stack(fill, [64, 128, 128]) };
  return { network, frequencies };
}

/** SRPO's twin critic, value and policy, filled. */
export const filledTwin = (base: number, s: number, a: number): TwinCritic<NdArray> => {
  const fill = filler(base);
  return { q1: stack(fill, [a + s, 256, 256, 1]), q2: stack(fill, [a + s, 256, 256, 1]) };
};
export const filledMlp = (base: number, sizes: readonly number[]) => stack(filler(base), sizes);

/** The reference trainer's noise: one LCG stream, normals `sqrt(-2 ln(1 - u1)) cos(2 pi u2)`. */
export function lcgRng(seed: number): Rng {
  const next = lcg(seed);
  const rng: Rng = {
    child: () => rng,
    uniform: next,
    integer: (n) => Math.floor(next() * n),
    fillUniform(out) {
      for (let i = 0; i < out.length; i++) out[i] = next();
      return out;
    },
    fillNormal(out) {
      for (let i = 0; i < out.length; i++) {
        out[i] = Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
      }
      return out;
    },
  };
  return rng;
}

/** Largest error of `actual`, relative to `max(|expected|, floor)`, element by element. */
export function worstError(actual: ArrayLike<number>, expected: readonly number[], floor = 1): number {
  if (actual.length !== expected.length) return Infinity;
  return Math.max(...expected.map((x, i) => Math.abs(actual[i] - x) / Math.max(Math.abs(x), floor)));
}
