/**
 * Every algorithm by its name, one line each.
 *
 * @module
 */

import { bc } from "./bc.ts";
import { bfq } from "./bfq.ts";
import { bridged } from "./bridges/mod.ts";
import { consistencyAc, cpql } from "./consistency_ac.ts";
import type { AnyAlgorithm } from "./core/agent.ts";
import { diffusionQl } from "./diffusion_ql.ts";
import { dqlKl, dtql } from "./dtql/mod.ts";
import { fql } from "./fql.ts";
import { iql } from "./iql.ts";
import { avPbc, dbc, pbc, sdwObd } from "./offline_behavior_distillation/mod.ts";
import { rebrac } from "./rebrac.ts";
import { behaviourSampling, srpo } from "./srpo/mod.ts";
import { sscp } from "./sscp.ts";
import { td3Bc } from "./td3_bc.ts";

/** Algorithms by the names of the command line and of folders. */
export const registry = {
  dtql,
  dql_kl: dqlKl,
  diffusion_ql: diffusionQl,
  srpo,
  behaviour_sampling: behaviourSampling,
  fql,
  sscp,
  consistency_ac: consistencyAc,
  cpql,
  bfq,
  bridged,
  iql,
  bc,
  td3_bc: td3Bc,
  rebrac,
  dbc,
  pbc,
  av_pbc: avPbc,
  sdw_obd: sdwObd,
} satisfies Record<string, AnyAlgorithm>;
