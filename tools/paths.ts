/**
 * Where things lie.
 *
 * @module
 */

import { fileURLToPath, pathToFileURL } from "node:url";

/** The path of a `file:` URL. */
export function fromFileUrl(url: URL): string {
  return fileURLToPath(url);
}

/** The results folder of this workspace. */
export const resultsFolder = fromFileUrl(new URL("../results/", import.meta.url)).replace(/\/$/, "");

/** The `file:` URL of a path, relative to where the process runs. */
export function toFileUrl(path: string): URL {
  return pathToFileURL(path);
}
