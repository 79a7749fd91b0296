/**
 * Trajectory stitching as an algorithm: the shallow policy, and the settings of all that makes its data.
 *
 * @module
 */

import { bc, type BcConfig } from "../../../algorithms/bc.ts";
import type { Agent, Algorithm } from "../../../algorithms/core/agent.ts";
import { checked } from "../../../algorithms/core/checked.ts";
import {
  assertConfig,
  assertNames,
  type CommonConfig,
  type KnownSettings,
  ranges,
} from "../../../algorithms/core/config.ts";
import {
  createPlanner,
  createRelativePlanner,
  dynamicsDefaults,
  type Planner,
  type PlannerConfig,
  plannerDefaults,
  type PlannerSpec,
  type RelativePlannerConfig,
  relativePlannerDefaults,
  type RelativePlannerSpec,
  type StitchingConfig,
  stitchingDefaults,
} from "../../../algorithms/stitching/mod.ts";
import { readId } from "../../../environments/ids.ts";

/** Settings of the shallow policy. */
export interface CloningConfig {
  /** Policies of each set of trajectories, whose episodes are scored together. Ours: alone they score tens of points apart. */
  policies: number;
  updates: number;
  batchSize: number;
  learningRate: number;
  hidden: number;
  /**
   * Share of minibatches that are the planner's trajectories if all that it generated are kept, else less in proportion. Ours: by
   * rows alone they would be too few to learn from.
   */
  generatedShare: number;
}

const publishedSizes = ["timed", "left out"] as const;

/** Settings of the study; what `planner`, `stitcher` and `cloning` leave out is the default. */
export interface StitchingStudyConfig extends CommonConfig {
  planner: Partial<PlannerConfig>;
  /** Settings of the planner of changes, which then takes the place of the published one; null for that one. */
  changes: Partial<RelativePlannerConfig> | null;
  stitcher: Partial<StitchingConfig>;
  cloning: Partial<CloningConfig>;
  /** Rows of the dataset that are used, from its start; 0 for all. */
  rows: number;
  /** Trajectories that the planner makes. */
  generated: number;
  /** Those are kept whose return, by the planner's rewards, is above this quantile of the data's. Ours. */
  generatedQuantile: number;
  /** Whether seed 0 also builds a planner of the published size, trains it for one step and times an action of it. */
  publishedSize: typeof publishedSizes[number];
}

const cloningDefaults: CloningConfig = {
  policies: 1,
  updates: 101_000,
  batchSize: 256,
  learningRate: 1e-3,
  hidden: 256,
  generatedShare: 0.5,
};

// Hepburn & Montana's, by the robot's observation.
const radii: Readonly<Record<string, number>> = { hopper: 0.1, halfcheetah: 3, walker2d: 1 };

/** The full settings of each part; updates and batches of the planner are the study's own. */
export function studySettings(config: StitchingStudyConfig, task: string): {
  planner: PlannerConfig;
  changes: RelativePlannerConfig | null;
  stitcher: StitchingConfig;
  cloning: CloningConfig;
} {
  const { updates, batchSize } = config;
  const cloning = { ...cloningDefaults, ...config.cloning };
  const limits = {
    policies: ranges.count,
    learningRate: ranges.positive,
    hidden: ranges.count,
    generatedShare: ranges.share,
  };
  assertNames("stitch", cloning, cloningDefaults, "cloning.");
  assertConfig("stitch", cloning, { defaults: cloningDefaults, limits }, "cloning.");
  assertNames("stitch", config.planner, plannerDefaults, "planner.");
  assertNames("stitch", config.changes ?? {}, relativePlannerDefaults, "changes.");
  const radius = config.stitcher.radius ?? radii[readId(task).family];
  if (radius === undefined) {
    throw new RangeError(`Cannot stitch ${task}: set stitcher.radius; known are ${Object.keys(radii).join(", ")}`);
  }
  return {
    planner: { ...plannerDefaults, ...config.planner, updates, batchSize },
    changes: config.changes && { ...relativePlannerDefaults, ...config.changes, updates, batchSize },
    stitcher: {
      ...stitchingDefaults,
      ...config.stitcher,
      radius,
      dynamics: { ...dynamicsDefaults, ...config.stitcher.dynamics },
    },
    cloning,
  };
}

/** Settings of the shallow policy, as behaviour cloning has them. */
export function policyConfig({ cloning, normalizeObservations }: StitchingStudyConfig): BcConfig {
  const { hidden, learningRate, updates, batchSize } = { ...cloningDefaults, ...cloning };
  return { ...bc.defaults, hidden, learningRate, updates, batchSize, normalizeObservations };
}

const settings: KnownSettings<StitchingStudyConfig> = {
  defaults: {
    updates: plannerDefaults.updates,
    batchSize: plannerDefaults.batchSize,
    candidates: 1,
    rewardTransform: "none",
    normalizeObservations: false,
    planner: {},
    changes: null,
    stitcher: {},
    cloning: {},
    rows: 0,
    publishedSize: "left out",
    generated: 100, // Ours: about a tenth of a million rows; the paper's number is not known.
    generatedQuantile: 0.8,
  },
  limits: {
    rows: ranges.wholeNumber,
    generated: ranges.wholeNumber,
    generatedQuantile: ranges.share,
    publishedSize: publishedSizes,
  },
};

/** The study; as an agent, its shallow policy. */
export const stitchingStudy: Algorithm<StitchingStudyConfig> = {
  name: "stitching",
  module: import.meta.url,
  acts: "one pass",
  study: "stitching",
  title: "Trajectory stitching",
  source:
    "Li & Zhang 2024, arXiv 2402.00807, a reconstruction, with the stitcher of Hepburn & Montana 2022, arXiv 2211.11603",
  ...settings,
  presets: {},
  create: checked("stitching", settings, (config, spec) => bc.create(policyConfig(config), spec)),
};

const asPolicy = () => new TypeError("Cannot use a planner as a policy of single steps: it plans over episodes");

/** A planner as what plays: it remembers, so it starts anew with each episode. */
function plannerAgent<B>({ init, startActing }: Planner<B>): Agent {
  return {
    init,
    update: () => Promise.reject(asPolicy()),
    act: () => Promise.reject(asPolicy()),
    startActing,
    exportPolicy() {
      throw asPolicy();
    },
  };
}

const played = { module: import.meta.url, acts: "one sample", study: "stitching", presets: {} } as const;
const common = { candidates: 1, rewardTransform: "none", normalizeObservations: false } as const;

/** The published planner. */
export const plannerPolicy: Algorithm<PlannerConfig & CommonConfig> = {
  ...played,
  name: "planner",
  title: "Planner",
  source: stitchingStudy.source,
  defaults: { ...plannerDefaults, ...common },
  create: (config, spec) => plannerAgent(createPlanner(config, spec as PlannerSpec)),
};

/** The planner of changes. */
export const changesPolicy: Algorithm<RelativePlannerConfig & CommonConfig> = {
  ...played,
  name: "planner_of_changes",
  title: "Planner of changes",
  source: "ours, after Ajay et al. 2023, arXiv 2211.15657",
  defaults: { ...relativePlannerDefaults, ...common },
  create: (config, spec) => plannerAgent(createRelativePlanner(config, spec as RelativePlannerSpec)),
};
