/**
 * The command lines of all tasks, read by one rule: a flag is known, has its value, and is given once.
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import { closest } from "fastest-levenshtein";

/** What a command takes. */
export interface CommandLine<Text extends string, Switch extends string, List extends string> {
  /** Verb of its errors: `Cannot <verb>: ...`. */
  verb: string;
  /** Flags with a value. */
  texts: readonly Text[];
  /** Flags without. */
  switches?: readonly Switch[];
  /** Flags with a value that may be given several times. */
  lists?: readonly List[];
  /** Names of what may stand without a flag, in order; the last may repeat if it ends in `...`. */
  positional?: readonly string[];
}

/** What was given. */
export interface Given<Text extends string, Switch extends string, List extends string> {
  texts: Partial<Record<Text, string>>;
  switches: Record<Switch | "help", boolean>;
  lists: Record<List, string[]>;
  positional: string[];
}

/**
 * Reads a command line; `-h` and `--help` are always known.
 *
 * @throws {RangeError} If a flag is unknown (the message has the nearest), lacks its value or is given twice, or there are too many
 * other words.
 */
export function readArguments<Text extends string, Switch extends string = never, List extends string = never>(
  args: readonly string[],
  { verb, texts, switches = [], lists = [], positional = [] }: CommandLine<Text, Switch, List>,
): Given<Text, Switch, List> {
  const failed = (why: string) => new RangeError(`Cannot ${verb}: ${why}`);
  const flags = [...texts, ...switches, ...lists, "help"].map((name) => `--${name}`);
  const named = (name: string) =>
    args.flatMap((arg, i) => arg === `--${name}` || arg.startsWith(`--${name}=`) ? [i] : []);
  for (const name of [...texts, ...lists]) {
    for (const i of named(name)) {
      const value = args[i].includes("=") ? args[i].slice(args[i].indexOf("=") + 1) : args[i + 1];
      if (value === undefined || value === "" || !args[i].includes("=") && value.startsWith("--")) {
        throw failed(`--${name} needs a value`);
      }
    }
  }
  for (const name of [...texts, ...switches]) {
    if (named(name).length > 1) throw failed(`--${name} must be given once, current is ${named(name).length} times`);
  }
  const parsed = parseArgs([...args], {
    string: [...texts, ...lists],
    boolean: [...switches, "help"],
    collect: [...lists],
    alias: { help: "h" },
    unknown: (arg: string) => {
      if (!arg.startsWith("-") || arg === "-") return true;
      throw failed(`unknown flag "${arg}"; did you mean "${closest(arg.split("=")[0], flags)}"?`);
    },
  }) as unknown as Record<string, unknown> & { _: (string | number)[] };
  const words = parsed._.map(String);
  const open = positional.at(-1)?.endsWith("...");
  if (words.length > positional.length && !open) {
    throw failed(`unknown argument "${words[positional.length]}"; known flags: ${flags.join(", ")}`);
  }
  return {
    texts: Object.fromEntries(texts.flatMap((name) => name in parsed ? [[name, parsed[name]]] : [])) as never,
    switches: Object.fromEntries([...switches, "help"].map((name) => [name, parsed[name] === true])) as never,
    lists: Object.fromEntries(lists.map((name) => [name, parsed[name] ?? []])) as never,
    positional: words,
  };
}

/**
 * A whole number as people write it: decimal digits alone.
 *
 * @throws {RangeError} If it is none, is below `least`, or is too large to be exact.
 */
export function readInteger(verb: string, name: string, text: string, least: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
  throw new RangeError(
    `Cannot ${verb}: ${name} must be an integer of at least ${least} in decimal digits, current value is "${text}"`,
  );
}

/**
 * Seeds: `0,1,2`, `0-4` or `0..4`, or these joined by commas.
 *
 * @throws {RangeError} If one is no whole number, a range runs backwards, or a seed is given twice: it would count as two runs.
 */
export function readSeeds(verb: string, text: string): number[] {
  const seeds = text.split(",").flatMap((part) => {
    const [, first, last] = part.match(/^(\d+)(?:-|\.\.)(\d+)$/) ?? [];
    if (first === undefined) return [readInteger(verb, "--seeds", part, 0)];
    const [from, to] = [first, last].map((end) => readInteger(verb, "--seeds", end, 0));
    if (to < from || to - from >= 10_000) {
      throw new RangeError(`Cannot ${verb}: --seeds must ascend within 10,000, current range is "${part}"`);
    }
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
  const twice = seeds.find((seed, i) => seeds.indexOf(seed) !== i);
  if (twice !== undefined) throw new RangeError(`Cannot ${verb}: --seeds must differ, ${twice} is given twice`);
  return seeds;
}
