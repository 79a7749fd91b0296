/**
 * NVIDIA's GPUs by ONNX Runtime's CUDA plugin, a library of its own that is not part of the npm package.
 *
 * Calls, options and the order of the functions are those of ONNX Runtime's sources (`onnxruntime_c_api.h`,
 * `onnxruntime/core/providers/cuda/plugin`, `docs/cuda_plugin_ep`). Untried on a GPU, as none was at hand; the tests have a plugin of
 * their own.
 *
 * @module
 */

import { join } from "node:path";
import { userPath, workspaceFolder } from "../../tools/paths.ts";
import { addresses, cPath, type OrtApi } from "./ort_api.ts";
import { type Device, openReached } from "./ort_device.ts";
import { cString } from "./system_library.ts";

/** Where the plugin lies: what `ONESTEP_CUDA` names, or where `deno task setup:gpu cuda` puts it. */
export function cudaFolder(): string {
  const own = Deno.env.get("ONESTEP_CUDA");
  return own ? userPath(own) : join(workspaceFolder, "node_modules/.cuda");
}

/** The plugin was called by the second name from 0.2 on. */
const libraryName = /^(lib)?onnxruntime_providers_cuda(_plugin)?\.(so|dll)$/;

/**
 * The plugin's library in a folder, or in one below it.
 *
 * @throws {Error} If there is none.
 */
export function findCudaPlugin(folder: string): string {
  const found: string[] = [];
  const search = (at: string, depth: number) => {
    for (const { name, isDirectory } of Deno.readDirSync(at)) {
      if (libraryName.test(name)) found.push(join(at, name));
      else if (isDirectory && depth > 0) search(join(at, name), depth - 1);
    }
  };
  try {
    search(folder, 2);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  if (found.length > 0) return found[0];
  throw new Error(
    `ONNX Runtime's CUDA plugin must lie in "${folder}", where it is not; \`deno task setup:gpu cuda <wheel> <sha256>\` puts it there, ` +
      "or ONESTEP_CUDA names a folder that has it",
  );
}

const registered = "onestep_cuda";

/** Devices of providers for CUDA, by the library's addresses. */
function cudaDevices({ call, check, env }: OrtApi): bigint[] {
  const [list, count] = [addresses(1), addresses(1)];
  check(call.GetEpDevices(env, list, count));
  const view = count[0] === 0n ? null : new Deno.UnsafePointerView(Deno.UnsafePointer.create(list[0])!);
  const all = Array.from({ length: Number(count[0]) }, (_, i) => view!.getBigUint64(8 * i));
  return all.filter((device) => /cuda/i.test(Deno.UnsafePointerView.getCString(call.EpDevice_EpName(device)!)));
}

/**
 * The first NVIDIA GPU, by the plugin.
 *
 * @param plugin Path of its library; the process loads it once.
 * @throws {Error} If the library is missing, made for another ONNX Runtime, or finds no GPU; the message says which.
 */
export function openCuda(api: OrtApi, plugin: string): Device {
  const { call, check, env } = api;
  let devices = cudaDevices(api); // Another thread may have loaded it.
  if (devices.length === 0) {
    try {
      check(call.RegisterExecutionProviderLibrary(env, cString(registered), cPath(plugin)), "the plugin does not load");
    } catch (cause) {
      const [line] = (cause as Error).message.split("\n");
      throw new Error(
        `${line}; it must be made for ONNX Runtime ${api.version} or an earlier one, and find CUDA's libraries`,
        { cause },
      );
    }
    devices = cudaDevices(api);
    if (devices.length === 0) {
      check(call.UnregisterExecutionProviderLibrary(env, cString(registered)));
      throw new Error("the plugin finds no NVIDIA GPU; nvidia-smi says whether the driver does");
    }
  }
  const [device] = devices;
  const provider = Deno.UnsafePointerView.getCString(call.EpDevice_EpName(device)!);
  const name = call.GetKeyValue(call.EpDevice_EpMetadata(device), cString("cuda_device_name"));
  return openReached(api, {
    name: name === null ? "an NVIDIA GPU" : Deno.UnsafePointerView.getCString(name),
    // The library calls a setting `ep.<provider>.<name>`, whatever the plugin's version calls its provider.
    provider: (mode) => ({ name: provider, device, settings: { enable_cuda_graph: mode === "captured" ? "1" : "0" } }),
    memory() {
      const memory = call.EpDevice_MemoryInfo(device, 0); // OrtDeviceMemoryType_DEFAULT
      if (memory === 0n) {
        throw new Error(`the plugin's provider ${provider} has no memory for tensors; it is no CUDA plugin`);
      }
      return memory;
    },
  });
}
