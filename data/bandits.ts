/**
 * Two-dimensional bandits: actions in the plane, one state, a reward per data action.
 *
 * Sources: the bandit experiments of DTQL (arXiv 2405.19690, authors' code: 25 Gaussians and swiss roll, rewards far,
 * near, hard) and the toy sets of SRPO (arXiv 2310.07297, authors' code, after QGPO).
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { Batch } from "../algorithms/core/agent.ts";
import { ndarray } from "../algorithms/engine/array.ts";
import type { Rng } from "../algorithms/core/rng.ts";
import type { TrainingData } from "../algorithms/core/train.ts";

/** Points in the plane, row-major `[n, 2]`. */
export type Points = Float32Array;

/** The point sets by name. */
export const banditSets = {
  "25gaussians": (n: number, rng: Rng): Points => {
    const noise = rng.fillNormal(new Float32Array(2 * n));
    const centre = (k: number) => -10 + 5 * k;
    return points(n, (i) => {
      const mode = Math.floor(25 * i / n); // As many points per mode.
      return [centre(mode % 5) + 0.3 * noise[2 * i], centre(Math.floor(mode / 5)) + 0.3 * noise[2 * i + 1]];
    });
  },
  swissroll: (n: number, rng: Rng): Points => swissRoll(n, 0.1, 1, rng),
  "8gaussians": (n: number, rng: Rng): Points =>
    points(n, () => {
      const angle = Math.PI / 4 * rng.integer(8);
      const [x, y] = rng.fillNormal(new Float32Array(2));
      return [(4 * Math.cos(angle) + 0.5 * x) / 1.414, (4 * Math.sin(angle) + 0.5 * y) / 1.414];
    }),
  moons: (n: number, rng: Rng): Points =>
    points(n, (i) => {
      const outer = i < Math.floor(n / 2);
      const angle = Math.PI * rng.uniform();
      const [x, y] = outer ? [Math.cos(angle), Math.sin(angle)] : [1 - Math.cos(angle), 0.5 - Math.sin(angle)];
      const noise = rng.fillNormal(new Float32Array(2));
      return [2 * (x + 0.1 * noise[0]) - 1, 2 * (y + 0.1 * noise[1]) - 0.2];
    }),
  checkerboard: (n: number, rng: Rng): Points =>
    points(n, () => {
      const x = 4 * rng.uniform() - 2;
      const y = rng.uniform() - 2 * rng.integer(2) + (((Math.floor(x) % 2) + 2) % 2);
      return [2 * x, 2 * y];
    }),
  rings: (n: number, rng: Rng): Points =>
    points(n, (i) => {
      const radius = 3 * [1, 0.75, 0.5, 0.25][i % 4];
      const angle = 2 * Math.PI * rng.uniform();
      const noise = rng.fillNormal(new Float32Array(2));
      return [radius * Math.cos(angle) + 0.08 * noise[0], radius * Math.sin(angle) + 0.08 * noise[1]];
    }),
  "2spirals": (n: number, rng: Rng): Points =>
    points(n, (i) => {
      const turn = Math.sqrt(rng.uniform()) * 3 * Math.PI;
      const sign = i % 2 ? 1 : -1;
      const x = -Math.cos(turn) * turn + 0.5 * rng.uniform();
      const y = Math.sin(turn) * turn + 0.5 * rng.uniform();
      const noise = rng.fillNormal(new Float32Array(2));
      return [sign * x / 3 + 0.1 * noise[0], sign * y / 3 + 0.1 * noise[1]];
    }),
} as const;

/** Equal Gaussians in the plane. */
export interface PointMixture {
  /** Row-major `[n, 2]`. */
  centres: Points;
  /** Of every Gaussian. */
  deviation: number;
  /** The mode that each Gaussian is part of: a cluster, a moon, a square. */
  mode: number[];
}

/**
 * Densities of SRPO's three toy sets in closed form. `8gaussians` is exact; a moon is a row of Gaussians with its own noise, close
 * enough to be the integral; a square is a grid of Gaussians of deviation 0.125, so that its edges are soft.
 */
export const pointMixtures: Readonly<Record<"moons" | "8gaussians" | "checkerboard", () => PointMixture>> = {
  "8gaussians": () => ({
    centres: points(8, (i) => [4 * Math.cos(Math.PI / 4 * i) / 1.414, 4 * Math.sin(Math.PI / 4 * i) / 1.414]),
    deviation: 0.5 / 1.414,
    mode: Array.from({ length: 8 }, (_, i) => i),
  }),
  moons: () => {
    const half = 64;
    const mode = Array.from({ length: 2 * half }, (_, i) => i < half ? 0 : 1);
    const centres = points(2 * half, (i) => {
      const angle = Math.PI * (i % half + 0.5) / half;
      const [x, y] = mode[i] === 0 ? [Math.cos(angle), Math.sin(angle)] : [1 - Math.cos(angle), 0.5 - Math.sin(angle)];
      return [2 * x - 1, 2 * y - 0.2];
    });
    return { centres, deviation: 0.2, mode };
  },
  checkerboard: () => {
    const [side, perSquare] = [8, 64];
    const mode = Array.from({ length: 8 * perSquare }, (_, i) => Math.floor(i / perSquare));
    const centres = points(8 * perSquare, (i) => {
      const [column, upper, cell] = [mode[i] % 4 - 2, Math.floor(mode[i] / 4), i % perSquare];
      const shift = ((column % 2) + 2) % 2 - 2 * upper;
      return [2 * column + 2 * (cell % side + 0.5) / side, 2 * shift + 2 * (Math.floor(cell / side) + 0.5) / side];
    });
    return { centres, deviation: 0.125, mode };
  },
};

/** Log density of a mixture at `(x, y)`, and the distance to the nearest centre of each mode. */
export function mixtureDensity(
  { centres, deviation, mode }: PointMixture,
  x: number,
  y: number,
): { logDensity: number; distances: number[] } {
  const squares = mode.map((_, i) => (x - centres[2 * i]) ** 2 + (y - centres[2 * i + 1]) ** 2);
  const least = Math.min(...squares);
  const sum = squares.reduce((total, d) => total + Math.exp((least - d) / (2 * deviation ** 2)), 0);
  const distances: number[] = Array(Math.max(...mode) + 1).fill(Infinity);
  squares.forEach((d, i) => distances[mode[i]] = Math.min(distances[mode[i]], Math.sqrt(d)));
  const logDensity = Math.log(sum / mode.length / (2 * Math.PI * deviation ** 2)) - least / (2 * deviation ** 2);
  return { logDensity, distances };
}

/** Name of a point set. */
export type BanditSet = keyof typeof banditSets;

/** Reward rules of DTQL's bandits. */
export type BanditReward = "far" | "near" | "hard";

function points(n: number, at: (i: number) => [number, number]): Points {
  const out = new Float32Array(2 * n);
  for (let i = 0; i < n; i++) out.set(at(i), 2 * i);
  return out;
}

/** Scikit-learn's swiss roll, first and third coordinate: `t = 3 pi / 2 (1 + 2u)`, `(t cos t, t sin t)` plus noise. */
function swissRoll(n: number, noise: number, scale: number, rng: Rng): Points {
  return points(n, () => {
    const t = 1.5 * Math.PI * (1 + 2 * rng.uniform());
    const [x, y] = rng.fillNormal(new Float32Array(2));
    return [(t * Math.cos(t) + noise * x) / scale, (t * Math.sin(t) + noise * y) / scale];
  });
}

/**
 * The reward of each point: `far` its norm, `near` the largest norm minus it, `hard` its norm, doubled in the corner
 * x < -7.5, y > 7.5.
 *
 * @returns `[n]`.
 */
export function banditRewards(actions: Points, rule: BanditReward): Float32Array {
  const norms = Float32Array.from(
    { length: actions.length / 2 },
    (_, i) => Math.hypot(actions[2 * i], actions[2 * i + 1]),
  );
  if (rule === "far") return norms;
  if (rule === "near") {
    const largest = norms.reduce((a, b) => Math.max(a, b), 0);
    return norms.map((r) => largest - r);
  }
  return norms.map((r, i) => actions[2 * i] < -7.5 && actions[2 * i + 1] > 7.5 ? 2 * r : r);
}

/** A bandit as an offline dataset: one observation, 0, that follows itself. */
export interface Bandit extends TrainingData {
  /** Set and rule, such as `25gaussians-near`: presets are found by it. */
  readonly task: string;
  /** The data, `[n, 2]`. */
  actions: Points;
  /** `[n]` */
  rewards: Float32Array;
  /** Largest absolute coordinate, the bound of the policy's actions. */
  maxAction: number;
}

const banditRules: readonly BanditReward[] = ["far", "near", "hard"];

const unknown = (what: string, word: string, known: readonly string[]) =>
  new RangeError(`Cannot make a bandit: its ${what} must be one of ${known.join(", ")}, current value is "${word}"`);

/**
 * `n` data actions of a set (authors' code: 10,000) with their rewards.
 *
 * @throws {RangeError} If the set or the reward is unknown.
 */
export function makeBandit(set: BanditSet, rule: BanditReward, n: number, rng: Rng): Bandit {
  if (!Object.hasOwn(banditSets, set)) throw unknown("set", set, Object.keys(banditSets));
  if (!banditRules.includes(rule)) throw unknown("reward", rule, banditRules);
  const actions = banditSets[set](n, rng);
  const maxAction = actions.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  const rewards = banditRewards(actions, rule);
  return {
    task: `${set}-${rule}`,
    actions,
    rewards,
    maxAction,
    spec: { observationDim: 1, actionDim: 2, maxAction },
    fingerprint: () =>
      createHash("sha256").update(new Uint8Array(actions.buffer)).update(new Uint8Array(rewards.buffer)).digest("hex"),
    batches({ rewardTransform, nextAction }) {
      if (rewardTransform !== "none" || nextAction) {
        throw new RangeError(
          `Cannot train on a bandit: its batches have raw rewards and no next action, current wants are ${rewardTransform}, ${nextAction}`,
        );
      }
      return (size, rng) => drawBanditBatch({ actions, rewards }, size, rng);
    },
  };
}

/**
 * A minibatch; its one observation is 0 and follows itself. Rows are drawn along a randomly shifted lattice (multiples of
 * the golden ratio), so that every mode of the 25 Gaussians has its share in every minibatch. [Ours]
 */
export function drawBanditBatch(
  { actions, rewards }: Pick<Bandit, "actions" | "rewards">,
  size: number,
  rng: Rng,
): Batch {
  const action = new Float32Array(2 * size);
  const reward = new Float32Array(size);
  const shift = rng.uniform();
  for (let i = 0; i < size; i++) {
    const k = Math.floor((shift + i * goldenRatio) % 1 * rewards.length);
    action.set(actions.subarray(2 * k, 2 * k + 2), 2 * i);
    reward[i] = rewards[k];
  }
  const state = () => ndarray(new Float32Array(1), [1, 1]);
  return {
    observation: state(),
    action: ndarray(action, [size, 2]),
    reward: ndarray(reward, [size, 1]),
    nextObservation: state(),
    terminal: ndarray(new Float32Array(size), [size, 1]),
  };
}

const goldenRatio = (Math.sqrt(5) - 1) / 2;

/** How well samples of a policy lie on the data, and what they earn. */
export interface BanditMetrics {
  /** Mean and largest distance from a sample to its nearest data action. */
  nearestMean: number;
  /** Largest distance to the nearest data action. */
  nearestMax: number;
  /** Mean reward of the nearest data actions. */
  reward: number;
}

/** {@linkcode BanditMetrics} of samples `[n, 2]`. */
export function banditMetrics(bandit: Pick<Bandit, "actions" | "rewards">, samples: ArrayLike<number>): BanditMetrics {
  const n = samples.length / 2;
  let [sum, largest, reward] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    let [best, found] = [Infinity, 0];
    for (let k = 0; k < bandit.rewards.length; k++) {
      const d = (bandit.actions[2 * k] - samples[2 * i]) ** 2 + (bandit.actions[2 * k + 1] - samples[2 * i + 1]) ** 2;
      if (d < best) [best, found] = [d, k];
    }
    sum += Math.sqrt(best);
    largest = Math.max(largest, Math.sqrt(best));
    reward += bandit.rewards[found];
  }
  return { nearestMean: sum / n, nearestMax: largest, reward: reward / n };
}

/** Share of samples within `radius` of a centre of the 25 Gaussians. */
export function shareNearModes(samples: ArrayLike<number>, radius: number): number {
  const n = samples.length / 2;
  let close = 0;
  for (let i = 0; i < n; i++) {
    const off = [0, 1].map((d) => {
      const x = samples[2 * i + d];
      return x - Math.min(Math.max(5 * Math.round(x / 5), -10), 10);
    });
    if (Math.hypot(off[0], off[1]) <= radius) close++;
  }
  return close / n;
}
