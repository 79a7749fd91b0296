/**
 * What an agent is given, checked at its door: settings, a task's sizes, batches, observations.
 *
 * @module
 */

import type { NdArray } from "../engine/array.ts";
import type { Agent, Batch, Spec } from "./agent.ts";
import { assertConfig, assertNames, type CommonConfig, type KnownSettings } from "./config.ts";
import { normalizedAgent, normalizesItself } from "./normalized_agent.ts";

/** Makes an agent of settings and a task's sizes. */
export type CreateAgent<C extends CommonConfig> = (config: C, spec: Spec) => Agent;

/**
 * `create` with everything checked that its agents are given.
 *
 * Observations are normalized here where the settings ask for it, so that `create` makes an agent for normalized ones.
 *
 * @param title The algorithm's name in messages.
 * @returns A function that throws a RangeError at settings beyond their limits, and a TypeError or RangeError at sizes and bounds that
 * are none; its agents throw a TypeError that names the array whose shape is not the task's, and a RangeError at actions out of bounds.
 */
export function checked<C extends CommonConfig>(
  title: string,
  settings: KnownSettings<C>,
  create: CreateAgent<C>,
): CreateAgent<C> {
  return (config, spec) => {
    assertNames(`create ${title}`, config, settings.defaults);
    assertConfig(`create ${title}`, config, settings);
    assertSpec(title, spec);
    const agent = normalizedAgent(title, config, spec, create);
    const all: Agent = {
      ...agent,
      async update(state, batch, rng) {
        assertBatch(title, spec, batch);
        return await agent.update(state, batch, rng);
      },
      async act(state, observation, candidates, rng) {
        assertShape(`act by ${title}`, "observation", observation, [null, spec.observationDim]);
        if (!Number.isInteger(candidates) || candidates < 1) {
          throw new RangeError(
            `Cannot act by ${title}: candidates must be a positive integer, current value is ${candidates}`,
          );
        }
        return await agent.act(state, observation, candidates, rng);
      },
    };
    return config.normalizeObservations ? normalizesItself(all) : all;
  };
}

/** Checks the sizes and bounds of a task; see {@linkcode checked}. */
export function assertSpec(title: string, spec: Spec) {
  const { observationStatistics: statistics } = spec;
  for (const name of ["observationDim", "actionDim", "maxAction"] as const) {
    const value = spec[name];
    const refuse = (wanted: string) =>
      `Cannot create ${title}: spec.${name} must be ${wanted}, current value is ${value}`;
    if (typeof value !== "number") throw new TypeError(refuse("a number"));
    if (name !== "maxAction" && !Number.isInteger(value)) throw new RangeError(refuse("a positive integer"));
    if (!(value > 0 && value < Infinity)) throw new RangeError(refuse("positive"));
  }
  for (const name of statistics ? ["mean", "standardDeviation"] as const : []) {
    const { length } = statistics![name];
    if (length === spec.observationDim) continue;
    throw new TypeError(
      `Cannot create ${title}: spec.observationStatistics.${name} must have ${spec.observationDim} numbers, current value has ${length}`,
    );
  }
}

function assertBatch(title: string, { observationDim, actionDim, maxAction }: Spec, batch: Batch) {
  const what = `update ${title}`;
  assertShape(what, "batch.action", batch.action, [null, actionDim]);
  const [rows] = batch.action.shape;
  assertShape(what, "batch.observation", batch.observation, [rows, observationDim], true);
  assertShape(what, "batch.nextObservation", batch.nextObservation, [rows, observationDim], true);
  assertShape(what, "batch.reward", batch.reward, [rows, 1]);
  assertShape(what, "batch.terminal", batch.terminal, [rows, 1]);
  if (batch.nextAction) assertShape(what, "batch.nextAction", batch.nextAction, [rows, actionDim]);
  const bound = maxAction * (1 + 1e-6); // Arrays are float32: 0.1 is more than 0.1 there.
  for (const name of ["action", "nextAction"] as const) {
    const { data } = batch[name] ?? { data: [] };
    for (let i = 0; i < data.length; i++) {
      if (!(Math.abs(data[i]) > bound)) continue; // What is no number is found by its loss.
      throw new RangeError(
        `Cannot ${what}: batch.${name} must be in [${-maxAction}, ${maxAction}] (spec.maxAction), ` +
          `current value is ${data[i]} in row ${
            Math.floor(i / actionDim)
          }; clip the data's actions, or say their true bound`,
      );
    }
  }
}

/** @param shape What is wanted; null is any size from 1. @param oneForAll Whether one row may stand for all. */
function assertShape(
  what: string,
  name: string,
  value: NdArray | undefined,
  shape: readonly (number | null)[],
  oneForAll = false,
) {
  const is = value?.shape;
  const fits = is?.length === shape.length &&
    shape.every((n, i) => n === null ? is[i] >= 1 : is[i] === n || oneForAll && i === 0 && is[0] === 1);
  if (fits) return;
  const [rows, ...rest] = shape;
  const wanted = `[${[rows ?? "rows", ...rest].join(", ")}]${
    oneForAll && rows !== 1 ? ` or [${[1, ...rest].join(", ")}]` : ""
  }`;
  throw new TypeError(
    `Cannot ${what}: ${name} must have shape ${wanted}, current value is ${is ? `[${is.join(", ")}]` : value}`,
  );
}
