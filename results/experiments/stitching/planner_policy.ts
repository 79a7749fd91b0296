/**
 * The planner as a policy that evaluations can play.
 *
 * @module
 */

import type { Algorithm } from "../../../algorithms/core/agent.ts";
import type { CommonConfig } from "../../../algorithms/core/config.ts";
import { createPlanner, type PlannerSpec } from "../../../algorithms/stitching/planner.ts";
import { type PlannerConfig, plannerDefaults } from "../../../algorithms/stitching/planner_model.ts";

const onlyPlans = () => Promise.reject(new Error("Cannot act: a planner must be started, by startActing()"));

/** Plans at every step; its `spec` must have the planner's normalizers. */
export const plannerPolicy: Algorithm<PlannerConfig & CommonConfig> = {
  name: "stitching_planner",
  module: import.meta.url,
  acts: "one sample",
  study: "stitching",
  title: "Planner",
  source: "Li & Zhang 2024, arXiv 2402.00807; Ajay et al. 2023, arXiv 2211.15657",
  defaults: { ...plannerDefaults, candidates: 1, rewardTransform: "none" },
  presets: {},
  create(config, spec) {
    const { init, startActing } = createPlanner(config, spec as PlannerSpec);
    const exportPolicy = () => {
      throw new Error("Cannot export a planner: it must be run step by step");
    };
    return { init, startActing, update: onlyPlans, act: onlyPlans, exportPolicy };
  },
};
