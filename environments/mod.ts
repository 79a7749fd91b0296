/**
 * Environments in WebAssembly MuJoCo, their evaluation and D4RL's normalized scores.
 *
 * @module
 */

export * from "./environment.ts";
export * from "./evaluate.ts";
export * from "./hopper.ts";
export * from "./mjcf.ts";
export * from "./scores.ts";
