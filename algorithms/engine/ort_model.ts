/**
 * What sessions of ONNX Runtime on any device share: how a model is loaded, and what the library calls an array.
 *
 * @module
 */

import { cPath, cStrings, type OrtApi } from "./ort_api.ts";
import { cString } from "./system_library.ts";

/** How a model is loaded. */
export interface ModelOptions {
  /** What it is, for messages. */
  name: string;
  /** Threads within an operation, on the CPU. */
  threads: number;
  /** The library's settings by their names. */
  settings: Readonly<Record<string, string>>;
  /** Start of the path of a profile to write. @default none is written */
  profile?: string;
}

/** What is to run a model's operations, with its settings. */
export interface Provider {
  name: string;
  /** Of a plugin: the device that it found, by the library's address. */
  device?: bigint;
  settings: Readonly<Record<string, string>>;
}

/**
 * A session of the library.
 *
 * @param provider What runs it. @default the CPU
 * @throws {Error} If the bytes are no model that it can run.
 */
export function loadModel(api: OrtApi, model: Uint8Array, options: ModelOptions, provider?: Provider): bigint {
  const { call, check, made, out } = api;
  const { name, threads, settings, profile } = options;
  const handle = made(call.CreateSessionOptions(out));
  try {
    check(call.SetIntraOpNumThreads(handle, threads));
    check(call.SetInterOpNumThreads(handle, 1));
    check(call.SetSessionGraphOptimizationLevel(handle, 99)); // All.
    for (const [key, value] of Object.entries(settings)) {
      check(call.AddSessionConfigEntry(handle, cString(key), cString(value)));
    }
    if (profile !== undefined) check(call.EnableProfiling(handle, cPath(profile)));
    if (provider) {
      const [keys, values] = [Object.keys(provider.settings), Object.values(provider.settings)].map(cStrings);
      const count = BigInt(keys.strings.length);
      const { name: providerName, device } = provider;
      const status = device === undefined
        ? call.SessionOptionsAppendExecutionProvider(handle, cString(providerName), keys.list, values.list, count)
        : call.SessionOptionsAppendExecutionProvider_V2(
          handle,
          api.env,
          BigUint64Array.of(device),
          1n,
          keys.list,
          values.list,
          count,
        );
      check(status, `Cannot load ${name}`);
    }
    const [bytes, size] = [model as Uint8Array<ArrayBuffer>, BigInt(model.length)];
    return made(call.CreateSessionFromArray(api.env, bytes, size, handle, out), `Cannot load ${name}`);
  } finally {
    call.ReleaseSessionOptions(handle);
  }
}

/** Types of elements by the library's numbers. */
export const elementTypes = { float32: 1, int32: 6 } as const; // ONNXTensorElementDataType

/** A type of elements that arrays here have. */
export type ElementType = keyof typeof elementTypes;

/** What the library calls an array in host memory, which the caller holds. */
export function hostValues(api: OrtApi) {
  const { call, made, out } = api;
  const memory = made(call.CreateCpuMemoryInfo(1, 0, out)); // OrtArenaAllocator, OrtMemTypeDefault
  return (
    data: ArrayBuffer | Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>,
    shape: readonly number[],
    dtype: ElementType,
  ): bigint => {
    const [bytes, type] = [BigInt(4 * shape.reduce((a, b) => a * b, 1)), elementTypes[dtype]];
    const [lengths, rank] = [BigInt64Array.from(shape, BigInt), BigInt(shape.length)];
    return made(call.CreateTensorWithDataAsOrtValue(memory, data, bytes, lengths, rank, type, out));
  };
}
