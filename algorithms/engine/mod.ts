/**
 * The compiled engine: TF.js functions traced once into ONNX graphs and run by ONNX Runtime, or eagerly on TF.js's backends.
 *
 * @module
 */

export * from "./array.ts";
export * from "./backend.ts";
export * from "./checkpoint.ts";
export * from "./compile.ts";
export * from "./export_onnx.ts";
export { type OpenPolicy, openPolicy } from "./runtime.ts";
export { together } from "./together.ts";
export { type LossTerms, stopGradient, type Tensor, type TensorTree, tf, valueAndGrad } from "./tensor.ts";
export * from "./tree.ts";
