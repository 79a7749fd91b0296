/**
 * Reads D4RL's own model files of Adroit and Kitchen, which are not part of this package.
 *
 * `D4RL_MODELS_DIR` names a folder that has them: a checkout of github.com/Farama-Foundation/D4RL, or what lies below its
 * `d4rl/hand_manipulation_suite` or `d4rl/kitchen`.
 *
 * @module
 */

import type { ModelFiles } from "./model.ts";

/** Names of the variable and of what MuJoCo may read below its folder. */
const variable = "D4RL_MODELS_DIR";
const readable = /\.(xml|stl|obj|msh|png|skn)$/i;
const mostBytes = 2 ** 30;

/** The folder of D4RL's model files, if one is named. */
export const modelsFolder = (): string | undefined => Deno.env.get(variable) || undefined;

const kept = new Map<string, Promise<ModelFiles>>();

/**
 * Finds a model by its file's name, and reads it with everything that MuJoCo could include from the same folder; once per
 * process.
 *
 * Two habits of old files that MuJoCo refuses today are mended: `apirate`, and a top-level `<default>` with a name.
 *
 * @throws {Error} If no folder is named, it cannot be read, has no such file, or more than a GiB of models.
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
  const files = new Map<string, Uint8Array>();
  let bytes = 0;
  for (const path of paths.filter((path) => readable.test(path))) {
    const content = await Deno.readFile(`${folder}/${path}`);
    bytes += content.length;
    if (bytes > mostBytes) {
      throw new Error(`Cannot load ${task}: ${folder} has more than 1 GiB of models; name a folder nearer to ${main}`);
    }
    files.set(path, path.toLowerCase().endsWith(".xml") ? mend(content) : content);
  }
  return { origin: folder, main, files };
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
function mend(content: Uint8Array): Uint8Array {
  let depth = 0; // Of <default> in <default>.
  let wrapped = false;
  const text = new TextDecoder().decode(content).replace(
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
  return new TextEncoder().encode(text);
}
