/**
 * Everything once, far too short to learn.
 *
 * @module
 */

import { dynamicsDefaults } from "../../algorithms/stitching/mod.ts";
import { toySets } from "../toy.ts";
import {
  alike,
  distillationNames,
  exponentPlans,
  hopperReplay,
  klSettings,
  type Plan,
  type Profile,
  sampling,
  sizePlans,
  smallPlanner,
  speedPlan,
} from "./profile.ts";

const tinyDtql = { updates: 40, batchSize: 64, hidden: 32, pretrainUpdates: 10, diffusionHidden: 32 };
const tinyBandit = { updates: 40, batchSize: 64, hidden: 32, diffusionHidden: 32 };
const tiny = { updates: 40, batchSize: 64, hidden: 32 };
const tinyRegression = { updates: 40, batchSize: 64, learningRate: 1e-3, hidden: 32 };

const tinyDistillation = {
  updates: 6,
  pairs: 8,
  innerUpdates: 4,
  hidden: 16,
  batchSize: 64,
  teacherUpdates: 20,
  teacherHidden: 16,
  cloningUpdates: 20,
  densityEpochs: 1,
  students: 2,
  variants: 1,
};
const distillationPlan: Omit<Plan, "runs"> = {
  kind: "distillation",
  tasks: [hopperReplay],
  source: "smoke test: at most 8 pairs, 4 inner steps, width 16, 6 outer updates",
  seeds: [0],
  episodes: 2,
};

export const smoke: Profile = {
  description: "everything once, far too short to learn, so its verdicts mean nothing; under 2 minutes",
  experiments: {
    speed: [{
      ...speedPlan,
      runs: { ...speedPlan.runs, srpo: { overrides: {}, sampling: [sampling(15)] } },
      seeds: [0],
    }],
    bandits: [{
      kind: "bandit",
      tasks: ["25gaussians-far"],
      runs: {
        dtql: { overrides: tinyBandit },
        dql_kl: { overrides: { ...tinyBandit, ...klSettings, pretrainUpdates: 10 } },
      },
      source: "smoke test: 40 updates, batch 64, width 32",
      seeds: [0],
      episodes: 200,
    }],
    toy: [{
      kind: "toy",
      tasks: toySets,
      runs: { srpo_toy: { overrides: { updates: 40, batchSize: 64, hidden: 128 } } },
      source: "smoke test: 40 updates, batch 64, width 128",
      seeds: [0],
      episodes: 1,
    }],
    dtql: [{
      kind: "environment",
      tasks: [hopperReplay],
      runs: {
        dtql: { overrides: tinyDtql, candidates: 8 },
        diffusion_ql: { overrides: tiny, candidates: 8 },
      },
      source: "smoke test: 40 updates, batch 64, width 32",
      seeds: [0],
      episodes: 2,
    }],
    srpo: [{
      kind: "environment",
      tasks: [hopperReplay],
      runs: {
        srpo: {
          overrides: {
            updates: 40,
            behaviourUpdates: 15,
            criticUpdates: 15,
            behaviourHidden: 16,
            behaviourBatchSize: 64,
            batchSize: 64,
            hidden: 32,
          },
          sampling: [sampling(5)],
        },
        dtql: { overrides: tinyDtql },
        ...alike(["bc", "iql", "td3_bc", "rebrac"], { overrides: tiny }),
      },
      source: "smoke test: 40 updates, batch 64, width 32",
      seeds: [0],
      episodes: 2,
    }],
    stitching: [{
      kind: "stitching",
      tasks: [hopperReplay],
      runs: {
        stitching: {
          overrides: {
            updates: 30,
            batchSize: 16,
            rows: 4000,
            generated: 2,
            planner: { ...smallPlanner, width: 8, multipliers: [1, 2], horizon: 8, context: 2, diffusionSteps: 3 },
            stitcher: {
              passes: 2,
              dynamics: { ...dynamicsDefaults, members: 2, kept: 1, hidden: 32, depth: 2, epochs: 2 },
              value: tinyRegression,
              inverse: tinyRegression,
              reward: tinyRegression,
            },
            cloning: { ...tiny, policies: 2 },
          },
        },
      },
      source:
        "smoke test: 4000 rows, planner of width 8 with 30 updates, 2 generated trajectories, 2 passes, 40 updates of the rest",
      seeds: [0],
      episodes: 2,
    }],
    distillation: [{ ...distillationPlan, runs: alike(distillationNames, { overrides: tinyDistillation }) }],
    sizes: sizePlans([4], distillationPlan, tinyDistillation),
    exponents: exponentPlans([1], distillationPlan, tinyDistillation),
    diagnosis: [{
      kind: "diagnosis",
      tasks: [hopperReplay],
      runs: { bc: { overrides: { updates: 100, batchSize: 64, hidden: 32 } } },
      source: "smoke test: at most 100 updates, width 32",
      seeds: [0],
      episodes: 2,
    }],
  },
};
