/**
 * Stand-in for `jsr:@std/cli` on networks that block jsr.io: the part of `parseArgs` that our scripts use, over
 * `node:util`.
 *
 * @module
 */

import { parseArgs as nodeParseArgs } from "node:util";

/** What {@linkcode parseArgs} accepts here. */
export interface ParseOptions<B extends string, S extends string> {
  boolean?: readonly B[];
  string?: readonly S[];
  collect?: readonly string[];
  alias?: Readonly<Record<string, string>>;
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** Flags by name, and positional arguments under `_`. */
export type Args<B extends string, S extends string> =
  & { [K in B]: boolean }
  & { [K in S]?: string }
  & { _: (string | number)[] };

/** Parses `--name value`, `--name=value`, `--flag` and positional arguments. */
export function parseArgs<const B extends string = never, const S extends string = never>(
  args: readonly string[],
  options: ParseOptions<B, S> = {},
): Args<B, S> {
  const { boolean = [], string = [], collect = [], alias = {}, unknown = () => true } = options;
  const longName = (name: string) => Object.entries(alias).find(([, short]) => short === name)?.[0] ?? name;
  const types: Record<string, { type: "boolean" | "string" }> = {};
  for (const name of boolean) types[name] = { type: "boolean" };
  for (const name of string) types[name] = { type: "string" };
  for (const [name, short] of Object.entries(alias)) types[short] = types[name];
  const { tokens } = nodeParseArgs({
    args: [...args],
    options: types,
    strict: false,
    allowPositionals: true,
    allowNegative: true,
    tokens: true,
  });
  const result: Record<string, unknown> = { _: [] };
  for (const name of boolean) result[name] = false;
  for (const token of tokens) {
    if (token.kind === "positional") (result._ as string[]).push(token.value);
    if (token.kind !== "option") continue;
    if (!(token.name in types) && unknown(token.rawName, token.name, token.value) === false) continue;
    const name = longName(token.name);
    const value = types[token.name]?.type === "boolean"
      ? token.value !== "false" && !token.rawName.startsWith("--no-")
      : token.value ?? "";
    result[name] = collect.includes(name) ? [...(result[name] as unknown[] ?? []), value] : value;
  }
  return result as Args<B, S>;
}
