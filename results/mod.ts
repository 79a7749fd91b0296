/**
 * Runs: training with folders, comparing, statistics over seeds and tasks.
 *
 * @module
 */

export * from "./train/mod.ts";
export * from "./scores/mean.ts";
export * from "./scores/statistics.ts";
