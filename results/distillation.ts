/**
 * Offline behavior distillation as a cell: teacher, density model, distilled pairs, and the policies they train.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import type { AgentState, Spec } from "../algorithms/core/agent.ts";
import { type NdArray, ndarray } from "../algorithms/engine/array.ts";
import { fitGaussian, gaussianLogLikelihood } from "../algorithms/core/gaussian.ts";
import { logDensities, type Maf, mafDefaults, trainMaf } from "../algorithms/core/maf.ts";
import { normalizeObservations } from "../algorithms/core/normalization.ts";
import { createRng, type Rng } from "../algorithms/core/rng.ts";
import { distinctRows, takeRows } from "../algorithms/core/rows.ts";
import type { Stage } from "../algorithms/core/stage.ts";
import {
  type BehaviorDistillationConfig,
  createDistillation,
  densityWeightDefaults,
  type OuterBatch,
  type Pairs,
  stateDensityWeights,
} from "../algorithms/offline_behavior_distillation/mod.ts";
import { observationStatistics, qlearningDataset } from "../data/d4rl.ts";
import { loadDataset } from "../data/dataset.ts";
import { type Cell, cellConfig } from "./cell.ts";
import { evaluateDistillation } from "./distillation_evaluation.ts";
import { keepStages } from "./stages.ts";
import { mean } from "./statistics.ts";
import { importTeacher, trainTeacher } from "./teacher.ts";
import type { Evaluation } from "./train.ts";

/** What a distillation cell says beside its scores. */
export interface DistillationResult {
  pairs: number;
  /** Exponent of the reciprocal state density; 0 for none. */
  densityExponent: number;
  /** Share of rows that the weights leave effective; 1 without. */
  effectiveShare: number;
  /** Mean log density of held-out states under the flow and under a Gaussian, in nats; null without weights. */
  heldOut: { flow: number; gaussian: number } | null;
  /** Mean square error of the policies together against the teacher, by tenths of states from the rarest; null if not asked for. */
  densityErrors: number[] | null;
  /** `[update, outer loss]`, means over a hundredth of the run. */
  curve: [number, number][];
  /** Normalized states in the data's first two principal components. */
  projection: { data: [number, number][]; before: [number, number][]; after: [number, number][] };
}

/** What the distillation's training needs. */
export interface DistillationTask {
  init(rng: Rng): AgentState;
  update(
    state: AgentState,
    batchRng: Rng,
    rng: Rng,
  ): Promise<{ state: AgentState; metrics: Record<string, number>; batch: OuterBatch }>;
  evaluate(
    state: AgentState,
    rng: Rng,
    onProgress: (note: string) => void,
  ): Promise<
    { environment: NonNullable<Evaluation["environment"]>; distillation: DistillationResult; policy: Uint8Array }
  >;
}

/** Loads the data of a distillation cell and trains what it needs: a teacher, and a density model if weights ask for one. */
export async function distillationTask(
  cell: Cell,
  folder: string,
  onProgress: (note: string) => void,
): Promise<DistillationTask> {
  const config = cellConfig(cell) as BehaviorDistillationConfig;
  const dataset = await loadDataset(cell.dataset!);
  const data = qlearningDataset(dataset);
  const { observationDim, actionDim, count } = data;
  const statistics = observationStatistics(data);
  const spec: Spec = { observationDim, actionDim, maxAction: 1, observationStatistics: statistics };
  const shared = createHash("sha256").update(JSON.stringify([
    config.teacherUpdates,
    config.teacherHidden,
    config.teacherLearningRate,
    config.densityEpochs,
    config.cloningUpdates,
    config.hidden,
  ])).digest("hex").slice(0, 10);
  const stage = await keepStages(join(folder, "../../../shared", shared, `seed_${cell.seed}`), onProgress);
  const rng = createRng(`${cell.task}/obd/${cell.seed}`); // One teacher and density per task and seed, whatever the objective.
  const normalized = normalizeObservations(data.observation, statistics);
  const teacher = config.objective === "dbc"
    ? null
    : config.teacherFile
    ? await importTeacher(config.teacherFile, spec)
    : await trainTeacher(data, config, spec, rng.child("teacher"), stage);
  const { weights, densities, heldOut } = config.densityExponent === 0 && config.densityErrors === "left out"
    ? { weights: new Float64Array(count).fill(1), densities: null, heldOut: null }
    : await densityWeights(normalized, count, config, rng.child("density"), stage);
  const distillation = createDistillation(config, spec);
  const pairsOf = (rows: Int32Array): Pairs => ({
    observation: takeRows(normalized, observationDim, rows),
    action: takeRows(data.action, actionDim, rows),
  });
  const drawRows = (n: number, stream: Rng) => Int32Array.from({ length: n }, () => stream.integer(count));
  const draw = async (stream: Rng): Promise<OuterBatch> => {
    const rows = drawRows(config.batchSize, stream);
    const raw = takeRows(data.observation, observationDim, rows);
    const observation = takeRows(normalized, observationDim, rows);
    const weight = Float32Array.from(rows, (row) => weights[row]);
    if (!teacher) {
      return { observation, action: takeRows(data.action, actionDim, rows), weight: ndarray(weight, [rows.length, 1]) };
    }
    const action = await teacher.agent.act(teacher.state, raw, 1, stream.child("teacher"));
    if (config.objective === "av-pbc") {
      const { data: value } = await teacher.value(raw, action);
      weight.forEach((w, i) => weight[i] = w * config.valueScale * Math.max(value[i], 0)); // Ours: no negative weights.
    }
    return { observation, action, weight: ndarray(weight, [rows.length, 1]) };
  };
  return {
    init: (stream) => distillation.start(pairsOf(distinctRows(count, config.pairs, stream.child("rows")))),
    async update(state, batchRng, stream) {
      const batch = await draw(batchRng);
      return { ...await distillation.update(state, batch, stream), batch };
    },
    evaluate: (state, stream, report) =>
      evaluateDistillation({
        cell,
        config,
        folder,
        dataset,
        data,
        normalized,
        spec,
        teacher,
        weights,
        densities,
        heldOut,
        distillation,
        pairsOf,
        state,
        rng: stream,
        stage,
        first: pairsOf(
          distinctRows(
            count,
            config.pairs,
            createRng(`${cell.task}/${cell.algorithm}/${cell.seed}`).child("init").child("rows"),
          ),
        ),
        onProgress: report,
      }),
  };
}

/** Weights, and how well flow and Gaussian describe states that neither saw. */
async function densityWeights(
  normalized: Float32Array,
  count: number,
  config: BehaviorDistillationConfig,
  rng: Rng,
  stage: Stage,
): Promise<{ weights: Float64Array; densities: ArrayLike<number>; heldOut: { flow: number; gaussian: number } }> {
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
  const [flow, gaussian] = kept.heldOut.data;
  const densities = await logDensities(kept.flow as Maf<NdArray>, normalized, count);
  const weights = stateDensityWeights(densities, { ...densityWeightDefaults, exponent: config.densityExponent });
  return { weights, densities, heldOut: { flow, gaussian } };
}
