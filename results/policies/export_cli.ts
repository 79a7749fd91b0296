/**
 * `deno task export <run> [<run> ...]`: makes runs into policies to deploy.
 *
 * @module
 */

import { readArguments } from "../../tools/arguments.ts";
import { runCommand } from "../../tools/command.ts";
import { resultsFolder, userPath } from "../../tools/paths.ts";
import { readEvaluation } from "../cells/record.ts";
import { exportFolder, exportRun } from "./export.ts";

const help = `Makes finished runs into policies to deploy: policy.onnx, card.json, README.md.

Usage: deno task export <run> [<run> ...] [--out <folder>]

  <run>            folder of a run; the report's table of cells links to them
  --out <folder>   where to write (default: results/exports/<task>-<algorithm>-<seed>)
  -h, --help       this text`;

const line = { verb: "export", texts: ["out"], positional: ["run..."] } as const;

async function main(): Promise<number> {
  const { texts, switches, positional: runs } = readArguments(Deno.args, line);
  if (switches.help || runs.length === 0) {
    console.log(help);
    return switches.help ? 0 : 1;
  }
  if (texts.out !== undefined && runs.length > 1) {
    throw new RangeError(`Cannot export: --out takes one run, current number is ${runs.length}`);
  }
  for (const run of runs.map(userPath)) {
    const evaluation = await readEvaluation(run);
    const out = texts.out === undefined
      ? evaluation ? exportFolder(resultsFolder, evaluation.cell) : ""
      : userPath(texts.out);
    const { scores, verified } = await exportRun(run, out);
    const [{ acting, mean }] = scores;
    console.log(`${out}: score ${mean} (${acting}), tried on ${verified.observations} observations`);
  }
  return 0;
}

await runCommand(main);
