/**
 * Makes a local dataset in a process of its own: `make_dataset.ts <id> <path>`; progress as lines of JSON.
 *
 * @module
 */

import { makeLocalDataset } from "../data/local.ts";
import { localRecipes } from "../data/recipes.ts";
import { writeError } from "./files.ts";

for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => Deno.exit(130));

const [id, path] = Deno.args;
const recipe = localRecipes[id];
let lastSaid = 0;
try {
  await makeLocalDataset(recipe, path, (made) => {
    if (performance.now() - lastSaid < 200) return;
    lastSaid = performance.now();
    console.log(JSON.stringify({ done: made, total: recipe.transitions, note: "transitions" }));
  });
} catch (error) {
  const message = (error as Error).message;
  console.log(JSON.stringify({ error: message.startsWith("Cannot") ? message : writeError(path, error).message }));
  Deno.exit(1);
}
