/**
 * Running ONNX models: the one module that names the inference runtime.
 *
 * @module
 */

import type * as Ort from "onnxruntime-node";
import type { NdArray } from "./array.ts";
import { currentThreads } from "./backend.ts";
import { encodeOnnx, type OnnxGraph, type OnnxValue } from "./onnx.ts";

/** A model ready to run. */
export interface Session {
  /** Runs the model; results are written into `outputs`, nothing is copied. */
  run(inputs: readonly NdArray[], outputs: readonly NdArray[]): Promise<void>;
}

type Runtime = typeof Ort;

/** The runtime, loaded when it is first used: some platforms have no binary of it, and can do all else. */
let loading: Promise<Runtime> | undefined;

async function loadRuntime(): Promise<Runtime> {
  refuseTelemetry();
  try {
    return await (loading ??= import("onnxruntime-node"));
  } catch (cause) {
    loading = undefined;
    const { os, arch } = Deno.build;
    throw new Error(
      `Cannot load ONNX Runtime on ${os} ${arch}: it has binaries for Linux and Windows (x64, arm64) and macOS (arm64), ` +
        `installed by npm; use another backend, such as --backend wasm`,
      { cause },
    );
  }
}

const bound = new WeakMap<NdArray["data"], Ort.Tensor>();

function bind(ort: Runtime, { data, shape }: NdArray): Ort.Tensor {
  const known = bound.get(data);
  if (known?.dims.length === shape.length && shape.every((n, i) => known.dims[i] === n)) return known;
  const tensor = data instanceof Float32Array
    ? new ort.Tensor("float32", data, shape)
    : new ort.Tensor("int32", data, shape);
  bound.set(data, tensor);
  return tensor;
}

/**
 * The binding for Node copies every result into a new array after the run, though the run wrote it where it should be. It
 * copies them in the model's order and refuses one that is no tensor, so an empty sequence in front saves the copies: of
 * 10 MB in an update of DTQL, 5 % of its time. [Ours]
 */
const refused: OnnxValue = { name: "refused", shape: "sequence", dtype: "float32" };
const refusal = "Non tensor type is temporarily not supported.";

/** Results of so many values take longer to copy than an error takes. */
const dearSize = 8192;

function withoutCopies(graph: OnnxGraph): OnnxGraph {
  const node = { op: "SequenceEmpty", inputs: [], outputs: [refused.name], attributes: {} };
  return { ...graph, nodes: [...graph.nodes, node], outputs: [refused, ...graph.outputs] };
}

/**
 * Keeps ONNX Runtime from sending telemetry: its uploader is on by default, starts with the process's first session and goes
 * past Deno's permissions, for its sockets are its own.
 */
function refuseTelemetry() {
  Deno.env.set("ORT_DISABLE_TELEMETRY", "1");
}

/** Loads a graph into ONNX Runtime, which runs one operation at a time: branches side by side gain nothing at these sizes. */
export async function createSession(
  graph: OnnxGraph,
  options: Ort.InferenceSession.SessionOptions = {},
): Promise<Session> {
  const sizes = graph.outputs.map(({ shape }) => (shape as readonly number[]).reduce((a, b) => a * b, 1));
  const isDear = sizes.reduce((a, b) => a + b, 0) >= dearSize;
  const ort = await loadRuntime();
  const session = await ort.InferenceSession.create(encodeOnnx(isDear ? withoutCopies(graph) : graph), {
    executionProviders: ["cpu"],
    intraOpNumThreads: currentThreads(),
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    extra: { session: { set_denormal_as_zero: "1" } }, // Tiny moments of Adam would be slow.
    ...options,
  });
  const [inputNames, outputNames] = [graph.inputs.map((v) => v.name), graph.outputs.map((v) => v.name)];
  return {
    async run(inputs, outputs) {
      const feeds: Record<string, Ort.Tensor> = {};
      const fetches: Record<string, Ort.Tensor | null> = isDear ? { [refused.name]: null } : {};
      for (let i = 0; i < inputNames.length; i++) feeds[inputNames[i]] = bind(ort, inputs[i]);
      for (let i = 0; i < outputNames.length; i++) fetches[outputNames[i]] = bind(ort, outputs[i]);
      try {
        await session.run(feeds, fetches);
      } catch (error) {
        if (!isDear || (error as Error).message !== refusal) throw error;
      }
    },
  };
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
 * @throws {Error} If the bytes are no model that gives `action`.
 */
export async function openPolicy(bytes: Uint8Array): Promise<OpenPolicy> {
  const ort = await loadRuntime();
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  if (!session.outputNames.includes("action")) {
    throw new Error(`Cannot open policy: it must give "action", current outputs are ${session.outputNames.join(", ")}`);
  }
  const inputs = Object.fromEntries(session.inputMetadata.map((input) => {
    if (!input.isTensor) throw new Error(`Cannot open policy: input "${input.name}" must be a tensor`);
    return [input.name, input.shape.map(Number)];
  }));
  return {
    inputs,
    async act(feeds) {
      const tensors = Object.entries(inputs).map(([name, shape]) =>
        [name, new ort.Tensor("float32", feeds[name], shape)] as const
      );
      const { action } = await session.run(Object.fromEntries(tensors));
      return action.data as Float32Array;
    },
  };
}
