/**
 * `deno task notebooks [<name> ...]`: runs the notebooks and keeps their outputs small.
 *
 * @module
 */

import { basename, join } from "node:path";
import { readArguments } from "../../tools/arguments.ts";
import { runCommand } from "../../tools/command.ts";
import { writeAtomically } from "../../tools/files.ts";
import { userPath, workspaceFolder } from "../../tools/paths.ts";
import { runNotebook, trimNotebook } from "./notebooks.ts";

const help =
  `Runs notebooks from a clean kernel and writes them back with one picture for each output. Needs Jupyter's nbconvert.

Usage: deno task notebooks [<file> ...] [--trim]

  <file>      a notebook (default: all of notebooks/)
  --trim      only make the outputs small that are there
  -h, --help  this text`;

const line = { verb: "run notebooks", texts: [], switches: ["trim"], positional: ["file..."] } as const;

await runCommand(async () => {
  const { switches, positional } = readArguments(Deno.args, line);
  if (switches.help) {
    console.log(help);
    return 0;
  }
  const folder = join(workspaceFolder, "notebooks");
  const all = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.endsWith(".ipynb")).sort();
  for (const path of positional.length > 0 ? positional.map(userPath) : all.map((name) => join(folder, name))) {
    if (!(await Deno.stat(path).catch(() => null))?.isFile) {
      throw new Error(`Cannot run "${path}": there is no such file; those of notebooks/ are ${all.join(", ")}`);
    }
    const out = await Deno.makeTempDir();
    try {
      if (!switches.trim) await runNotebook(path, out);
      const ran = switches.trim ? path : join(out, basename(path));
      const text = JSON.stringify(await trimNotebook(JSON.parse(await Deno.readTextFile(ran))), null, 1);
      await writeAtomically(path, `${text}\n`);
      console.log(`${basename(path)}: ${(text.length / 1e3).toFixed(0)} kB`);
    } finally {
      await Deno.remove(out, { recursive: true });
    }
  }
  return 0;
});
