/**
 * Where things lie.
 *
 * @module
 */

import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The path of a `file:` URL. */
export function fromFileUrl(url: URL): string {
  return fileURLToPath(url);
}

/** The `file:` URL of a path, relative to where the process runs. */
export function toFileUrl(path: string): URL {
  return pathToFileURL(path);
}

/** The folder of this workspace; where the process runs, if these modules come from a registry. */
export const workspaceFolder: string = import.meta.url.startsWith("file:")
  ? resolve(fileURLToPath(new URL("../", import.meta.url)))
  : Deno.cwd();

/** The results folder of this workspace. */
export const resultsFolder: string = join(workspaceFolder, "results");

/** Where the user stands, who may have started a task in a subfolder. */
export const userFolder = (): string => Deno.env.get("INIT_CWD") ?? Deno.cwd();

/** A path as the user means it: from where they stand, `~` for the home folder. */
export function userPath(text: string): string {
  const home = Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE");
  if (home && (text === "~" || /^~[\\/]/.test(text))) return join(home, text.slice(1));
  return resolve(userFolder(), text);
}

/** A path as it may be shown: `~` for the home folder, whose name is the user's. */
export function shownPath(path: string): string {
  for (const variable of ["HOME", "USERPROFILE"]) {
    if (Deno.permissions.querySync({ name: "env", variable }).state !== "granted") continue;
    const home = Deno.env.get(variable);
    if (home && [`${home}/`, `${home}\\`].some((start) => path.startsWith(start))) return `~${path.slice(home.length)}`;
  }
  return path;
}

/** Whether there is something at a path. */
export function exists(path: string): boolean {
  try {
    return Deno.statSync(path) !== null;
  } catch {
    return false;
  }
}
