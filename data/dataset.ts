/**
 * Offline datasets of any layout as one type.
 *
 * @module
 */

import { basename } from "node:path";
import { readCache, writeCache } from "./cache.ts";
import { catalog, datasetPath } from "./catalog.ts";
import { fetchDataset, type FetchOptions } from "./fetch.ts";
import { type HdfArray, readHdf5 } from "./hdf5.ts";
import { localRecipes } from "./recipes.ts";
import { minariRows } from "./minari.ts";

/** Rows of recorded steps, episode after episode. */
export interface Dataset {
  /** Id, or the file's name. */
  name: string;
  /** `d4rl`: flat arrays; `minari`: one group per episode. */
  layout: "d4rl" | "minari";
  rows: number;
  observationDim: number;
  actionDim: number;
  /** `[rows, observationDim]` */
  observations: Float32Array;
  /** `[rows, actionDim]` */
  actions: Float32Array;
  /** `[rows]` */
  rewards: Float32Array;
  /** `[rows]`, 1 where the environment ended the episode. */
  terminals: Int8Array;
  /** `[rows]`, 1 where the recording of an episode stopped; null if the file has none, as a few of D4RL's. */
  timeouts: Int8Array | null;
  /**
   * `[rows, observationDim]`, each row's true successor; null for D4RL's layout, whose semantics take the next row's
   * observation instead.
   */
  successors: Float32Array | null;
  /** Everything else in the file. */
  others: ReadonlyMap<string, HdfArray>;
  attributes: ReadonlyMap<string, string>;
}

/**
 * The dataset of an id (fetched if it is D4RL's and not there yet) or of a file.
 *
 * The first load decodes the file and leaves the arrays beside it (`.arrays`); later ones read those.
 *
 * @param source An id such as `hopper-medium-v2`, or a path that ends in `.hdf5`.
 * @throws {Error} If the file is missing, damaged, or not a dataset; the message names the array and the remedy.
 */
export async function loadDataset(source: string, options: FetchOptions = {}): Promise<Dataset> {
  const isPath = /[\\/]|\.(hdf5|h5)$/.test(source);
  const path = isPath ? source : datasetPath(source, options.folder);
  const cached = await readCache(path);
  if (cached) return toDataset(cached.arrays, cached.attributes, isPath ? basename(source) : source);
  if (!isPath && catalog.has(source)) await fetchDataset(source, options);
  if (!isPath && localRecipes[source] && !await isFile(path)) {
    throw new Error(`Cannot load "${source}": it is made, not fetched; run \`deno task dataset make ${source}\``);
  }
  const { arrays, attributes } = await readHdf5(path);
  const flat = minariRows(arrays, path) ?? arrays;
  const dataset = toDataset(flat, attributes, isPath ? basename(source) : source);
  await writeCache(path, { arrays: flat, attributes });
  return dataset;
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then((info) => info.isFile, () => false);
}

/**
 * A {@linkcode Dataset} of named arrays in D4RL's layout.
 *
 * @throws {Error} If an array is missing, has the wrong shape or length, or holds a value that is not finite.
 */
export function toDataset(
  arrays: ReadonlyMap<string, HdfArray>,
  attributes: ReadonlyMap<string, string>,
  name: string,
): Dataset {
  const wanted = (key: string, rank: number): HdfArray => {
    const array = arrays.get(key);
    const fits = array?.shape.length === rank || (rank === 1 && array?.shape.length === 2 && array.shape[1] === 1);
    if (!array || !fits) {
      const current = array
        ? `shape [${array.shape.join(", ")}]`
        : `missing; the file has ${[...arrays.keys()].join(", ")}`;
      throw new Error(`Cannot load "${name}": ${key} must be an array of rank ${rank}, current is ${current}`);
    }
    const bad = array.data.findIndex((x) => !Number.isFinite(x));
    if (bad >= 0) throw new Error(`Cannot load "${name}": ${key} must be finite, element ${bad} is ${array.data[bad]}`);
    return array;
  };
  const floats = (array: HdfArray) => array.data instanceof Float32Array ? array.data : Float32Array.from(array.data);
  const flags = (key: string): Int8Array => {
    const { data } = wanted(key, 1);
    const bad = data.findIndex((x) => x !== 0 && x !== 1);
    if (bad >= 0) throw new Error(`Cannot load "${name}": ${key} must be 0 or 1, element ${bad} is ${data[bad]}`);
    return data instanceof Int8Array ? data : Int8Array.from(data);
  };
  const observations = wanted("observations", 2);
  const actions = wanted("actions", 2);
  const rewards = wanted("rewards", 1);
  const terminals = flags("terminals");
  const timeouts = arrays.has("timeouts") ? flags("timeouts") : null;
  const successors = arrays.has("successors") ? wanted("successors", 2) : null;
  const [rows, observationDim] = observations.shape;
  const lengths = {
    actions: actions.shape[0],
    rewards: rewards.data.length,
    terminals: terminals.length,
    timeouts: timeouts?.length,
  };
  for (const [key, n] of Object.entries(lengths)) {
    if (n !== undefined && n !== rows) {
      throw new Error(`Cannot load "${name}": ${key} must have ${rows} rows like observations, current is ${n}`);
    }
  }
  const named = ["observations", "actions", "rewards", "terminals", "timeouts", "successors"];
  return {
    name,
    layout: successors ? "minari" : "d4rl",
    rows,
    observationDim,
    actionDim: actions.shape[1],
    observations: floats(observations),
    actions: floats(actions),
    rewards: floats(rewards),
    terminals,
    timeouts,
    successors: successors && floats(successors),
    others: new Map([...arrays].filter(([key]) => !named.includes(key))),
    attributes,
  };
}
