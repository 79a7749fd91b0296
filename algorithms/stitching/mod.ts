/**
 * Trajectory stitching: planner, generators, dynamics ensemble, stitcher.
 *
 * @module
 */

export * from "./action_vae.ts";
export * from "./cdf_normalizer.ts";
export * from "./dynamics.ts";
export * from "./generate.ts";
export * from "./kd_tree.ts";
export * from "./planner.ts";
export * from "./planner_model.ts";
export * from "./regression.ts";
export * from "./relative_planner.ts";
export * from "./reward_gan.ts";
export * from "./stitch.ts";
export * from "./stitcher.ts";
export * from "./temporal_unet.ts";
export * from "./windows.ts";
