/**
 * Offline behavior distillation: teacher, density model, distilled pairs, and the policies they train.
 *
 * @module
 */

import { iql } from "../../../algorithms/iql.ts";
import { bc } from "../../../algorithms/bc.ts";
import type { Spec } from "../../../algorithms/core/agent.ts";
import { type NdArray, ndarray } from "../../../algorithms/engine/array.ts";
import { fitGaussian, gaussianLogLikelihood } from "../../../algorithms/core/gaussian.ts";
import { logDensities, type Maf, mafDefaults, trainMaf } from "../../../algorithms/core/maf.ts";
import { normalizeObservations } from "../../../algorithms/core/normalization.ts";
import { createRng, type Rng } from "../../../algorithms/core/rng.ts";
import { distinctRows, takeRows } from "../../../algorithms/core/rows.ts";
import type { Stage } from "../../../algorithms/core/stage.ts";
import {
  type BehaviorDistillationConfig,
  boundedDensityWeights,
  createDistillation,
  densityWeightDefaults,
  type OuterBatch,
  type Pairs,
  stateDensityWeights,
  stateRankWeights,
} from "../../../algorithms/offline_behavior_distillation/mod.ts";
import { observationStatistics, qlearningDataset } from "../../../data/d4rl.ts";
import { loadDataset } from "../../../data/dataset.ts";
import { keepStages } from "../../cells/stages.ts";
import type { Study } from "../../cells/study.ts";
import { mean } from "../../scores/mean.ts";
import { evaluateDistillation } from "./evaluation.ts";
import type { DistillationResult } from "./result.ts";
import { importTeacher, trainTeacher } from "./teacher.ts";

/**
 * The study: each cell loads its data and trains what it needs first, a teacher, and a density model if weights ask for one.
 */
export const distillationStudy: Study<DistillationResult> = {
  module: import.meta.url,
  data: "dataset",
  result: {
    pairs: "number",
    weighting: "string",
    effectiveShare: "number",
    heldOut: ["or null", { flow: "number", gaussian: "number" }],
    densityErrors: ["or null", ["number"]],
    curve: [["number"]],
    projection: { data: [["number"]], before: [["number"]], after: [["number"]] },
  },
  files: (config) => [(config as BehaviorDistillationConfig).teacherFile].filter(Boolean),
  async prepare(cell, { algorithm, folder, sharedFolder, rng: cellRng, onProgress }) {
    const config = cell.config as BehaviorDistillationConfig;
    const dataset = await loadDataset(cell.dataset!, { id: cell.task });
    const data = qlearningDataset(dataset);
    const { observationDim, actionDim, count } = data;
    const statistics = observationStatistics(data);
    const spec: Spec = { observationDim, actionDim, maxAction: 1, observationStatistics: statistics };
    const { teacherUpdates, teacherHidden, teacherLearningRate, densityEpochs, cloningUpdates, hidden } = config;
    const shared = sharedFolder(
      [teacherUpdates, teacherHidden, teacherLearningRate, densityEpochs, cloningUpdates, hidden],
      [iql, bc],
    );
    const stage = await keepStages(shared, onProgress);
    const rng = createRng(`${cell.task}/obd/${cell.seed}`); // One teacher and density per task and seed, whatever the objective.
    const normalized = normalizeObservations(data.observation, statistics);
    const teacher = config.objective === "dbc"
      ? null
      : config.teacherFile
      ? await importTeacher(config.teacherFile, spec)
      : await trainTeacher(data, config, spec, rng.child("teacher"), stage);
    const isWeighted = config.densityWeights !== "power" || config.densityExponent > 0;
    const { weights, flow, densities, heldOut } = !isWeighted && config.densityErrors === "left out"
      ? { weights: new Float64Array(count).fill(1), flow: null, densities: null, heldOut: null }
      : await densityWeights(normalized, count, config, rng.child("density"), stage);
    const distillation = createDistillation(config, spec);
    const pairsOf = (rows: Int32Array): Pairs => ({
      observation: takeRows(normalized, observationDim, rows),
      action: takeRows(data.action, actionDim, rows),
    });
    const firstPairs = (init: Rng) => pairsOf(distinctRows(count, config.pairs, init.child("rows")));
    const drawRows = (n: number, stream: Rng) => Int32Array.from({ length: n }, () => stream.integer(count));
    const draw = async (stream: Rng): Promise<OuterBatch> => {
      const rows = drawRows(config.batchSize, stream);
      const raw = takeRows(data.observation, observationDim, rows);
      const observation = takeRows(normalized, observationDim, rows);
      const weight = Float32Array.from(rows, (row) => weights[row]);
      if (!teacher) {
        const action = takeRows(data.action, actionDim, rows);
        return { observation, action, weight: ndarray(weight, [rows.length, 1]) };
      }
      const ownNoise = stream.child("teacher");
      const action = config.teacherActions === "sampled"
        ? await teacher.sample(raw, ownNoise)
        : await teacher.agent.act(teacher.state, raw, 1, ownNoise);
      if (config.objective === "av-pbc") {
        const { data: value } = await teacher.value(raw, action);
        weight.forEach((w, i) => weight[i] = w * config.valueScale * Math.max(value[i], 0)); // Ours: no negative weights.
      }
      return { observation, action, weight: ndarray(weight, [rows.length, 1]) };
    };
    return {
      updates: config.updates,
      init: (stream) => distillation.start(firstPairs(stream)),
      async update(state, batchRng, stream) {
        const batch = await draw(batchRng);
        return { ...await distillation.update(state, batch, stream), batch };
      },
      evaluate: (state, stream, report) =>
        evaluateDistillation({
          cell,
          algorithm,
          config,
          folder,
          dataset,
          data,
          normalized,
          spec,
          teacher,
          weights,
          flow,
          densities,
          heldOut,
          distillation,
          pairsOf,
          state,
          rng: stream,
          stage,
          first: firstPairs(cellRng.child("init")),
          onProgress: report,
        }),
    };
  },
};

/** Weights, and how well flow and Gaussian describe states that neither saw. */
async function densityWeights(
  normalized: Float32Array,
  count: number,
  config: BehaviorDistillationConfig,
  rng: Rng,
  stage: Stage,
): Promise<{
  weights: Float64Array;
  flow: Maf<NdArray>;
  densities: ArrayLike<number>;
  heldOut: { flow: number; gaussian: number };
}> {
  const settings = { ...mafDefaults, epochs: config.densityEpochs };
  const dim = normalized.length / count;
  const kept = await stage("density model", async (said) => {
    const order = distinctRows(count, count, rng.child("split"));
    const held = Math.floor(count / 20);
    const [test, train] = [order.subarray(0, held), order.subarray(held)].map((rows) =>
      takeRows(normalized, dim, rows).data as Float32Array
    );
    const n = count - held;
    const flow = await trainMaf(train, n, settings, rng, (epoch) => said((epoch + 1) / settings.epochs));
    const gaussian = gaussianLogLikelihood(fitGaussian(train, n), test, held);
    return { flow, heldOut: ndarray([mean([...await logDensities(flow, test, held)]), gaussian], [2]) };
  });
  const [held, gaussian] = kept.heldOut.data;
  const flow = kept.flow as Maf<NdArray>;
  const densities = await logDensities(flow, normalized, count);
  const weights = {
    power: () => stateDensityWeights(densities, { ...densityWeightDefaults, exponent: config.densityExponent }),
    rank: () => stateRankWeights(densities),
    bounded: () => boundedDensityWeights(densities),
  }[config.densityWeights]();
  return { weights, flow, densities, heldOut: { flow: held, gaussian } };
}
