/**
 * What `reproduce` runs: profiles of experiments, as lists of cells.
 *
 * @module
 */

import { join } from "node:path";
import type { Backend } from "../algorithms/core/backend.ts";
import {
  dynamicsDefaults,
  inverseDefaults,
  type PlannerConfig,
  rewardDefaults,
  valueDefaults,
} from "../algorithms/stitching/mod.ts";
import type { algorithms, Cell, SamplingRule } from "./cell.ts";
import { toySets } from "./toy.ts";

type AlgorithmName = keyof typeof algorithms;

interface Budget {
  source: string;
  seeds: number[];
  /** Evaluation episodes, or samples of a bandit's policy. */
  episodes: number;
}

/** How one algorithm is run within a budget. */
interface Run {
  overrides: Cell["overrides"];
  /** Further ones of single tasks. */
  perTask?: Readonly<Record<string, Cell["overrides"]>>;
  candidates?: number;
  sampling?: SamplingRule[];
}

interface EnvironmentBudget extends Budget {
  tasks: string[];
  runs: Partial<Record<AlgorithmName, Run>>;
}

/** A named amount of work. */
export interface Profile {
  description: string;
  bandits: Budget & { tasks: string[]; overrides: Cell["overrides"] };
  hopper: EnvironmentBudget;
  toy: Budget & { overrides: Cell["overrides"] };
  srpo: EnvironmentBudget;
  stitching: Budget & { tasks: string[]; overrides: Cell["overrides"]; perTask?: Run["perTask"] };
  distillation: Budget & { tasks: string[]; overrides: Cell["overrides"] };
  /** Experiments that run only when `--only` names them. */
  onRequest?: readonly ExperimentName[];
}

/** The experiments that every profile has. */
export const experimentNames = ["bandits", "toy", "hopper", "srpo", "stitching", "distillation"] as const;
type ExperimentName = typeof experimentNames[number];

/** The local datasets of the experiments. */
export const hopperDataset = "hopper-medium-replay-local";
const cheetahDataset = "halfcheetah-medium-replay-local";

const sampling = (calls: number, candidates = 1, sampler = "dpmpp2"): SamplingRule => ({
  sampler,
  calls,
  candidates,
  choice: "argmax",
});

const tinyDtql: Cell["overrides"] = {
  updates: 40,
  batchSize: 64,
  hidden: 32,
  pretrainUpdates: 10,
  diffusionHidden: 32,
};

/** DTQL at a laptop's budget. */
const smallDtql: Cell["overrides"] = {
  updates: 8000,
  batchSize: 128,
  hidden: 128,
  learningRate: 1e-3,
  criticLearningRate: 1e-3,
  schedule: "cosine",
  trustRegionWeight: 50,
  pretrainUpdates: 500,
  diffusionHidden: 128,
};

/** A planner that a laptop can train. */
const smallPlanner: Partial<PlannerConfig> = {
  width: 32,
  multipliers: [1, 2, 4],
  horizon: 32,
  context: 4,
  diffusionSteps: 10,
  learningRate: 1e-3,
};

const banditTasks = ["25gaussians-far", "25gaussians-hard", "25gaussians-near", "swissroll-far", "swissroll-near"];

/** All profiles by name. */
export const profiles: Readonly<Record<string, Profile>> = {
  smoke: {
    description: "everything once, far too short to learn; about a minute",
    bandits: {
      tasks: ["25gaussians-far"],
      overrides: { updates: 40, batchSize: 64, hidden: 32, diffusionHidden: 32 },
      source: "smoke test: 40 updates, batch 64, width 32",
      seeds: [0],
      episodes: 200,
    },
    hopper: {
      tasks: [hopperDataset],
      runs: {
        dtql: {
          overrides: tinyDtql,
          candidates: 8,
        },
        diffusion_ql: { overrides: { updates: 40, batchSize: 64, hidden: 32 }, candidates: 8 },
      },
      source: "smoke test: 40 updates, batch 64, width 32",
      seeds: [0, 1],
      episodes: 2,
    },
    toy: {
      overrides: { updates: 40, batchSize: 64, hidden: 128 },
      source: "smoke test: 40 updates, batch 64, width 128",
      seeds: [0],
      episodes: 1,
    },
    srpo: {
      tasks: [hopperDataset],
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
        ...Object.fromEntries(
          ["bc", "iql", "td3_bc", "rebrac"].map((name) => [name, {
            overrides: { updates: 40, batchSize: 64, hidden: 32 },
          }]),
        ),
      },
      source: "smoke test: 40 updates, batch 64, width 32",
      seeds: [0],
      episodes: 2,
    },
    stitching: {
      tasks: [hopperDataset],
      overrides: {
        updates: 30,
        batchSize: 16,
        rows: 4000,
        generated: 2,
        planner: { ...smallPlanner, width: 8, multipliers: [1, 2], horizon: 8, context: 2, diffusionSteps: 3 },
        stitcher: {
          passes: 2,
          dynamics: { ...dynamicsDefaults, members: 2, kept: 1, hidden: 32, depth: 2, epochs: 2 },
          value: { updates: 40, batchSize: 64, learningRate: 1e-3, hidden: 32 },
          inverse: { updates: 40, batchSize: 64, learningRate: 1e-3, hidden: 32 },
          reward: { updates: 40, batchSize: 64, learningRate: 1e-3, hidden: 32 },
        },
        cloning: { updates: 40, batchSize: 64, hidden: 32 },
      },
      source:
        "smoke test: 4000 rows, planner of width 8 with 30 updates, 2 generated trajectories, 2 passes, 40 updates of the rest",
      seeds: [0],
      episodes: 2,
    },
    distillation: {
      tasks: [hopperDataset],
      overrides: {
        updates: 6,
        pairs: 8,
        innerUpdates: 4,
        hidden: 16,
        batchSize: 64,
        teacherUpdates: 20,
        teacherHidden: 16,
        densityEpochs: 1,
        students: 2,
        variants: 1,
      },
      source: "smoke test: 8 pairs, 4 inner steps, width 16, 6 outer updates",
      seeds: [0],
      episodes: 2,
    },
  },
  quick: {
    description: "scaled-down networks and budgets on local data; under 8 minutes on 2 cores",
    bandits: {
      tasks: banditTasks,
      overrides: {
        updates: 3300,
        batchSize: 256,
        actorRows: 1024,
        valueRows: 256,
        actorNoise: "antithetic",
        hidden: 64,
        diffusionHidden: 64,
      },
      source:
        "scaled down: width 64 for the paper's 256 and 128, minibatches of 256 and 1024 policy draws in mirrored pairs for the full batch of " +
        "10,000; DTQL 3300 updates; DQL-KL 1200, 500 of them pretraining, with a learning rate of 0.001 for 0.003",
      seeds: [1],
      episodes: 1000,
    },
    hopper: {
      tasks: [hopperDataset],
      runs: {
        dtql: {
          overrides: smallDtql,
          candidates: 64,
        },
        diffusion_ql: {
          overrides: { updates: 3000, batchSize: 128, hidden: 128, learningRate: 1e-3 },
          candidates: 50,
        },
      },
      source:
        "scaled down: batch 128 and width 128 for the papers' 256 and 256; DTQL 8000 updates, Diffusion-QL 3000, for the papers' " +
        "million or two; learning rate 0.001 for 0.0003; DTQL with trust-region weight 50 for 5 and cosine decay, chosen on trial " +
        "runs of seeds 0 to 2 here",
      seeds: [0, 1, 2],
      episodes: 10,
    },
    toy: {
      overrides: { updates: 1000, batchSize: 512, hidden: 128, learningRate: 1e-3 },
      source:
        "scaled down: learned score of width 128 for 512, 1000 updates of 512 for 366,000 of 2048, learning rate 0.001 for 0.0001",
      seeds: [0],
      episodes: 1,
    },
    srpo: {
      tasks: [hopperDataset, cheetahDataset],
      runs: srpoRuns({
        srpo: {
          updates: 100_000,
          behaviourUpdates: 30_000,
          criticUpdates: 50_000,
          behaviourBatchSize: 256,
          behaviourHidden: 64,
          dropout: 0,
          hidden: 128,
          learningRate: 1e-3,
          inverseTemperature: 0.02,
        },
        dtql: smallDtql,
        bc: { updates: 4000, hidden: 128, learningRate: 1e-3 },
        iql: { updates: 8000, hidden: 128, learningRate: 1e-3 },
        td3_bc: { updates: 8000, hidden: 128, learningRate: 1e-3 },
        rebrac: { updates: 8000, hidden: 128, batchSize: 256 },
      }, { [cheetahDataset]: { inverseTemperature: 0.01 } }),
      source:
        "scaled down: SRPO 30,000 + 50,000 + 20,000 updates for 2 + 1.5 + 1 million, behaviour width 64 for 256, batch 256 for 2048, no " +
        "dropout for 0.1; inverse temperature 0.02 on Hopper and 0.01 on HalfCheetah for 0.2, chosen on seed 3; DTQL as in the experiment hopper; BC 4000, IQL, " +
        "TD3+BC, ReBRAC 8000 updates for a million; widths 128 for 256; learning rate 0.001 for 0.0003",
      seeds: [0, 1, 2],
      episodes: 10,
    },
    stitching: {
      tasks: [hopperDataset, cheetahDataset],
      overrides: {
        updates: 4000,
        batchSize: 32,
        generated: 20,
        planner: smallPlanner,
        stitcher: {
          dynamics: {
            ...dynamicsDefaults,
            members: 4,
            kept: 3,
            hidden: 128,
            depth: 3,
            learningRate: 1e-3,
            epochs: 8,
            patience: 2,
          },
          value: { updates: 10_000, batchSize: 256, learningRate: 1e-3, hidden: 128 },
          inverse: { updates: 10_000, batchSize: 256, learningRate: 1e-3, hidden: 128 },
          reward: { updates: 10_000, batchSize: 256, learningRate: 1e-3, hidden: 128 },
        },
        cloning: { updates: 8000 },
      },
      perTask: { // What the data reach from a start, discounted; more is beyond all windows, and plans then fail at once.
        [hopperDataset]: { planner: { ...smallPlanner, targetReturn: 0.4 } },
        [cheetahDataset]: { planner: { ...smallPlanner, targetReturn: 0.7 } },
      },
      source:
        "scaled down: planner of width 32 in levels of 1, 2, 4 for 128 in 1, 4, 8, horizon 32 for 100, context 4 for 20, 10 denoising steps " +
        "for 200, 4000 updates of 32 for a million of 64, target return 0.4 on Hopper (chosen on seed 0) and 0.7 on HalfCheetah for 0.9; 20 generated trajectories; stitcher of width 128, 3 of 4 dynamics networks for 5 " +
        "of 7 with 8 passes over the data at most, 10,000 updates for up to a million; policy as published with 8000 updates for 101,000",
      seeds: [0, 1, 2],
      episodes: 10,
    },
    distillation: {
      tasks: [hopperDataset, cheetahDataset],
      overrides: {
        updates: 1000,
        pairs: 64,
        innerUpdates: 50,
        hidden: 64,
        batchSize: 1024,
        teacherUpdates: 20_000,
        teacherHidden: 128,
        teacherLearningRate: 1e-3,
        densityEpochs: 2,
        students: 5,
        variants: 2,
      },
      source:
        "scaled down: 64 pairs for 256, 50 inner steps for 100, policies of width 64 for 256, 1000 outer updates on 1024 states for " +
        "50,000 on 2560; teacher IQL of width 128 with 20,000 updates for Cal-QL's million; density model with 2 passes for 50",
      seeds: [0, 1, 2],
      episodes: 10,
    },
    onRequest: ["srpo", "stitching", "distillation"],
  },
  full: {
    description: "the papers' networks on local data, three seeds; hours",
    bandits: {
      tasks: banditTasks,
      overrides: { updates: 3500, batchSize: 512, actorRows: 4096, valueRows: 512, actorNoise: "antithetic" },
      source:
        "networks, rates and updates as published; for the full batch of 10,000, minibatches of 512 (diffusion, critic) and 4096 " +
        "policy draws in mirrored pairs, 512 of them for the value term; DQL-KL with a learning rate of 0.001 for 0.003 and 500 of its updates as pretraining",
      seeds: [1, 2, 3],
      episodes: 1000,
    },
    hopper: {
      tasks: [hopperDataset],
      runs: {
        dtql: { overrides: { updates: 100_000, pretrainUpdates: 5000 }, candidates: 1024 },
        diffusion_ql: { overrides: { updates: 100_000 }, candidates: 50 },
      },
      source: "scaled down: 100,000 updates for the papers' million or two; networks and rates as published",
      seeds: [0, 1, 2],
      episodes: 10,
    },
    toy: {
      overrides: {},
      source: "the authors' network and rate; 20,000 updates for 366,000",
      seeds: [0],
      episodes: 1,
    },
    srpo: {
      tasks: [hopperDataset, cheetahDataset],
      runs: srpoRuns({
        srpo: { updates: 150_000, behaviourUpdates: 50_000, criticUpdates: 50_000, behaviourBatchSize: 512 },
        dtql: { updates: 100_000, pretrainUpdates: 5000 },
        bc: { updates: 100_000 },
        iql: { updates: 100_000 },
        td3_bc: { updates: 100_000 },
        rebrac: { updates: 100_000 },
      }),
      source:
        "scaled down: 50,000 updates per phase of SRPO with behaviour batches of 512 for 2048, 100,000 of the others; networks and " +
        "rates as published",
      seeds: [0, 1, 2],
      episodes: 10,
    },
    stitching: {
      tasks: [hopperDataset, cheetahDataset, "hopper-medium-local", "halfcheetah-medium-local"],
      overrides: {
        updates: 50_000,
        batchSize: 32,
        generated: 50,
        planner: { ...smallPlanner, width: 64, multipliers: [1, 4, 8], context: 8 },
        stitcher: {
          dynamics: { ...dynamicsDefaults, epochs: 50, patience: 5 },
          value: { ...valueDefaults, updates: 50_000 },
          inverse: { ...inverseDefaults, updates: 50_000 },
          reward: { ...rewardDefaults, updates: 50_000 },
        },
      },
      source:
        "scaled down: planner of width 64 for 128, horizon 32 for 100, context 8 for 20, 10 denoising steps for 200, 50,000 updates of 32 " +
        "for a million of 64; 50 generated trajectories; stitcher's networks as published with 50,000 updates for up to a million; policy " +
        "as published",
      seeds: [0, 1, 2],
      episodes: 10,
    },
    distillation: {
      tasks: [hopperDataset, cheetahDataset, "hopper-expert-local", "halfcheetah-expert-local"],
      overrides: { updates: 2000, teacherUpdates: 100_000, densityEpochs: 10, variants: 10 },
      source:
        "scaled down: 2000 outer updates for 50,000; teacher IQL with 100,000 updates for Cal-QL's million; networks as published",
      seeds: [0, 1, 2],
      episodes: 10,
    },
  },
};

/** SRPO with iterative sampling of its behaviour model at several costs, beside the baselines. */
function srpoRuns(
  overrides: Record<"srpo" | "dtql" | "bc" | "iql" | "td3_bc" | "rebrac", Cell["overrides"]>,
  perTask: Run["perTask"] = {},
) {
  const { srpo, ...baselines } = overrides;
  return {
    srpo: {
      overrides: srpo,
      perTask,
      sampling: [
        ...[5, 10, 15, 20, 50, 100].map((calls) => sampling(calls)),
        sampling(15, 16),
        sampling(5, 64, "ddpm"), // IDQL's way.
      ],
    },
    ...Object.fromEntries(Object.entries(baselines).map(([name, overrides]) => [name, { overrides }])),
  };
}

/** Which cells of a profile to run. */
export interface Selection {
  only?: string;
  task?: string;
  algorithm?: string;
  seeds?: number[];
}

/** The cells of a profile, cheapest experiment first; datasets are looked for in `datasets`. */
export function planCells(name: string, selection: Selection, backend: Backend, datasets: string): Cell[] {
  const profile = profiles[name];
  const common = { profile: name, backend, checkpointMs: 10_000 };
  const seedsOf = (budget: Budget) => selection.seeds ?? budget.seeds;
  const bandits = profile.bandits.tasks.flatMap((task) =>
    (["dtql", "dql_kl"] as const).flatMap((algorithm) =>
      seedsOf(profile.bandits).map((seed): Cell => ({
        ...common,
        experiment: "bandits",
        kind: "bandit",
        task,
        algorithm,
        seed,
        overrides: { ...profile.bandits.overrides, ...(algorithm === "dql_kl" ? klSettings(name) : {}) },
        overridesSource: profile.bandits.source,
        evaluation: { episodes: profile.bandits.episodes, candidates: 1 },
        dataset: null,
      }))
    )
  );
  const toys = toySets.flatMap((task) =>
    seedsOf(profile.toy).map((seed): Cell => ({
      ...common,
      experiment: "toy",
      kind: "toy",
      task,
      algorithm: "srpo_toy",
      seed,
      overrides: profile.toy.overrides,
      overridesSource: profile.toy.source,
      evaluation: { episodes: profile.toy.episodes, candidates: 1 },
      dataset: null,
    }))
  );
  const environments = (["hopper", "srpo"] as const).flatMap((experiment) => {
    const budget: EnvironmentBudget = profile[experiment];
    return budget.tasks.flatMap((task) =>
      Object.entries(budget.runs).flatMap(([algorithm, { overrides, perTask, candidates = 1, sampling }]) =>
        seedsOf(budget).map((seed): Cell => ({
          ...common,
          experiment,
          kind: "environment",
          task,
          algorithm: algorithm as AlgorithmName,
          seed,
          overrides: { ...overrides, ...perTask?.[task] },
          overridesSource: budget.source,
          evaluation: { episodes: budget.episodes, candidates, ...(sampling ? { sampling } : {}) },
          dataset: join(datasets, `${task}.hdf5`),
        }))
      )
    );
  });
  const stitchings = profile.stitching.tasks.flatMap((task) =>
    seedsOf(profile.stitching).map((seed): Cell => ({
      ...common,
      experiment: "stitching",
      kind: "stitching",
      task,
      algorithm: "stitching",
      seed,
      overrides: { ...profile.stitching.overrides, ...profile.stitching.perTask?.[task] },
      overridesSource: profile.stitching.source,
      evaluation: { episodes: profile.stitching.episodes, candidates: 1 },
      dataset: join(datasets, `${task}.hdf5`),
    }))
  );
  const distillations = profile.distillation.tasks.flatMap((task) =>
    (["dbc", "pbc", "av_pbc", "sdw_obd"] as const).flatMap((algorithm) =>
      seedsOf(profile.distillation).map((seed): Cell => ({
        ...common,
        experiment: "distillation",
        kind: "distillation",
        task,
        algorithm,
        seed,
        overrides: profile.distillation.overrides,
        overridesSource: profile.distillation.source,
        evaluation: { episodes: profile.distillation.episodes, candidates: 1 },
        dataset: join(datasets, `${task}.hdf5`),
      }))
    )
  );
  return [...bandits, ...toys, ...environments, ...stitchings, ...distillations].filter((cell) =>
    (selection.only ? cell.experiment === selection.only : !profile.onRequest?.some((e) => e === cell.experiment)) &&
    (!selection.task || cell.task === selection.task) &&
    (!selection.algorithm || cell.algorithm === selection.algorithm)
  );
}

/**
 * DQL-KL with these minibatches: the pretraining that the authors' script has behind a flag, and a third of their learning
 * rate for actor and diffusion networks. At their settings its actions left for infinity in every run.
 */
const klSettings = (profile: string): Cell["overrides"] => ({
  pretrainUpdates: profile === "smoke" ? 10 : 500,
  learningRate: 1e-3,
  ...(profile === "quick" ? { updates: 1200 } : {}),
});
