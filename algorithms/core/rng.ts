/**
 * Seeded randomness with named child streams.
 *
 * A stream is fixed by its seed and path alone, not by what was drawn before: `createRng(7).child("update/41")` is the
 * same stream in a fresh run and in a resumed one, so a checkpoint needs no generator state beyond the update count.
 * The generator underneath is `pure-rand`'s xoroshiro128+, seeded with the SHA-256 of the path.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";

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
  /** Fills with unit Gaussians (Box and Muller 1958, in float64). */
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
  const digest = createHash("sha256").update(`onestep/${seed}`).digest();
  const generator = xoroshiro128plusFromState([0, 4, 8, 12].map((at) => digest.readInt32LE(at)));
  const uniform = () => ((generator.next() >>> 0) + 0.5) / 2 ** 32;
  return {
    child: (name) => createRng(`${seed}/${name}`),
    uniform,
    integer(n) {
      if (!Number.isInteger(n) || n < 1 || n > 2 ** 32) {
        throw new RangeError(`Cannot draw integer: n must be an integer in [1, 2^32], current value is ${n}`);
      }
      const limit = 2 ** 32 - 2 ** 32 % n;
      for (;;) {
        const bits = generator.next() >>> 0;
        if (bits < limit) return bits % n;
      }
    },
    fillUniform(out) {
      for (let i = 0; i < out.length; i++) out[i] = uniform();
      return out;
    },
    fillNormal(out) {
      for (let i = 0; i < out.length; i += 2) {
        const radius = Math.sqrt(-2 * Math.log(uniform()));
        const angle = 2 * Math.PI * uniform();
        out[i] = radius * Math.cos(angle);
        if (i + 1 < out.length) out[i + 1] = radius * Math.sin(angle);
      }
      return out;
    },
  };
}
