/**
 * Starts that no data have: a student takes over after some steps of uniform random actions.
 *
 * Ours. Where states of few data matter, a student that learnt them should lose less by it.
 *
 * @module
 */

import type { Algorithm } from "../../../algorithms/core/agent.ts";
import type { CommonConfig } from "../../../algorithms/core/config.ts";
import { avPbc, type BehaviorDistillationConfig } from "../../../algorithms/offline_behavior_distillation/mod.ts";

/** Who takes over, and when. */
export interface DisturbedConfig extends CommonConfig {
  student: BehaviorDistillationConfig;
  /** Random steps at the start of an episode. */
  steps: number;
}

const onlyPlays = () => new TypeError("Cannot train a disturbed student: it only plays");

/** A student after random steps; its state is the student's. */
export const disturbed: Algorithm<DisturbedConfig> = {
  name: "disturbed",
  module: import.meta.url,
  acts: "one pass",
  study: "exponents",
  title: "Student after random steps",
  source: "ours",
  defaults: {
    student: avPbc.defaults,
    steps: 100,
    updates: 1,
    batchSize: 1,
    candidates: 1,
    rewardTransform: "none",
    normalizeObservations: false,
  },
  presets: {},
  create({ student, steps }, spec) {
    const { act } = avPbc.create(student, spec);
    return {
      init: () => ({ updates: 0, arrays: null }),
      update: () => Promise.reject(onlyPlays()),
      act,
      startActing(state, _, rng) {
        let step = 0;
        return (observation) => {
          const [k, rows] = [step++, observation.shape[0]];
          if (k >= steps) return act(state, observation, 1, rng.child(`student/${k}`));
          const action = rng.child(`start/${k}`).fillUniform(new Float32Array(rows * spec.actionDim));
          return Promise.resolve({
            shape: [rows, spec.actionDim],
            data: action.map((u) => spec.maxAction * (2 * u - 1)),
          });
        };
      },
      exportPolicy() {
        throw onlyPlays();
      },
    };
  },
};
