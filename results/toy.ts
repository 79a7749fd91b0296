/**
 * SRPO's toy study as a cell, a table and a figure.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import type { Agent, AgentState } from "../algorithms/core/agent.ts";
import { ndarray } from "../algorithms/engine/array.ts";
import { createRng, type Rng } from "../algorithms/core/rng.ts";
import { exactNoise, learnedNoise, type NoiseModel, regularizeActions } from "../algorithms/srpo/mod.ts";
import { banditSets, mixtureDensity, pointMixtures } from "../data/bandits.ts";
import type { Table } from "../data/show/table.ts";
import type { Evaluation } from "./train.ts";

/** The sets of the study. */
export const toySets = Object.keys(pointMixtures) as (keyof typeof pointMixtures)[];

/** Where the actions of one score went. */
export interface ToySweep {
  /** Per weight of {@linkcode toyWeights}, the 49 actions, `[x, y]` in a row. */
  actions: number[][];
  /** Of the targets at weight 1: share that ended at the mode nearest to the target. */
  nearest: number;
  /** Share whose density is at least the target's, and the largest loss of log density. */
  denser: number;
  largestLoss: number;
}

/** What a toy cell says. */
export interface ToyResult {
  samples: number[];
  learned: ToySweep;
  exact: ToySweep;
}

const grid = [-4.5, -3, -1.5, 0, 1.5, 3, 4.5];

/** The 49 optima of the value, and the weights 1 / beta of the score (spacing ours). */
export const toyTargets = grid.flatMap((x) => grid.map((y) => [x, y]));
export const toyWeights = Array.from({ length: 21 }, (_, i) => i / 20);

/** Where a score takes the actions of every target and weight. */
export async function sweepToy(
  set: keyof typeof pointMixtures,
  model: NoiseModel,
  rng: Rng,
  onStep: (step: number, steps: number) => void = () => {},
): Promise<ToySweep> {
  const mixture = pointMixtures[set]();
  const n = toyWeights.length * toyTargets.length;
  const targets = ndarray(toyWeights.flatMap(() => toyTargets.flat()), [n, 2]);
  const weights = ndarray(toyWeights.flatMap((w) => toyTargets.map(() => w)), [n, 1]);
  const { data } = await regularizeActions(model, targets, weights, rng, onStep);
  const size = 2 * toyTargets.length;
  const actions = toyWeights.map((_, i) =>
    Array.from(data.subarray(size * i, size * (i + 1)), (x) => Number(x.toFixed(4)))
  );
  const last = actions[actions.length - 1];
  const gains: number[] = [];
  let near = 0;
  toyTargets.forEach(([x, y], i) => {
    const [from, to] = [mixtureDensity(mixture, x, y), mixtureDensity(mixture, last[2 * i], last[2 * i + 1])];
    const mode = to.distances.indexOf(Math.min(...to.distances));
    if (from.distances[mode] <= Math.min(...from.distances) + 1e-4) near++; // Targets between modes have several.
    gains.push(to.logDensity - from.logDensity);
  });
  return {
    actions,
    nearest: near / toyTargets.length,
    denser: gains.filter((gain) => gain >= 0).length / toyTargets.length,
    largestLoss: Math.max(0, -Math.min(...gains)),
  };
}

/** The exact score of a set. */
export function exactModel(set: keyof typeof pointMixtures): NoiseModel {
  const { centres, deviation, mode } = pointMixtures[set]();
  return exactNoise({ centres: ndarray(centres, [mode.length, 2]), deviation });
}

/** Samples the learned density and sweeps both scores. */
export async function evaluateToy(
  set: keyof typeof pointMixtures,
  agent: Agent,
  state: AgentState,
  rng: Rng,
  onProgress: (note: string) => void,
): Promise<ToyResult> {
  const sweep = (name: string, model: NoiseModel) =>
    sweepToy(set, model, rng.child(name), (step, steps) => {
      if (step % 20 === 0) onProgress(`${name} score, step ${step} of ${steps}`);
    });
  const samples = await agent.act(state, ndarray(new Float32Array(2000), [2000, 1]), 1, rng.child("samples"));
  return {
    samples: Array.from(samples.data, (x) => Number(x.toFixed(3))),
    exact: await sweep("exact", exactModel(set)),
    learned: await sweep("learned", learnedNoise(state)),
  };
}

/** One row per set and score. */
export function toyTable(evaluations: readonly Evaluation[], notes: string[]): Table {
  return {
    title: "SRPO's toy study",
    columns: [
      "data",
      "score",
      "seed",
      "at the nearest mode, %",
      "denser than the target, %",
      "largest loss of log density",
    ],
    rows: evaluations.flatMap(({ cell, toy }) =>
      (["exact", "learned"] as const).map((score) => [
        cell.task,
        score,
        `${cell.seed}`,
        (100 * toy![score].nearest).toFixed(1),
        (100 * toy![score].denser).toFixed(1),
        toy![score].largestLoss.toFixed(2),
      ])
    ),
    notes: [
      "49 targets of the value -|a - target|^2, at 1 / beta = 1: actions that end at the mode nearest to their target (any of " +
      "several equally near), and whose density is at least the target's.",
      ...notes,
    ],
  };
}

/** Per set: data, samples of the learned model, and the paths of 49 actions as 1 / beta grows from 0 to 1. */
export function toyFigure(evaluations: readonly Evaluation[]): TopLevelSpec {
  const scale = { domain: [-5, 5] };
  const axis = { title: null, values: [-4, 0, 4] };
  const encoding = {
    x: { field: "x", type: "quantitative", scale, axis },
    y: { field: "y", type: "quantitative", scale, axis },
  };
  const pointsOf = (xs: ArrayLike<number>) =>
    Array.from({ length: xs.length / 2 }, (_, i) => ({
      x: Number(xs[2 * i].toFixed(2)),
      y: Number(xs[2 * i + 1].toFixed(2)),
    }));
  const cloud = (values: unknown, color: string) => ({
    data: { values },
    mark: { type: "circle", size: 6, opacity: 1, fillOpacity: 0.5, color, clip: true },
    encoding,
  });
  const panel = (title: string, layer: unknown[]) => ({
    title: { text: title, fontSize: 12, fontWeight: "normal" },
    width: 210,
    height: 210,
    layer,
  });
  const paths = (sweep: ToySweep) => {
    const values = sweep.actions.flatMap((actions, k) =>
      toyTargets.map((_, i) => ({ x: actions[2 * i], y: actions[2 * i + 1], target: i, weight: toyWeights[k] }))
    );
    return [
      {
        data: { values },
        mark: { type: "line", strokeWidth: 1.2, color: "#333", clip: true },
        encoding: { ...encoding, detail: { field: "target" }, order: { field: "weight" } },
      },
      {
        data: { values },
        mark: { type: "circle", size: 14, opacity: 1, clip: true },
        encoding: {
          ...encoding,
          color: { field: "weight", type: "quantitative", title: "1 / beta", scale: { scheme: "plasma" } },
        },
      },
    ];
  };
  const rows = toySets.flatMap((set) => {
    const found = evaluations.find(({ cell }) => cell.task === set);
    if (!found) return [];
    const data = pointsOf(banditSets[set](2000, createRng(`toy/${set}`)));
    return [{
      hconcat: [
        panel(`${set}: data`, [cloud(data, "#3182bd")]),
        panel("Samples of the learned model", [cloud(pointsOf(found.toy!.samples), "#3182bd")]),
        panel("Actions, learned score", [cloud(data, "#c6dbef"), ...paths(found.toy!.learned)]),
        panel("Actions, exact score", [cloud(data, "#c6dbef"), ...paths(found.toy!.exact)]),
      ],
    }];
  });
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: "SRPO's toy study: from the value's optimum towards the data",
      subtitle: "49 actions, each from the optimum of its value (1 / beta = 0) as the score's weight grows to 1.",
    },
    vconcat: rows,
  } as TopLevelSpec;
}
