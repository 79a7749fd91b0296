/**
 * The backend switch: which engine runs compiled functions.
 *
 * `onnx` (default) compiles with ONNX Runtime for the CPU, `gpu` for a GPU by WebGPU, `cuda` for NVIDIA's by a plugin (see
 * `engine/ort_cuda.ts`); `tensorflow` (tfjs-node-gpu, NVIDIA), `webgpu`, `wasm` and `cpu` are TF.js's own eager backends.
 *
 * @module
 */

import util from "node:util";
import { closest } from "fastest-levenshtein";
import { type GpuBackend, openDevice } from "./runtime.ts";
import { tf } from "./tensor.ts";

export { currentThreads, useThreads } from "./threads.ts";

/** Every backend, the default first. */
export const backends = ["onnx", "gpu", "cuda", "tensorflow", "webgpu", "wasm", "cpu"] as const;

/** Name of a backend. */
export type Backend = typeof backends[number];

let active: Backend = "onnx";
let gpu: string | undefined;

/** Whether a backend is one of TF.js's, which run functions as they are. */
export const isEager = (backend: Backend): boolean => backend !== "onnx" && !isOnGpu(backend);

/** Whether a backend runs compiled functions on a GPU. */
export const isOnGpu = (backend: Backend): backend is GpuBackend => backend === "gpu" || backend === "cuda";

/** The name of the GPU that compiled functions use now; undefined on other backends. */
export const currentGpu = (): string | undefined => isOnGpu(active) ? gpu : undefined;

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
  if (isOnGpu(name as Backend)) await openGpu(name as GpuBackend);
  if (isEager(name as Backend)) {
    await loaders[name as keyof typeof loaders]();
    if (!await tf.setBackend(name)) {
      throw new Error(`Cannot use backend "${name}": ${remedies[name as keyof typeof remedies]}`);
    }
    await tf.ready();
  }
  return active = name as Backend;
}

const noAdapter = "no WebGPU adapter was found; a GPU with a Vulkan, Metal or Direct3D 12 driver is needed";

const remedies = {
  tensorflow: "its native addon did not start; run `deno task setup:gpu` and check the NVIDIA driver with nvidia-smi",
  webgpu: noAdapter,
  wasm: "its WebAssembly files did not load; delete node_modules and run again",
  cpu: "TF.js could not start it",
};

/** What is fetched from npm when its backend is first used, and the lock file of this workspace that knows it. */
export const fetched = {
  tensorflow: { package: "npm:@tensorflow/tfjs-node-gpu@4.22.0", lock: "tools/gpu.lock (after `deno task setup:gpu`)" },
  webgpu: { package: "npm:@tensorflow/tfjs-backend-webgpu@4.22.0", lock: "tools/develop.lock" },
} as const;

async function fetchBackend(name: keyof typeof fetched): Promise<void> {
  const { package: specifier, lock } = fetched[name];
  const isKnown = import.meta.resolve(specifier).startsWith("file:");
  if (!isKnown && import.meta.url.startsWith("file:")) { // A checkout's lock file is frozen.
    throw new Error(
      `Cannot use backend "${name}": its package is not in the lock file in use; scripts of this workspace run with ` +
        `--lock=${lock}, others import "${specifier}" first`,
    );
  }
  try {
    await import(specifier); // Not a literal, which Deno would install with the rest.
  } catch (cause) {
    throw new Error(`Cannot use backend "${name}": ${remedies[name]}`, { cause });
  }
}

interface Adapter {
  info: { vendor: string; architecture: string; device: string; description: string };
}

const requestAdapter = async (options?: { powerPreference: "high-performance" }): Promise<Adapter | null> =>
  await (navigator as { gpu?: { requestAdapter(options?: object): Promise<Adapter | null> } }).gpu?.requestAdapter(
    options,
  ) ??
    null;

/** What Deno calls the adapter that ONNX Runtime takes: the fastest. */
async function nameOfGpu(): Promise<string> {
  const found = await requestAdapter({ powerPreference: "high-performance" });
  if (!found) return "a GPU that Deno does not see";
  const { vendor, architecture, device, description } = found.info;
  return description || [vendor, architecture, device].filter((part) => part !== "").join(" ");
}

let adapter: Promise<unknown> | undefined;

async function openGpu(backend: GpuBackend) {
  try {
    const { name } = await openDevice(backend);
    gpu = name ?? await nameOfGpu();
  } catch (cause) {
    const [message] = (cause as Error).message.split("\n");
    const why = message.includes("WebGPU adapter") ? noAdapter : message;
    throw new Error(`Cannot use backend "${backend}": ${why}`, { cause });
  }
}

const loaders = {
  async tensorflow() {
    // The addon's package still calls a function that Node has removed since.
    (util as unknown as Record<string, unknown>).isNullOrUndefined ??= (x: unknown) => x === null || x === undefined;
    await fetchBackend("tensorflow");
  },
  async webgpu() {
    await fetchBackend("webgpu");
    adapter ??= requestAdapter();
    if (!await adapter) throw new Error(`Cannot use backend "webgpu": ${remedies.webgpu}`);
  },
  async wasm() {
    const { setThreadsCount } = await import("@tensorflow/tfjs-backend-wasm");
    setThreadsCount(1); // As many cells run as there are cores.
  },
  cpu() {
    return Promise.resolve();
  },
};
