/**
 * Environments in WebAssembly MuJoCo, their evaluation and D4RL's normalized scores.
 *
 * @module
 */

export * from "./adroit.ts";
export * from "./ant.ts";
export * from "./ant_maze.ts";
export * from "./environment.ts";
export * from "./episodes.ts";
export { evaluate, type EvaluateOptions, type Score } from "./evaluate.ts";
export * from "./half_cheetah.ts";
export * from "./hopper.ts";
export { type Family, type ReadId, readId } from "./ids.ts";
export * from "./kitchen.ts";
export * from "./maze.ts";
export * from "./mjcf.ts";
export type { ModelFiles, Named } from "./model.ts";
export * from "./point_maze.ts";
export * from "./scores.ts";
export * from "./tasks.ts";
export * from "./walker2d.ts";
