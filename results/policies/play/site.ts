/**
 * The playground as files: the page, its worker, two WebAssembly modules and the policies.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";
import { type PolicyCard, readExport } from "../card.ts";
import { exportFolder, makeExport } from "../export.ts";
import { makeFolder, writeAtomically } from "../../../tools/files.ts";
import { exists, fromFileUrl, resultsFolder } from "../../../tools/paths.ts";
import { noticesOf, readLocked } from "../../../tools/notices.ts";
import { bundle } from "./bundle.ts";
import type { PlayPolicy } from "./messages.ts";

/** Contents by path, relative to the page. */
export type Site = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

/**
 * What pages may load: what lies beside them, and nothing from elsewhere.
 *
 * @param scripts What scripts may do beside. MuJoCo and ONNX Runtime are WebAssembly; MuJoCo's bindings make functions of strings too.
 */
export const contentPolicy = (scripts: "'wasm-unsafe-eval'" | "'unsafe-eval'"): string =>
  [
    "default-src 'none'",
    `script-src 'self' ${scripts}`,
    "worker-src 'self'",
    "connect-src 'self'",
    "style-src 'unsafe-inline'", // Each page has its own.
    "img-src 'self' data: blob:",
    "media-src blob:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");

/** A page that says itself what it may load, wherever it is served from; the robots' functions are made in its workers. */
async function pageOf(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const meta = `<meta http-equiv="Content-Security-Policy" content="${contentPolicy("'wasm-unsafe-eval'")}">`;
  return encode((await Deno.readTextFile(here(name))).replace('<meta charset="utf-8">', `$&\n    ${meta}`));
}

const here = (name: string) => fromFileUrl(new URL(name, import.meta.url));
const encode = (text: string) => new TextEncoder().encode(text);

/** Where exported policies lie by default: those of this package, and the user's. */
export const policyFolders =
  (): string[] => [join(resultsFolder, "gallery", "policies"), join(resultsFolder, "exports")];

/** A file beside a package's entry point. */
const fileOf = (entry: string, name: string) =>
  Deno.readFile(join(dirname(fromFileUrl(new URL(import.meta.resolve(entry)))), name));

async function subfolders(folder: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    return entries.filter((entry) => entry.isDirectory).map(({ name }) => join(folder, name)).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** What an exported folder offers: its one-step policy, its diffusion model by iteration, or both. */
export function offers(id: string, card: PolicyCard): PlayPolicy[] {
  const common = { task: card.task, folder: `policies/${id}` };
  const rows = card.inputs.noise?.at(-2); // Diffusion-QL's file is a chain of its own, with a row of noise for every step.
  const chain = typeof rows === "number" ? rows : 1;
  const oneStep: PlayPolicy[] = chain > 1 ? [] : [{
    ...common,
    id: `${id}/one-step`,
    title: `${card.algorithm}, one step`,
    kind: "one-step",
    calls: [1],
    score: card.scores[0]?.mean ?? null,
  }];
  const iterative: PlayPolicy[] = card.denoiser
    ? [{
      ...common,
      id: `${id}/iterative`,
      title: chain > 1 ? `${card.algorithm}, step by step` : `${card.algorithm}'s diffusion model`,
      kind: "iterative",
      calls: card.denoiser.calls,
      score: null,
    }]
    : [];
  return [...oneStep, ...iterative];
}

/** What a folder has to play: an export, or a run, which is exported on the way; null if neither. */
async function exportOf(folder: string) {
  const found = await readExport(folder);
  if (found) return { ...found, name: basename(folder) };
  if (!exists(join(folder, "run.json"))) return null;
  return { ...await makeExport(folder), name: basename(await exportFolder("", folder)) };
}

/**
 * The whole site.
 *
 * @param folders Runs of `train()` or `reproduce`, exports (see `deno task export`), or folders of such.
 * @throws {Error} If there is no policy in them.
 */
export async function buildSite(folders: readonly string[]): Promise<Site> {
  const site = new Map<string, Uint8Array<ArrayBuffer>>();
  const policies: PlayPolicy[] = [];
  for (const folder of folders) {
    for (const path of [folder, ...await subfolders(folder)]) {
      const exported = await exportOf(path).catch((error: Error) => {
        console.error(`${error.message}; it is passed over`);
        return null;
      });
      if (!exported) continue;
      const { name, card, files } = exported;
      let id = name;
      for (let k = 2; site.has(`policies/${id}/card.json`); k++) id = `${name}-${k}`;
      for (const [name, bytes] of files) site.set(`policies/${id}/${name}`, bytes);
      policies.push(...offers(id, card));
    }
  }
  if (policies.length === 0) {
    throw new Error(
      `Cannot play: no run and no exported policy in ${folders.join(", ")}; make one with deno task train or export`,
    );
  }
  const [[page, worker], ort, mujoco] = await Promise.all([
    bundle([here("page.ts"), here("worker.ts")]),
    fileOf("onnxruntime-web/wasm", "ort-wasm-simd-threaded.wasm"),
    fileOf("@mujoco/mujoco", "mujoco.wasm"),
  ]);
  site.set("index.html", await pageOf("page.html"));
  site.set("compared.html", await pageOf("compared.html"));
  site.set("page.js", page);
  site.set("worker.js", worker);
  site.set("ort-wasm-simd-threaded.wasm", ort);
  site.set("mujoco.wasm", mujoco);
  const notices = noticesOf(["@mujoco/mujoco", "gifenc", "onnxruntime-web", "three"], readLocked("tools/develop.lock"));
  site.set("THIRD_PARTY.txt", encode(notices));
  site.set("policies.json", encode(JSON.stringify(policies, null, 1)));
  return site;
}

/** Writes a site into a folder that any web server can serve. */
export async function writeSite(site: Site, folder: string): Promise<void> {
  for (const [path, bytes] of site) {
    await makeFolder(dirname(join(folder, path)));
    await writeAtomically(join(folder, path), bytes);
  }
}
