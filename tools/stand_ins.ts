/**
 * The two `jsr:` packages on networks that block jsr.io: stand-ins under `tools/std/` take their places.
 *
 * @module
 */

import { partPath } from "./files.ts";
import { fromFileUrl } from "./paths.ts";

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

/** Whether Deno has both packages as the lock file wants them, or gets them; the lock file is frozen. */
async function loads(from: "cache" | "registry"): Promise<boolean> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", ...(from === "cache" ? ["--cached-only"] : []), 'import "@std/cli"; import "@std/assert";'],
    cwd: root,
    env: { DENO_NO_UPDATE_CHECK: "1" },
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}

/** The workspace's import map with the two names pointed at the stand-ins. */
export function standInMap(
  config: { imports: Record<string, string>; scopes: Record<string, Record<string, string>> },
) {
  const withSubpaths = (names: Record<string, string>) => { // Which deno.json allows by itself.
    const all = { ...names };
    for (const [name, target] of Object.entries(names)) {
      if (target.startsWith("npm:") && !name.endsWith("/")) all[`${name}/`] = target.replace("npm:", "npm:/") + "/";
    }
    return all;
  };
  const scopes = Object.entries(config.scopes).map(([path, names]) => [new URL(path, root).href, withSubpaths(names)]);
  const own = ["assert", "cli"].map((name) => [`@std/${name}`, new URL(`tools/std/${name}.ts`, root).href]);
  return {
    imports: { ...withSubpaths(config.imports), ...Object.fromEntries(own) },
    scopes: Object.fromEntries(scopes),
  };
}

/** Writes the map for a `deno` command; where the workspace cannot be written to, it is a URL of data. */
async function writeMap(): Promise<string> {
  const map = JSON.stringify(standInMap(JSON.parse(await Deno.readTextFile(new URL("deno.json", root)))));
  try {
    const folder = new URL("node_modules/.onestep/", root);
    await Deno.mkdir(folder, { recursive: true });
    const path = new URL("stand_ins.json", folder);
    const part = partPath(fromFileUrl(path));
    await Deno.writeTextFile(part, map);
    await Deno.rename(part, path); // Another process may be reading it.
    return path.href;
  } catch {
    return `data:application/json,${encodeURIComponent(map)}`;
  }
}

/** Says what was not said in the last 24 hours; where nothing can be written down, it is said each time. */
async function sayOnceADay(text: string): Promise<void> {
  const said = new URL("node_modules/.onestep/said.txt", root);
  const [before, at] = await Promise.all([
    Deno.readTextFile(said).catch(() => null),
    Deno.stat(said).then(({ mtime }) => mtime?.getTime() ?? 0, () => 0),
  ]);
  if (before === text && Date.now() - at < 24 * 3600 * 1000) return;
  console.error(text);
  await Deno.writeTextFile(said, text).catch(() => {});
}

/** Flags that make the two packages resolve: none where Deno has them or gets them. */
export async function standInFlags(): Promise<string[]> {
  if (await loads("cache")) return [];
  const answers = await registryAnswers();
  if (answers && await loads("registry")) return [];
  const why = answers ? "does not give what deno.lock names" : "is out of reach";
  const map = await writeMap(); // Which makes the folder.
  await sayOnceADay(`onestep: ${registry} ${why}; using the stand-ins in tools/std for @std/cli and @std/assert`);
  return [`--import-map=${map}`];
}
