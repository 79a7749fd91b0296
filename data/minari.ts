/**
 * Minari's HDF5 layout: one group per episode, with one observation more than actions.
 *
 * @module
 */

import type { HdfArray } from "./hdf5.ts";

/**
 * The episodes of a Minari file as flat arrays in D4RL's layout, with the true `successors` beside the observations; null
 * if the file has no such groups. Observations that are dictionaries are joined in the order of their keys, as Gymnasium's
 * `FlattenObservation` does. An episode without a flag at its end was cut there, which counts as a timeout.
 *
 * @throws {Error} If an episode misses an array or its lengths do not fit.
 */
export function minariRows(arrays: ReadonlyMap<string, HdfArray>, path: string): Map<string, HdfArray> | null {
  const episodes = new Map<number, Map<string, HdfArray>>();
  for (const [name, array] of arrays) {
    const [, number, key] = /^episode_(\d+)\/(.*)$/.exec(name) ?? [];
    if (key === undefined) continue;
    const found = episodes.get(Number(number)) ?? new Map();
    episodes.set(Number(number), found.set(key, array));
  }
  if (episodes.size === 0) return null;
  const order = [...episodes.keys()].sort((a, b) => a - b);
  const parts = order.map((number) => episodeRows(episodes.get(number)!, `${path}", episode_${number}`));
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
    joined.set(key, { shape: [size / dims.reduce((a, b) => a * b, 1), ...dims], data: all });
  }
  return joined;
}

function episodeRows(episode: ReadonlyMap<string, HdfArray>, where: string): Map<string, HdfArray> {
  const need = (key: string): HdfArray => {
    const array = episode.get(key);
    if (array) return array;
    throw new Error(`Cannot load "${where}: ${key} is missing; the group has ${[...episode.keys()].join(", ")}`);
  };
  const observations = episode.get("observations") ?? joinColumns(episode, "observations/", where);
  const actions = need("actions");
  const n = actions.shape[0];
  const [terminations, truncations] = ["terminations", "truncations"].map((key) => Int8Array.from(need(key).data));
  const rewards = need("rewards");
  const lengths = {
    observations: observations.shape[0] - 1,
    rewards: rewards.data.length,
    terminations: terminations.length,
    truncations: truncations.length,
  };
  for (const [key, length] of Object.entries(lengths)) {
    if (length !== n) {
      throw new Error(`Cannot load "${where}: ${key} must fit ${n} actions, current is ${length}`);
    }
  }
  if (n > 0 && !terminations[n - 1]) truncations[n - 1] = 1;
  const dim = observations.shape[1];
  const data = Float32Array.from(observations.data);
  return new Map<string, HdfArray>([
    ["observations", { shape: [n, dim], data: data.slice(0, n * dim) }],
    ["successors", { shape: [n, dim], data: data.slice(dim) }],
    ["actions", actions],
    ["rewards", { shape: [n], data: Float32Array.from(rewards.data) }],
    ["terminals", { shape: [n], data: terminations }],
    ["timeouts", { shape: [n], data: truncations }],
  ]);
}

function joinColumns(episode: ReadonlyMap<string, HdfArray>, prefix: string, where: string): HdfArray {
  const parts = [...episode].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => a < b ? -1 : 1);
  if (parts.length === 0) throw new Error(`Cannot load "${where}: observations are missing`);
  const rows = parts[0][1].shape[0];
  const widths = parts.map(([, { shape }]) => shape.slice(1).reduce((a, b) => a * b, 1));
  const width = widths.reduce((a, b) => a + b);
  const data = new Float32Array(rows * width);
  let column = 0;
  parts.forEach(([key, part], k) => {
    if (part.shape[0] !== rows) {
      throw new Error(`Cannot load "${where}: ${key} must have ${rows} rows, current is ${part.shape[0]}`);
    }
    for (let i = 0; i < rows; i++) data.set(part.data.subarray(i * widths[k], (i + 1) * widths[k]), i * width + column);
    column += widths[k];
  });
  return { shape: [rows, width], data };
}
