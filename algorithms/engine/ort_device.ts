/**
 * ONNX Runtime on a GPU: tensors in the device's memory, models that run on them, and whole runs captured and replayed.
 *
 * @module
 */

import type { NdArray } from "./array.ts";
import { encodeOnnx, type OnnxGraph } from "./onnx.ts";
import { addresses, type OrtApi } from "./ort_api.ts";
import { type ElementType, elementTypes, hostValues, loadModel, type ModelOptions } from "./ort_model.ts";
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
  /** A tensor of any values. */
  tensor(shape: readonly number[], dtype: ElementType): DeviceTensor;
  /** Copies arrays to tensors of their sizes. */
  upload(arrays: readonly NdArray[], tensors: readonly DeviceTensor[]): void;
  /** Copies tensors to arrays of their sizes, once all that was started before is done. */
  download(tensors: readonly DeviceTensor[], arrays: readonly NdArray[]): void;
  /**
   * Loads a model of which every operation runs on the device.
   *
   * @throws {Error} If one cannot.
   */
  load(graph: OnnxGraph, options: Omit<ModelOptions, "threads">, mode: "captured" | "plain"): DeviceSession;
}

/** Of a session: runs on other tensors than these are not captured. */
const mostCaptures = 8;

/** The WebGPU device of the system, by the provider that is part of the library. */
export function openWebGpu(api: OrtApi): Device {
  const { call, check, made, out } = api;
  const hostValue = hostValues(api);
  const load = (graph: OnnxGraph, options: Omit<ModelOptions, "threads">, mode: "captured" | "plain") => {
    const settings = { ...options.settings, "session.disable_cpu_ep_fallback": "1" };
    const provider = { name: "WebGPU", settings: { enableGraphCapture: mode === "captured" ? "1" : "0" } };
    return loadModel(api, encodeOnnx(graph), { ...options, settings, threads: 1 }, provider);
  };
  const value = (name: string) => ({ name, shape: [1], dtype: "float32" as const });
  const negation: OnnxGraph = {
    name: "negation",
    nodes: [{ op: "Neg", inputs: ["x"], outputs: ["y"], attributes: {} }],
    inputs: [value("x")],
    outputs: [value("y")],
    constants: [],
  };
  const first = load(negation, { name: "negation", settings: {} }, "plain"); // The allocator is of a session.
  const memory = made(call.CreateMemoryInfo(cString("WebGPU_Buf"), 0, 0, 0, out)); // OrtDeviceAllocator, OrtMemTypeDefault
  const allocator = made(call.CreateAllocator(first, memory, out));
  const unused = new FinalizationRegistry<bigint>((tensor) => call.ReleaseValue(tensor));

  function copy(from: readonly bigint[], to: readonly bigint[]) {
    const [sources, targets] = [from, to].map((values) => {
      const list = addresses(values.length);
      values.forEach((address, i) => list[i] = address);
      return list;
    });
    check(
      call.CopyTensors(api.env, sources, targets, 0n, BigInt(from.length)),
      "Cannot copy arrays to or from the GPU",
    );
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

  const sessions = new FinalizationRegistry<{ session: bigint; bindings: readonly bigint[] }>((held) => {
    held.bindings.forEach((binding) => call.ReleaseIoBinding(binding));
    call.ReleaseSession(held.session);
  });

  return {
    tensor(shape, dtype) {
      const lengths = BigInt64Array.from(shape, BigInt);
      const status = call.CreateTensorAsOrtValue(allocator, lengths, BigInt(shape.length), elementTypes[dtype], out);
      const tensor: DeviceTensor = { shape, dtype, value: made(status, "Cannot make room on the GPU") };
      unused.register(tensor, tensor.value);
      return tensor;
    },
    upload: (arrays, tensors) => transfer(arrays, tensors, "up"),
    download: (tensors, arrays) => transfer(arrays, tensors, "down"),
    load(graph, options, mode) {
      const session = load(graph, options, mode);
      const [inputNames, outputNames] = [graph.inputs, graph.outputs].map((ports) =>
        ports.map(({ name }) => cString(name))
      );
      type Bound = { binding: bigint; runOptions: bigint; tensors: readonly DeviceTensor[] };
      const known = new Map<string, Bound>();
      const bindings: bigint[] = [];
      const bind = (inputs: readonly DeviceTensor[], outputs: readonly DeviceTensor[]): Bound => {
        const binding = made(call.CreateIoBinding(session, out));
        bindings.push(binding);
        inputs.forEach((tensor, i) => check(call.BindInput(binding, inputNames[i], tensor.value)));
        outputs.forEach((tensor, i) => check(call.BindOutput(binding, outputNames[i], tensor.value)));
        const runOptions = made(call.CreateRunOptions(out));
        const id = known.size < mostCaptures ? known.size + 1 : -1;
        if (mode === "captured") check(call.AddRunConfigEntry(runOptions, cString("gpu_graph_id"), cString(`${id}`)));
        return { binding, runOptions, tensors: [...inputs, ...outputs] };
      };
      const owner: DeviceSession = {
        run(inputs, outputs) {
          let key = "";
          for (const tensor of inputs) key += `${tensor.value},`;
          for (const tensor of outputs) key += `${tensor.value},`;
          let bound = known.get(key);
          if (!bound) known.set(key, bound = bind(inputs, outputs));
          check(call.RunWithBinding(session, bound.runOptions, bound.binding), `Cannot run ${graph.name} on the GPU`);
        },
        endProfile: () => api.text(made(call.SessionEndProfiling(session, api.allocator, out))),
      };
      sessions.register(owner, { session, bindings });
      return owner;
    },
  };
}
