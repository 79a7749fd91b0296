/**
 * Exported policies in this process.
 *
 * @module
 */

import { oneRow } from "./any_batch.ts";
import { type OpenPolicy, openPolicy as openFixed } from "./runtime.ts";

/**
 * Opens a `policy.onnx` to act on one observation at a time, also one that takes any number of them.
 *
 * @throws {Error} If the bytes are no model that gives `action` of a fixed shape for arrays of fixed shapes.
 */
export const openPolicy = (bytes: Uint8Array): Promise<OpenPolicy> => openFixed(oneRow(bytes));
