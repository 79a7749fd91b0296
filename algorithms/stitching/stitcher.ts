/**
 * The stitcher: along each trajectory, jumps to a better next state of another one wherever the dynamics find it likelier.
 *
 * Source: a reconstruction of the stitching in Li & Zhang 2024, "Distilling Conditional Diffusion Models for Offline Reinforcement
 * Learning through Trajectory Stitching", arXiv 2402.00807, whose text describes the method of Hepburn & Montana 2022, "Model-based
 * Trajectory Stitching for Improved Offline Reinforcement Learning", arXiv 2211.11603; steps and constants are those of the latter's
 * authors' code. No equation is cited in this folder: the former's text was at hand in summaries alone, of the latter the code.
 *
 * @module
 */

import { type Trajectories, trajectoryStarts } from "../core/trajectories.ts";
import { buildKdTree } from "./kd_tree.ts";

/** What the trained models say of every row of a frozen dataset. */
export interface StitchPredictions {
  /** Per ensemble member, the mean of the next state, `[count, observationDim]`. */
  means: readonly Float32Array[];
  /** Per ensemble member, the standard deviation of the next state, `[count, observationDim]`. */
  standardDeviations: readonly Float32Array[];
  /** Value of each row's next state, `[count]`. */
  nextValue: Float32Array;
}

/** Settings of {@linkcode walkTrajectories}. */
export interface StitchConfig {
  /** Distance of states that count as near (Hepburn & Montana: Hopper 0.1, HalfCheetah 3, Walker2d 1). */
  radius: number;
  /** Longest trajectory. @default 999 */
  maxSteps?: number;
}

/** A rewritten trajectory: the state of row `from[i]` is followed by the next state of row `to[i]`; equal where nothing was stitched. */
export interface Walk {
  /** Rows that steps start from. */
  from: number[];
  /** Rows that they lead to. */
  to: number[];
}

/** Log density of independent Gaussians: row `at` of `mean` and `standardDeviation`, row `of` of `x`. */
export function gaussianLogDensity(
  x: Float32Array,
  of: number,
  mean: Float32Array,
  standardDeviation: Float32Array,
  at: number,
  dim: number,
): number {
  let sum = -dim / 2 * Math.log(2 * Math.PI);
  for (let d = 0; d < dim; d++) {
    const sd = standardDeviation[at * dim + d];
    sum -= ((x[of * dim + d] - mean[at * dim + d]) / sd) ** 2 / 2 + Math.log(sd);
  }
  return sum;
}

/** Which transition (state, next state) each row is, and the first row of each. */
function distinctTransitions({ count, observationDim: dim, observation, nextObservation }: Trajectories) {
  const known = new Map<string, number>();
  const rows: number[] = [];
  const text = new TextDecoder("latin1");
  const pair = new Float32Array(2 * dim);
  const bytes = new Uint8Array(pair.buffer);
  const ids = Int32Array.from({ length: count }, (_, row) => {
    pair.set(observation.subarray(row * dim, (row + 1) * dim));
    pair.set(nextObservation.subarray(row * dim, (row + 1) * dim), dim);
    const key = text.decode(bytes);
    const found = known.get(key);
    if (found !== undefined) return found;
    known.set(key, rows.length);
    return rows.push(row) - 1;
  });
  return { ids, rows };
}

/**
 * One pass over all trajectories, read from the data as they are at its start.
 *
 * At row j, the next states of all rows whose state or next state is near j's are candidates. Those count whose least density over
 * the ensemble exceeds the ensemble's mean density of j's own next state. The one of largest value is jumped to if its value
 * exceeds that of j's own next state, and the walk goes on behind it.
 *
 * @param onProgress Called with the number of trajectories so far.
 */
export function walkTrajectories(
  data: Trajectories,
  { means, standardDeviations, nextValue }: StitchPredictions,
  { radius, maxSteps = 999 }: StitchConfig,
  onProgress: (done: number) => void = () => {},
): Walk[] {
  const { count, observationDim: dim, nextObservation, done } = data;
  // Stitched data repeat transitions: neighbours are looked for, and choices made, once for all equal ones. [Ours]
  const { ids, rows } = distinctTransitions(data);
  const [states, nexts] = [data.observation, nextObservation].map((source) => {
    const points = new Float32Array(rows.length * dim);
    rows.forEach((row, id) => points.set(source.subarray(row * dim, (row + 1) * dim), id * dim));
    return { points, tree: buildKdTree(points, dim) };
  });
  const [unknown, stay] = [-2, -1];
  const choices = new Int32Array(rows.length).fill(unknown); // A choice does not depend on how the walk came there.
  const choose = (id: number): number => {
    const from = rows[id];
    const own = means.map((mean, e) =>
      gaussianLogDensity(nextObservation, from, mean, standardDeviations[e], from, dim)
    );
    const top = Math.max(...own);
    const base = top + Math.log(own.reduce((sum, x) => sum + Math.exp(x - top), 0) / own.length);
    const peaks = means.map((mean, e) => gaussianLogDensity(mean, from, mean, standardDeviations[e], from, dim));
    /** Whether every network finds the row's next state likelier; most candidates fail within a few dimensions. */
    const likelier = (row: number) =>
      means.every((mean, e) => {
        let density = peaks[e];
        for (let d = 0, at = from * dim, of = row * dim; d < dim && density > base; d++) {
          density -= ((nextObservation[of + d] - mean[at + d]) / standardDeviations[e][at + d]) ** 2 / 2;
        }
        return density > base;
      });
    let [best, value] = [stay, nextValue[from]];
    for (const { points, tree } of [states, nexts]) {
      for (const k of tree.within(points.subarray(id * dim, (id + 1) * dim), radius)) {
        const row = rows[k];
        if (nextValue[row] > value && likelier(row)) [best, value] = [row, nextValue[row]];
      }
    }
    return best;
  };
  const starts = trajectoryStarts(data);
  return starts.map((start, i) => {
    const walk: Walk = { from: [], to: [] };
    for (let row = start; row < count && walk.from.length < maxSteps;) {
      const id = ids[row];
      if (choices[id] === unknown) choices[id] = choose(id);
      const next = choices[id] === stay ? row : choices[id];
      walk.from.push(row);
      walk.to.push(next);
      if (done[next] === 1) break;
      row = next + 1;
    }
    onProgress(i + 1);
    return walk;
  });
}

/** Whether a rewritten trajectory is better enough: by a tenth of the old return. */
export function acceptsReturn(rewritten: number, old: number): boolean {
  return rewritten > old + 0.1 * Math.abs(old);
}

/** Connections to decode: states, and the next states they are to lead to, row-major `[n, observationDim]`. */
export interface Connections {
  /** `[count, observationDim]`, row-major */
  observation: Float32Array;
  /** `[count, observationDim]`, row-major */
  nextObservation: Float32Array;
}

/**
 * The dataset after a pass: each trajectory as it was walked, or as it was where that does not raise its return.
 *
 * @param decode Actions `[n, actionDim]` and rewards `[n]` of the stitched connections.
 * @returns The trajectories, and how many of them are new.
 */
export async function applyWalks(
  data: Trajectories,
  walks: readonly Walk[],
  decode: (connections: Connections) => Promise<{ action: Float32Array; reward: Float32Array }>,
): Promise<{ data: Trajectories; accepted: number; stitches: number }> {
  const { observationDim: s, actionDim: a } = data;
  const rowOf = (source: Float32Array, dim: number, row: number) => source.subarray(row * dim, (row + 1) * dim);
  const pairs = walks.flatMap(({ from, to }) =>
    from.map((row, i) => [row, to[i]]).filter(([row, next]) => row !== next)
  );
  const observation = new Float32Array(pairs.length * s);
  const nextObservation = new Float32Array(pairs.length * s);
  pairs.forEach(([row, next], i) => {
    observation.set(rowOf(data.observation, s, row), i * s);
    nextObservation.set(rowOf(data.nextObservation, s, next), i * s);
  });
  const decoded = await decode({ observation, nextObservation });

  const starts = trajectoryStarts(data);
  const chosen: { walk: Walk; firstStitch: number }[] = [];
  let [accepted, stitch] = [0, 0];
  walks.forEach((walk, i) => {
    const end = starts[i + 1] ?? data.count;
    const firstStitch = stitch;
    const rewritten = walk.from.reduce(
      (sum, row, k) => sum + (row === walk.to[k] ? data.reward[row] : decoded.reward[stitch++]),
      0,
    );
    const own = Array.from({ length: end - starts[i] }, (_, k) => starts[i] + k);
    const old = own.reduce((sum, row) => sum + data.reward[row], 0);
    const better = acceptsReturn(rewritten, old);
    if (better) accepted++;
    chosen.push({ walk: better ? walk : { from: own, to: own }, firstStitch });
  });

  const count = chosen.reduce((sum, { walk }) => sum + walk.from.length, 0);
  const out: Trajectories = {
    count,
    observationDim: s,
    actionDim: a,
    observation: new Float32Array(count * s),
    action: new Float32Array(count * a),
    reward: new Float32Array(count),
    nextObservation: new Float32Array(count * s),
    done: new Float32Array(count),
  };
  let at = 0;
  for (const { walk: { from, to }, firstStitch } of chosen) {
    let next = firstStitch;
    from.forEach((row, k) => {
      const stitched = row !== to[k];
      out.observation.set(rowOf(data.observation, s, row), at * s);
      out.nextObservation.set(rowOf(data.nextObservation, s, to[k]), at * s);
      out.action.set(stitched ? rowOf(decoded.action, a, next) : rowOf(data.action, a, row), at * a);
      out.reward[at] = stitched ? decoded.reward[next++] : data.reward[row];
      out.done[at] = k === from.length - 1 ? 1 : 0;
      at++;
    });
  }
  return { data: out, accepted, stitches: pairs.length };
}
