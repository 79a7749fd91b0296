/**
 * Training in one call, and what comes out of it.
 *
 * @module
 */

export { compare, type Comparison } from "./compare.ts";
export { findAlgorithm, loadPolicy, savePolicy } from "./policy_folder.ts";
export { createCurve, type Curve, type CurveRun, readScores, type ScorePoint } from "./scores.ts";
export {
  type LogTarget,
  logTargets,
  type Run,
  type Runs,
  type SeedsOptions,
  train,
  type TrainOptions,
} from "./train.ts";
