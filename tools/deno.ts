/**
 * Runs `deno <arguments>`, on networks without jsr.io too.
 *
 * The tasks start through here. The registry is tried once; when it is out of reach, one line says so and the two
 * `jsr:` packages are replaced by the stand-ins under `tools/std/`.
 *
 * @module
 */

import { largePages } from "./machine.ts";

const root = new URL("../", import.meta.url);
const registry = Deno.env.get("JSR_URL") ?? "https://jsr.io";

/** Whether the registry answers with a package list, as opposed to not at all or with a proxy's page. */
async function registryAnswers(): Promise<boolean> {
  try {
    const response = await fetch(new URL("/@std/cli/meta.json", registry), { signal: AbortSignal.timeout(4000) });
    return response.ok && "versions" in await response.json();
  } catch {
    return false;
  }
}

/** Whether Deno has both packages in its cache, so that no registry is needed. */
async function isCached(): Promise<boolean> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--cached-only", 'import "@std/cli"; import "@std/assert";'],
    cwd: root,
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}

/** The workspace's import map with the two names pointed at the stand-ins, as a file. */
async function writeStandInMap(): Promise<string> {
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  for (const [name, target] of Object.entries<string>(imports)) { // Subpaths, which deno.json allows by itself.
    if (target.startsWith("npm:") && !name.endsWith("/")) imports[`${name}/`] = target.replace("npm:", "npm:/") + "/";
  }
  imports["@std/assert"] = new URL("tools/std/assert.ts", root).href;
  imports["@std/cli"] = new URL("tools/std/cli.ts", root).href;
  const folder = new URL("node_modules/.onestep/", root);
  await Deno.mkdir(folder, { recursive: true });
  const path = new URL("stand_ins.json", folder);
  const part = new URL(`${Deno.pid}.part`, folder);
  await Deno.writeTextFile(part, JSON.stringify({ imports }));
  await Deno.rename(part, path); // Another process may be reading it.
  return path.href;
}

const [command, ...rest] = Deno.args;
let map: string | undefined;
if (!await isCached() && !await registryAnswers()) {
  console.error(`onestep: ${registry} is out of reach; using the stand-ins in tools/std for @std/cli and @std/assert`);
  map = await writeStandInMap();
}
const child = new Deno.Command(Deno.execPath(), {
  env: largePages(),
  args: [command, ...(map ? [`--import-map=${map}`] : []), ...rest],
  stdin: "inherit",
}).spawn();
for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => forward(signal));
function forward(signal: Deno.Signal) {
  try {
    child.kill(signal);
  } catch {
    // It ended first.
  }
}
const { code } = await child.status;
Deno.exit(code);
