/**
 * ONNX Runtime on a GPU: tensors in the device's memory, models that run on them, and whole runs captured and replayed.
 *
 * @module
 */

import type { NdArray } from "./array.ts";
import { encodeOnnx, type OnnxGraph } from "./onnx.ts";
import { addresses, type OrtApi } from "./ort_api.ts";
import {
  type ElementType,
  elementTypes,
  hostValues,
  loadModel,
  type ModelOptions,
  type Provider,
} from "./ort_model.ts";
import { sizeOf } from "./shape.ts";
import { cString } from "./system_library.ts";

/** A tensor in a device's memory; it is freed once this is collected. */
export interface DeviceTensor {
  readonly shape: readonly number[];
  readonly dtype: ElementType;
  /** What the library calls it. */
  readonly value: bigint;
}

/** A model on a device. */
export interface DeviceSession {
  /** Starts a run; what reads the outputs waits for it. */
  run(inputs: readonly DeviceTensor[], outputs: readonly DeviceTensor[]): void;
  /** Writes the profile and returns its path. */
  endProfile(): string;
}

/** A GPU. */
export interface Device {
  /** What its provider calls it; undefined where that one does not say. */
  readonly name?: string;
  /** A tensor of any values. */
  tensor(shape: readonly number[], dtype: ElementType): DeviceTensor;
  /** Copies arrays to tensors of their sizes. */
  upload(arrays: readonly NdArray[], tensors: readonly DeviceTensor[]): void;
  /** Copies tensors to arrays of their sizes, once all that was started before is done. */
  download(tensors: readonly DeviceTensor[], arrays: readonly NdArray[]): void;
  /** Waits until all that was started is done. */
  finish(): void;
  /**
   * Loads a model of which every operation runs on the device.
   *
   * @throws {Error} If one cannot.
   */
  load(graph: OnnxGraph, options: Omit<ModelOptions, "threads">, mode: "captured" | "plain"): DeviceSession;
}

/** A session's runs on one set of tensors, which it keeps. */
interface Bound {
  binding: bigint;
  options: bigint;
  /** Inputs, then outputs. */
  tensors: readonly DeviceTensor[];
}

/** Of a session; runs on further tensors are not captured, for each capture keeps memory of its own. */
const mostCaptures = 8;

const ifLost = "the GPU was lost; the same command goes on from the last checkpoint";
const ifLarge = "the GPU may lack memory; a smaller network or batch may fit, or --backend onnx";
/** What the library's messages say (Dawn's, Vulkan's, CUDA's), and what can be done. */
const faults: readonly [RegExp, remedy: string][] = [
  [/is lost|device lost|DEVICE_LOST|illegal memory access|launch failure/i, ifLost],
  [
    /out of memory|out_of_(device|host)_memory|Invalid Buffer|exceeds the max buffer|cudaErrorMemoryAllocation/i,
    ifLarge,
  ],
];

/** Where in the library's sources it happened, before what happened. */
const place = /\/\S+\.cc:\d+ .*?(\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : |was false\. )/;

/** The library's message may have many lines: the first one says what happened, and the remedy what can be done. */
function orSay<T>(otherwise: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    const { message } = cause as Error;
    const [line] = message.split("\n");
    const remedy = faults.find(([said]) => said.test(message))?.[1] ?? otherwise;
    throw new Error(`${line.replace(place, "").replace(/\.$/, "")}; ${remedy}`, { cause });
  }
}

const unknown = "the same command goes on from the last checkpoint; --backend onnx needs no GPU";

/** How a provider is reached. */
export interface Reach {
  name?: string;
  provider(mode: "captured" | "plain"): Provider;
  /** The memory of its device, by the library's address. */
  memory(): bigint;
}

/** The WebGPU device of the system, by the provider that is part of the library. */
export const openWebGpu = (api: OrtApi): Device =>
  openReached(api, {
    provider: (mode) => ({ name: "WebGPU", settings: { enableGraphCapture: mode === "captured" ? "1" : "0" } }),
    memory: () => api.made(api.call.CreateMemoryInfo(cString("WebGPU_Buf"), 0, 0, 0, api.out)), // OrtDeviceAllocator, OrtMemTypeDefault
  });

/** A device by its provider. */
export function openReached(api: OrtApi, reach: Reach): Device {
  const { call, check, made, out } = api;
  const hostValue = hostValues(api);
  const load = (graph: OnnxGraph, options: Omit<ModelOptions, "threads">, mode: "captured" | "plain") => {
    const settings = { ...options.settings, "session.disable_cpu_ep_fallback": "1" };
    const remedy = "the provider may lack an operation of it; use --backend onnx";
    const model = { ...options, settings, threads: 1 };
    return orSay(remedy, () => loadModel(api, encodeOnnx(graph), model, reach.provider(mode)));
  };
  const value = (name: string) => ({ name, shape: [1], dtype: "float32" as const });
  const negation: OnnxGraph = {
    name: "negation",
    nodes: [{ op: "Neg", inputs: ["x"], outputs: ["y"], attributes: {} }],
    inputs: [value("x")],
    outputs: [value("y")],
    constants: [],
  };
  const memory = reach.memory();
  const first = load(negation, { name: "negation", settings: {} }, "plain"); // The allocator is of a session.
  const allocator = made(call.CreateAllocator(first, memory, out));
  const unused = new FinalizationRegistry<bigint>((tensor) => call.ReleaseValue(tensor));

  function copy(from: readonly bigint[], to: readonly bigint[]) {
    const [sources, targets] = [from, to].map((values) => {
      const list = addresses(values.length);
      values.forEach((address, i) => list[i] = address);
      return list;
    });
    const what = "Cannot copy arrays to or from the GPU";
    orSay(unknown, () => check(call.CopyTensors(api.env, sources, targets, 0n, BigInt(from.length)), what));
  }

  /** Copies between arrays and tensors, in the direction that `order` says. */
  function transfer(arrays: readonly NdArray[], tensors: readonly DeviceTensor[], order: "up" | "down") {
    const held = arrays.map(({ data }, i) => {
      const { shape, dtype } = tensors[i];
      if (data.length !== sizeOf(shape) || (data instanceof Int32Array) !== (dtype === "int32")) {
        const current = `${data instanceof Int32Array ? "int32" : "float32"} of ${data.length} numbers`;
        throw new TypeError(`Cannot copy array: it must be ${dtype} [${shape.join(", ")}], current is ${current}`);
      }
      void data.buffer; // Moves one that lies on V8's heap to where the garbage collector leaves it.
      return hostValue(data as Float32Array<ArrayBuffer>, shape, dtype);
    });
    try {
      const device = tensors.map((tensor) => tensor.value);
      if (order === "up") copy(held, device);
      else copy(device, held);
    } finally {
      held.forEach((array) => call.ReleaseValue(array));
    }
  }

  const sessions = new FinalizationRegistry<{ session: bigint; bindings: readonly Bound[] }>((held) => {
    held.bindings.forEach(release);
    call.ReleaseSession(held.session);
  });
  const release = ({ binding, options }: Bound) => {
    call.ReleaseIoBinding(binding);
    call.ReleaseRunOptions(options);
  };

  const device: Device = {
    name: reach.name,
    tensor(shape, dtype) {
      const [lengths, rank] = [BigInt64Array.from(shape, BigInt), BigInt(shape.length)];
      const value = orSay(unknown, () => {
        const status = call.CreateTensorAsOrtValue(allocator, lengths, rank, elementTypes[dtype], out);
        return made(status, "Cannot make room on the GPU");
      });
      const tensor: DeviceTensor = { shape, dtype, value };
      unused.register(tensor, value);
      return tensor;
    },
    upload: (arrays, tensors) => transfer(arrays, tensors, "up"),
    download: (tensors, arrays) => transfer(arrays, tensors, "down"),
    load(graph, options, mode) {
      const session = load(graph, options, mode);
      const [inputNames, outputNames] = [graph.inputs, graph.outputs].map((ports) =>
        ports.map(({ name }) => cString(name))
      );
      const known: Bound[] = [];
      const bind = (inputs: readonly DeviceTensor[], outputs: readonly DeviceTensor[], id: number): Bound => {
        const binding = made(call.CreateIoBinding(session, out));
        inputs.forEach((tensor, i) => check(call.BindInput(binding, inputNames[i], tensor.value)));
        outputs.forEach((tensor, i) => check(call.BindOutput(binding, outputNames[i], tensor.value)));
        const options = made(call.CreateRunOptions(out));
        if (mode === "captured") check(call.AddRunConfigEntry(options, cString("gpu_graph_id"), cString(`${id}`)));
        return { binding, options, tensors: [...inputs, ...outputs] };
      };
      const what = `Cannot run ${graph.name} on the GPU`;
      const run = ({ options, binding }: Bound) =>
        orSay(unknown, () => check(call.RunWithBinding(session, options, binding), what));
      const owner: DeviceSession = {
        run(inputs, outputs) {
          const n = inputs.length;
          const found = known.find(({ tensors }) =>
            inputs.every((tensor, i) => tensor === tensors[i]) &&
            outputs.every((tensor, i) => tensor === tensors[n + i])
          );
          if (found) return run(found);
          if (known.length < mostCaptures) {
            const bound = bind(inputs, outputs, known.length + 1);
            known.push(bound);
            return run(bound);
          }
          const once = bind(inputs, outputs, -1); // Not captured.
          try {
            run(once);
          } finally {
            release(once);
          }
        },
        endProfile: () => api.text(made(call.SessionEndProfiling(session, api.allocator, out))),
      };
      sessions.register(owner, { session, bindings: known });
      return owner;
    },
    finish: () => device.download([anything], [{ shape: [1], data: new Float32Array(1) }]),
  };
  const anything = device.tensor([1], "float32");
  return device;
}
