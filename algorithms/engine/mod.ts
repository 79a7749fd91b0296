/**
 * The compiled engine: TF.js functions traced once into ONNX graphs and run by ONNX Runtime, or eagerly on TF.js's backends.
 *
 * @module
 */

export { anyBatch, type Batched } from "./any_batch.ts";
export * from "./array.ts";
export * from "./backend.ts";
export * from "./checkpoint.ts";
export * from "./compile.ts";
export * from "./export_onnx.ts";
export { openPolicy } from "./open_policy.ts";
export type { OpenPolicy } from "./runtime.ts";
export { together } from "./together.ts";
export { type LossTerms, stopGradient, type Tensor, type TensorTree, tf, valueAndGrad } from "./tensor.ts";
export * from "./tree.ts";
