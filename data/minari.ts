/**
 * Minari's HDF5 layout: one group per episode, with one observation more than actions.
 *
 * Source: Minari's `HDF5Storage` (Farama Foundation). The spaces stand in `metadata.json` beside the file, or in attributes of older
 * files.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { toFlags, toFloats } from "./fields.ts";
import type { HdfArray, HdfFile, Numbers } from "./hdf5.ts";
import { comparePython, flattenLeaf, type Leaf, leavesOf, parseSpace, widthOf } from "./spaces.ts";

/** Whether a name is of a group or an array that a Minari dataset is made of. */
export const isMinariName = (name: string) =>
  /^episode_\d+\/((observations|actions)\/.*|observations|actions|rewards|terminations|truncations)?$/.test(name);

/** The file beside a dataset's that says what its numbers mean. */
export const minariMetadata = (path: string) => join(dirname(path), "metadata.json");

/** What is known of a dataset's spaces. */
export interface MinariSpaces {
  /** Arrays of an observation, in order; null if the space is not written down. */
  observations: Leaf[] | null;
  /** Arrays of an action, likewise. */
  actions: Leaf[] | null;
}

/**
 * The spaces of a dataset.
 *
 * @throws {Error} If they are not written down as Minari does, or have a part without a flat form.
 */
export async function minariSpaces(path: string, attributes: ReadonlyMap<string, string>): Promise<MinariSpaces> {
  const text = await Deno.readTextFile(minariMetadata(path)).catch(() => null);
  try {
    const written = text === null ? Object.fromEntries(attributes) : JSON.parse(text);
    const spaceOf = (key: string, name: string) =>
      typeof written[key] === "string" ? leavesOf(parseSpace(written[key]), name) : null;
    const spaces = {
      observations: spaceOf("observation_space", "observations"),
      actions: spaceOf("action_space", "actions"),
    };
    const discrete = spaces.actions?.find(({ type }) => type !== "Box");
    if (discrete) throw new TypeError(`${discrete.path} is a ${discrete.type} space; actions must be continuous here`);
    return spaces;
  } catch (cause) {
    throw new Error(`Cannot load "${path}": ${(cause as Error).message}`, { cause });
  }
}

/**
 * The episodes of a Minari file as flat arrays in D4RL's layout, with the true `successors` beside the observations. An
 * episode without a flag at its end was cut there, which counts as a timeout.
 *
 * @param spaces Without them, arrays of floats are taken as they are, and arrays of integers are refused: they may be choices.
 * @throws {Error} If an episode misses an array or its lengths do not fit.
 */
export function minariRows(
  { arrays, leftOut }: Pick<HdfFile, "arrays" | "leftOut">,
  spaces: MinariSpaces,
  path: string,
): Map<string, HdfArray> {
  const episodes = new Map<number, EpisodeArrays>();
  const episodeOf = (name: string) => {
    const [, number, key] = /^episode_(\d+)\/(.*)$/.exec(name) ?? [];
    if (key === undefined) return null;
    const found = episodes.get(Number(number)) ?? { arrays: new Map(), leftOut: new Map() };
    episodes.set(Number(number), found);
    return { found, key };
  };
  for (const [name, array] of arrays) {
    const place = episodeOf(name);
    place?.found.arrays.set(place.key, array);
  }
  for (const [name, why] of leftOut) {
    const place = episodeOf(name);
    place?.found.leftOut.set(place.key, why);
  }
  const order = [...episodes.keys()].sort((a, b) => a - b);
  const parts = order.map((number) => episodeRows(episodes.get(number)!, spaces, `${path}", episode_${number}`));
  const joined = new Map<string, HdfArray>();
  for (const [key, { shape: [, ...dims], data }] of parts[0]) {
    const pieces = parts.map((part) => part.get(key)!);
    const size = pieces.reduce((sum, piece) => sum + piece.data.length, 0);
    const all = data instanceof Float32Array ? new Float32Array(size) : new Int8Array(size);
    let at = 0;
    for (const piece of pieces) {
      if (piece.shape.slice(1).join() !== dims.join()) {
        throw new Error(`Cannot load "${path}": ${key} must have the same width in every episode`);
      }
      all.set(piece.data, at);
      at += piece.data.length;
    }
    const rows = pieces.reduce((sum, piece) => sum + piece.shape[0], 0);
    joined.set(key, { shape: [rows, ...dims], data: all });
  }
  return joined;
}

interface EpisodeArrays {
  arrays: Map<string, HdfArray<Numbers>>;
  leftOut: Map<string, string>;
}

function episodeRows(episode: EpisodeArrays, spaces: MinariSpaces, where: string): Map<string, HdfArray> {
  const what = (key: string) => `Cannot load "${where}: ${key}`;
  const need = (key: string): HdfArray<Numbers> => {
    const array = episode.arrays.get(key);
    if (array) return array;
    const why = episode.leftOut.get(key);
    throw new Error(why ? `${what(key)} cannot be used: ${why}` : `${what(key)} is missing`);
  };
  const flat = (key: "observations" | "actions"): HdfArray<Float32Array> => {
    const leaves = spaces[key] ?? guessLeaves(episode, key, what);
    if (leaves.length === 0) throw new Error(`${what(key)} must have parts, the space has none`);
    const parts = leaves.map((leaf) => ({ leaf, data: flattenLeaf(need(leaf.path), leaf, what(leaf.path)) }));
    const rows = need(leaves[0].path).shape[0];
    for (const { leaf: { path } } of parts) {
      const { shape: [n] } = need(path);
      if (n !== rows) throw new Error(`${what(path)} must have ${rows} rows like ${leaves[0].path}, current is ${n}`);
    }
    return joinColumns(parts.map(({ leaf, data }) => ({ width: widthOf(leaf), data })), rows);
  };
  const [observations, actions] = [flat("observations"), flat("actions")];
  const [rewards, terminations, truncations] = ["rewards", "terminations", "truncations"].map(need);
  const n = actions.shape[0];
  const lengths = {
    observations: [observations.shape[0], n + 1],
    rewards: [rewards.data.length, n],
    terminations: [terminations.data.length, n],
    truncations: [truncations.data.length, n],
  };
  for (const [key, [length, wanted]] of Object.entries(lengths)) {
    if (length !== wanted) {
      throw new Error(`${what(key)} must have ${wanted} rows for ${n} actions, current is ${length}`);
    }
  }
  const terminals = toFlags(terminations, what("terminations"));
  const timeouts = toFlags(truncations, what("truncations"));
  if (n > 0 && !terminals[n - 1]) timeouts[n - 1] = 1;
  const dim = observations.shape[1];
  return new Map<string, HdfArray>([
    ["observations", { shape: [n, dim], data: observations.data.subarray(0, n * dim) }],
    ["successors", { shape: [n, dim], data: observations.data.subarray(dim) }],
    ["actions", actions],
    ["rewards", { shape: [n], data: toFloats(rewards, what("rewards")) }],
    ["terminals", { shape: [n], data: terminals }],
    ["timeouts", { shape: [n], data: timeouts }],
  ]);
}

/** The arrays that lie below `key`, in the order of dictionaries' keys and tuples' indices, as boxes. */
function guessLeaves({ arrays, leftOut }: EpisodeArrays, key: string, what: (key: string) => string): Leaf[] {
  const names = [...arrays.keys(), ...leftOut.keys()].filter((name) => name === key || name.startsWith(`${key}/`));
  if (names.length === 0) throw new Error(`${what(key)} is missing`);
  const ofIndex = (word: string) => Number(/^_index_(\d+)$/.exec(word)?.[1] ?? NaN);
  const compare = (a: string[], b: string[]): number => {
    const at = a.findIndex((word, i) => word !== b[i]);
    const [i, j] = [ofIndex(a[at] ?? ""), ofIndex(b[at] ?? "")];
    return i >= 0 && j >= 0 ? i - j : comparePython(a[at] ?? "", b[at] ?? "");
  };
  const sorted = names.map((name) => name.split("/")).sort(compare).map((words) => words.join("/"));
  return sorted.map((path) => {
    const array = arrays.get(path);
    if (!array) throw new Error(`${what(path)} cannot be used: ${leftOut.get(path)}`);
    const isFloat = array.data instanceof Float32Array || array.data instanceof Float64Array ||
      array.data instanceof Float16Array;
    if (!isFloat) {
      throw new Error(
        `${
          what(path)
        } holds integers, and what they mean is not written down; metadata.json must stand beside the file`,
      );
    }
    return { path, type: "Box", shape: array.shape.slice(1), choices: null };
  });
}

function joinColumns(parts: readonly { width: number; data: Float32Array }[], rows: number): HdfArray<Float32Array> {
  const width = parts.reduce((sum, part) => sum + part.width, 0);
  if (parts.length === 1) return { shape: [rows, width], data: parts[0].data };
  const data = new Float32Array(rows * width);
  let column = 0;
  for (const part of parts) {
    for (let i = 0; i < rows; i++) {
      data.set(part.data.subarray(i * part.width, (i + 1) * part.width), i * width + column);
    }
    column += part.width;
  }
  return { shape: [rows, width], data };
}
