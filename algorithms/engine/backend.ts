/**
 * The backend switch: which engine runs compiled functions.
 *
 * `onnx` (default) compiles with ONNX Runtime; `tensorflow` (tfjs-node-gpu, NVIDIA), `webgpu`, `wasm` and `cpu` are
 * TF.js's own eager backends.
 *
 * @module
 */

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { closest } from "fastest-levenshtein";
import { tf } from "./tensor.ts";

export { currentThreads, useThreads } from "./threads.ts";

/** Every backend, the default first. */
export const backends = ["onnx", "tensorflow", "webgpu", "wasm", "cpu"] as const;

/** Name of a backend. */
export type Backend = typeof backends[number];

let active: Backend = "onnx";

/** The backend that compiled functions use now. */
export function currentBackend(): Backend {
  return active;
}

/**
 * Switches to a backend, loading it if need be.
 *
 * @throws {RangeError} If the name is unknown.
 * @throws {Error} If this machine lacks the backend; the message says how to get it.
 */
export async function useBackend(name: string): Promise<Backend> {
  if (!backends.some((known) => known === name)) {
    throw new RangeError(
      `Cannot use backend "${name}": it must be one of ${backends.join(", ")}; did you mean "${
        closest(name, [...backends])
      }"?`,
    );
  }
  if (name !== "onnx") {
    await loaders[name as keyof typeof loaders]();
    if (!await tf.setBackend(name)) {
      throw new Error(`Cannot use backend "${name}": ${remedies[name as keyof typeof remedies]}`);
    }
    await tf.ready();
  }
  return active = name as Backend;
}

const remedies = {
  tensorflow: "its native addon did not start; run `deno task setup:gpu` and check the NVIDIA driver with nvidia-smi",
  webgpu: "no WebGPU adapter was found; a GPU with a Vulkan, Metal or Direct3D 12 driver is needed",
  wasm: "its WebAssembly files did not load; delete node_modules and run again",
  cpu: "TF.js could not start it",
};

const require = createRequire(import.meta.url);
let adapter: Promise<unknown> | undefined;

const loaders = {
  async tensorflow() {
    // The addon's package still calls a function that Node has removed since.
    const util = require("node:util");
    util.isNullOrUndefined ??= (x: unknown) => x === null || x === undefined;
    try {
      await import("@tensorflow/tfjs-node-gpu");
    } catch (cause) {
      throw new Error(`Cannot use backend "tensorflow": ${remedies.tensorflow}`, { cause });
    }
  },
  async webgpu() {
    await import("@tensorflow/tfjs-backend-webgpu");
    adapter ??= (navigator as { gpu?: { requestAdapter(): Promise<unknown> } }).gpu?.requestAdapter();
    if (!await adapter) throw new Error(`Cannot use backend "webgpu": ${remedies.webgpu}`);
  },
  async wasm() {
    const { setThreadsCount, setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
    setWasmPaths(join(dirname(require.resolve("@tensorflow/tfjs-backend-wasm/package.json")), "dist/"));
    setThreadsCount(1); // As many cells run as there are cores.
  },
  cpu() {
    return Promise.resolve();
  },
};
