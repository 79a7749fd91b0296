/**
 * Makes a small local dataset in a process of its own: `local_worker.ts <path> <transitions>`.
 *
 * @module
 */

import { ensureMade } from "../../data/local.ts";
import { localRecipes } from "../../data/recipes.ts";

const [path, transitions] = Deno.args;
await ensureMade({ ...localRecipes["hopper-medium-replay-local"], transitions: Number(transitions) }, path, {
  onMade: () => console.log("made"),
});
