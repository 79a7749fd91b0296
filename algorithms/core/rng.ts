/**
 * Seeded randomness with named child streams.
 *
 * A stream is fixed by its seed and path alone, not by what was drawn before: `createRng(7).child("update/41")` is the
 * same stream in a fresh run and in a resumed one, so a checkpoint needs no generator state beyond the update count.
 * The generator underneath is `pure-rand`'s xoroshiro128+, seeded with the SHA-256 of the path.
 *
 * @module
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";

const encoder = new TextEncoder();
const largestBelowOne = 1 - 2 ** -24; // Of float32.

/** A stream of random numbers. */
export interface Rng {
  /** An independent stream named below this one; does not consume from it. */
  child(name: string): Rng;
  /** A number in (0, 1), 32 random bits. */
  uniform(): number;
  /** An integer in [0, n). */
  integer(n: number): number;
  /** Fills with numbers in (0, 1). */
  fillUniform<A extends Float32Array | Float64Array>(out: A): A;
  /** Fills with unit Gaussians (the ziggurat of Doornik 2005, in float64). */
  fillNormal<A extends Float32Array | Float64Array>(out: A): A;
}

/**
 * The root stream of a seed.
 *
 * @param seed Any integer or text.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { createRng } from "./rng.ts";
 * const [a, b] = [createRng(1).child("critic"), createRng(1).child("critic")];
 * assert(a.uniform() === b.uniform());
 * ```
 */
export function createRng(seed: number | string): Rng {
  const digest = new DataView(sha256(encoder.encode(`onestep/${seed}`)).buffer);
  const generator = xoroshiro128plusFromState([0, 4, 8, 12].map((at) => digest.getInt32(at, true)));
  const bits = () => generator.next();
  const uniform = () => ((bits() >>> 0) + 0.5) / 2 ** 32;
  return {
    child: (name) => createRng(`${seed}/${name}`),
    uniform,
    integer(n) {
      if (!Number.isInteger(n) || n < 1 || n > 2 ** 32) {
        throw new RangeError(`Cannot draw integer: n must be an integer in [1, 2^32], current value is ${n}`);
      }
      const limit = Math.floor(2 ** 32 / n) * n;
      for (;;) {
        const drawn = bits() >>> 0;
        if (drawn < limit) return drawn - Math.floor(drawn / n) * n; // Exact, and faster than % beyond 2^31.
      }
    },
    fillUniform(out) {
      for (let i = 0; i < out.length; i++) {
        out[i] = uniform();
        if (out[i] === 1) out[i] = largestBelowOne; // As float32 rounds the last 128 of the 2^32 numbers.
      }
      return out;
    },
    fillNormal(out) {
      for (let i = 0; i < out.length; i++) out[i] = drawNormal(bits, uniform);
      return out;
    },
  };
}

/** Puts `rows` in a random order (Fisher & Yates), in place. */
export function shuffle(rows: Int32Array, rng: Rng): Int32Array {
  for (let i = rows.length - 1; i > 0; i--) {
    const j = rng.integer(i + 1);
    [rows[i], rows[j]] = [rows[j], rows[i]];
  }
  return rows;
}

// The ziggurat: 128 layers of equal area over half a Gaussian, the lowest with the tail beyond `edge`.
const [layers, edge, area] = [128, 3.442619855899, 9.91256303526217e-3];
const density = (x: number) => Math.exp(-x * x / 2);
const widths = new Float64Array(layers + 1);
widths[0] = area / density(edge);
widths[1] = edge;
for (let i = 2; i < layers; i++) widths[i] = Math.sqrt(-2 * Math.log(area / widths[i - 1] + density(widths[i - 1])));
const inner = Float64Array.from({ length: layers }, (_, i) => widths[i + 1] / widths[i]);

function drawNormal(bits: () => number, uniform: () => number): number {
  for (;;) {
    const layer = bits() >>> 25; // The generator's high bits: its lowest are linear in its state.
    const u = 2 * uniform() - 1;
    const x = u * widths[layer];
    if (Math.abs(u) < inner[layer]) return x; // 98.8 %
    if (layer === 0) { // The tail (Marsaglia 1964).
      let [far, height] = [0, 0];
      do [far, height] = [-Math.log(uniform()) / edge, -Math.log(uniform())]; while (2 * height < far * far);
      return u < 0 ? -edge - far : edge + far;
    }
    const [low, high] = [density(widths[layer]), density(widths[layer + 1])];
    if (low + uniform() * (high - low) < density(x)) return x;
  }
}
