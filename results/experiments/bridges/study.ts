/**
 * Teachers and bridges on a two-dimensional bandit: samples of one student, or of a teacher.
 *
 * @module
 */

import { bridged } from "../../../algorithms/bridges/mod.ts";
import type { AnyAlgorithm } from "../../../algorithms/core/agent.ts";
import { createRng } from "../../../algorithms/core/rng.ts";
import { agentTraining } from "../../../algorithms/core/train.ts";
import { ndarray } from "../../../algorithms/engine/array.ts";
import {
  type Bandit,
  banditMetrics,
  type BanditReward,
  type BanditSet,
  drawBanditBatch,
  makeBandit,
  type PointMixture,
  pointMixtures,
} from "../../../data/bandits.ts";
import type { Study } from "../../cells/study.ts";
import { bridgeTraining, divergedAt } from "./training.ts";

/** How samples lie to the data and its modes. */
export interface BridgeMetrics {
  /** Distance from a sample to the nearest action of the data, mean and largest, and that action's mean reward. */
  nearestMean: number;
  nearestMax: number;
  reward: number;
  /** Share of the data's modes that have at least a quarter of their share of the samples. */
  covered: number;
  /** Share of samples at one of the modes of the best mean reward. */
  best: number;
}

/** What a cell says. */
export interface BridgeResult {
  /** Why it counts as diverged; null if it does not. */
  diverged: string | null;
  /** `[x, y]` in a row; none where the loss was no finite number. */
  samples: number[];
  /** Null without samples. */
  metrics: BridgeMetrics | null;
}

/** The modes of a set; only sets whose modes are known can be asked what is covered. */
export function modesOf(set: string): PointMixture {
  if (set === "25gaussians") {
    const centre = (k: number) => -10 + 5 * k;
    const centres = Float32Array.from({ length: 50 }, (_, i) => centre(i % 2 ? Math.floor(i / 10) : (i >> 1) % 5));
    return { centres, deviation: 0.3, mode: Array.from({ length: 25 }, (_, i) => i) };
  }
  if (Object.hasOwn(pointMixtures, set)) return pointMixtures[set as keyof typeof pointMixtures]();
  const known = ["25gaussians", ...Object.keys(pointMixtures)].join(", ");
  throw new RangeError(`Cannot count modes: the set must be one of ${known}, current value is "${set}"`);
}

/** Deviations within which a point is a mode's; a share of the best mean reward from which a mode is as good. Ours. */
const [within, asGood] = [3, 0.98];

/** The mode of each point, -1 for one that is further than three deviations from all. */
export function nearestModes({ centres, deviation, mode }: PointMixture, points: ArrayLike<number>): number[] {
  return Array.from({ length: points.length / 2 }, (_, i) => {
    let [least, found] = [within * deviation, -1];
    mode.forEach((m, k) => {
      const distance = Math.hypot(points[2 * i] - centres[2 * k], points[2 * i + 1] - centres[2 * k + 1]);
      if (distance <= least) [least, found] = [distance, m];
    });
    return found;
  });
}

/** {@linkcode BridgeMetrics} of samples. */
export function bridgeMetrics(bandit: Bandit, mixture: PointMixture, samples: ArrayLike<number>): BridgeMetrics {
  const count = Math.max(...mixture.mode) + 1;
  const [rewards, sizes]: [number[], number[]] = [Array(count).fill(0), Array(count).fill(0)];
  nearestModes(mixture, bandit.actions).forEach((m, i) => {
    if (m < 0) return;
    rewards[m] += bandit.rewards[i];
    sizes[m]++;
  });
  const means = rewards.map((sum, m) => sum / sizes[m]);
  const best = Math.max(...means);
  const modes = nearestModes(mixture, samples);
  const least = modes.length / count / 4;
  return {
    ...banditMetrics(bandit, samples),
    covered: means.filter((_, m) => modes.filter((own) => own === m).length >= least).length / count,
    best: modes.filter((m) => m >= 0 && means[m] >= asGood * best).length / modes.length,
  };
}

/** Share of samples at the bound of actions from which a student counts as diverged. Ours. */
const mostAtBound = 0.5;

/** Why samples are those of a diverged student; null if they are not. */
export function leftBecause(samples: ArrayLike<number>, maxAction: number): string | null {
  const rows = samples.length / 2;
  let outside = 0;
  for (let i = 0; i < rows; i++) {
    if (Math.max(Math.abs(samples[2 * i]), Math.abs(samples[2 * i + 1])) > 0.999 * maxAction) outside++;
  }
  return outside / rows > mostAtBound ? `${Math.round(100 * outside / rows)} % of samples at the bound` : null;
}

/**
 * The data of a task, and what students are created for. The reward of `east` is how far an action is from the westernmost: one best mode
 * where others have several. [Ours]
 */
export function bridgeBandit(task: string) {
  const [set, rule] = task.split("-") as [BanditSet, BanditReward | "east"];
  const made = makeBandit(set, rule === "east" ? "far" : rule, 10_000, createRng(`bandit/${task}`));
  const easts = made.rewards.map((_, i) => made.actions[2 * i]);
  const west = easts.reduce((a, b) => Math.min(a, b));
  const bandit = rule === "east" ? { ...made, task, rewards: easts.map((x) => x - west) } : made;
  return { bandit, mixture: modesOf(set), spec: { observationDim: 1, actionDim: 2, maxAction: bandit.maxAction } };
}

/** The study; tasks are `<set>-<reward>`, as {@linkcode bridgeBandit} knows them. */
export const bridgeStudy: Study<BridgeResult> = {
  module: import.meta.url,
  data: "none",
  result: {
    diverged: ["or null", "string"],
    samples: ["number"],
    metrics: ["or null", {
      nearestMean: "number",
      nearestMax: "number",
      reward: "number",
      covered: "number",
      best: "number",
    }],
  },
  async prepare(cell, tools) {
    const { bandit, mixture, spec } = bridgeBandit(cell.task);
    const agent = tools.algorithm.create(cell.config, spec);
    const training = await bridgeTraining(cell, tools, bridged as unknown as AnyAlgorithm, (config, algorithm) => {
      const own = algorithm.create(config, spec);
      return Promise.resolve(agentTraining(own, config, (rows, rng) => drawBanditBatch(bandit, rows, rng)));
    });
    return {
      ...training,
      async evaluate(state) {
        const policy = agent.exportPolicy(state);
        const update = divergedAt(state);
        if (update !== null) {
          const diverged = `a loss was no finite number at update ${update}`;
          return { environment: null, result: { diverged, samples: [], metrics: null }, policy };
        }
        const n = cell.evaluation.episodes;
        const noise = createRng(`${cell.task}/bridges/${cell.seed}/samples`); // The same for all cells.
        const { data } = await agent.act(state, ndarray(new Float32Array(n), [n, 1]), 1, noise);
        const samples = Array.from(data, (x) => Number(x.toFixed(2)));
        const result = {
          diverged: leftBecause(data, spec.maxAction),
          samples,
          metrics: bridgeMetrics(bandit, mixture, data),
        };
        return { environment: null, result, policy };
      },
    };
  },
};
