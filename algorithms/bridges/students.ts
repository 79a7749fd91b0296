/**
 * Students of one size for all bridges: a perceptron of noise and observation, and of no time, two flow times, or a level.
 *
 * @module
 */

import type { Spec } from "../core/agent.ts";
import { consistencyEdges, type ConsistencyLevels, consistencyLevels } from "../core/consistency.ts";
import { type EdmConfig, edmLevels } from "../core/edm.ts";
import { initMlp, type Linear, mish, mlp, rowsLike, sinusoidalEmbedding, sinusoidalRates } from "../core/nn.ts";
import type { Rng } from "../core/rng.ts";
import type { NdArray } from "../engine/array.ts";
import { type Tensor, tf } from "../engine/tensor.ts";
import type { LevelMap, MeanVelocity } from "./bridges.ts";
import type { StudentKind } from "./grid.ts";
import type { Teacher } from "./teachers.ts";

/** A Mish perceptron on a sample, embedded times, and the observation: teachers and students alike. */
export interface TimedNetwork<L = Tensor> {
  /** One embedding per time. */
  times: Linear<L>[][];
  /** The rest. */
  trunk: Linear<L>[];
}

/** `[batch, A]` and embeddings `[batch, timeDim]` (one row stands for all) to `[batch, A]`. */
export function timedNetwork(p: TimedNetwork, s: Tensor, x: Tensor, embeddings: readonly Tensor[]): Tensor {
  const embedded = embeddings.map((embedding, i) => rowsLike(mlp(p.times[i], embedding, mish), x));
  return mlp(p.trunk, tf.concat([x, ...embedded, rowsLike(s, x)], 1), mish);
}

/** Parameters of a {@linkcode timedNetwork} of `times` times with three hidden layers. */
export function initTimedNetwork(
  times: number,
  { observationDim: s, actionDim: a }: Spec,
  { hidden: h, timeDim: e }: { hidden: number; timeDim: number },
  rng: Rng,
): TimedNetwork<NdArray> {
  return {
    times: Array.from({ length: times }, (_, i) => initMlp([e, 2 * e, e], rng.child(`time/${i}`))),
    trunk: initMlp([a + times * e + s, h, h, h, a], rng.child("trunk")),
  };
}

/** Times that a student of a kind is told. */
export const timesOf: Readonly<Record<StudentKind, number>> = { "direct": 0, "two times": 2, "all levels": 1 };

/** Factor of flow times in [0, 1] in their embedding. Ours. */
export const flowTimeScale = 100;

/** A student in flow time. */
export function studentVelocity(p: TimedNetwork, s: Tensor, timeDim: number): MeanVelocity {
  const embed = (t: Tensor) => sinusoidalEmbedding(tf.mul(t, flowTimeScale), timeDim);
  return (x, t, end) => timedNetwork(p, s, x, [embed(t), embed(end)]);
}

/** A student at all levels, in the boundary form: the identity at level 0.002. */
export function studentMap(p: TimedNetwork, s: Tensor): LevelMap {
  return (y, levels) =>
    tf.add(tf.mul(y, levels.skip), tf.mul(timedNetwork(p, s, tf.mul(y, levels.in), [levels.embedding]), levels.out));
}

/**
 * Levels of a student at all levels, rising from 0.002, where it is the identity: those of consistency models within a teacher's range,
 * or a teacher's few.
 */
export function studentLevels(teacher: Teacher | null, count: number): number[] {
  const edges = consistencyEdges(count);
  if (teacher?.grid) return [edges[0], ...teacher.grid];
  if (!teacher || teacher.range[0] <= edges[0]) return edges;
  const within = { sigmaMin: teacher.range[0], sigmaMax: teacher.range[1] } as EdmConfig;
  return [edges[0], ...edmLevels(count - 1, within).slice(0, -1).map(({ sigma }) => sigma).reverse()];
}

/** How a student acts on noise `z` in one pass, `skip z + out network(scale z)`, told constant embeddings. */
export interface StudentPass {
  /** One per time, `[timeDim]`. */
  embeddings: readonly number[][];
  /** Factor of the noise that the network is given. */
  scale: number;
  /** Factor of the noise that passes by the network. */
  skip: number;
  /** Factor of what the network gives. */
  out: number;
}

/** The pass of a student of a kind; a deterministic one sees no noise. */
export function studentPass(
  kind: StudentKind,
  teacher: Teacher | null,
  { timeDim, levels, deterministic }: { timeDim: number; levels: number; deterministic: boolean },
): StudentPass {
  if (kind === "direct") return { embeddings: [], scale: deterministic ? 0 : 1, skip: 0, out: 1 };
  if (kind === "two times") {
    const { alpha, sigma } = teacher?.top ?? { alpha: 0, sigma: 1 };
    const rest = sigma / (alpha + sigma); // Of the way, from where noise is.
    const embed = (t: number) => {
      const angles = sinusoidalRates(timeDim).map((rate) => rate * flowTimeScale * t);
      return [...angles.map(Math.sin), ...angles.map(Math.cos)];
    };
    return { embeddings: [embed(1 - rest), embed(1)], scale: rest, skip: rest, out: rest };
  }
  const most = studentLevels(teacher, levels).at(-1)!;
  const level: ConsistencyLevels = consistencyLevels([most], timeDim, "scaled");
  const [skip, out, scale] = [level.skip, level.out, level.in].map(({ data }) => data[0]);
  return { embeddings: [[...level.embedding.data]], scale: scale * most, skip: skip * most, out };
}

/** A student's action of noise `z [batch, A]`, not clipped. */
export function studentAction(p: TimedNetwork, s: Tensor, z: Tensor, pass: StudentPass): Tensor {
  const embeddings = pass.embeddings.map((values) => tf.tensor2d([values]));
  const network = tf.mul(timedNetwork(p, s, tf.mul(z, pass.scale), embeddings), pass.out);
  return pass.skip === 0 ? network : tf.add(tf.mul(z, pass.skip), network);
}
