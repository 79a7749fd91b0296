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
  /** Recorded steps. */
  rows: number;
  /** Numbers per observation. */
  observationDim: number;
  /** Numbers per action. */
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
  /** The file's attributes. */
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
  if (cached) return arrange(cached.arrays, cached.attributes, isPath ? basename(source) : source); // Checked before.
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
  const dataset = arrange(arrays, attributes, name);
  const { observations, actions, rewards, successors, terminals, timeouts } = dataset;
  for (const [key, data] of Object.entries({ observations, actions, rewards, successors, terminals, timeouts })) {
    const isFlag = key === "terminals" || key === "timeouts";
    for (let i = 0; i < (data?.length ?? 0); i++) {
      const x = data![i];
      if (isFlag ? x === 0 || x === 1 : Math.abs(x) < Infinity) continue;
      const wanted = isFlag ? "0 or 1" : "finite";
      throw new Error(`Cannot load "${name}": ${key} must be ${wanted}, element ${i} is ${x}`);
    }
  }
  return dataset;
}

function arrange(
  arrays: ReadonlyMap<string, HdfArray>,
  attributes: ReadonlyMap<string, string>,
  name: string,
): Dataset {
  const wanted = (key: string, rank: number): HdfArray => {
    const array = arrays.get(key);
    const fits = array?.shape.length === rank || (rank === 1 && array?.shape.length === 2 && array.shape[1] === 1);
    if (array && fits) return array;
    const current = array
      ? `shape [${array.shape.join(", ")}]`
      : `missing; the file has ${[...arrays.keys()].join(", ")}`;
    throw new Error(`Cannot load "${name}": ${key} must be an array of rank ${rank}, current is ${current}`);
  };
  const floats = ({ data }: HdfArray) => data instanceof Float32Array ? data : Float32Array.from(data);
  const flags = ({ data }: HdfArray) => data instanceof Int8Array ? data : Int8Array.from(data);
  const observations = wanted("observations", 2);
  const actions = wanted("actions", 2);
  const rewards = wanted("rewards", 1);
  const terminals = wanted("terminals", 1);
  const timeouts = arrays.has("timeouts") ? wanted("timeouts", 1) : null;
  const successors = arrays.has("successors") ? wanted("successors", 2) : null;
  const [rows, observationDim] = observations.shape;
  for (const [key, array] of Object.entries({ actions, rewards, terminals, timeouts })) {
    if (array && array.shape[0] !== rows) {
      throw new Error(
        `Cannot load "${name}": ${key} must have ${rows} rows like observations, current is ${array.shape[0]}`,
      );
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
    terminals: flags(terminals),
    timeouts: timeouts && flags(timeouts),
    successors: successors && floats(successors),
    others: new Map([...arrays].filter(([key]) => !named.includes(key))),
    attributes,
  };
}
