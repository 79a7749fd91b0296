/**
 * Trajectory stitching: the parts that need no network.
 *
 * @module
 */

export * from "./cdf_normalizer.ts";
export * from "./kd_tree.ts";
export * from "./stitcher.ts";
