/**
 * Settings from the command line and from files, typed by the algorithm's defaults.
 *
 * @module
 */

import { closest } from "fastest-levenshtein";
import type { AnyAlgorithm } from "../../algorithms/core/agent.ts";

type Settings = Record<string, unknown>;

/** A value as its default's type reads it. */
function typed(algorithm: AnyAlgorithm, key: string, text: string): unknown {
  const defaults = algorithm.defaults as unknown as Settings;
  const failed = (wanted: string) =>
    new RangeError(`Cannot configure ${algorithm.name}: ${key} must be ${wanted}, current value is "${text}"`);
  switch (typeof defaults[key]) {
    case "number": {
      const value = Number(text);
      if (text.trim() === "" || !Number.isFinite(value)) throw failed("a number");
      return value;
    }
    case "boolean":
      if (text !== "true" && text !== "false") throw failed("true or false");
      return text === "true";
    case "object":
      try {
        return JSON.parse(text);
      } catch {
        throw failed("JSON");
      }
    default:
      return text;
  }
}

function assertKnown(algorithm: AnyAlgorithm, key: string) {
  const names = Object.keys(algorithm.defaults);
  if (key === "updates") {
    throw new RangeError(`Cannot configure ${algorithm.name}: updates has a flag of its own; use --updates`);
  }
  if (names.includes(key)) return;
  throw new RangeError(
    `Cannot configure ${algorithm.name}: unknown setting "${key}"; did you mean "${closest(key, names)}"? Known: ${
      names.join(", ")
    }`,
  );
}

/**
 * Settings of `key=value` words, over those of a JSON file.
 *
 * @throws {RangeError} If a setting is unknown (the message has the nearest), of another type, or set twice.
 */
export async function readOverrides(
  algorithm: AnyAlgorithm,
  words: readonly string[],
  file?: string,
): Promise<Settings> {
  const settings: Settings = {};
  for (const word of words) {
    const [, key, text] = word.match(/^([^=]+)=(.*)$/s) ?? [];
    if (key === undefined) {
      throw new RangeError(`Cannot configure ${algorithm.name}: --set must be key=value, current value is "${word}"`);
    }
    assertKnown(algorithm, key);
    if (Object.hasOwn(settings, key)) {
      throw new RangeError(`Cannot configure ${algorithm.name}: ${key} must be set once, current is twice`);
    }
    settings[key] = typed(algorithm, key, text);
  }
  return { ...file === undefined ? {} : await readFile(algorithm, file), ...settings };
}

async function readFile(algorithm: AnyAlgorithm, path: string): Promise<Settings> {
  const failed = (why: string) => new Error(`Cannot read settings from "${path}": ${why}`);
  let value: unknown;
  try {
    value = JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    throw failed((error as Error).message);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw failed("it must be an object of settings");
  }
  for (const key of Object.keys(value)) assertKnown(algorithm, key);
  return value as Settings;
}
