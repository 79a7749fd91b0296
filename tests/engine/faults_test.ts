import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { fromFileUrl } from "../../tools/paths.ts";
import { withFolder } from "../folder.ts";
import { hasCompiler } from "../processes.ts";
import { runScript, swiftShader } from "./gpu_process.ts";

const canCompile = Deno.build.os === "linux" && await hasCompiler();
const hasGpu = await runScript(["open", "gpu"]) === "gpu";

/** Compiles one of the libraries in `faults/`. */
async function compileLibrary(name: string, path: string, ...more: string[]) {
  const source = fromFileUrl(new URL(`faults/${name}.c`, import.meta.url));
  const { success, stderr } = await new Deno.Command("cc", {
    args: ["-shared", "-fPIC", "-o", path, source, "-ldl", ...more],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

function assertLine(message: string, start: string, end: string) {
  assertEquals(message.split("\n").length, 1, message);
  assertStringIncludes(message, start);
  assertEquals(message.slice(-end.length), end);
}

Deno.test("no adapter: one line", async () => {
  const message = await runScript(["open", "gpu"], { driver: "/nonexistent/icd.json" });
  const driver = "a GPU with a Vulkan, Metal or Direct3D 12 driver is needed";
  assertLine(message, 'Cannot use backend "gpu": no WebGPU adapter was found; ', driver);
});

Deno.test({
  name: "a model too large for the GPU: one line",
  ignore: !hasGpu,
  async fn() {
    assertEquals(await runScript(["rows", "1000"]), "0");
    const message = await runScript(["rows", "1200000"]); // An array of 1.2 GB, of which SwiftShader's are at most 1 GiB.
    const remedy = "the GPU may lack memory; a smaller network or batch may fit, or --backend onnx";
    assertLine(message, "Cannot run large on the GPU: WebGPU validation failed. [Invalid Buffer (unlabeled)]", remedy);
  },
});

Deno.test({
  name: "a GPU lost in a training: one line, and the next call goes on from the checkpoint in the same bytes",
  ignore: !hasGpu || !canCompile || swiftShader === undefined,
  fn: () =>
    withFolder(async (folder) => {
      const [library, driver, path] = ["vulkan.so", "driver.json", "lost"].map((name) => join(folder, name));
      await compileLibrary("losing_vulkan", library);
      const icd = { library_path: library, api_version: "1.0.5" };
      await Deno.writeTextFile(driver, JSON.stringify({ file_format_version: "1.0.0", ICD: icd }));
      const env = { DRIVER: "/usr/lib/chromium/libvk_swiftshader.so", LOST: path };
      const { message } = JSON.parse(await runScript(["lose", folder], { driver, env }));
      assertLine(message, "[Device] is lost; ", "the GPU was lost; the same command goes on from the last checkpoint");
      assertEquals(JSON.parse(await runScript(["lose", folder])), { same: true, points: 3 });
    }),
});

const plugin = "libonnxruntime_providers_cuda_plugin.so";
const loads = "it must be made for ONNX Runtime 1.30.0 or an earlier one, and find CUDA's libraries";
const lacks = "the provider may lack an operation of it; use --backend onnx";

/** What is wrong with the CUDA plugin, how its line starts after the backend's name, and the remedy that it ends with. */
const pluginFaults: [fault: string, start: string, end: string][] = [
  ["version", "the plugin does not load: This plugin needs ONNX Runtime 9.9 or later; ", loads],
  ["no device", "the plugin finds no NVIDIA GPU; ", "nvidia-smi says whether the driver does"],
  ["no memory", "the plugin's provider CudaTestExecutionProvider has no memory for tensors; ", "it is no CUDA plugin"],
  ["settings", "Cannot load negation: graph 0 on Test GPU; ", lacks],
  [
    "memory",
    "Cannot load negation: CUDA failure 2: out of memory ",
    "the GPU may lack memory; a smaller network or batch may fit, or --backend onnx",
  ],
  [
    "no operation",
    "Cannot load negation: This session contains graph nodes that are assigned to the default CPU EP",
    lacks,
  ],
];

const openCuda = async (folder: string, fault = "") =>
  await runScript(["open", "cuda"], { env: { ONESTEP_CUDA: folder, FAULT: fault } });

for (const [fault, start, end] of pluginFaults) {
  Deno.test({
    name: `a CUDA plugin's fault, ${fault}: one line`,
    ignore: !canCompile,
    fn: () =>
      withFolder(async (folder) => {
        await compileLibrary("cuda_plugin", join(folder, plugin));
        assertLine(await openCuda(folder, fault), `Cannot use backend "cuda": ${start}`, end);
      }),
  });
}

Deno.test({
  name: "a CUDA plugin that is missing, no library, or none of a plugin: one line",
  ignore: !canCompile,
  fn: () =>
    withFolder(async (folder) => {
      const missing =
        `Cannot use backend "cuda": ONNX Runtime's CUDA plugin must lie in "${folder}", where it is not; `;
      assertLine(await openCuda(folder), missing, "or ONESTEP_CUDA names a folder that has it");
      const below = join(folder, "onnxruntime_ep_cuda");
      await Deno.mkdir(below);
      await Deno.writeTextFile(join(below, plugin), "no library");
      const start = 'Cannot use backend "cuda": the plugin does not load: ';
      assertLine(await openCuda(folder), start, loads);
      await compileLibrary("cuda_plugin", join(below, plugin), "-DNO_FACTORIES");
      assertLine(await openCuda(folder), start, loads);
    }),
});
