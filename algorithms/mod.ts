/**
 * The algorithms, one export each, and the floor they stand on.
 *
 * @module
 */

export { diffusionQl, type DiffusionQlConfig } from "./diffusion_ql.ts";
export { dqlKl, dtql, type DtqlConfig } from "./dtql/mod.ts";
export * from "./core/mod.ts";
export { srpo, type SrpoConfig } from "./srpo.ts";
