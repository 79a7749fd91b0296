/**
 * Scaled-down networks and budgets on local data.
 *
 * @module
 */

import { dynamicsDefaults } from "../../algorithms/stitching/mod.ts";
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

const smallDtql = {
  updates: 6000,
  batchSize: 128,
  hidden: 128,
  learningRate: 1e-3,
  criticLearningRate: 1e-3,
  schedule: "cosine",
  trustRegionWeight: 50,
  pretrainUpdates: 500,
  diffusionHidden: 128,
};
const smallBandit = {
  updates: 3300,
  batchSize: 256,
  actorRows: 512,
  valueRows: 256,
  actorNoise: "quasirandom",
  hidden: 64,
};
const small = { hidden: 128, learningRate: 1e-3 };
const regression = { updates: 10_000, batchSize: 256, learningRate: 1e-3, hidden: 128 };
/** A small stitcher; two passes over a medium dataset's million transitions are as many updates as eight over a replay's. */
const stitcherOf = (epochs: number) => ({
  dynamics: {
    ...dynamicsDefaults,
    members: 4,
    kept: 3,
    hidden: 128,
    depth: 3,
    learningRate: 1e-3,
    epochs,
    patience: 2,
  },
  value: regression,
  inverse: regression,
  reward: regression,
});

/** Its states change much in a step, and a long window at this width predicts none of them well. */
const cheetahPlanner = (targetReturn: number) => ({
  updates: 5000,
  batchSize: 128,
  planner: {
    ...smallPlanner,
    width: 128,
    multipliers: [1],
    horizon: 4,
    context: 2,
    inverseHidden: 512,
    learningRate: 2e-3,
    targetReturn,
  },
});

const smallDistillation = {
  updates: 1000,
  pairs: 256,
  innerUpdates: 50,
  hidden: 64,
  batchSize: 1024,
  teacherUpdates: 20_000,
  teacherHidden: 128,
  teacherLearningRate: 1e-3,
  cloningUpdates: 4000,
  densityEpochs: 2,
  students: 10,
  variants: 2,
};
/** A step moves a policy in proportion to its width, 256 for the published rate of 0.1; on the replays, more did not teach more. */
const fasterOnMedium = { "halfcheetah-medium-local": { innerLearningRate: 0.4 } };
/** Data of few different states, where weighting them by their rarity should matter. */
const experts = ["hopper-expert-local", "halfcheetah-expert-local"];
const distillationPlan: Omit<Plan, "runs"> = {
  kind: "distillation",
  tasks: [hopperReplay, cheetahReplay],
  source:
    "scaled down: 50 inner steps for 100, policies of width 64 for 256, on the medium data with an inner rate of 0.4 for 0.1 (chosen on seed 0), 1000 outer updates on 1024 states for " +
    "50,000 on 2560; teacher IQL of width 128 with 20,000 updates for Cal-QL's million; BC of the whole data with 4000 for 25 to 125 thousand; " +
    "density model with 2 passes for 50",
  seeds: [0, 1, 2],
  episodes: 10,
};

export const quick: Profile = {
  description: "scaled-down networks and budgets on local data; under 10 minutes on 2 cores",
  experiments: {
    speed: [speedPlan],
    bandits: [{
      kind: "bandit",
      tasks: banditTasks,
      runs: {
        dtql: { overrides: smallBandit },
        dql_kl: { overrides: { ...smallBandit, ...klSettings, updates: 1200 } },
      },
      source:
        "scaled down: critic and policy of width 64 for 256, minibatches of 256 and 512 quasi-random policy draws for the full batch of " +
        "10,000; DTQL 3300 updates; DQL-KL 1200, 500 of them pretraining, with a learning rate of 0.001 for 0.003",
      seeds: [1],
      episodes: 1000,
    }],
    toy: [{
      kind: "toy",
      tasks: toySets,
      runs: { srpo_toy: { overrides: { updates: 1000, batchSize: 512, hidden: 128, learningRate: 1e-3 } } },
      source:
        "scaled down: learned score of width 128 for 512, 1000 updates of 512 for 366,000 of 2048, learning rate 0.001 for 0.0001",
      seeds: [0],
      episodes: 1,
    }],
    dtql: [{
      kind: "environment",
      tasks: [hopperReplay],
      runs: {
        dtql: { overrides: smallDtql, candidates: 64 },
        diffusion_ql: { overrides: { updates: 3000, batchSize: 128, ...small }, candidates: 50 },
      },
      source:
        "scaled down: batch 128 and width 128 for the papers' 256 and 256; DTQL 6000 updates, Diffusion-QL 3000, for the papers' " +
        "million or two; learning rate 0.001 for 0.0003; DTQL with trust-region weight 50 for 5 and cosine decay, chosen on trial " +
        "runs of seeds 0 to 2 here",
      seeds: [0, 1, 2],
      episodes: 10,
    }],
    srpo: [{
      kind: "environment",
      tasks: [hopperReplay, cheetahReplay],
      runs: {
        srpo: {
          overrides: {
            updates: 100_000,
            behaviourUpdates: 30_000,
            criticUpdates: 50_000,
            behaviourBatchSize: 256,
            behaviourHidden: 64,
            dropout: 0,
            ...small,
            inverseTemperature: 0.02,
          },
          perTask: { [cheetahReplay]: { inverseTemperature: 0.01 } },
          sampling: iterativeBaselines,
        },
        dtql: { overrides: smallDtql },
        bc: { overrides: { updates: 4000, ...small } },
        ...alike(["iql", "td3_bc"], { overrides: { updates: 8000, ...small } }),
        rebrac: { overrides: { updates: 8000, hidden: 128, batchSize: 256 } },
      },
      source:
        "scaled down: SRPO 30,000 + 50,000 + 20,000 updates for 2 + 1.5 + 1 million, behaviour width 64 for 256, batch 256 for 2048, no " +
        "dropout for 0.1; inverse temperature 0.02 on Hopper and 0.01 on HalfCheetah for 0.2, chosen on seed 3; DTQL as in its own " +
        "experiment; BC 4000, IQL, TD3+BC, ReBRAC 8000 updates for a million; widths 128 for 256; learning rate 0.001 for 0.0003",
      seeds: [0, 1, 2],
      episodes: 10,
    }],
    stitching: [{
      kind: "stitching",
      tasks: [hopperReplay, cheetahReplay, "hopper-medium-local", "halfcheetah-medium-local"],
      runs: {
        stitching: {
          overrides: {
            updates: 12_000,
            batchSize: 32,
            generated: 20,
            publishedSize: "timed",
            planner: smallPlanner,
            stitcher: stitcherOf(8),
            cloning: { policies: 5, updates: 30_000 }, // By themselves, policies of the same data score 10 to 59 on Hopper.
          },
          perTask: { // Targets: what the data reach from a start, discounted; more is beyond all windows, and plans then fail at once.
            [hopperReplay]: { planner: { ...smallPlanner, targetReturn: 0.4 } },
            [cheetahReplay]: cheetahPlanner(0.7),
            "hopper-medium-local": {
              planner: { ...smallPlanner, targetReturn: 0.5 },
              stitcher: stitcherOf(2),
            },
            "halfcheetah-medium-local": { ...cheetahPlanner(1), stitcher: stitcherOf(2) },
          },
        },
      },
      source:
        "scaled down: 10 denoising steps for 200, learning rate 0.001 for 0.0002; on Hopper a planner of width 32 in levels of 1, 2, 4 for " +
        "128 in 1, 4, 8, horizon 32 for 100, context 4 for 20, 12,000 updates of 32 for a million of 64, target " +
        "return 0.4 (chosen on seed 0) and 0.5 on the medium data for 0.9; on HalfCheetah width 128 in one level, horizon 4, context 2, inverse dynamics of width 512 for " +
        "256, 5000 updates of 128, learning rate 0.002, target 0.7 and 1 (chosen on its medium data); 20 generated trajectories; stitcher " +
        "of width 128, 3 of 4 dynamics networks for 5 of 7 with 8 passes over the data at most (2 over medium's), 10,000 updates for up to " +
        "a million; five policies for one, as published with 30,000 updates for 101,000",
      seeds: [0, 1, 2],
      episodes: 10,
    }],
    distillation: [
      {
        ...distillationPlan,
        tasks: [...distillationPlan.tasks, ...Object.keys(fasterOnMedium)],
        runs: alike(distillationNames, { overrides: smallDistillation, perTask: fasterOnMedium }),
      },
      { ...distillationPlan, tasks: experts, runs: alike(["av_pbc", "sdw_obd"], { overrides: smallDistillation }) },
    ],
    sizes: sizePlans([16, 64, 256], distillationPlan, smallDistillation),
    exponents: exponentPlans(
      [0.05, 0.2, 1],
      { ...distillationPlan, tasks: Object.keys(fasterOnMedium), seeds: [3, 4, 5] }, // The rate was chosen on seed 0.
      { ...smallDistillation, ...fasterOnMedium["halfcheetah-medium-local"] },
    ),
    diagnosis: [{
      kind: "diagnosis",
      tasks: [hopperReplay, cheetahReplay],
      runs: { bc: { overrides: { updates: 10_000, ...small } } },
      source: "ours: BC of width 128 with learning rate 0.001 and at most 10,000 updates",
      seeds: [0, 1, 2],
      episodes: 10,
    }],
  },
  onRequest: ["srpo", "stitching", "distillation", "sizes", "exponents", "diagnosis"],
};
