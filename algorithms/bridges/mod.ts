/**
 * Teachers and bridges as values, and any cell of their grid as an algorithm.
 *
 * @module
 */

export * from "./bridged.ts";
export * from "./bridges.ts";
export * from "./grid.ts";
export * from "./students.ts";
export * from "./teachers.ts";
