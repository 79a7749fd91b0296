/**
 * The papers' networks on local data.
 *
 * @module
 */

import { dynamicsDefaults, inverseDefaults, rewardDefaults, valueDefaults } from "../../algorithms/stitching/mod.ts";
import { toySets } from "../toy.ts";
import {
  alike,
  banditTasks,
  cheetahReplay,
  distillationNames,
  exponentPlans,
  hopperReplay,
  iterativeBaselines,
  klSettings,
  type Plan,
  type Profile,
  sizePlans,
  smallPlanner,
  speedPlan,
} from "./profile.ts";

const bandit = { batchSize: 512, actorRows: 2048, valueRows: 512, actorNoise: "quasirandom" }; // Updates as published.
const dtql = { updates: 100_000, pretrainUpdates: 5000 };

const distillation = { updates: 2000, teacherUpdates: 100_000, densityEpochs: 10 };
const distillationPlan: Omit<Plan, "runs"> = {
  kind: "distillation",
  tasks: [hopperReplay, cheetahReplay, "hopper-expert-local", "halfcheetah-expert-local"],
  source:
    "scaled down: 2000 outer updates for 50,000; teacher IQL with 100,000 updates for Cal-QL's million; networks as published",
  seeds: [0, 1, 2],
  episodes: 10,
};

export const full: Profile = {
  description: "the papers' networks on local data, three seeds; days on 2 cores",
  experiments: {
    speed: [speedPlan],
    bandits: [{
      kind: "bandit",
      tasks: banditTasks,
      runs: { dtql: { overrides: bandit }, dql_kl: { overrides: { ...bandit, ...klSettings } } },
      source:
        "networks, rates and updates as published (DQL-KL's per task, 1500 to 3500); for the full batch of 10,000, minibatches of 512 " +
        "(diffusion, critic) and 2048 quasi-random policy draws, 512 of them for the value term; DQL-KL with a learning rate of 0.001 " +
        "for 0.003 and 500 of its updates as pretraining",
      seeds: [1, 2, 3],
      episodes: 1000,
    }],
    toy: [{
      kind: "toy",
      tasks: toySets,
      runs: { srpo_toy: { overrides: {} } },
      source: "the authors' network and rate; 20,000 updates for 366,000",
      seeds: [0],
      episodes: 1,
    }],
    dtql: [{
      kind: "environment",
      tasks: [hopperReplay],
      runs: {
        dtql: { overrides: dtql, candidates: 1024 },
        diffusion_ql: { overrides: { updates: 100_000 }, candidates: 50 },
      },
      source: "scaled down: 100,000 updates for the papers' million or two; networks and rates as published",
      seeds: [0, 1, 2],
      episodes: 10,
    }],
    srpo: [{
      kind: "environment",
      tasks: [hopperReplay, cheetahReplay],
      runs: {
        srpo: {
          overrides: { updates: 150_000, behaviourUpdates: 50_000, criticUpdates: 50_000, behaviourBatchSize: 512 },
          sampling: iterativeBaselines,
        },
        dtql: { overrides: dtql },
        ...alike(["bc", "iql", "td3_bc", "rebrac"], { overrides: { updates: 100_000 } }),
      },
      source:
        "scaled down: 50,000 updates per phase of SRPO with behaviour batches of 512 for 2048, 100,000 of the others; networks and " +
        "rates as published",
      seeds: [0, 1, 2],
      episodes: 10,
    }],
    stitching: [{
      kind: "stitching",
      tasks: [hopperReplay, cheetahReplay, "hopper-medium-local", "halfcheetah-medium-local"],
      runs: {
        stitching: {
          overrides: {
            updates: 50_000,
            batchSize: 32,
            generated: 50,
            publishedSize: "timed",
            planner: { ...smallPlanner, width: 64, multipliers: [1, 4, 8], context: 8 },
            stitcher: {
              dynamics: { ...dynamicsDefaults, epochs: 50, patience: 5 },
              value: { ...valueDefaults, updates: 50_000 },
              inverse: { ...inverseDefaults, updates: 50_000 },
              reward: { ...rewardDefaults, updates: 50_000 },
            },
          },
        },
      },
      source:
        "scaled down: planner of width 64 for 128, horizon 32 for 100, context 8 for 20, 10 denoising steps for 200, 50,000 updates of 32 " +
        "for a million of 64; 50 generated trajectories; stitcher's networks as published with 50,000 updates for up to a million; policy " +
        "as published",
      seeds: [0, 1, 2],
      episodes: 10,
    }],
    distillation: [{
      ...distillationPlan,
      runs: alike(distillationNames, { overrides: { ...distillation, variants: 10 } }),
    }],
    sizes: sizePlans([16, 32, 64, 128, 256], distillationPlan, distillation),
    exponents: exponentPlans(
      [0.05, 0.2, 1],
      { ...distillationPlan, tasks: ["hopper-medium-local", "halfcheetah-medium-local"] },
      distillation,
    ),
    diagnosis: [{
      kind: "diagnosis",
      tasks: [hopperReplay, cheetahReplay],
      runs: { bc: { overrides: { updates: 100_000 } } },
      source: "ours: BC as in TD3+BC with at most 100,000 updates",
      seeds: [0, 1, 2],
      episodes: 10,
    }],
  },
};
