/**
 * The papers' own protocol on D4RL's own data.
 *
 * @module
 */

import { toySets } from "../toy.ts";
import {
  alike,
  banditTasks,
  cheetahReplay,
  distillationNames,
  exponentPlans,
  hopperReplay,
  iterativeBaselines,
  type Plan,
  type Profile,
  type Run,
  sizePlans,
  speedPlan,
} from "./profile.ts";

const levels = ["medium", "medium-replay", "medium-expert"];
const gym = ["halfcheetah", "hopper", "walker2d"].flatMap((robot) => levels.map((level) => `${robot}-${level}-v2`));
/** Their scores need D4RL's model files (`D4RL_MODELS_DIR`). */
const manipulation = [
  ...["complete", "partial", "mixed"].map((kind) => `kitchen-${kind}-v0`),
  ...["human", "cloned"].map((kind) => `pen-${kind}-v1`),
];
const antMazes = ["umaze", "umaze-diverse", "medium-play", "medium-diverse", "large-play", "large-diverse"];
const seeds = [0, 1, 2, 3, 4];
const published: Run = { overrides: {} };

/** Scores on the locomotion tasks with 10 episodes, on the mazes with 100. */
const scored = (runs: Plan["runs"]): Plan[] => [
  { kind: "environment", tasks: gym, runs, source: "as published", seeds, episodes: 10 },
  {
    kind: "environment",
    tasks: antMazes.map((maze) => `antmaze-${maze}-v2`),
    runs,
    source: "as published",
    seeds,
    episodes: 100,
  },
];

const dtqlRuns: Plan["runs"] = {
  dtql: { overrides: {}, candidates: 1024 },
  diffusion_ql: { overrides: {}, candidates: 50 },
};

const distillationPlan: Omit<Plan, "runs"> = {
  kind: "distillation",
  tasks: gym,
  source: "as published, with our IQL as the teacher for Cal-QL",
  seeds,
  episodes: 10,
};

export const paper: Profile = {
  description:
    "the papers' budgets on D4RL's data, which are downloaded; five seeds; months on 2 cores, so for a cluster",
  experiments: {
    speed: [speedPlan],
    bandits: [{
      kind: "bandit",
      tasks: banditTasks,
      runs: alike(["dtql", "dql_kl"], published),
      source: "as published: the full batch of 10,000",
      seeds,
      episodes: 1000,
    }],
    toy: [{
      kind: "toy",
      tasks: toySets,
      runs: { srpo_toy: { overrides: { updates: 366_000 } } },
      source: "as published",
      seeds: [0],
      episodes: 1,
    }],
    dtql: [
      ...scored(dtqlRuns),
      { kind: "environment", tasks: manipulation, runs: dtqlRuns, source: "as published", seeds, episodes: 100 },
    ],
    srpo: scored({
      srpo: { overrides: {}, sampling: iterativeBaselines },
      ...alike(["bc", "iql", "td3_bc", "rebrac"], published),
    }),
    stitching: [{
      kind: "stitching",
      tasks: gym,
      runs: { stitching: published },
      source: "as published where the component papers say it; the whole is a reconstruction",
      seeds,
      episodes: 10,
    }],
    distillation: [{
      ...distillationPlan,
      runs: alike(distillationNames, { overrides: { students: 10, variants: 10 } }),
    }],
    sizes: sizePlans([16, 32, 64, 128, 256], {
      ...distillationPlan,
      tasks: gym.filter((task) => task.includes("-replay-")),
    }, { students: 10 }),
    exponents: exponentPlans([0.05, 0.2, 1], {
      ...distillationPlan,
      tasks: gym.filter((task) => task.includes("-medium-v2")),
    }, { students: 10 }),
    diagnosis: [{
      kind: "diagnosis",
      tasks: [hopperReplay, cheetahReplay],
      runs: { bc: { overrides: { updates: 100_000 } } },
      source: "ours: BC as in TD3+BC with at most 100,000 updates; on local data, which alone have an expert",
      seeds,
      episodes: 10,
    }],
  },
};
