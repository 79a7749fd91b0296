/**
 * What each bridge pulls where: minus the gradient of its own loss in a student's action, against a teacher that is exact.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import {
  type BridgeName,
  bridges,
  completionLoss,
  compositionLoss,
  consistencyLoss,
  flowTeacher,
  klLoss,
  levelColumns,
  type LevelNoise,
  type Levels,
  type MeanVelocity,
  pairedLoss,
  scoreLoss,
  type Taught,
  teacherEnd,
  trustRegionLoss,
} from "../../../algorithms/bridges/mod.ts";
import { drawNormals } from "../../../algorithms/core/acting.ts";
import { type ConsistencyLevels, consistencyLevels } from "../../../algorithms/core/consistency.ts";
import type { RawNetwork } from "../../../algorithms/core/edm.ts";
import type { Rng } from "../../../algorithms/core/rng.ts";
import { type NdArray, ndarray } from "../../../algorithms/engine/array.ts";
import { compile } from "../../../algorithms/engine/compile.ts";
import { asConstants } from "../../../algorithms/engine/export_onnx.ts";
import { type Tensor, tf, valueAndGrad } from "../../../algorithms/engine/tensor.ts";

/** Equal Gaussians in the plane: centres `[x, y]` in a row, and their deviation. */
export interface Gaussians {
  centres: ArrayLike<number>;
  deviation: number;
}

const teacher = flowTeacher();

/** The exact velocity of a flow to Gaussians, `E[a - epsilon | x]` at flow time `t`. */
export function exactVelocity({ centres, deviation }: Gaussians): RawNetwork {
  return (x, t) => {
    const means = tf.tensor2d(Float32Array.from(centres), [centres.length / 2, 2]);
    const spread = tf.sub(1, t);
    const variance = tf.add(tf.mul(tf.square(t), deviation ** 2), tf.square(spread));
    const cross = tf.matMul(x, means, false, true);
    const norms = tf.reshape(tf.sum(tf.square(means), 1), [1, -1]);
    const distance = tf.sub(tf.mul(tf.square(t), norms), tf.mul(tf.mul(t, 2), cross)); // Less |x|^2, which softmax does not see.
    const mean = tf.matMul(tf.softmax(tf.div(tf.mul(distance, -0.5), variance)), means); // Of the centres behind x.
    const gain = tf.div(tf.mul(t, deviation ** 2), variance);
    const clean = tf.add(mean, tf.mul(gain, tf.sub(x, tf.mul(t, mean))));
    const noise = tf.div(tf.sub(x, tf.mul(t, clean)), spread);
    return tf.sub(clean, noise);
  };
}

/** The 25 Gaussians of the bandit, in units of the bound of actions, and a square of 13 times 13 actions over them. */
export function pullExample(): { data: Gaussians; points: NdArray } {
  const square = (side: number, at: (k: number) => number) =>
    Array.from({ length: side ** 2 }, (_, i) => [at(i % side), at(Math.floor(i / side))]).flat();
  return {
    data: { centres: square(5, (k) => (-10 + 5 * k) / 11), deviation: 0.3 / 11 },
    points: ndarray(square(13, (k) => 2.1 * k / 12 - 1.05), [13 ** 2, 2]),
  };
}

/** Draws over which gradients at one action are averaged; the flow times of the moves of students; a consistency student's two levels. */
const draws = 128;
const [now, later, end] = [0.3, 0.65, 1];
const [upper, lower] = [1, 0.6];
/** What the student does so far where its bridge must know: acts like one broad Gaussian. */
const broad: Gaussians = { centres: [0, 0], deviation: 0.5 };

/** What the students of the pictures do before they are pulled. */
export const unpulled: Readonly<Record<BridgeName, string>> = {
  "trust region": "acts anywhere",
  "score": "acts anywhere",
  "kl": "acts like one broad Gaussian",
  "paired": "gives back its noise",
  "completion": `stays where it is at flow time ${now}`,
  "consistency": `gives back its input at level ${upper}`,
  "composition": `goes straight on from flow time ${now}`,
};

/**
 * Minus the gradient of a bridge's loss in each of some actions, or in where a student would move a sample from there.
 *
 * @param points `[n, 2]`, in units of the bound of actions.
 * @returns `[n, 2]`; times the number of actions, so that it does not depend on how many there are.
 */
export async function bridgePulls(bridge: BridgeName, data: Gaussians, points: NdArray, rng: Rng): Promise<NdArray> {
  const [rows] = points.shape;
  const isDrawn = bridge === "trust region" || bridge === "score" || bridge === "kl";
  const repeats = isDrawn ? draws : 1;
  // The same times and noises at all points, each noise once with either sign, so that arrows differ by place alone.
  const pairs = drawNormals(draws / 2, 2, rng).data;
  const times = Array.from(
    { length: draws / 2 },
    (_, k) => Math.min(Math.max(2 * (k + rng.uniform()) / draws, 0.02), 0.98),
  );
  const drawOf = (i: number) => Math.floor(i / rows);
  const noise: LevelNoise<NdArray> = {
    ...levelColumns(Array.from({ length: rows * repeats }, (_, i) => teacher.bridgeLevel(times[drawOf(i) >> 1]))),
    epsilon: ndarray(
      Float32Array.from({ length: 2 * rows * repeats }, (_, i) => {
        const k = drawOf(i >> 1);
        return (k % 2 ? -1 : 1) * pairs[2 * (k >> 1) + i % 2];
      }),
      [rows * repeats, 2],
    ),
  };
  const run = compile<{ points: NdArray; noise: LevelNoise<NdArray> }, { pull: Tensor }>(
    `bridges/pulls/${bridge}`,
    ({ points, noise }) => {
      const network = exactVelocity(data);
      const taught: Taught = { teacher, network };
      const constant = (value: number) => tf.fill([rows, 1], value);
      const pathFrom = (t: number) =>
        teacher.path(teacher.levelAt((1 - t) / t), 20).map((level): Levels => asConstants(levelColumns([level])));
      /** The bridge's loss where a student's answers are moved by `shift [n, 2]`. */
      const loss = (shift: Tensor): Tensor => {
        const moved = tf.add(points, shift);
        const repeated = tf.tile(moved, [repeats, 1]);
        if (bridge === "trust region") return trustRegionLoss(taught, repeated, noise);
        if (bridge === "score") return scoreLoss(taught, repeated, noise, true);
        if (bridge === "kl") return klLoss(taught, exactVelocity(broad), repeated, noise);
        if (bridge === "paired") {
          const path = teacher.path(teacher.top, 20).map((level): Levels => asConstants(levelColumns([level])));
          return pairedLoss(moved, teacherEnd(teacher, network, points, path));
        }
        if (bridge === "completion") {
          const stays: MeanVelocity = (_, t) => tf.div(shift, tf.sub(1, t));
          return completionLoss(stays, points, constant(now), teacherEnd(teacher, network, points, pathFrom(now)));
        }
        if (bridge === "consistency") {
          const levels = (sigma: number): ConsistencyLevels<Tensor> =>
            asConstants(consistencyLevels(Array(rows).fill(sigma), 4, "scaled"));
          const level: Levels = asConstants(levelColumns(Array(rows).fill(teacher.levelAt(upper))));
          const at = { upper: levels(upper), lower: levels(lower), weight: constant(1), epsilon: tf.zerosLike(points) };
          const expected = (y: Tensor) => teacher.noise(network, tf.mul(level.alpha, y), level);
          return consistencyLoss((y) => tf.add(y, shift), (y) => y, points, at, expected);
        }
        const [start, middle, last] = [now, later, end].map(constant);
        const straight: MeanVelocity = (x, t, until) => {
          const slope = network(x, t);
          return t === start && until === last ? tf.add(slope, tf.div(shift, tf.sub(last, start))) : slope;
        };
        return compositionLoss(straight, points, start, middle, last);
      };
      const { grad } = valueAndGrad(({ shift }) => loss(shift), { shift: tf.zeros([rows, 2]) });
      return { pull: tf.mul(grad.shift, -rows) };
    },
  );
  return (await run({ points, noise })).pull as unknown as NdArray;
}

/** Arrows of a bridge over the data, each as long as its pull's share of the strongest tenth. */
export function pullFigure(bridge: BridgeName, data: Gaussians, points: NdArray, pulls: NdArray): TopLevelSpec {
  const [rows] = points.shape;
  const sizes = Array.from({ length: rows }, (_, i) => Math.hypot(pulls.data[2 * i], pulls.data[2 * i + 1]));
  const strong = sizes.toSorted((a, b) => a - b)[Math.floor(0.9 * rows)];
  const longest = 1.6 / Math.sqrt(rows);
  const arrows = sizes.map((size, i) => {
    const [x, y] = [0, 1].map((d) => points.data[2 * i + d]);
    const length = longest * Math.min(size / strong, 1);
    const [dx, dy] = [0, 1].map((d) => size === 0 ? 0 : length * pulls.data[2 * i + d] / size);
    const angle = 90 - Math.atan2(dy, dx) * 180 / Math.PI;
    const [from, to] = [{ x, y }, { x2: x + dx, y2: y + dy }];
    return Object.fromEntries(Object.entries({ ...from, ...to, angle }).map(([k, v]) => [k, Number(v.toFixed(3))]));
  });
  const spots = Array.from({ length: data.centres.length / 2 }, (_, i) => ({
    x: data.centres[2 * i],
    y: data.centres[2 * i + 1],
  }));
  const scale = { domain: [-1.15, 1.15] };
  const place = (x: string, y: string) => ({
    x: { field: x, type: "quantitative", scale, axis: null },
    y: { field: y, type: "quantitative", scale, axis: null },
  });
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: `${bridges[bridge].title} (${bridges[bridge].from})`,
      subtitle: `A student that ${unpulled[bridge]}`,
    },
    width: 260,
    height: 260,
    layer: [
      {
        data: { values: spots },
        mark: { type: "circle", size: 140, color: "#9ecae1", opacity: 1, clip: true },
        encoding: place("x", "y"),
      },
      {
        data: { values: arrows },
        mark: { type: "rule", strokeWidth: 1.1, color: "#333", clip: true },
        encoding: { ...place("x", "y"), x2: { field: "x2" }, y2: { field: "y2" } },
      },
      {
        data: { values: arrows },
        mark: { type: "point", shape: "triangle-up", size: 14, filled: true, opacity: 1, color: "#333", clip: true },
        encoding: { ...place("x2", "y2"), angle: { field: "angle", type: "quantitative", scale: null } },
      },
    ],
  } as TopLevelSpec;
}
