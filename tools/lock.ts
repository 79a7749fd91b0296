/**
 * `deno task lock`: resolves the npm packages of `deno.json` and writes the three lock files.
 *
 * Deno installs all that a lock file names, so what only some need is locked apart: `deno.lock` has what training, data and
 * reports need, `tools/develop.lock` also what the playground, WebGPU and the tests need, `tools/gpu.lock` what TensorFlow needs.
 * Versions that are locked stay. The `jsr:` packages stay as `deno.lock` has them, for jsr.io may be out of reach.
 *
 * @module
 */

import { runCommand } from "./command.ts";
import { writeAtomically } from "./files.ts";
import { fromFileUrl } from "./paths.ts";

interface Lock {
  version: string;
  specifiers: Record<string, string>;
  jsr: Record<string, unknown>;
  npm: Record<string, { integrity: string }>;
  workspace: { dependencies: string[] };
}

/** What of `deno.json` says which packages there are. */
export interface PackageNames {
  imports: Record<string, string>;
  scopes: Record<string, Record<string, string>>;
}

const root = new URL("../", import.meta.url);

/** Each lock file and the packages in it: name and `npm:` specifier. */
export function lockedPackages({ imports, scopes }: PackageNames): Record<string, Record<string, string>> {
  const scoped = Object.assign({}, ...Object.values(scopes)) as Record<string, string>;
  const { "@tensorflow/tfjs-node-gpu": tensorflow, ...develop } = scoped;
  return {
    "deno.lock": imports,
    "tools/develop.lock": { ...imports, ...develop },
    "tools/gpu.lock": { ...imports, "@tensorflow/tfjs-node-gpu": tensorflow },
  };
}

const sorted = <T>(record: Record<string, T>) =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => a < b ? -1 : 1));

/** Has Deno resolve `packages`, starting from what `known` says. */
async function resolve(packages: Record<string, string>, known: string | null): Promise<Lock> {
  const folder = await Deno.makeTempDir();
  try {
    const npm = Object.entries(packages).filter(([, target]) => target.startsWith("npm:"));
    await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify({ imports: Object.fromEntries(npm) }));
    if (known) await Deno.writeTextFile(`${folder}/deno.lock`, known);
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["install", "--quiet", "--lockfile-only"],
      cwd: folder,
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) throw new Error(`Cannot resolve packages: ${new TextDecoder().decode(stderr).trim()}`);
    return JSON.parse(await Deno.readTextFile(`${folder}/deno.lock`));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** As Deno writes it: platforms in one line. */
function lockText(lock: Lock): string {
  const text = JSON.stringify(lock, null, 2);
  return `${text.replace(/"(os|cpu|libc)": \[[^\]]*\]/g, (list) => list.replace(/\s*\n\s*/g, ""))}\n`;
}

async function main(): Promise<number> {
  const config: PackageNames = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  const main: Lock = JSON.parse(await Deno.readTextFile(new URL("deno.lock", root)));
  const all = [config.imports, ...Object.values(config.scopes)].flatMap((names) => Object.values(names));
  const dependencies = [...new Set(all.map((target) => target.replace(/^npm:\/?(@?[^@]+@[^/]+).*$/, "npm:$1")))].sort();
  const jsr = Object.entries(main.specifiers).filter(([name]) => name.startsWith("jsr:"));
  for (const [name, packages] of Object.entries(lockedPackages(config))) {
    const path = new URL(name, root);
    const known = await Deno.readTextFile(path).catch(() => null);
    const { version, specifiers, npm } = await resolve(packages, known);
    const lock: Lock = {
      version,
      specifiers: sorted({ ...Object.fromEntries(jsr), ...specifiers }),
      jsr: main.jsr,
      npm,
      workspace: { dependencies },
    };
    await writeAtomically(fromFileUrl(path), lockText(lock));
    console.log(`${name}: ${Object.keys(npm).length} npm packages`);
  }
  return 0;
}

if (import.meta.main) await runCommand(main);
