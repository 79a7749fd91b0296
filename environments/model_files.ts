/**
 * Reads D4RL's own model files of Adroit and Kitchen, which are not part of this package.
 *
 * `D4RL_MODELS_DIR` names a folder that has them: a checkout of github.com/Farama-Foundation/D4RL, or what lies below its
 * `d4rl/hand_manipulation_suite` or `d4rl/kitchen`.
 *
 * @module
 */

import type { ModelFiles } from "./model.ts";

/** Name of the variable. */
const variable = "D4RL_MODELS_DIR";

/** The folder of D4RL's model files, if one is named. */
export const modelsFolder = (): string | undefined => Deno.env.get(variable) || undefined;

const kept = new Map<string, Promise<ModelFiles>>();

/**
 * Finds a model by its file's name, and reads it with what it includes; once per process. Other files are found by the names
 * that it has for them, and read when it is compiled; textures are left out.
 *
 * Two habits of old files that MuJoCo refuses today are mended: `apirate`, and a top-level `<default>` with a name.
 *
 * @throws {Error} If no folder is named, it cannot be read, or it has no such file.
 */
export function readModelFiles(task: string, name: string): Promise<ModelFiles> {
  const key = `${modelsFolder()}\n${name}`;
  const files = kept.get(key) ?? read(task, name);
  kept.set(key, files);
  files.catch(() => kept.delete(key)); // Another try may find it.
  return files;
}

async function read(task: string, name: string): Promise<ModelFiles> {
  const { folder, paths } = await list(task);
  const main = find(task, folder, paths, name);
  const byName = Map.groupBy(paths, (path) => path.split("/").at(-1)!);
  const texts = new Map<string, string>();
  const binaries = new Set<string>();
  const toRead = [main];
  for (const path of toRead) {
    if (texts.has(path)) continue;
    const text = mend(await Deno.readTextFile(`${folder}/${path}`));
    texts.set(path, text);
    const solid = text.replace(/<!--[^]*?-->|<texture\b[^>]*>/g, "");
    for (const [, file] of solid.matchAll(/\sfile\s*=\s*["']([^"']+)["']/g)) {
      for (const found of byName.get(file.split("/").at(-1)!) ?? []) {
        if (/\.xml$/i.test(found)) toRead.push(found);
        else binaries.add(found);
      }
    }
  }
  return { origin: folder, main, texts, binaries: [...binaries] };
}

/** The text of a file by its name, from the same folder. */
export async function readModelText(task: string, name: string): Promise<string> {
  const { folder, paths } = await list(task);
  return await Deno.readTextFile(`${folder}/${find(task, folder, paths, name)}`);
}

async function list(task: string): Promise<{ folder: string; paths: string[] }> {
  const folder = modelsFolder();
  if (!folder) throw new Error(`Cannot load ${task}: ${variable} is not set`);
  try {
    return { folder, paths: await walk(folder, "") };
  } catch (error) {
    throw new Error(`Cannot load ${task}: ${variable} must name a folder, current value is ${folder}`, {
      cause: error,
    });
  }
}

/** Paths of all files below, but in hidden folders. */
async function walk(folder: string, below: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const { name, isDirectory, isFile } of Deno.readDir(`${folder}/${below}`)) {
    if (name.startsWith(".")) continue;
    if (isDirectory) paths.push(...await walk(folder, `${below}${name}/`));
    else if (isFile) paths.push(`${below}${name}`);
  }
  return paths.sort();
}

function find(task: string, folder: string, paths: readonly string[], name: string): string {
  const found = paths.find((path) => path.toLowerCase().split("/").at(-1) === name.toLowerCase());
  if (found) return found;
  throw new Error(
    `Cannot load ${task}: there is no ${name} below ${folder} (${variable}); name a checkout of github.com/Farama-Foundation/D4RL`,
  );
}

/** What MuJoCo 3 needs of files for MuJoCo 2: no `apirate`, and no name on a top-level `<default>`. */
function mend(text: string): string {
  let depth = 0; // Of <default> in <default>.
  let wrapped = false;
  return text.replace(
    /<!--[^]*?-->|\sapirate\s*=\s*"[^"]*"|<default\b[^>]*>|<\/default\s*>/g,
    (part) => {
      if (part.startsWith("<!--")) return part;
      if (!part.startsWith("<")) return "";
      if (part.startsWith("</")) return --depth === 0 && wrapped ? `${part}</default>` : part;
      if (part.endsWith("/>")) return part;
      if (depth++ > 0) return part;
      wrapped = /\sclass\s*=\s*"(?!main")/.test(part);
      return wrapped ? `<default>${part}` : part;
    },
  );
}
