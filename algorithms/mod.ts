/**
 * The algorithms, one export each, and the floor they stand on.
 *
 * @module
 */

export { bc, type BcConfig } from "./bc.ts";
export { bfq, type BfqConfig } from "./bfq.ts";
export * from "./bridges/mod.ts";
export { consistencyAc, type ConsistencyAcConfig, cpql } from "./consistency_ac.ts";
export { diffusionQl, type DiffusionQlConfig } from "./diffusion_ql.ts";
export { dqlKl, type DqlKlConfig, dtql, type DtqlConfig } from "./dtql/mod.ts";
export { fql, type FqlConfig } from "./fql.ts";
export { iql, type IqlConfig } from "./iql.ts";
export * from "./core/mod.ts";
export * from "./engine/mod.ts";
export * from "./offline_behavior_distillation/mod.ts";
export { rebrac, type RebracConfig } from "./rebrac.ts";
export {
  behaviourSampling,
  type SamplerName,
  type SamplingConfig,
  srpo,
  type SrpoConfig,
  type SrpoWeighting,
} from "./srpo/mod.ts";
export { sscp, type SscpConfig } from "./sscp.ts";
export * from "./stitching/mod.ts";
export { td3Bc, type Td3BcConfig } from "./td3_bc.ts";
