/**
 * Training a cell of the grid on a teacher and a critic that the cells of a task and seed share: one teacher per row, one critic for all.
 *
 * @module
 */

import { type BridgedConfig, bridgedDefaults, createTeacher } from "../../../algorithms/bridges/mod.ts";
import type { AgentState, AnyAlgorithm } from "../../../algorithms/core/agent.ts";
import { createRng } from "../../../algorithms/core/rng.ts";
import { type Training, trainingStates } from "../../../algorithms/core/train.ts";
import { type NdArray, ndarray, scalar } from "../../../algorithms/engine/array.ts";
import { mapTree } from "../../../algorithms/engine/tree.ts";
import type { Cell } from "../../cells/cell.ts";
import { keepStages } from "../../cells/stages.ts";
import type { Tools } from "../../cells/study.ts";

/** Settings that a student alone has; a shared phase takes the defaults. */
const { bridgeWeight, valueWeight, nfe, levels, studentRate, candidates } = bridgedDefaults;
const studentless = { bridgeWeight, valueWeight, nfe, levels, studentRate, candidates };

interface BridgeArrays extends Record<string, unknown> {
  /** The update at which a metric of the student was no finite number; 0 if none was. From there on its arrays are 0. */
  diverged: NdArray;
}

/** The update at which a student diverged; null if it did not. */
export const divergedAt = ({ arrays }: AgentState): number | null => (arrays as BridgeArrays).diverged.data[0] || null;

/**
 * The training of a cell's student, after phases that are trained once per task and seed and kept beside the cells. A student whose
 * loss is no finite number stays as it is to the end, so that its cell can say so.
 *
 * @param trainingOf A training of the grid's algorithm on the cell's data, of other settings.
 */
export async function bridgeTraining(
  cell: Cell,
  { algorithm, sharedFolder, onProgress }: Tools,
  bridged: AnyAlgorithm,
  trainingOf: (config: BridgedConfig, algorithm: AnyAlgorithm) => Promise<Training<object>>,
): Promise<Training<object>> {
  const config = cell.config as BridgedConfig;
  const { criticUpdates } = config;
  const teacherUpdates = createTeacher(config.teacher, config) ? config.teacherUpdates : 0;
  const rng = createRng(`${cell.task}/bridges/${cell.seed}`);
  const train = async (name: string, updates: number, change: Partial<BridgedConfig>, keys: readonly string[]) => {
    if (updates === 0) return {};
    const settings = {
      ...config,
      ...studentless,
      teacherUpdates: 0,
      criticUpdates: 0,
      updates: updates + 1,
      ...change,
    };
    const stage = await keepStages(sharedFolder(settings, [bridged]), onProgress);
    return await stage(name, async (said) => {
      const training = { ...await trainingOf(settings, bridged), updates };
      let last: AgentState | undefined;
      for await (const { state } of trainingStates(training, rng.child(name), undefined, `${name} of ${cell.task}`)) {
        last = state;
        if (state.updates % 500 === 0) said(state.updates / updates);
      }
      return Object.fromEntries(keys.map((key) => [key, (last!.arrays as Record<string, unknown>)[key]]));
    });
  };
  const shared = {
    ...await train("critic", criticUpdates, { criticUpdates, teacher: "none", bridge: "completion" }, [
      "critic",
      "criticTarget",
      "value",
    ]),
    ...await train("teacher", teacherUpdates, { teacherUpdates, bridge: "trust region" }, ["teacherModel"]),
  };
  const student = await trainingOf(config, algorithm);
  return {
    updates: student.updates,
    init(rng) {
      const arrays = { ...student.init(rng).arrays as object, ...shared, diverged: scalar(0) };
      return { updates: teacherUpdates + criticUpdates, arrays };
    },
    async update(state, batchRng, rng) {
      const updates = state.updates + 1;
      if (divergedAt(state) !== null) return { state: { ...state, updates }, metrics: {}, batch: {} };
      const result = await student.update(state, batchRng, rng);
      if (Object.values(result.metrics).every(Number.isFinite)) return result;
      const zeros = mapTree<NdArray, NdArray>(
        result.state.arrays,
        ({ data, shape }) => ndarray(new Float32Array(data.length), shape),
      );
      return { state: { updates, arrays: { ...zeros, diverged: scalar(updates) } }, metrics: {}, batch: {} };
    },
  };
}
