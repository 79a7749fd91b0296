/**
 * `deno task export <run> [<run> ...]`: makes runs into policies to deploy.
 *
 * @module
 */

import { readArguments } from "../../tools/arguments.ts";
import { runCommand } from "../../tools/command.ts";
import { resultsFolder, userPath } from "../../tools/paths.ts";
import { exportFolder, exportRun } from "./export.ts";

const help = `Makes runs into policies to deploy: policy.onnx, card.json, README.md.

Usage: deno task export <run> [<run> ...] [--out <folder>]

  <run>            folder of a run of reproduce (the report's table of cells links to them), of train, or of save()
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
    const out = texts.out === undefined ? await exportFolder(resultsFolder, run) : userPath(texts.out);
    const { scores, updates, planned, verified } = await exportRun(run, out);
    const score = scores.length === 0 ? "not scored" : `score ${scores[0].mean} (${scores[0].acting})`;
    const ended = planned === undefined ? "" : `, after ${updates} of ${planned} updates`;
    console.log(`${out}: ${score}${ended}, tried on ${verified.observations} observations`);
  }
  return 0;
}

await runCommand(main);
