/**
 * What states of low density are worth: a student whose actions the teacher takes in its place in the rarest states, or in as many
 * random ones. If the first gains no more than the second, no weighting by density can help that student.
 *
 * Ours.
 *
 * @module
 */

import { bc } from "../../../algorithms/bc.ts";
import type { Algorithm, AnyAlgorithm } from "../../../algorithms/core/agent.ts";
import type { CommonConfig } from "../../../algorithms/core/config.ts";
import { logDensities, type Maf } from "../../../algorithms/core/maf.ts";
import { normalizeObservations } from "../../../algorithms/core/normalization.ts";
import { neededStatistics } from "../../../algorithms/core/normalized_agent.ts";
import type { NdArray } from "../../../algorithms/engine/array.ts";
import { iql } from "../../../algorithms/iql.ts";
import { avPbc, type BehaviorDistillationConfig } from "../../../algorithms/offline_behavior_distillation/mod.ts";

/** Who acts where. */
export interface SubstitutionConfig extends CommonConfig {
  student: BehaviorDistillationConfig;
  /** The teacher, one of `iql` and `bc`. */
  teacher: { name: string; config: CommonConfig };
  /** States in which the teacher acts. */
  where: "rare" | "random";
  /** Their share, in [0, 1]. */
  share: number;
}

/** What acting takes. */
export interface SubstitutionArrays {
  student: unknown;
  teacher: unknown;
  flow: Maf<NdArray>;
  /** `[1]`, the log density below which a state counts as rare. */
  threshold: NdArray;
}

const teachers: Readonly<Record<string, AnyAlgorithm>> = { iql, bc } as unknown as Record<string, AnyAlgorithm>;
const onlyPlays = () => new TypeError("Cannot train a substitution: it only plays");

/** A student with the teacher in its place in some states. */
export const substitution: Algorithm<SubstitutionConfig> = {
  name: "substitution",
  module: import.meta.url,
  acts: "one pass",
  study: "exponents",
  title: "Student with its teacher in some states",
  source: "ours",
  defaults: {
    student: avPbc.defaults,
    teacher: { name: iql.name, config: iql.defaults },
    where: "rare",
    share: 0.1,
    updates: 1,
    batchSize: 1,
    candidates: 1,
    rewardTransform: "none",
    normalizeObservations: false,
  },
  presets: {},
  create(config, spec) {
    const student = avPbc.create(config.student, spec);
    const teacher = teachers[config.teacher.name].create(config.teacher.config, spec);
    const statistics = neededStatistics("a substitution", spec);
    return {
      init: () => ({ updates: 0, arrays: null }),
      update: () => Promise.reject(onlyPlays()),
      async act({ updates, arrays }, observation, _, rng) {
        const { student: own, teacher: other, flow, threshold } = arrays as SubstitutionArrays;
        const action = await student.act({ updates, arrays: own }, observation, 1, rng.child("student"));
        const wanted = await teacher.act({ updates, arrays: other }, observation, 1, rng.child("teacher"));
        const rows = observation.shape[0];
        const states = normalizeObservations(observation.data as Float32Array, statistics);
        const isRare = config.where === "random"
          ? rng.child("where").fillUniform(new Float32Array(rows)).map((u) => Number(u < config.share))
          : (await logDensities(flow, states, rows)).map((x) => Number(!(x >= threshold.data[0])));
        const dim = spec.actionDim;
        return {
          shape: action.shape,
          data: action.data.map((a, i) => isRare[Math.floor(i / dim)] ? wanted.data[i] : a),
        };
      },
      exportPolicy() {
        throw onlyPlays();
      },
    };
  },
};
