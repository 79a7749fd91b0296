/**
 * Trajectory stitching: dynamics ensemble, stitcher, normalizer.
 *
 * @module
 */

export * from "./cdf_normalizer.ts";
export * from "./dynamics.ts";
export * from "./kd_tree.ts";
export * from "./regression.ts";
export * from "./stitch.ts";
export * from "./stitcher.ts";
