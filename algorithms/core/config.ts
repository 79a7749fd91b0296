/**
 * Settings of algorithms: defaults, presets of tasks, overrides, and what they may be.
 *
 * @module
 */

import { closest } from "fastest-levenshtein";

/** The words of {@linkcode RewardTransform}. */
export const rewardTransforms = [
  "none",
  "iql_locomotion",
  "iql_antmaze",
  "cql_antmaze",
  "rebrac_antmaze",
  "standardize",
] as const;

/**
 * What is done to rewards before training: `iql_locomotion` divides them by the range of returns and multiplies by 1000,
 * `iql_antmaze` subtracts 1, `cql_antmaze` gives `4 (r - 0.5)`, `rebrac_antmaze` multiplies by 100, `standardize` subtracts the mean and
 * divides by the standard deviation (of the sample, as PyTorch's).
 */
export type RewardTransform = typeof rewardTransforms[number];

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
  /**
   * Whether networks see observations less the dataset's mean, over its standard deviation plus 0.001 (TD3+BC's). An agent takes and
   * exports raw observations all the same.
   */
  normalizeObservations: boolean;
}

/** Numbers that a setting may be. */
export interface Range {
  /** In words, after "must be". */
  wanted: string;
  /** Whether a number is one of them. */
  holds(value: number): boolean;
}

const range = (wanted: string, holds: (value: number) => boolean): Range => ({
  wanted,
  holds: (value) => Number.isFinite(value) && holds(value),
});

/** Names of {@linkcode ranges}. */
export type RangeName =
  | "positive"
  | "notNegative"
  | "betweenZeroAndOne"
  | "belowOne"
  | "share"
  | "rate"
  | "count"
  | "several"
  | "wholeNumber"
  | "even"
  | "embedding"
  | "finite";

/** The ranges of most settings. */
export const ranges: Readonly<Record<RangeName, Range>> = {
  /** Above 0. */
  positive: range("positive", (x) => x > 0),
  /** 0 or above it. */
  notNegative: range("at least 0", (x) => x >= 0),
  /** Between 0 and 1, without both. */
  betweenZeroAndOne: range("in (0, 1)", (x) => x > 0 && x < 1),
  /** From 0 to below 1, as of discounts and shares that are left out. */
  belowOne: range("in [0, 1)", (x) => x >= 0 && x < 1),
  /** From 0 to 1, as of shares. */
  share: range("in [0, 1]", (x) => x >= 0 && x <= 1),
  /** Above 0, to 1, as of the rates of averages. */
  rate: range("in (0, 1]", (x) => x > 0 && x <= 1),
  /** 1, 2, 3, as of sizes. */
  count: range("a positive integer", (x) => Number.isInteger(x) && x >= 1),
  /** 2, 3, 4. */
  several: range("an integer from 2", (x) => Number.isInteger(x) && x >= 2),
  /** 0, 1, 2, as of what may be left out. */
  wholeNumber: range("an integer from 0", (x) => Number.isInteger(x) && x >= 0),
  /** 2, 4, 6, as of embeddings in pairs. */
  even: range("even, at least 2", (x) => x >= 2 && x % 2 === 0),
  /** 4, 6, 8, as of sinusoidal embeddings. */
  embedding: range("even, at least 4", (x) => x >= 4 && x % 2 === 0),
  /** Any number. */
  finite: range("finite", () => true),
};

/** What a setting may be: one of some words, or a number in a range. */
export type Limit<V> = [V] extends [string] ? readonly V[] : Range;

/** The settings that an algorithm has by itself. */
export type Own<C> = Omit<C, keyof CommonConfig>;
/** Names of those that are words or numbers. */
export type Limited<C> = {
  [K in keyof C]: C[K] extends string ? (string extends C[K] ? never : K) : C[K] extends number ? K : never;
};

/**
 * What each setting of a configuration may be: all its words and numbers, but for those of {@linkcode CommonConfig}, which are known.
 * Switches are true or false, free text is anything.
 */
export type Limits<C> = { readonly [K in keyof Own<C> as Limited<Own<C>>[K]]: Limit<C[K]> };

const commonLimits: { [K in Exclude<keyof CommonConfig, "normalizeObservations">]: Limit<CommonConfig[K]> } = {
  updates: ranges.count,
  batchSize: ranges.count,
  candidates: ranges.count,
  rewardTransform: rewardTransforms,
};

/** What a configuration is checked against. */
export interface KnownSettings<C> {
  /** Settings for any task. */
  defaults: C;
  /** What each of them may be; without it, anything of the default's kind. */
  limits?: Limits<C>;
}

/** The settings that an algorithm comes with. */
export interface Settings<C extends CommonConfig> extends KnownSettings<C> {
  /** The algorithm's name on the command line and in folders. */
  name: string;
  /** Settings of tasks with their source, by the task's id; none where one setting serves all tasks. */
  presets: Readonly<Record<string, { source: string; config: Partial<C> }>>;
}

/** The id that asks for the defaults, without any task's preset. */
export const noPreset = "none";

/**
 * Checks that there are no settings but known ones.
 *
 * @param what After "Cannot": `create DTQL`.
 * @param prefix Put before names, of settings within a setting.
 * @throws {RangeError} At the first unknown name; the nearest known one is named.
 */
export function assertNames(what: string, config: object, known: object, prefix = "") {
  const names = Object.keys(known);
  const unknown = Object.keys(config).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  throw new RangeError(
    `Cannot ${what}: unknown setting "${prefix}${unknown}"; did you mean "${prefix}${closest(unknown, names)}"?`,
  );
}

/**
 * Checks the settings of a configuration that the defaults have: each is of its default's kind and within its limits.
 *
 * @param what After "Cannot": `create DTQL`.
 * @param prefix Put before names, of settings within a setting.
 * @throws {RangeError} At the first setting of another kind, out of its range or none of its words; the nearest word is named.
 */
export function assertConfig<C extends object>(
  what: string,
  config: C,
  { defaults, limits }: KnownSettings<C>,
  prefix = "",
) {
  const all: Record<string, Range | readonly string[] | undefined> = { ...commonLimits, ...limits };
  for (const [name, example] of Object.entries(defaults)) {
    const [value, limit] = [(config as Record<string, unknown>)[name], all[name]];
    const refuse = (wanted: string, hint = "") => {
      const shown = typeof value === "string" ? `"${value}"` : `${value}`;
      throw new RangeError(`Cannot ${what}: ${prefix}${name} must be ${wanted}, current value is ${shown}${hint}`);
    };
    if (Array.isArray(limit)) {
      if (limit.includes(value)) continue;
      refuse(
        `one of ${limit.join(", ")}`,
        typeof value === "string" ? `; did you mean "${closest(value, limit)}"?` : "",
      );
    }
    if (typeof value !== typeof example || Number.isNaN(value)) refuse(`a ${typeof example}`);
    const asked = limit as Range | undefined;
    if (asked && !asked.holds(value as number)) refuse(asked.wanted);
  }
}

/**
 * The configuration of a run: defaults, then the task's preset, then overrides.
 *
 * An algorithm without presets has one setting for all tasks; of another one the task must have a preset, or be `none`.
 *
 * @param task A key of the algorithm's presets, or {@linkcode noPreset}.
 * @throws {RangeError} If the task has no preset, an override's name is unknown, or a value is of another kind or beyond its limits.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { dtql, resolveConfig } from "@onestep/onestep";
 *
 * assertEquals(resolveConfig(dtql, "hopper-medium-v2").schedule, "cosine");
 * assertThrows(() => resolveConfig(dtql, "hoper-medium-v2"), RangeError, 'did you mean "hopper-medium-v2"');
 * ```
 */
export function resolveConfig<C extends CommonConfig>(
  algorithm: Settings<C>,
  task: string,
  overrides: Record<string, unknown> = {},
): C {
  const { name, defaults, presets } = algorithm;
  const tasks = Object.keys(presets);
  if (tasks.length > 0 && task !== noPreset && !Object.hasOwn(presets, task)) {
    throw new RangeError(
      `Cannot configure ${name}: it has no preset for "${task}"; did you mean "${closest(task, tasks)}"? ` +
        `Its defaults are the preset "${noPreset}"`,
    );
  }
  assertNames(`configure ${name}`, overrides, defaults);
  const config = { ...defaults, ...presets[task]?.config, ...overrides } as C;
  assertConfig(`configure ${name}`, config, algorithm);
  return config;
}

/** Throws a RangeError that names the setting unless `ok`. */
export function assertRange(algorithm: string, name: string, value: number, ok: boolean, wanted: string) {
  if (!ok) throw new RangeError(`Cannot create ${algorithm}: ${name} must be ${wanted}, current value is ${value}`);
}
