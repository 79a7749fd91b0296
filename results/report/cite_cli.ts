/**
 * `deno task cite [<run> ...]`: BibTeX of what runs used.
 *
 * @module
 */

import { join } from "node:path";
import type { AnyAlgorithm } from "../../algorithms/core/agent.ts";
import * as registry from "../../algorithms/registry.ts";
import { catalog } from "../../data/catalog.ts";
import { findRecipe } from "../../data/recipes.ts";
import { readArguments } from "../../tools/arguments.ts";
import { runCommand } from "../../tools/command.ts";
import { resultsFolder, userPath } from "../../tools/paths.ts";
import { bibliography } from "./cite.ts";

const help = `Prints BibTeX of what runs used: their algorithms' papers, their data, the simulator, and this software.

Usage: deno task cite [<run> ...] [> references.bib]

  <run>       a run's folder, or a folder of such: all runs below it count (default: results/runs and results/trained)
  -h, --help  this text`;

/** What a run.json says of what was used; of `reproduce`, and of `train`. */
interface RunFile {
  source?: string;
  cell?: { task: string };
  policy?: { algorithm: string; task?: string };
}

/** Every run.json below a folder. */
async function* runFiles(folder: string): AsyncGenerator<{ path: string; run: RunFile }> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) yield* runFiles(path);
    else if (name === "run.json") yield { path, run: JSON.parse(await Deno.readTextFile(path)) };
  }
}

const known: Readonly<Record<string, AnyAlgorithm>> = registry;

async function main(): Promise<number> {
  const { switches, positional } = readArguments(Deno.args, { verb: "cite", texts: [], positional: ["run..."] });
  if (switches.help) {
    console.log(help);
    return 0;
  }
  const usual = ["runs", "trained"].map((name) => join(resultsFolder, name));
  const folders = positional.length > 0 ? positional.map(userPath) : usual;
  const [sources, datasets]: [string[], string[]] = [[], []];
  for (const folder of folders) {
    try {
      for await (const { path, run } of runFiles(folder)) {
        const source = run.source ?? known[run.policy?.algorithm ?? ""]?.source;
        if (source === undefined) {
          throw new Error(`Cannot cite "${path}": it must say what it was made with; another version made it`);
        }
        const task = run.cell?.task ?? run.policy?.task;
        sources.push(source);
        if (task !== undefined && (catalog.has(task) || findRecipe(task))) datasets.push(task);
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound && positional.length === 0)) throw error; // Not made yet.
    }
  }
  if (sources.length === 0) {
    throw new Error(`Cannot cite: no run.json lies below ${folders.join(" and ")}; name a run's folder`);
  }
  console.log((await bibliography({ sources, datasets })).trimEnd());
  return 0;
}

await runCommand(main);
