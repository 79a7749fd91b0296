/**
 * Getting the datasets of cells: local ones are made, D4RL's are fetched.
 *
 * @module
 */

import { dirname } from "node:path";
import { localRecipes } from "../../data/recipes.ts";
import { makeFolder, writeAtomically } from "../../tools/files.ts";
import { dataHash } from "../cells/fingerprint.ts";
import { runScript } from "./local.ts";
import { formatSeconds } from "../../tools/progress.ts";

/** A dataset by its id, and where its file is to be. */
export interface DatasetPlace {
  id: string;
  path: string;
}

const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

/** Whether a dataset is there and, if it was made here, by the present recipe and code. */
async function isReady({ id, path }: DatasetPlace): Promise<boolean> {
  if (!await exists(path)) return false;
  if (!(id in localRecipes)) return true;
  const made = await Deno.readTextFile(`${path}.made`).catch(() => "");
  return made === dataHash(id);
}

/**
 * Makes or fetches a dataset unless it is ready.
 *
 * @param display `quiet` leaves the terminal to others.
 */
export async function ensureDataset(
  { id, path }: DatasetPlace,
  display: "shown" | "quiet",
  signal: AbortSignal,
): Promise<void> {
  if (await isReady({ id, path })) return;
  const local = id in localRecipes;
  await makeFolder(dirname(path));
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  const shown = display === "shown" && Deno.stdout.isTerminal();
  const write = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`\r${text}\x1b[K`));
  const [verb, done, unit] = local ? ["make", "Made", "transitions"] : ["fetch", "Fetched", "bytes"];
  const options = { writable: dirname(path), network: local ? "none" as const : "any" as const };
  const error = await runScript("make_dataset.ts", [id, path], options, ({ done, total }) => {
    if (shown) write(`${id}: ${done} of ${total} ${unit}, ${formatSeconds(seconds() * (total / done - 1))} left`);
  }, signal);
  if (shown) write("");
  if (signal.aborted) return;
  if (error) throw new Error(error.startsWith("Cannot") ? error : `Cannot ${verb} ${id}: ${error}`);
  if (local) await writeAtomically(`${path}.made`, dataHash(id));
  if (display === "shown") console.log(`${done} ${id} in ${formatSeconds(seconds())}`);
}
