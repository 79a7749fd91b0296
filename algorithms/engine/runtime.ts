/**
 * Running ONNX models: the one module that names the inference runtime.
 *
 * ONNX Runtime is reached by its C API (`engine/ort.ts`) or, where that fails, by its package's binding for Node, which computes the
 * same bits and copies every result.
 *
 * @module
 */

import type * as Package from "onnxruntime-node";
import { setImmediate } from "node:timers/promises";
import type { NdArray } from "./array.ts";
import { currentThreads } from "./threads.ts";
import { sizeOf } from "./shape.ts";
import { encodeOnnx, type OnnxGraph } from "./onnx.ts";
import { openOrt, type Ort, type Port } from "./ort.ts";
import type { OrtApi } from "./ort_api.ts";
import { cudaFolder, findCudaPlugin, openCuda } from "./ort_cuda.ts";
import { type Device, type DeviceSession, openWebGpu } from "./ort_device.ts";
import type { ModelOptions } from "./ort_model.ts";
import { flushDenormals } from "./system_library.ts";

/** A model ready to run. */
export interface Session {
  /**
   * Runs the model; results are written into `outputs`.
   *
   * @throws {TypeError} If an array has another shape or type than the model wants.
   */
  run(inputs: readonly NdArray[], outputs: readonly NdArray[]): Promise<void>;
}

interface Model extends Session {
  inputs: readonly Port[];
  outputs: readonly Port[];
  endProfile(): void;
}

interface Runtime {
  /** Reaches GPUs; undefined for a runtime that cannot. */
  ort?: Ort;
  load(model: Uint8Array, options: ModelOptions): Promise<Model>;
}

let turn = performance.now();

/** Lets timers, signals and messages have their turn every few milliseconds, which promises alone would not. */
export async function giveTurn(): Promise<void> {
  if (performance.now() - turn < 5) return;
  await setImmediate();
  turn = performance.now();
}

/** The binding of the package for Node, loaded when it is first needed. */
async function loadPackage(): Promise<typeof Package> {
  try {
    return await import("onnxruntime-node");
  } catch (cause) {
    const { os, arch } = Deno.build;
    throw new Error(
      `Cannot load ONNX Runtime on ${os} ${arch}: it has binaries for Linux and Windows (x64, arm64) and macOS (arm64), ` +
        `installed by npm; use another backend, such as --backend wasm`,
      { cause },
    );
  }
}

const port = (found: Package.InferenceSession.ValueMetadata): Port => {
  const isKnown = found.isTensor && (found.type === "float32" || found.type === "int32");
  const shape = found.isTensor ? found.shape.map((n) => typeof n === "number" ? n : -1) : [];
  return { name: found.name, shape, dtype: isKnown ? found.type as Port["dtype"] : undefined };
};

const routes = {
  library(): Promise<Runtime> {
    const ort = openOrt();
    return Promise.resolve({
      ort,
      load(bytes, options) {
        const session = ort.createSession(bytes, options);
        return Promise.resolve({
          inputs: session.inputs,
          outputs: session.outputs,
          async run(inputs, outputs) {
            await giveTurn();
            session.run(inputs, outputs);
          },
          endProfile: () => session.endProfile(),
        });
      },
    });
  },
  async package(): Promise<Runtime> {
    const { InferenceSession, Tensor } = await loadPackage();
    const tensor = ({ data, shape }: NdArray) =>
      data instanceof Float32Array ? new Tensor("float32", data, shape) : new Tensor("int32", data, shape);
    const load: Runtime["load"] = async (bytes, { threads, settings, profile }) => {
      const session = await InferenceSession.create(bytes, {
        executionProviders: ["cpu"],
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        executionMode: "sequential",
        graphOptimizationLevel: "all",
        extra: settings,
        ...profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile },
      });
      const { inputNames, outputNames } = session;
      return {
        inputs: session.inputMetadata.map(port),
        outputs: session.outputMetadata.map(port),
        async run(inputs, outputs) {
          const named = (names: readonly string[], arrays: readonly NdArray[]) =>
            Object.fromEntries(names.map((name, i) => [name, tensor(arrays[i])]));
          await session.run(named(inputNames, inputs), named(outputNames, outputs));
        },
        endProfile: () => session.endProfiling(),
      };
    };
    return { load };
  },
};

/** How ONNX Runtime is reached: by its library's C API, or by its package for Node. */
export type Route = keyof typeof routes;

let loading: Promise<Runtime> | undefined;

/** Sessions made from now on take this way; @default the library, and the package if that fails */
export async function useRoute(route: Route): Promise<void> {
  loading = start(route);
  await loading;
}

/**
 * Keeps ONNX Runtime from sending telemetry: its uploader is on by default, starts with the process's first session and goes
 * past Deno's permissions, for its sockets are its own.
 */
function refuseTelemetry() {
  Deno.env.set("ORT_DISABLE_TELEMETRY", "1");
}

async function start(route: Route): Promise<Runtime> {
  refuseTelemetry();
  return await routes[route]();
}

async function startAny(): Promise<Runtime> {
  try {
    return await start("library");
  } catch (error) {
    const runtime = await start("package");
    const [why] = (error as Error).message.split("\n");
    console.warn(`ONNX Runtime is used by its package for Node, a few percent slower: ${why}`);
    return runtime;
  }
}

let said = false;

/** In this thread, which is going to run sessions. */
function flushDenormalsHere() {
  if (flushDenormals() || said) return;
  said = true;
  console.warn(
    "Denormal numbers are not flushed to zero in this thread, so that results may differ in their last bits from those of others; " +
      "Deno's permission --allow-ffi, for all paths, mends it",
  );
}

let profiling: { prefix: string; ends: (() => void)[] } | undefined;

/**
 * Profiles every operation of the sessions made from now on.
 *
 * @param prefix Start of the paths that profiles are written to.
 * @returns Ends the profiles: their files are whole then.
 */
export function profileSessions(prefix: string): () => void {
  const ends: (() => void)[] = [];
  profiling = { prefix, ends };
  return () => {
    profiling = undefined;
    for (const end of ends) end();
  };
}

const settings = {
  "session.set_denormal_as_zero": "1", // Tiny moments of Adam would be slow.
  "session.intra_op.spin_duration_us": "100", // A thread that waits for work longer gives its core to others; see bench/README.md.
};

/** Options of a session, with a profile if there is to be one. */
const withProfile = <O extends object>(options: O) =>
  profiling ? { ...options, profile: `${profiling.prefix}${profiling.ends.length}` } : options;

const runtime = () =>
  loading ??= startAny().catch((error) => {
    loading = undefined; // Another try may fare better.
    throw error;
  });

async function load(bytes: Uint8Array, name: string, threads: number): Promise<Model> {
  const { load } = await runtime();
  const model = await load(bytes, withProfile({ name, threads, settings }));
  profiling?.ends.push(() => model.endProfile());
  flushDenormalsHere();
  return model;
}

/** Providers of GPUs, by their backends. */
const gpus = {
  gpu: openWebGpu,
  cuda: (api: OrtApi): Device => openCuda(api, findCudaPlugin(cudaFolder())),
};

/** A backend on a GPU. */
export type GpuBackend = keyof typeof gpus;

const devices = new Map<GpuBackend, Promise<Device>>();

/**
 * Opens the GPU of a backend, once.
 *
 * @throws {Error} If there is none, or ONNX Runtime does not reach it.
 */
export function openDevice(backend: GpuBackend): Promise<Device> {
  const open = async () => {
    const own = loading === undefined;
    try {
      loading ??= start("library");
      const { ort } = await loading;
      if (!ort) throw new Error("ONNX Runtime's package for Node reaches no GPU");
      const device = gpus[backend](ort.api);
      globalThis.addEventListener("unload", () => { // A driver may crash in a process that ends under it.
        try {
          device.finish();
        } catch {
          // It was lost, which whoever used it has heard.
        }
      });
      return device;
    } catch (error) {
      devices.delete(backend);
      if (own) loading = undefined;
      throw error;
    }
  };
  const opened = devices.get(backend) ?? open();
  devices.set(backend, opened);
  return opened;
}

let isCapturing = true;

/** Whether runs on the GPU are captured and replayed from now on, which starts them sooner. @default "on" */
export function useCapture(mode: "on" | "off"): void {
  isCapturing = mode === "on";
}

/** Loads a graph onto the GPU. */
export function loadOnDevice(device: Device, graph: OnnxGraph): DeviceSession {
  const options = withProfile({ name: `${graph.name} on the GPU`, settings: {} });
  const session = device.load(graph, options, isCapturing ? "captured" : "plain");
  profiling?.ends.push(() => session.endProfile());
  flushDenormalsHere();
  return session;
}

/** Loads a graph into ONNX Runtime, which runs one operation at a time: branches side by side gain nothing at these sizes. */
export async function createSession(graph: OnnxGraph): Promise<Session> {
  return await load(encodeOnnx(graph), graph.name, currentThreads());
}

/** An exported policy ready to act, one observation at a time. */
export interface OpenPolicy {
  /** Shapes of its inputs by name. */
  inputs: Record<string, number[]>;
  /** `action` for arrays by input name; the next call overwrites nothing. */
  act(feeds: Readonly<Record<string, Float32Array>>): Promise<Float32Array>;
}

/**
 * Opens a `policy.onnx`.
 *
 * @throws {Error} If the bytes are no model that gives `action` of a fixed shape for arrays of fixed shapes.
 */
export async function openPolicy(bytes: Uint8Array): Promise<OpenPolicy> {
  const model = await load(bytes, "policy", 1);
  const fixed = ({ name, shape, dtype }: Port, kind: string) => {
    if (dtype === "float32" && shape.every((n) => n >= 0)) return;
    throw new Error(
      `Cannot open policy: ${kind} "${name}" must be float32 of a fixed shape, current is ${
        dtype ?? "of another type"
      } ` +
        `[${shape.map((n) => n < 0 ? "?" : n).join(", ")}]`,
    );
  };
  if (!model.outputs.some(({ name }) => name === "action")) {
    const names = model.outputs.map(({ name }) => name).join(", ");
    throw new Error(`Cannot open policy: it must give "action", current outputs are ${names}`);
  }
  model.inputs.forEach((port) => fixed(port, "input"));
  model.outputs.forEach((port) => fixed(port, "output"));
  return {
    inputs: Object.fromEntries(model.inputs.map(({ name, shape }) => [name, [...shape]])),
    async act(feeds) {
      const outputs = model.outputs.map(({ shape }) => ({ shape, data: new Float32Array(sizeOf(shape)) }));
      await model.run(model.inputs.map(({ name, shape }) => ({ shape, data: feeds[name] })), outputs);
      return outputs[model.outputs.findIndex(({ name }) => name === "action")].data;
    },
  };
}
