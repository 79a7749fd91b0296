/**
 * What `reproduce` runs: profiles of experiments, as lists of cells.
 *
 * @module
 */

import type { Backend } from "../algorithms/core/backend.ts";
import type { algorithms, Cell } from "./cell.ts";

type AlgorithmName = keyof typeof algorithms;

interface Budget {
  overrides: Cell["overrides"];
  source: string;
  seeds: number[];
  episodes: number;
  candidates: Partial<Record<AlgorithmName, number>>;
}

/** A named amount of work. */
export interface Profile {
  description: string;
  bandits: Budget & { tasks: string[] };
  /** Settings of DTQL alone stand beside the common ones. */
  hopper: Budget & { dtql?: Cell["overrides"] };
}

const banditTasks = ["25gaussians-far", "25gaussians-hard", "25gaussians-near", "swissroll-far", "swissroll-near"];
const official = { dtql: 1024, diffusion_ql: 50 };

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
      candidates: {},
    },
    hopper: {
      overrides: { updates: 40, batchSize: 64, hidden: 32 },
      dtql: { pretrainUpdates: 10, diffusionHidden: 32 },
      source: "smoke test: 40 updates, batch 64, width 32",
      seeds: [0, 1],
      episodes: 2,
      candidates: { dtql: 8, diffusion_ql: 8 },
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
        "10,000; DTQL 3300 updates; DQL-KL 1500, 500 of them pretraining, with a learning rate of 0.001 for 0.003",
      seeds: [1],
      episodes: 1000,
      candidates: {},
    },
    hopper: {
      overrides: { updates: 4000, batchSize: 128, hidden: 128, learningRate: 1e-3 },
      dtql: {
        updates: 8000,
        criticLearningRate: 1e-3,
        schedule: "cosine",
        trustRegionWeight: 50,
        pretrainUpdates: 500,
        diffusionHidden: 128,
      },
      source:
        "scaled down: batch 128 and width 128 for the papers' 256 and 256; DTQL 8000 updates, Diffusion-QL 4000, for the papers' " +
        "million or two; learning rate 0.001 for 0.0003; DTQL with trust-region weight 50 for 5 and cosine decay, chosen on trial " +
        "runs of seeds 0 to 2 here",
      seeds: [0, 1, 2],
      episodes: 10,
      candidates: { dtql: 64, diffusion_ql: 50 },
    },
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
      candidates: {},
    },
    hopper: {
      overrides: { updates: 100_000 },
      dtql: { pretrainUpdates: 5000 },
      source: "scaled down: 100,000 updates for the papers' million or two; networks and rates as published",
      seeds: [0, 1, 2],
      episodes: 10,
      candidates: official,
    },
  },
};

/** Which cells of a profile to run. */
export interface Selection {
  only?: string;
  task?: string;
  algorithm?: string;
  seeds?: number[];
}

/** The experiments that every profile has. */
export const experimentNames = ["bandits", "hopper"];

/** The local dataset of the hopper experiment. */
export const hopperDataset = "hopper-medium-replay-local";

/** The cells of a profile, cheapest experiment first. */
export function planCells(name: string, selection: Selection, backend: Backend, datasetPath: string): Cell[] {
  const profile = profiles[name];
  const common = { profile: name, backend, checkpointMs: 10_000 };
  const hopper = profile.hopper.seeds.length === 0
    ? []
    : (["dtql", "diffusion_ql"] as const).flatMap((algorithm) =>
      (selection.seeds ?? profile.hopper.seeds).map((seed): Cell => ({
        ...common,
        experiment: "hopper",
        kind: "environment",
        task: hopperDataset,
        algorithm,
        seed,
        overrides: { ...profile.hopper.overrides, ...(algorithm === "dtql" ? profile.hopper.dtql : {}) },
        overridesSource: profile.hopper.source,
        evaluation: { episodes: profile.hopper.episodes, candidates: profile.hopper.candidates[algorithm] ?? 1 },
        dataset: datasetPath,
      }))
    );
  const bandits = profile.bandits.tasks.flatMap((task) =>
    (["dtql", "dql_kl"] as const).flatMap((algorithm) =>
      (selection.seeds ?? profile.bandits.seeds).map((seed): Cell => ({
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
  return [...bandits, ...hopper].filter((cell) =>
    (!selection.only || cell.experiment === selection.only) &&
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
  ...(profile === "quick" ? { updates: 1500 } : {}),
});
