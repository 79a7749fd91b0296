/**
 * ONNX Runtime's C API by Deno's FFI, on the library that the npm package `onnxruntime-node` brings.
 *
 * The API is `struct OrtApi` of `onnxruntime_c_api.h`: a table of functions that a release may only append to.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cString, keepLoaded, mayUseLibraries } from "./system_library.ts";

const handle = "u64"; // A pointer as a bigint, which takes no object.
const status = "pointer"; // Null if all went well.

/** The functions used here, by their places in the table. All are as old as version 1.0 where no other is given. */
const functions = {
  GetErrorMessage: { slot: 2, parameters: ["pointer"], result: "pointer" },
  CreateEnv: { slot: 3, parameters: ["i32", "buffer", "buffer"], result: status },
  CreateSessionFromArray: { slot: 8, parameters: [handle, "buffer", "usize", handle, "buffer"], result: status },
  Run: {
    slot: 9,
    parameters: [handle, handle, "buffer", "buffer", "usize", "buffer", "usize", "buffer"],
    result: status,
  },
  CreateSessionOptions: { slot: 10, parameters: ["buffer"], result: status },
  EnableProfiling: { slot: 14, parameters: [handle, "buffer"], result: status },
  SetSessionGraphOptimizationLevel: { slot: 23, parameters: [handle, "i32"], result: status },
  SetIntraOpNumThreads: { slot: 24, parameters: [handle, "i32"], result: status },
  SetInterOpNumThreads: { slot: 25, parameters: [handle, "i32"], result: status },
  SessionGetInputCount: { slot: 30, parameters: [handle, "buffer"], result: status },
  SessionGetOutputCount: { slot: 31, parameters: [handle, "buffer"], result: status },
  SessionGetInputTypeInfo: { slot: 33, parameters: [handle, "usize", "buffer"], result: status },
  SessionGetOutputTypeInfo: { slot: 34, parameters: [handle, "usize", "buffer"], result: status },
  SessionGetInputName: { slot: 36, parameters: [handle, "usize", handle, "buffer"], result: status },
  SessionGetOutputName: { slot: 37, parameters: [handle, "usize", handle, "buffer"], result: status },
  CreateRunOptions: { slot: 39, parameters: ["buffer"], result: status },
  CreateTensorAsOrtValue: { slot: 48, parameters: [handle, "buffer", "usize", "i32", "buffer"], result: status },
  CreateTensorWithDataAsOrtValue: {
    slot: 49,
    parameters: [handle, "buffer", "usize", "buffer", "usize", "i32", "buffer"],
    result: status,
  },
  CastTypeInfoToTensorInfo: { slot: 55, parameters: [handle, "buffer"], result: status },
  GetTensorElementType: { slot: 60, parameters: [handle, "buffer"], result: status },
  GetDimensionsCount: { slot: 61, parameters: [handle, "buffer"], result: status },
  GetDimensions: { slot: 62, parameters: [handle, "buffer", "usize"], result: status },
  CreateMemoryInfo: { slot: 68, parameters: ["buffer", "i32", "i32", "i32", "buffer"], result: status },
  CreateCpuMemoryInfo: { slot: 69, parameters: ["i32", "i32", "buffer"], result: status },
  AllocatorFree: { slot: 76, parameters: [handle, handle], result: status },
  GetAllocatorWithDefaultOptions: { slot: 78, parameters: ["buffer"], result: status },
  ReleaseStatus: { slot: 93, parameters: ["pointer"], result: "void" },
  ReleaseSession: { slot: 95, parameters: [handle], result: "void" },
  ReleaseValue: { slot: 96, parameters: [handle], result: "void" },
  ReleaseRunOptions: { slot: 97, parameters: [handle], result: "void" },
  ReleaseTypeInfo: { slot: 98, parameters: [handle], result: "void" },
  ReleaseSessionOptions: { slot: 100, parameters: [handle], result: "void" },
  SessionEndProfiling: { slot: 110, parameters: [handle, handle, "buffer"], result: status }, // 1.1
  AddSessionConfigEntry: { slot: 130, parameters: [handle, "buffer", "buffer"], result: status }, // 1.4
  CreateAllocator: { slot: 131, parameters: [handle, handle, "buffer"], result: status }, // 1.4
  RunWithBinding: { slot: 133, parameters: [handle, handle, handle], result: status }, // 1.4
  CreateIoBinding: { slot: 134, parameters: [handle, "buffer"], result: status }, // 1.4
  ReleaseIoBinding: { slot: 135, parameters: [handle], result: "void" }, // 1.4
  BindInput: { slot: 136, parameters: [handle, "buffer", handle], result: status }, // 1.4
  BindOutput: { slot: 137, parameters: [handle, "buffer", handle], result: status }, // 1.4
  AddRunConfigEntry: { slot: 165, parameters: [handle, "buffer", "buffer"], result: status }, // 1.8
  SessionOptionsAppendExecutionProvider: {
    slot: 216, // 1.12
    parameters: [handle, "buffer", "buffer", "buffer", "usize"],
    result: status,
  },
  GetKeyValue: { slot: 297, parameters: [handle, "buffer"], result: "pointer" }, // 1.22, as the next ones
  RegisterExecutionProviderLibrary: { slot: 301, parameters: [handle, "buffer", "buffer"], result: status },
  UnregisterExecutionProviderLibrary: { slot: 302, parameters: [handle, "buffer"], result: status },
  GetEpDevices: { slot: 303, parameters: [handle, "buffer", "buffer"], result: status },
  SessionOptionsAppendExecutionProvider_V2: {
    slot: 304,
    parameters: [handle, handle, "buffer", "usize", "buffer", "buffer", "usize"],
    result: status,
  },
  EpDevice_EpName: { slot: 312, parameters: [handle], result: "pointer" },
  EpDevice_EpMetadata: { slot: 314, parameters: [handle], result: handle },
  EpDevice_MemoryInfo: { slot: 374, parameters: [handle, "i32"], result: handle }, // 1.23
  CopyTensors: { slot: 386, parameters: [handle, "buffer", "buffer", handle, "usize"], result: status }, // 1.23
} as const satisfies Record<string, Deno.ForeignFunction & { slot: number }>;

type Functions = typeof functions;

/** The version of the table that is asked for, by the minor number of the release that made it. */
const apiVersion = 24;

/** The library's functions, and what every use of them needs. */
export interface OrtApi {
  /** The library's release. */
  version: string;
  call: { readonly [K in keyof Functions]: Deno.UnsafeFnPointer<Functions[K]>["call"] };
  /** @throws {Error} With the library's message, after what failed, if a function gave one. */
  check(status: Deno.PointerValue, what?: string): void;
  /** Where functions write their result, their last parameter. */
  out: BigUint64Array<ArrayBuffer>;
  /** The result, a pointer or a number. */
  made(status: Deno.PointerValue, what?: string): bigint;
  /** The allocator of what the library gives away, such as names. */
  allocator: bigint;
  /** A C string that the library gave away. */
  text(address: bigint): string;
  /** The environment, one for all threads. */
  env: bigint;
}

/** Room for addresses that never lies on V8's heap, where a small typed array may and be moved. */
export const addresses = (count: number): BigUint64Array<ArrayBuffer> => new BigUint64Array(new ArrayBuffer(8 * count));

/** An array of C strings; they live as long as `strings` is held. */
export function cStrings(names: readonly string[]): { strings: ArrayBuffer[]; list: BigUint64Array<ArrayBuffer> } {
  const strings = names.map(cString);
  const list = addresses(names.length);
  strings.forEach((string, i) =>
    list[i] = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(new Uint8Array(string))))
  );
  return { strings, list };
}

/** A path as the library takes it. */
export const cPath = (path: string): ArrayBuffer =>
  Deno.build.os === "windows" ? Uint16Array.from(`${path}\0`, (letter) => letter.charCodeAt(0)).buffer : cString(path);

/** The npm package, told in full: a registry rewrites no such call; the version is that of `deno.json`. */
const packageName = "npm:onnxruntime-node@1.30.0";

/** The npm package's folder. */
export const findPackage = (): string => dirname(dirname(fileURLToPath(import.meta.resolve(packageName))));

/** Where the package keeps its library for this system. */
export function libraryPath(folder: string): string {
  const { os, arch } = Deno.build;
  const places: Record<string, [folder: string, file: string]> = {
    linux: ["linux", "libonnxruntime.so.1"],
    darwin: ["darwin", "libonnxruntime.1.dylib"],
    windows: ["win32", "onnxruntime.dll"],
  };
  if (!(os in places)) throw new Error(`the package has no library for ${os}`);
  const [system, file] = places[os];
  return join(folder, "bin/napi-v6", system, arch === "aarch64" ? "arm64" : "x64", file);
}

const installAgain = "delete node_modules, and the next command installs it again";

function openLibrary(path: string) {
  try {
    return Deno.dlopen(path, { OrtGetApiBase: { parameters: [], result: "pointer" } });
  } catch (cause) {
    const [line] = (cause as Error).message.split("\n");
    throw new Error(`${line}; ${installAgain}`, { cause });
  }
}

/**
 * Opens the library.
 *
 * @param folder The package's. @default where npm put it
 * @throws {Error} If it is missing or another than it should be; the message says which.
 */
export function openApi(folder: string = findPackage()): OrtApi {
  if (!mayUseLibraries()) throw new Error("its library needs Deno's permission --allow-ffi, for all paths");
  const { version } = JSON.parse(Deno.readTextFileSync(join(folder, "package.json"))) as { version: string };
  const path = libraryPath(folder);
  const library = openLibrary(path);
  keepLoaded(path);
  const base = new Deno.UnsafePointerView(library.symbols.OrtGetApiBase()!);
  const getApi = new Deno.UnsafeFnPointer(base.getPointer(0)!, { parameters: ["u32"], result: "pointer" });
  const getVersion = new Deno.UnsafeFnPointer(base.getPointer(8)!, { parameters: [], result: "pointer" });
  const found = Deno.UnsafePointerView.getCString(getVersion.call()!);
  if (found !== version) {
    throw new Error(`the library must be of version ${version}, current version is ${found}; ${installAgain}`);
  }
  const table = getApi.call(apiVersion);
  if (table === null) {
    throw new Error(`version ${found} of the library has no API of version ${apiVersion}; ${installAgain}`);
  }
  return bindApi(new Deno.UnsafePointerView(table), version);
}

function bindApi(table: Deno.UnsafePointerView, version: string): OrtApi {
  const call = Object.fromEntries(
    Object.entries(functions).map(([name, { slot, ...signature }]) => {
      const fn = new Deno.UnsafeFnPointer(table.getPointer(8 * slot)!, signature as Deno.ForeignFunction);
      return [name, fn.call.bind(fn)];
    }),
  ) as unknown as OrtApi["call"];
  const check = (status: Deno.PointerValue, what = "Cannot use ONNX Runtime") => {
    if (status === null) return;
    const message = Deno.UnsafePointerView.getCString(call.GetErrorMessage(status)!);
    call.ReleaseStatus(status);
    throw new Error(`${what}: ${message}`);
  };
  const out = addresses(1);
  const made = (status: Deno.PointerValue, what?: string) => {
    check(status, what);
    return out[0];
  };
  const allocator = made(call.GetAllocatorWithDefaultOptions(out));
  const text = (address: bigint) => {
    const found = Deno.UnsafePointerView.getCString(Deno.UnsafePointer.create(address)!);
    check(call.AllocatorFree(allocator, address));
    return found;
  };
  const env = made(call.CreateEnv(2, cString("onestep"), out)); // Warnings and errors go to stderr.
  return { version, call, check, out, made, text, allocator, env };
}
