/**
 * What consistency models of actions share: noise levels, the boundary form, and the time embedding; on the host, in float64, because
 * the logarithm of a small level times 250 has too few digits in float32.
 *
 * Source: Song, Dhariwal, Chen & Sutskever 2023, arXiv 2303.01469, in the settings of Consistency-AC and CPQL.
 *
 * @module
 */

import { column, type NdArray, ndarray } from "../engine/array.ts";
import { edmDefaults, edmLevels } from "./edm.ts";
import { sinusoidalRates } from "./nn.ts";

const { sigmaMin, sigmaData } = edmDefaults;

/** Levels of `n` points from 0.002 to 80, rising: `b_i` is evenly spaced in its 7th root (EDM, Eq. 5). */
export function consistencyEdges(n: number): number[] {
  return edmLevels(n, edmDefaults).slice(0, n).map(({ sigma }) => sigma).reverse();
}

/** The words of {@linkcode ConsistencyInput}. */
export const consistencyInputs = ["plain", "scaled"] as const;

/** How a consistency network is told the level and given the noisy sample. */
export type ConsistencyInput = typeof consistencyInputs[number];

/** Noise levels of a batch with everything that depends on them alone. */
export interface ConsistencyLevels<L = NdArray> {
  /** Standard deviation of the noise, `[batch, 1]` */
  sigma: L;
  /** Factor of the noisy sample in the result, `[batch, 1]`; 1 at 0.002. */
  skip: L;
  /** Factor of the network in the result, `[batch, 1]`; 0 at 0.002. */
  out: L;
  /** Factor of the noisy sample in the network's input, `[batch, 1]` */
  in: L;
  /** Sinusoidal embedding of the level, `[batch, timeDim]` */
  embedding: L;
}

/**
 * Levels as a consistency network takes them.
 *
 * @param input `plain`: the level itself is embedded, the sample is not scaled; `scaled`: `250 ln sigma` is, and the sample is divided
 * by the root of `sigma^2 + 0.25`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { consistencyLevels } from "./consistency.ts";
 * const { skip, out } = consistencyLevels([0.002], 16, "plain");
 * assertEquals([skip.data[0], out.data[0]], [1, 0]);
 * ```
 */
export function consistencyLevels(
  sigmas: readonly number[],
  timeDim: number,
  input: ConsistencyInput,
): ConsistencyLevels {
  const of = (f: (sigma: number) => number) => column(Float32Array.from(sigmas, f));
  const embedded = sigmas.flatMap((sigma) => embed(input === "plain" ? sigma : 250 * Math.log(sigma), timeDim));
  return {
    sigma: of((sigma) => sigma),
    skip: of((sigma) => sigmaData ** 2 / ((sigma - sigmaMin) ** 2 + sigmaData ** 2)),
    out: of((sigma) => sigmaData * (sigma - sigmaMin) / Math.sqrt(sigma ** 2 + sigmaData ** 2)),
    in: of((sigma) => input === "plain" ? 1 : 1 / Math.sqrt(sigma ** 2 + sigmaData ** 2)),
    embedding: ndarray(embedded, [sigmas.length, timeDim]),
  };
}

/** {@linkcode sinusoidalEmbedding} of one number in float64. */
function embed(x: number, dim: number): number[] {
  const angles = sinusoidalRates(dim).map((rate) => x * rate);
  return [...angles.map(Math.sin), ...angles.map(Math.cos)];
}
