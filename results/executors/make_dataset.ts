/**
 * Makes a local dataset or fetches one of D4RL's, in a process of its own: `make_dataset.ts <id> <path>`; progress as lines of
 * JSON.
 *
 * @module
 */

import { dirname } from "node:path";
import { fetchDataset } from "../../data/fetch.ts";
import { ensureMade } from "../../data/local.ts";
import { localRecipes } from "../../data/recipes.ts";
import { writeError } from "../../tools/files.ts";
import { onStop } from "../../tools/processes.ts";

onStop(() => Deno.exit(130));

const [id, path] = Deno.args;
let lastSaid = 0;
const say = (done: number, total: number, note: string) => {
  if (performance.now() - lastSaid < 200) return;
  lastSaid = performance.now();
  console.log(JSON.stringify({ done, total, note }));
};
try {
  const recipe = localRecipes[id];
  if (recipe) await ensureMade(recipe, path, { onMade: (made) => say(made, recipe.transitions, "transitions") });
  else {
    await fetchDataset(id, {
      folder: dirname(path),
      onProgress: ({ received, total, note }) => say(received, total ?? received, note),
    });
  }
} catch (error) {
  const message = (error as Error).message;
  console.log(JSON.stringify({ error: message.startsWith("Cannot") ? message : writeError(path, error).message }));
  Deno.exit(1);
}
