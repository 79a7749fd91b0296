/**
 * Settings of algorithms: defaults, presets of tasks, overrides, and what they may be.
 *
 * @module
 */

import { closest } from "fastest-levenshtein";

/**
 * What is done to rewards before training: `iql_locomotion` divides them by the range of returns and multiplies by 1000,
 * `iql_antmaze` subtracts 1, `cql_antmaze` gives `4 (r - 0.5)`, `standardize` subtracts the mean and divides by the standard deviation.
 */
export type RewardTransform = "none" | "iql_locomotion" | "iql_antmaze" | "cql_antmaze" | "standardize";

/** What all configurations share. */
export interface CommonConfig {
  /** Gradient steps in all, pretraining included. */
  updates: number;
  /** Transitions per gradient step. */
  batchSize: number;
  /** Candidate actions of the authors' acting rule. */
  candidates: number;
  /** What is done to the dataset's rewards before training. */
  rewardTransform: RewardTransform;
}

/** The settings that an algorithm comes with. */
export interface Settings<C extends CommonConfig> {
  /** The algorithm's name on the command line and in folders. */
  name: string;
  /** Settings for any task. */
  defaults: C;
  /** Per-task settings with their source. */
  presets: Readonly<Record<string, { source: string; config: Partial<C> }>>;
}

/**
 * The configuration of a run: defaults, then the task's preset, then overrides.
 *
 * @throws {RangeError} If an override's name is unknown or its value is not of the default's kind.
 */
export function resolveConfig<C extends CommonConfig>(
  algorithm: Settings<C>,
  task: string,
  overrides: Record<string, unknown> = {},
): C {
  const names = Object.keys(algorithm.defaults);
  for (const [name, value] of Object.entries(overrides)) {
    if (!names.includes(name)) {
      throw new RangeError(
        `Cannot configure ${algorithm.name}: unknown setting "${name}"; did you mean "${closest(name, names)}"?`,
      );
    }
    const wanted = typeof algorithm.defaults[name as keyof C];
    if (typeof value !== wanted || Number.isNaN(value)) {
      throw new RangeError(
        `Cannot configure ${algorithm.name}: ${name} must be a ${wanted}, current value is ${value}`,
      );
    }
  }
  const config = { ...algorithm.defaults, ...algorithm.presets[task]?.config, ...overrides } as C;
  for (const name of ["updates", "batchSize", "candidates"] as const) {
    assertRange(
      algorithm.name,
      name,
      config[name],
      Number.isInteger(config[name]) && config[name] >= 1,
      "a positive integer",
    );
  }
  return config;
}

/** Throws a RangeError that names the setting unless `ok`. */
export function assertRange(algorithm: string, name: string, value: number, ok: boolean, wanted: string) {
  if (!ok) throw new RangeError(`Cannot create ${algorithm}: ${name} must be ${wanted}, current value is ${value}`);
}
