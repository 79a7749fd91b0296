/**
 * D4RL's datasets of Gym-MuJoCo, AntMaze, Kitchen, Adroit and Maze2d: where they are, how large, and how to know them.
 *
 * Transitions and returns as published with the data (those of complete episodes), time limits as D4RL registers its
 * environments. What is not known is null.
 *
 * @module
 */

import { closest } from "fastest-levenshtein";
import { homedir } from "node:os";
import { join } from "node:path";
import { type Family, readId } from "../environments/ids.ts";
import { normalizedScore } from "../environments/scores.ts";
import { d4rlFiles } from "./catalog_files.ts";
import { localRecipes } from "./recipes.ts";

/** A dataset of the catalog. */
export interface CatalogEntry {
  /** Its name in the catalog. */
  id: string;
  /** Path below {@linkcode d4rlHost}; its last part is the file's name on disk. */
  path: string;
  /** Size of the file; null if it is not published. */
  bytes: number | null;
  /** SHA-256 in hex; null if it is not published. */
  sha256: string | null;
  /** Steps after which the environment ends an episode. */
  maxEpisodeSteps: number;
  /** Transitions in complete episodes. */
  transitions: number | null;
  /** Returns: mean, deviation, least, largest. */
  returns: readonly [number, number, number, number] | null;
  /** Under which it may be used. */
  licence: string;
  /** Papers that use it: DTQL, SRPO, OBD (both of them), MBTS (trajectory stitching). */
  papers: readonly string[];
}

/** Where D4RL's files are. */
export const d4rlHost = "http://rail.eecs.berkeley.edu/datasets/offline_rl/";

/** A mirror that holds the files under their names alone; not checked by us, but every published hash is. */
export const d4rlMirrors: readonly string[] = ["https://huggingface.co/datasets/imone/D4RL/resolve/main/"];

/** The environment variable that names another host, which has the files by their names alone. */
export const hostVariable = "D4RL_DATASET_HOST";

/** The environment variable that names a JSON file of sizes and hashes, `{ "<id>": { "bytes": 1, "sha256": "..." } }`, that replace D4RL's. */
export const catalogVariable = "D4RL_DATASET_CATALOG";

const licence = "CC BY 4.0 (D4RL, Fu et al. 2020, arXiv 2004.07219)";

type Known = [transitions: number, returns: CatalogEntry["returns"]];

const known: Record<string, Known> = {
  "halfcheetah-medium-v2": [1_000_000, [4770, 356, -310, 5309]],
  "halfcheetah-medium-replay-v2": [202_000, [3093, 1681, -638, 4985]],
  "halfcheetah-expert-v2": [1_000_000, [10656, 442, 2046, 11252]],
  "hopper-medium-v2": [999_906, [1422, 379, 316, 3222]],
  "hopper-medium-replay-v2": [402_000, [467, 511, -1, 3193]],
  "hopper-expert-v2": [999_494, [3511, 329, 1645, 3759]],
  "walker2d-medium-v2": [999_995, [2852, 1095, -7, 4227]],
  "walker2d-medium-replay-v2": [302_000, [683, 896, -50, 4132]],
  "walker2d-expert-v2": [999_214, [4921, 136, 763, 5012]],
  "kitchen-complete-v0": [3680, null],
  "kitchen-partial-v0": [136_950, null],
  "kitchen-mixed-v0": [136_950, null],
};
/** D4RL's mazes that are not among the environments here: random and expert returns, and steps of an episode. */
const ownMazes: Readonly<Record<string, readonly [random: number, expert: number, steps: number]>> = {
  "maze2d-open-v0": [0.01, 20.66, 150],
  "maze2d-open-dense-v0": [11.17817, 27.166538620695782, 150],
  "maze2d-eval-umaze-v1": [36.63, 141.4, 300],
  "maze2d-eval-medium-v1": [13.07, 204.93, 600],
  "maze2d-eval-large-v1": [16.4, 302.22, 800],
  "maze2d-eval-umaze-dense-v1": [56.95455, 178.21373133248397, 300],
  "maze2d-eval-medium-dense-v1": [42.28578, 235.5658957482388, 600],
  "maze2d-eval-large-dense-v1": [56.95455, 326.09647655082637, 800],
};

/** The family of a dataset's id; null for what is none. */
export function familyOf(id: string): Family | null {
  if (Object.hasOwn(ownMazes, id)) return "maze2d";
  try {
    return readId(id).family;
  } catch {
    return null; // A file's name.
  }
}

const transitionsOf = (id: string) => known[id]?.[0] ?? (familyOf(id) === "antmaze" ? 1_000_000 : null);

/** Which of DTQL, SRPO, OBD (both papers) and MBTS (trajectory stitching) use a dataset. */
function papersOf(id: string): string[] {
  if (Object.hasOwn(ownMazes, id)) return [];
  const { family, data, version } = readId(id);
  if (family === "antmaze") return version === "v2" ? ["DTQL", "SRPO"] : ["DTQL"];
  if (family === "kitchen") return ["DTQL"];
  if (family === "pen") return version === "v1" && data !== "expert" ? ["DTQL"] : [];
  if (!["halfcheetah", "hopper", "walker2d"].includes(family) || version !== "v2") return [];
  if (data === "expert") return ["MBTS"];
  return ["medium", "medium-replay", "medium-expert"].includes(`${data}`) ? ["DTQL", "SRPO", "OBD", "MBTS"] : [];
}

const limits: Partial<Record<Family, number>> = { kitchen: 280, pen: 100, hammer: 200, door: 200, relocate: 200 };

/** Steps after which D4RL's environments end an episode. */
function limitOf(id: string): number {
  if (Object.hasOwn(ownMazes, id)) return ownMazes[id][2];
  const { family, size } = readId(id);
  if (family === "maze2d") return { umaze: 300, medium: 600, large: 800 }[size!];
  return family === "antmaze" && size === "umaze" ? 700 : limits[family] ?? 1000;
}

const entries = d4rlFiles.trim().split("\n").map((line): CatalogEntry => {
  const [id, path, bytes, sha256] = line.split(" ");
  return {
    id,
    path,
    bytes: bytes === "-" ? null : Number(bytes),
    sha256: sha256 === "-" ? null : sha256,
    maxEpisodeSteps: limitOf(id),
    transitions: transitionsOf(id),
    returns: known[id]?.[1] ?? null,
    licence,
    papers: papersOf(id),
  };
});

/** The catalog by id, as published. */
export const catalog: ReadonlyMap<string, CatalogEntry> = new Map(entries.map((e) => [e.id, e]));

/**
 * The entry that files of an id are held against: the catalog's, or with the size and hash that `D4RL_DATASET_CATALOG` gives it.
 *
 * @throws {RangeError} If the id is unknown.
 * @throws {TypeError} If the file that `D4RL_DATASET_CATALOG` names is not as it must be.
 */
export function findEntry(id: string): CatalogEntry {
  const entry = catalog.get(id);
  if (!entry) throw unknownDataset(id);
  const file = Deno.env.get(catalogVariable);
  if (!file) return entry;
  const own = replacements(file)[id];
  return own ? { ...entry, ...own, licence: `not D4RL's own file: size and hash are from ${file}` } : entry;
}

function replacements(file: string): Record<string, Pick<CatalogEntry, "bytes" | "sha256">> {
  const failed = (why: string) => new TypeError(`Cannot use "${file}" (${catalogVariable}): ${why}`);
  let parsed: Record<string, { bytes?: unknown; sha256?: unknown }>;
  try {
    parsed = JSON.parse(Deno.readTextFileSync(file));
  } catch (cause) {
    throw failed(`it must be a readable JSON file, ${(cause as Error).message}`);
  }
  return Object.fromEntries(
    Object.entries(parsed).map(([id, { bytes, sha256 }]) => {
      if (!Number.isSafeInteger(bytes) || !/^[0-9a-f]{64}$/.test(`${sha256}`)) {
        throw failed(`"${id}" must have bytes, a number, and sha256, 64 digits in hex`);
      }
      return [id, { bytes: bytes as number, sha256: sha256 as string }];
    }),
  );
}

/** D4RL's normalized score of a return, by the reference returns of the dataset's own row; null where there are none. */
export function datasetScore(name: string, episodeReturn: number): number | null {
  if (name === "ant-random-expert-v0") return null; // D4RL has none.
  if (Object.hasOwn(ownMazes, name)) {
    const [random, expert] = ownMazes[name];
    return 100 * (episodeReturn - random) / (expert - random);
  }
  try {
    return normalizedScore(name, episodeReturn);
  } catch {
    return null;
  }
}

/** The catalog's id of a file's name; null if D4RL has none of that name. */
export function idOfFile(name: string): string | null {
  return entries.find(({ path }) => path.endsWith(`/${name}`))?.id ?? null;
}

/** Throws what an unknown dataset id deserves: the nearest known one. */
export function unknownDataset(id: string): RangeError {
  const near = closest(id, [...catalog.keys(), ...Object.keys(localRecipes)]);
  return new RangeError(
    `Cannot find dataset "${id}": unknown id; did you mean "${near}"? \`deno task dataset list\` has all`,
  );
}

/** Where datasets lie: `D4RL_DATASET_DIR`, or `~/.d4rl/datasets` as D4RL itself has it. */
export function datasetFolder(): string {
  const home = () => Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE") ?? homedir(); // The last needs a right of its own.
  return Deno.env.get("D4RL_DATASET_DIR") || join(home(), ".d4rl", "datasets");
}

/** A dataset's file: D4RL's own name for one of its files, the id for a local one. */
export function datasetPath(id: string, folder: string = datasetFolder()): string {
  const found = catalog.get(id);
  if (!found && !localRecipes[id]) throw unknownDataset(id);
  return join(folder, found ? found.path.split("/").at(-1)! : `${id}.hdf5`);
}
