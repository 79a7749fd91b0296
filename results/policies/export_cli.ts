/**
 * `deno task export <run> [<run> ...]`: makes runs into policies to deploy.
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import { join } from "node:path";
import { runCommand } from "../../tools/command.ts";
import { readJson } from "../../tools/files.ts";
import { resultsFolder, userPath } from "../../tools/paths.ts";
import type { Evaluation } from "../cells/record.ts";
import { exportFolder, exportRun } from "./export.ts";

const help = `Makes finished runs into policies to deploy: policy.onnx, card.json, README.md.

Usage: deno task export <run> [<run> ...] [--out <folder>]

  <run>            folder of a run; the report's table of cells links to them
  --out <folder>   where to write (default: results/exports/<task>-<algorithm>-<seed>)
  --help           this text`;

async function main(): Promise<number> {
  const flags = parseArgs(Deno.args, {
    string: ["out"],
    boolean: ["help"],
    unknown: (arg: string) => {
      if (arg.startsWith("-")) throw new RangeError(`Cannot export: unknown flag "${arg}"; known: --out, --help`);
      return true;
    },
  });
  const runs = flags._.map(String);
  if (flags.help || runs.length === 0) {
    console.log(help);
    return flags.help ? 0 : 1;
  }
  if (flags.out !== undefined && runs.length > 1) {
    throw new RangeError(`Cannot export: --out takes one run, current number is ${runs.length}`);
  }
  for (const run of runs.map(userPath)) {
    const evaluation = await readJson<Evaluation>(join(run, "evaluation.json"));
    const out = flags.out === undefined
      ? evaluation ? exportFolder(resultsFolder, evaluation.cell) : ""
      : userPath(flags.out);
    const { scores, verified } = await exportRun(run, out);
    const [{ acting, mean }] = scores;
    console.log(`${out}: score ${mean} (${acting}), tried on ${verified.observations} observations`);
  }
  return 0;
}

await runCommand(main);
