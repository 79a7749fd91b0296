/**
 * What runs on this machine.
 *
 * @module
 */

/** Processes of this machine; by `ps`, since Deno reads /proc with every permission only. */
export async function listProcesses(): Promise<{ pid: number; command: string }[]> {
  const { stdout } = await new Deno.Command("ps", { args: ["-eo", "pid=,args=", "-ww"], stdout: "piped" }).output();
  return new TextDecoder().decode(stdout).trim().split("\n").map((line) => {
    const [, pid, command] = line.match(/^\s*(\d+)\s(.*)$/)!;
    return { pid: Number(pid), command };
  });
}

/** Whether there is a WebGPU adapter; Debian's `mesa-vulkan-drivers` has one in software. */
export async function hasWebGpu(): Promise<boolean> {
  return await (navigator as { gpu?: { requestAdapter(): Promise<unknown> } }).gpu?.requestAdapter() != null;
}

/** Whether there is a C compiler. */
export async function hasCompiler(): Promise<boolean> {
  try {
    return (await new Deno.Command("cc", { args: ["--version"], stdout: "null" }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
