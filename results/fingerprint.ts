/**
 * What a cell's result depends on beside its settings: the code that computes it, and its data.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename, join, relative, resolve } from "node:path";
import { catalog } from "../data/catalog.ts";
import { localRecipes } from "../data/recipes.ts";
import type { algorithms, Cell, ExperimentKind } from "./cell.ts";
import { fromFileUrl } from "../tools/paths.ts";

const workspace = resolve(fromFileUrl(new URL("../", import.meta.url)));

/** What counts, by the start of its path, although other algorithms' and experiments' code does not. */
const algorithmCode: Record<keyof typeof algorithms, string[]> = {
  dtql: ["algorithms/dtql/"],
  dql_kl: ["algorithms/dtql/"],
  diffusion_ql: ["algorithms/diffusion_ql.ts"],
  srpo: ["algorithms/srpo/"],
  behaviour_sampling: ["algorithms/srpo/"],
  srpo_toy: ["algorithms/srpo/"],
  iql: ["algorithms/iql.ts"],
  bc: ["algorithms/bc.ts"],
  td3_bc: ["algorithms/td3_bc.ts"],
  rebrac: ["algorithms/rebrac.ts"],
  dbc: ["algorithms/offline_behavior_distillation/", "algorithms/iql.ts", "algorithms/bc.ts"],
  pbc: ["algorithms/offline_behavior_distillation/", "algorithms/iql.ts", "algorithms/bc.ts"],
  av_pbc: ["algorithms/offline_behavior_distillation/", "algorithms/iql.ts", "algorithms/bc.ts"],
  sdw_obd: ["algorithms/offline_behavior_distillation/", "algorithms/iql.ts", "algorithms/bc.ts"],
  stitching: ["algorithms/stitching/", "algorithms/bc.ts"],
};
const kindCode: Record<ExperimentKind, string[]> = {
  bandit: [],
  environment: [],
  toy: ["results/toy"],
  stitching: ["results/stitching"],
  distillation: ["results/distillation"],
  diagnosis: ["results/diagnosis"],
  latency: ["results/latency"],
};
const common = ["algorithms/core/", "algorithms/engine/", "data/", "environments/", "results/", "tools/"];
const otherKinds = Object.values(kindCode).flat();

/** The registry names every algorithm; what a cell takes from it stands in its settings. */
const registry = "results/cell.ts";

const digest = (text: string | Uint8Array) => createHash("sha256").update(text).digest("hex").slice(0, 16);

/** Code without comment lines and blank ones, so that a better sentence makes nothing anew. */
const codeLines = (text: string) => text.split("\n").filter((line) => !/^\s*(\/\/|\/\*|\*|$)/.test(line)).join("\n");

/** SHA-256 over the files that `entries` reach by relative imports and `counts` lets in, and the packages that they name. */
function closure(entries: readonly string[], counts: (path: string) => boolean): string {
  const texts = new Map<string, string>();
  const packages = new Set<string>();
  const visit = (path: string) => {
    const name = relative(workspace, path).replaceAll("\\", "/");
    if (texts.has(name) || !counts(name)) return;
    const text = Deno.readTextFileSync(path);
    texts.set(name, name.endsWith(".ts") ? codeLines(text) : text);
    if (!name.endsWith(".ts")) return;
    for (const [, to] of text.matchAll(/"(\.\.?\/[^"\n]+\.(?:ts|json))"/g)) visit(join(path, "..", to));
    for (const [, to] of text.matchAll(/from "([^."][^"\n]*)"/g)) packages.add(to);
  };
  for (const entry of entries) visit(join(workspace, entry));
  const { imports } = JSON.parse(Deno.readTextFileSync(join(workspace, "deno.json")));
  const versions = [...packages].sort().map((name) => imports[name] ?? name);
  return digest(JSON.stringify([[...texts].sort(([a], [b]) => a < b ? -1 : 1), versions]));
}

const known = new Map<string, string>();

function remember(key: string, compute: () => string): string {
  const value = known.get(key) ?? compute();
  known.set(key, value);
  return value;
}

/** Of the code that trains and evaluates a cell: its algorithm's, its kind's, and what all share. */
export function codeFingerprint({ algorithm, kind }: Pick<Cell, "algorithm" | "kind">): string {
  return remember(`${algorithm}/${kind}`, () => {
    const own = [...algorithmCode[algorithm], ...kindCode[kind]];
    const starts = (path: string, list: readonly string[]) => list.some((prefix) => path.startsWith(prefix));
    const algorithmEntries = algorithmCode[algorithm].map((path) => path.endsWith("/") ? `${path}mod.ts` : path);
    return closure(["results/run_cell.ts", ...algorithmEntries], (path) => {
      if (path === registry) return false;
      return starts(path, own) || starts(path, common) && !starts(path, otherKinds);
    });
  });
}

/** Of a dataset by its file: how it is made, or the hash it must have; null without a dataset. */
export function dataFingerprint(path: string | null): string | null {
  if (path === null) return null;
  const id = basename(path, ".hdf5");
  return remember(id, () => {
    const recipe = localRecipes[id];
    if (!recipe) return catalog.get(id)?.sha256 ?? id;
    const folder = join(workspace, "data/behaviour");
    const files = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    return digest(JSON.stringify([
      recipe,
      closure(["data/local.ts"], () => true),
      files.map((name) => digest(Deno.readFileSync(join(folder, name)))),
    ]));
  });
}

/** Of a file that settings name; null where they name none. */
export function fileFingerprint(path: unknown): string | null {
  if (typeof path !== "string" || path === "") return null;
  return remember(`file/${path}`, () => {
    try {
      return digest(Deno.readFileSync(path));
    } catch {
      throw new Error(`Cannot read "${path}": the file must be there and readable`);
    }
  });
}
