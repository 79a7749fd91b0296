/**
 * What the plans of several experiments share: datasets, seeds and rough costs.
 *
 * @module
 */

import type { Cell, SamplingRule } from "../cells/cell.ts";
import type { Estimate } from "./experiment.ts";

/** The local datasets of the experiments. */
export const hopperReplay = "hopper-medium-replay-local";
export const cheetahReplay = "halfcheetah-medium-replay-local";
export const cheetahMedium = "halfcheetah-medium-local";

const levels = ["medium", "medium-replay", "medium-expert"];

/** D4RL's nine locomotion datasets of the papers. */
export const gym: readonly string[] = ["halfcheetah", "hopper", "walker2d"].flatMap((robot) =>
  levels.map((level) => `${robot}-${level}-v2`)
);

/** D4RL's AntMaze datasets. */
export const antMazes: readonly string[] = [
  "umaze",
  "umaze-diverse",
  "medium-play",
  "medium-diverse",
  "large-play",
  "large-diverse",
].map((maze) => `antmaze-${maze}-v2`);

/** The papers' number of training seeds. */
export const fiveSeeds: readonly number[] = [0, 1, 2, 3, 4];

/** The seed on which settings are chosen, and no result rests. */
export const tuningSeed = 100;

/** Memory of a cell without its data. */
export const baseMiB = 350;
/** Memory that a dataset takes more. */
export const dataMiB = 250;

/**
 * Seconds of a cell's updates on one 2.5 GHz core, within a factor of two or three at the sizes of the profiles: an update's work
 * grows with the batch and, from a floor, with the square of the width. Ours, from runs of `quick`.
 *
 * @param updateMs Of an update at width 128 and batch 128.
 * @param rows Rows of a batch, where they are not those of the settings.
 */
export function updateSeconds({ config }: Cell, updateMs: number, rows?: number): number {
  const { updates, batchSize, hidden = 128, actorRows = 0 } = config as typeof config & Record<string, number>;
  const counted = rows ?? batchSize + actorRows / 16; // A draw costs the diffusion model alone.
  return updates * updateMs * (counted / 128 * (0.25 + 0.75 * (hidden / 128) ** 2)) / 1000;
}

/** Milliseconds of an update as in {@linkcode updateSeconds}, and seconds of ten episodes. */
const offlineCosts: Readonly<Record<string, readonly [updateMs: number, evaluationSeconds: number]>> = {
  dtql: [6, 12],
  diffusion_ql: [7, 12],
  srpo: [2.5, 80],
  iql: [1.8, 5],
  bc: [0.5, 5],
  td3_bc: [1.4, 5],
  fql: [4, 5],
  sscp: [4, 5],
  consistency_ac: [5, 30],
  cpql: [5, 30],
  bfq: [5, 30],
};

/** Of a cell of {@linkcode offlineStudy}; an algorithm that was not measured counts as the middle of the others. */
export function estimateOffline(cell: Cell): Estimate {
  const [updateMs, evaluationSeconds] = offlineCosts[cell.algorithm] ?? [4, 5];
  const { episodes, curve } = cell.evaluation;
  const onTheWay = curve ? Math.floor(cell.config.updates / curve.every) * curve.episodes : 0;
  const seconds = updateSeconds(cell, updateMs) + (evaluationSeconds * episodes + 5 * onTheWay) / 10;
  return { seconds, memoryMiB: baseMiB + dataMiB };
}

/** DTQL on Hopper, in `smoke`, `quick` and `full`. */
export const tinyDtql = { updates: 40, batchSize: 64, hidden: 32, pretrainUpdates: 10, diffusionHidden: 32 };
export const smallDtql = {
  updates: 6000,
  batchSize: 128,
  hidden: 128,
  learningRate: 1e-3,
  criticLearningRate: 1e-3,
  schedule: "cosine" as const,
  trustRegionWeight: 50,
  pretrainUpdates: 500,
  diffusionHidden: 128,
};
export const fullDtql = { updates: 100_000, pretrainUpdates: 5000 };

/** Other algorithms in `smoke` and `quick`. */
export const tiny = { updates: 40, batchSize: 64, hidden: 32 };
export const small = { hidden: 128, learningRate: 1e-3 };

/** The datasets of `standard`, cheapest first: few modes and many, a medium and one that some policy runs well on. */
export const standardTasks: readonly string[] = [
  hopperReplay,
  cheetahReplay,
  "walker2d-medium-local",
  "hopper-medium-expert-local",
];

/** What every plan of `standard` has in common. */
export const standardFrame = {
  tasks: standardTasks,
  seeds: [0, 1, 2],
  episodes: 10,
  curve: { points: 4, episodes: 5 },
} as const;

/** Settings of all methods in `standard`. */
export const equal = { hidden: 128, batchSize: 256, normalizeObservations: true } as const;

/** DTQL in `standard`. */
export const standardDtql = {
  ...equal,
  updates: 6000,
  learningRate: 1e-3,
  criticLearningRate: 1e-3,
  schedule: "cosine" as const,
  trustRegionWeight: 50,
  pretrainUpdates: 600,
  diffusionHidden: 128,
};

/** What the settings of `standard` differ in, `own` among it. */
export const standardSource = (own: string): string =>
  "scaled down on equal terms: normalized observations, width 128 and batches of 256 for every method, learning rate 0.001; main " +
  `settings chosen among two on seed 100 of both replays; ${own}`;

/** A way to sample SRPO's behaviour model. */
export const sampling = (calls: number, candidates = 1, sampler = "dpmpp2"): SamplingRule => ({
  sampler,
  calls,
  candidates,
  choice: "argmax",
});

/** SRPO's behaviour model sampled at several costs: the iterative policies that it is compared with. */
export const iterativeBaselines: readonly SamplingRule[] = [
  ...[5, 10, 15, 20, 50, 100].map((calls) => sampling(calls)),
  sampling(15, 16),
  // IDQL-1's way to act: five steps of DDPM, the best of 64 by the target critics. What acts is SRPO's model, trained for all times and
  // sampled at five of them, where IDQL's knows five alone and averages its weights; and SRPO's critics, updates and batches.
  sampling(5, 64, "ddpm"),
];
