/**
 * SRPO, and iterative sampling of its behaviour model.
 *
 * @module
 */

export * from "./config.ts";
export * from "./sampling.ts";
export * from "./srpo.ts";
