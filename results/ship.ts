/**
 * `deno task ship`: keeps the finished runs of `standard` with the code.
 *
 * @module
 */

import { useBackend } from "../algorithms/engine/backend.ts";
import { datasetFolder } from "../data/catalog.ts";
import { readArguments } from "../tools/arguments.ts";
import { runCommand } from "../tools/command.ts";
import { resultsFolder, userPath } from "../tools/paths.ts";
import { planCells } from "./plan.ts";
import { shippedProfile, shipRuns } from "./shipped/shipped.ts";

const help =
  `Ships the finished runs of \`reproduce --profile ${shippedProfile}\`: settings, scores, episodes and policies go to
results/shipped, from where \`reproduce\` plays them again. A run takes the place of an older one with the same settings.

Usage: deno task ship [options]

  --out <folder>  the results folder that the runs are in (default: results)
  -h, --help      this text`;

async function main(): Promise<number> {
  const { texts, switches } = readArguments(Deno.args, { verb: "ship", texts: ["out"] });
  if (switches.help) {
    console.log(help);
    return 0;
  }
  const backend = await useBackend("onnx");
  const cells = planCells(shippedProfile, {}, backend, datasetFolder())
    .filter(({ experiment }) => experiment !== "speed"); // Times are of the machine that runs them.
  const { shipped, missing, bytes } = await shipRuns(
    cells,
    texts.out === undefined ? resultsFolder : userPath(texts.out),
  );
  console.log(`Shipped ${shipped.length} runs, ${(bytes / 1e6).toFixed(1)} MB of files; ${missing} are not finished`);
  return 0;
}

await runCommand(main);
