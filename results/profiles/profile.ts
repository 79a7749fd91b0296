/**
 * Profiles: named amounts of work, as experiments of plans; a plan becomes one cell per task, algorithm and seed.
 *
 * @module
 */

import type { PlannerConfig } from "../../algorithms/stitching/mod.ts";
import type { algorithms, Cell, ExperimentKind, SamplingRule } from "../cell.ts";

/** The experiments, cheapest first. */
export const experimentNames = [
  "speed",
  "bandits",
  "toy",
  "dtql",
  "srpo",
  "stitching",
  "distillation",
  "sizes",
  "exponents",
  "diagnosis",
] as const;

/** One of {@linkcode experimentNames}. */
export type ExperimentName = typeof experimentNames[number];

/** How one algorithm is run within a plan. */
export interface Run {
  /** Settings that differ from the algorithm's own for a task. */
  overrides: Cell["overrides"];
  /** Further ones of single tasks. */
  perTask?: Readonly<Record<string, Cell["overrides"]>>;
  /** As in {@linkcode Cell}. @default 1 */
  candidates?: number;
  sampling?: SamplingRule[];
}

/** Runs on tasks. */
export interface Plan {
  kind: ExperimentKind;
  tasks: readonly string[];
  runs: Partial<Record<keyof typeof algorithms, Run>>;
  /** Why the settings differ. */
  source: string;
  seeds: readonly number[];
  /** Evaluation episodes, or samples of a bandit's policy. */
  episodes: number;
}

/** A named amount of work. */
export interface Profile {
  description: string;
  experiments: Record<ExperimentName, readonly Plan[]>;
  /** Experiments that run only when `--only` names them. */
  onRequest?: readonly ExperimentName[];
}

/** The local datasets of the experiments. */
export const hopperReplay = "hopper-medium-replay-local";
export const cheetahReplay = "halfcheetah-medium-replay-local";

/** The bandits with the papers' two sets of actions. */
export const banditTasks = [
  "25gaussians-far",
  "25gaussians-hard",
  "25gaussians-near",
  "swissroll-far",
  "swissroll-near",
] as const;

/** A way to sample SRPO's behaviour model. */
export const sampling = (calls: number, candidates = 1, sampler = "dpmpp2"): SamplingRule => ({
  sampler,
  calls,
  candidates,
  choice: "argmax",
});

/** SRPO's behaviour model sampled at several costs: the iterative policies that it is compared with. */
export const iterativeBaselines: SamplingRule[] = [
  ...[5, 10, 15, 20, 50, 100].map((calls) => sampling(calls)),
  sampling(15, 16),
  sampling(5, 64, "ddpm"), // IDQL's way.
];

/** Times per action at published sizes, three times over. */
export const speedPlan: Plan = {
  kind: "latency",
  tasks: ["halfcheetah-medium-v2"],
  runs: {
    srpo: { overrides: {}, sampling: iterativeBaselines },
    dtql: { overrides: {}, candidates: 1024 },
    diffusion_ql: { overrides: {}, candidates: 50 },
  },
  source: "networks as published, not trained",
  seeds: [0, 1, 2],
  episodes: 1,
};

/** The same settings for each of several algorithms. */
export const alike = <Name extends string>(names: readonly Name[], run: Run): Record<Name, Run> =>
  Object.fromEntries(names.map((name) => [name, run])) as Record<Name, Run>;

/** One plan per number of pairs; the rest of a distillation's settings stay. */
export const sizePlans = (sizes: readonly number[], plan: Omit<Plan, "runs">, overrides: Run["overrides"]): Plan[] =>
  sizes.map((pairs) => ({
    ...plan,
    runs: alike(["av_pbc", "sdw_obd"], { overrides: { ...overrides, pairs, variants: 0 } }),
  }));

/** OBD and SDW-OBD with several exponents of the reciprocal state density, with errors by how rare a state is. */
export const exponentPlans = (
  exponents: readonly number[],
  plan: Omit<Plan, "runs">,
  run: Run["overrides"],
): Plan[] => {
  const overrides = { ...run, variants: 0, densityErrors: "reported" };
  return [
    { ...plan, runs: { av_pbc: { overrides } } },
    ...exponents.map((densityExponent) => ({
      ...plan,
      runs: { sdw_obd: { overrides: { ...overrides, densityExponent } } },
    })),
  ];
};

/** All ways to distil a dataset into pairs. */
export const distillationNames = ["dbc", "pbc", "av_pbc", "sdw_obd"] as const;

/**
 * What DQL-KL needs with minibatches: the pretraining that the authors' script has behind a flag, and a third of their learning
 * rate for actor and diffusion networks. At their settings its actions left for infinity in every run.
 */
export const klSettings = { pretrainUpdates: 500, learningRate: 1e-3 };

/** A planner that a laptop can train. */
export const smallPlanner: Partial<PlannerConfig> = {
  width: 32,
  multipliers: [1, 2, 4],
  horizon: 32,
  context: 4,
  diffusionSteps: 10,
  learningRate: 1e-3,
};
