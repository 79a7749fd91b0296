/**
 * What a cell's result depends on beside its settings: the code that computes it, and its data.
 *
 * The code is what the cell's study, its algorithm and its task import, as values: packages with their versions, other files with
 * theirs, up to the registries, which name what other cells use. A file counts by its code (see {@linkcode codeParts}) with each
 * path replaced by the hash of what it names, so that files may move.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import type { AnyAlgorithm } from "../../algorithms/core/agent.ts";
import { catalog } from "../../data/catalog.ts";
import { localRecipes } from "../../data/recipes.ts";
import { knownTask } from "../../environments/tasks.ts";
import { fromFileUrl } from "../../tools/paths.ts";
import type { Cell } from "./cell.ts";
import { codeParts } from "./code.ts";
import type { Study } from "./study.ts";

const workspace = new URL("../../", import.meta.url);

/** What names the streams of a cell's randomness. */
const driver = ["algorithms/core/train.ts", "results/cells/study.ts"].map((path) => new URL(path, workspace).href);

/** Lists; what a cell takes from them stands in its settings, its data's fingerprint or among its own modules. */
export const registries: readonly string[] = [
  "algorithms/registry.ts",
  "data/catalog.ts",
  "data/recipes.ts",
  "environments/tasks.ts",
  "results/experiments/mod.ts",
].map((path) => new URL(path, workspace).href);

const digest = (text: string | Uint8Array) => createHash("sha256").update(text).digest("hex").slice(0, 16);

const known = new Map<string, string>();

function remember(key: string, compute: () => string): string {
  const value = known.get(key) ?? compute();
  known.set(key, value);
  return value;
}

let packages: Record<string, string> | undefined;

/** A package by its version: what the longest fitting key of deno.json's imports, its scopes' among them, stands for. */
export function packageVersion(specifier: string, imports: Readonly<Record<string, string>>): string {
  const fits = (key: string) => specifier === key || specifier.startsWith(key.endsWith("/") ? key : `${key}/`);
  const [key] = Object.keys(imports).filter(fits).sort((a, b) => b.length - a.length);
  return key === undefined ? specifier : `${imports[key]}${specifier.slice(key.length)}`;
}

function packageHash(specifier: string): string {
  if (!packages) {
    const { imports, scopes = {} } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", workspace)));
    packages = Object.assign({}, ...Object.values(scopes), imports) as Record<string, string>;
  }
  return packageVersion(specifier, packages);
}

const isScript = (path: string) => /\.[cm]?[jt]sx?$/.test(path);

/**
 * The hash of a file with all that it takes in.
 *
 * @param above Files that are being hashed, of which this one is a part. A worker names the file that starts it; such a circle is
 * cut where it closes, and what hangs on the cut is not remembered, so that a hash does not depend on which file came first.
 * @returns The hash, and the position in `above` of the first file that it was cut at.
 */
function hashFile(url: URL, above: readonly string[]): { hash: string; cut: number } {
  if (url.protocol !== "file:") return { hash: url.href, cut: Infinity };
  if (registries.includes(url.href)) return { hash: "registry", cut: Infinity };
  const found = known.get(url.href);
  if (found) return { hash: found, cut: Infinity };
  const at = above.indexOf(url.href);
  if (at >= 0) return { hash: "circle", cut: at };
  const path = fromFileUrl(url);
  let first = Infinity;
  let hash: string;
  if (isScript(path)) {
    const parts = codeParts(Deno.readTextFileSync(path)).map((part) => {
      if (typeof part === "string") return part;
      if (!/^(\.|file:)/.test(part.path)) return packageHash(part.path);
      const target = new URL(part.path, url);
      if (!isFile(target)) return part.path; // A folder, or what is only made later.
      const { hash, cut } = hashFile(target, [...above, url.href]);
      first = Math.min(first, cut);
      return hash;
    });
    hash = digest(parts.join(" "));
  } else {
    const bytes = Deno.readFileSync(path);
    hash = digest(
      /\.(json|md|html|txt|xml)$/.test(path) ? new TextDecoder().decode(bytes).replaceAll("\r", "") : bytes,
    );
  }
  if (first >= above.length) known.set(url.href, hash); // A circle that closes here is whole.
  return { hash, cut: first >= above.length ? Infinity : first };
}

function isFile(url: URL): boolean {
  if (url.protocol !== "file:") return true;
  try {
    return Deno.statSync(url).isFile;
  } catch {
    return false;
  }
}

/** The hash of modules, by their URLs, with all that they import. */
export const codeHash = (modules: readonly string[]): string =>
  digest(JSON.stringify(modules.map((module) => hashFile(new URL(module), []).hash)));

/** A dataset's hash by its id: of how it is made, or of the file that it must be. */
export function dataHash(id: string): string {
  const recipe = localRecipes[id];
  if (!recipe) return catalog.get(id)?.sha256 ?? id;
  return remember(`data of ${id}`, () => {
    const folder = fromFileUrl(new URL("data/behaviour/", workspace));
    const weights = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => !isScript(name)).sort();
    const maker = new URL("data/local.ts", workspace).href;
    return digest(JSON.stringify([
      recipe,
      codeHash([maker, ...taskModules(recipe.task)]),
      weights.map((name) => digest(Deno.readFileSync(join(folder, name)))),
    ]));
  });
}

/** The hash of a file that settings name. */
function fileHash(path: string): string {
  return remember(path, () => {
    try {
      return digest(Deno.readFileSync(path));
    } catch {
      throw new Error(`Cannot read "${path}": the file must be there and readable`);
    }
  });
}

function taskModules(task: string): string[] {
  try {
    return [knownTask(task).module ?? []].flat();
  } catch {
    return []; // A bandit has no environment.
  }
}

/** Whose code a cell runs. */
export interface CellCode {
  study: Study<unknown>;
  algorithm: AnyAlgorithm;
  sampled: AnyAlgorithm | null;
}

/** `import.meta.url` of an algorithm. */
export function moduleOf({ name, module }: Pick<AnyAlgorithm, "name" | "module">): string {
  if (module) return module;
  throw new TypeError(
    `Cannot plan ${name}: an algorithm's module must be the import.meta.url of its file, current is undefined`,
  );
}

/** The hashes of a cell's code and data; `data` is null without a dataset. */
export function partHashes(cell: Omit<Cell, "hash">, { study, algorithm, sampled }: CellCode) {
  const own = [algorithm, ...(sampled && cell.evaluation.sampling ? [sampled] : [])].map(moduleOf);
  return {
    code: codeHash([...driver, study.module, ...own, ...taskModules(cell.task)]),
    data: cell.dataset === null ? null : dataHash(cell.task),
  };
}

/** A cell's hash; see {@linkcode Cell}. */
export function cellHash(cell: Omit<Cell, "hash">, code: CellCode): string {
  const { config, evaluation, backend, threads = 1, shipped } = cell;
  if (shipped) return digest(JSON.stringify([shipped.sha256, partHashes(cell, code)])).slice(0, 10);
  const files = (code.study.files?.(config) ?? []).map(fileHash);
  const identity = [config, evaluation, backend, threads, partHashes(cell, code), files];
  return digest(JSON.stringify(identity)).slice(0, 10);
}
