/**
 * Offline datasets of any layout as one type.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { startProgress } from "../tools/progress.ts";
import { cachedSources, readCache, writeCache } from "./cache.ts";
import { catalog, type CatalogEntry, datasetPath, findEntry, idOfFile, unknownDataset } from "./catalog.ts";
import { fetchDataset, type FetchOptions, type FetchProgress, requireEntry } from "./fetch.ts";
import { toFlags, toFloats } from "./fields.ts";
import { type HdfArray, type HdfFile, type Numbers, readHdf5 } from "./hdf5.ts";
import { findRecipe } from "./recipes.ts";
import { isMinariName, minariMetadata, minariRows, minariSpaces } from "./minari.ts";
import { isSame, type Source, sourceOf } from "./source.ts";

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
  /** Steps after which the task ends an episode, which cuts a file without timeouts; null if the task is not known. */
  maxEpisodeSteps: number | null;
  /** The file's attributes: texts and single numbers. */
  attributes: ReadonlyMap<string, string>;
  /** SHA-256 of the file, in hex; of the list of its files' where it has several; null if it is of none. */
  sha256: string | null;
}

/** Settings of {@linkcode loadDataset}. */
export interface LoadOptions extends FetchOptions {
  /** Id of the dataset that a file is, wherever it lies; one of D4RL's must have its size and hash. @default the file's name */
  id?: string;
  /** The most bytes that the arrays may take in memory. @default 4 GiB */
  mostBytes?: number;
  /** Called as a local dataset is made, with transitions so far and in all. @default lines on the terminal */
  onMade?: (made: number, total: number) => void;
}

/** Whether a name is of an array that is used in D4RL's layout. */
const isField = (name: string) => /^(observations|actions|rewards|terminals|timeouts)$/.test(name);

/**
 * The dataset of an id (fetched if it is D4RL's, made if it is a local one, unless it is there) or of a file.
 *
 * What is called by an id of D4RL's is D4RL's: it has the published size and SHA-256 each time, or the SHA-256 that it had first where
 * none is published. The first load decodes the file and leaves the arrays beside it (`.arrays`); later ones read those while the
 * file's bytes are the same.
 *
 * @param source An id such as `hopper-medium-v2`, a file, or the folder of a Minari dataset.
 * @throws {RangeError} If the id is unknown, a value is none that a dataset may have, or `mostBytes` is not enough.
 * @throws {Error} If the file is missing, damaged, or not a dataset; the message names the array and the remedy.
 */
export async function loadDataset(source: string, options: LoadOptions = {}): Promise<Dataset> {
  const recipe = findRecipe(source);
  if (!recipe && !catalog.has(source)) return await loadFile(source, options);
  const path = datasetPath(source, options.folder);
  const isThere = await isFile(path);
  if (!recipe) {
    const entry = findEntry(source);
    if (!isThere) await fetchShown(source, options);
    return { ...await load(path, source, options, entry), maxEpisodeSteps: entry.maxEpisodeSteps };
  }
  const { ensureLocalDataset, requireRecipe } = await import("./local.ts"); // It brings the environments.
  if (!isThere) await ensureLocalDataset(source, options);
  const dataset = await load(path, source, options);
  requireRecipe(recipe, dataset.attributes, path);
  return dataset;
}

/** Fetches with a bar on the terminal, unless the caller shows progress. */
async function fetchShown(id: string, options: LoadOptions) {
  if (options.onProgress) return await fetchDataset(id, options);
  const progress = startProgress(`Fetching ${id}`);
  const onProgress = ({ received, total, note }: FetchProgress) =>
    progress.update(total ? received / total : 0, `${(received / 1e6).toFixed(1)} MB from ${note}`);
  try {
    await fetchDataset(id, { ...options, onProgress });
  } finally {
    progress.stop();
  }
}

async function loadFile(source: string, options: LoadOptions): Promise<Dataset> {
  const info = await Deno.stat(source).catch(() => null);
  if (!info && !/[\\/]|\.(hdf5|h5)$/i.test(source)) throw unknownDataset(source);
  const path = info?.isDirectory ? await minariFile(source) : source;
  const name = options.id ?? basename(info?.isDirectory ? source : path);
  const entry = catalog.has(name) ? findEntry(name) : undefined;
  const like = entry ?? catalog.get(idOfFile(name) ?? "");
  return { ...await load(path, name, options, entry), maxEpisodeSteps: like?.maxEpisodeSteps ?? null };
}

/** The main file of a Minari dataset's folder. */
async function minariFile(folder: string): Promise<string> {
  for (const path of [join(folder, "data", "main_data.hdf5"), join(folder, "main_data.hdf5")]) {
    if (await Deno.stat(path).then((info) => info.isFile, () => false)) return path;
  }
  throw new Error(
    `Cannot load "${folder}": it is a folder without data/main_data.hdf5, as Minari's datasets in HDF5 have it; name a file`,
  );
}

async function load(path: string, name: string, options: LoadOptions, entry?: CatalogEntry): Promise<Dataset> {
  const metadata = minariMetadata(path);
  const cached = await readCache(path);
  const isLacking = cached?.arrays.has("successors") &&
    cached.sources.every((source) => source.name !== basename(metadata)) &&
    await isFile(metadata);
  if (cached && !isLacking) {
    if (entry) await requireEntry(entry, path, cached.sources[0]);
    return arrange(cached.arrays, cached.attributes, name, hashOf(cached.sources)); // Its values were checked.
  }
  if (!await isFile(path)) throw new Error(`Cannot open dataset "${path}": the file must exist and be readable`);
  let files = [path, ...await isFile(metadata) ? [metadata] : []];
  for (;;) {
    const seen = await Promise.all(files.map(sourceOf));
    if (entry) await requireEntry(entry, path, seen[0]);
    const file = await readHdf5(path, {
      only: (key) => isField(key) || isMinariName(key),
      mostBytes: options.mostBytes,
    });
    if (file.others.some((other) => !files.includes(other))) { // They are read again, now that their bytes are known.
      files = [...files, ...file.others];
      continue;
    }
    const isMinari = [...file.arrays.keys(), ...file.leftOut.keys()].some(isMinariName);
    const rows = isMinari ? minariRows(file, await minariSpaces(path, file.attributes), path) : file.arrays;
    const dataset = toDataset(rows, file.attributes, name, file);
    for (const [i, source] of seen.entries()) {
      if (await isSame(files[i], source)) continue;
      throw new Error(`Cannot load "${path}": ${files[i]} changed while it was read; load it again`);
    }
    const sources = isMinari ? seen : seen.filter((_, i) => files[i] !== metadata);
    await writeCache(path, { arrays: arraysOf(dataset), attributes: new Map(dataset.attributes), sources });
    return { ...dataset, sha256: hashOf(sources) };
  }
}

const isFile = (path: string) => Deno.stat(path).then((info) => info.isFile, () => false);

/** Of the one file, or of the list of all. */
function hashOf(sources: readonly Source[]): string {
  if (sources.length === 1) return sources[0].sha256;
  return createHash("sha256").update(sources.map(({ sha256, name }) => `${sha256}  ${name}\n`).join("")).digest("hex");
}

/**
 * SHA-256 of a dataset's file as {@linkcode Dataset} has it: what the cache beside it knows while the file has the same bytes, else
 * computed.
 */
export const datasetSha256 = async (path: string): Promise<string> =>
  hashOf(await cachedSources(path) ?? [await sourceOf(path)]);

/** A dataset's arrays by name. */
function arraysOf(data: Dataset): Map<string, HdfArray> {
  const { rows, observationDim, actionDim, observations, actions, rewards, terminals, timeouts, successors } = data;
  const arrays = new Map<string, HdfArray>([
    ["observations", { shape: [rows, observationDim], data: observations }],
    ["actions", { shape: [rows, actionDim], data: actions }],
    ["rewards", { shape: [rows], data: rewards }],
    ["terminals", { shape: [rows], data: terminals }],
  ]);
  if (timeouts) arrays.set("timeouts", { shape: [rows], data: timeouts });
  if (successors) arrays.set("successors", { shape: [rows, observationDim], data: successors });
  return arrays;
}

/**
 * A {@linkcode Dataset} of named arrays in D4RL's layout, of whatever types.
 *
 * @param file What else is known of the file: why names are not among the arrays, and which there are.
 * @throws {TypeError} If an array is missing, or has the wrong shape or length.
 * @throws {RangeError} If it has no rows, or holds a value that is not finite, or no flag where one must be.
 */
export function toDataset(
  arrays: ReadonlyMap<string, HdfArray<Numbers>>,
  attributes: ReadonlyMap<string, string>,
  name: string,
  { leftOut, names }: Pick<HdfFile, "leftOut" | "names"> = { leftOut: new Map(), names: [...arrays.keys()] },
): Dataset {
  const what = (key: string) => `Cannot load "${name}": ${key}`;
  const find = (key: string, rank: number): HdfArray<Numbers> => {
    const array = arrays.get(key);
    const [, columns = 1] = array?.shape ?? [];
    const fits = array?.shape.length === rank ? columns > 0 : rank === 1 && array?.shape.length === 2 && columns === 1;
    if (array && fits) return array;
    const current = array
      ? `shape [${array.shape.join(", ")}]`
      : leftOut.has(key)
      ? `another thing: ${leftOut.get(key)}`
      : `missing; there are ${listed(names)}`;
    throw new TypeError(`${what(key)} must be an array of rank ${rank}, current is ${current}`);
  };
  const optional = (key: string, rank: number) => arrays.has(key) || leftOut.has(key) ? find(key, rank) : null;
  const [rows, observationDim] = find("observations", 2).shape;
  const inRows = (array: HdfArray<Numbers>, key: string) => {
    if (array.shape[0] === rows) return array;
    throw new TypeError(`${what(key)} must have ${rows} rows like observations, current is ${array.shape[0]}`);
  };
  const floats = (key: string, rank: number) => toFloats(inRows(find(key, rank), key), what(key));
  const flags = (key: string) => toFlags(inRows(find(key, 1), key), what(key));
  if (rows === 0) throw new RangeError(`Cannot load "${name}": it must have rows, current is none`);
  const found: [string, HdfArray][] = [
    ["observations", { shape: [rows, observationDim], data: floats("observations", 2) }],
    ["actions", { shape: find("actions", 2).shape, data: floats("actions", 2) }],
    ["rewards", { shape: [rows], data: floats("rewards", 1) }],
    ["terminals", { shape: [rows], data: flags("terminals") }],
  ];
  if (optional("timeouts", 1)) found.push(["timeouts", { shape: [rows], data: flags("timeouts") }]);
  if (optional("successors", 2)) {
    found.push(["successors", { shape: [rows, observationDim], data: floats("successors", 2) }]);
  }
  return arrange(new Map(found), attributes, name, null);
}

/** Some names; more than eight are counted. */
function listed(names: readonly string[]): string {
  const more = names.length - 8;
  return names.length === 0 ? "no others" : `${names.slice(0, 8).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** The dataset of arrays that {@linkcode toDataset} made. */
function arrange(
  arrays: ReadonlyMap<string, HdfArray>,
  attributes: ReadonlyMap<string, string>,
  name: string,
  sha256: string | null,
): Dataset {
  const floats = (key: string) => arrays.get(key)!.data as Float32Array;
  const flags = (key: string) => arrays.get(key)!.data as Int8Array;
  const successors = arrays.has("successors") ? floats("successors") : null;
  const [rows, observationDim] = arrays.get("observations")!.shape;
  return {
    name,
    layout: successors ? "minari" : "d4rl",
    rows,
    observationDim,
    actionDim: arrays.get("actions")!.shape[1],
    observations: floats("observations"),
    actions: floats("actions"),
    rewards: floats("rewards"),
    terminals: flags("terminals"),
    timeouts: arrays.has("timeouts") ? flags("timeouts") : null,
    successors,
    maxEpisodeSteps: null,
    attributes,
    sha256,
  };
}
