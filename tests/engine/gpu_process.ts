/**
 * Processes that use a GPU, in software where there is none.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { fromFileUrl } from "../../tools/paths.ts";

/** Chromium's Vulkan driver in software, which ONNX Runtime accepts; Mesa's it does not. */
export const swiftShader: string | undefined = ["/usr/lib/chromium/vk_swiftshader_icd.json"].find((path) => {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
});

/** What the script prints, in a process that sees that driver alone. */
export async function runScript(
  args: readonly string[],
  { driver = swiftShader, env = {} }: { driver?: string; env?: Record<string, string> } = {},
): Promise<string> {
  const { stdout, stderr, code } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "-A", fromFileUrl(new URL("gpu_script.ts", import.meta.url)), ...args],
    cwd: fromFileUrl(new URL("../../", import.meta.url)),
    env: { NO_COLOR: "1", ...(driver === undefined ? {} : { VK_ICD_FILENAMES: driver }), ...env },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  assertEquals(code, 0, text(stderr));
  return text(stdout);
}
