/**
 * Every algorithm, one line each, by its name on the command line and of folders; read as `import * as registry`.
 *
 * @module
 */

export { dtql } from "./dtql/mod.ts";
export { dqlKl as dql_kl } from "./dtql/mod.ts";
export { diffusionQl as diffusion_ql } from "./diffusion_ql.ts";
export { srpo } from "./srpo/mod.ts";
export { behaviourSampling as behaviour_sampling } from "./srpo/mod.ts";
export { fql } from "./fql.ts";
export { sscp } from "./sscp.ts";
export { consistencyAc as consistency_ac } from "./consistency_ac.ts";
export { cpql } from "./consistency_ac.ts";
export { bfq } from "./bfq.ts";
export { bridged } from "./bridges/mod.ts";
export { iql } from "./iql.ts";
export { bc } from "./bc.ts";
export { td3Bc as td3_bc } from "./td3_bc.ts";
export { rebrac } from "./rebrac.ts";
export { dbc } from "./offline_behavior_distillation/mod.ts";
export { pbc } from "./offline_behavior_distillation/mod.ts";
export { avPbc as av_pbc } from "./offline_behavior_distillation/mod.ts";
export { sdwObd as sdw_obd } from "./offline_behavior_distillation/mod.ts";
