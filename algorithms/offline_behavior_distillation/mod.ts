/**
 * Offline behavior distillation (OBD) and its weighting by state density (SDW-OBD).
 *
 * @module
 */

export * from "./distill.ts";
export * from "./policy.ts";
export * from "./student.ts";
export * from "./unroll.ts";
export * from "./weights.ts";
