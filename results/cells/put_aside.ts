/**
 * Making room for cells that are trained again.
 *
 * @module
 */

import { dirname, join, relative } from "node:path";
import { makeFolder, writeError } from "../../tools/files.ts";
import { type Cell, cellFolder, cellLabel } from "./cell.ts";
import { lockFolder } from "./run_folder.ts";

const isThere = (path: string) => Deno.stat(path).then(() => true, () => false);

/**
 * Moves the folders of cells out of the way, below `replaced/`; nothing is deleted.
 *
 * @returns Where they are now; null if none of them was there.
 * @throws {Error} If another process trains one of them; then all stay.
 */
export async function putAside(root: string, cells: readonly Cell[]): Promise<string | null> {
  using held = new DisposableStack();
  const found: string[] = [];
  for (const cell of cells) {
    const folder = cellFolder(root, cell);
    if (!await isThere(folder)) continue;
    let holder = { who: "another process", remedy: "" };
    const lock = await lockFolder(folder, (by) => holder = by);
    if (!lock) {
      throw new Error(
        `Cannot train ${cellLabel(cell)} again: ${holder.who} trains it; stop that one, or wait for it${holder.remedy}`,
      );
    }
    held.use(lock);
    found.push(folder);
  }
  if (found.length === 0) return null;
  const aside = join(root, "replaced", new Date().toISOString().replaceAll(/[:.]/g, "-"));
  for (const folder of found) {
    const to = join(aside, relative(join(root, "runs"), folder));
    await makeFolder(dirname(to));
    try {
      await Deno.rename(folder, to);
    } catch (error) {
      throw writeError(to, error);
    }
  }
  return aside;
}
