/**
 * `deno task ship`: keeps the finished runs of `standard` with the code.
 *
 * @module
 */

import { useBackend } from "../algorithms/engine/backend.ts";
import { basename, join } from "node:path";
import { datasetFolder } from "../data/catalog.ts";
import { renderFigure } from "../data/show/figure.ts";
import { readArguments } from "../tools/arguments.ts";
import { runCommand } from "../tools/command.ts";
import { writeAtomically } from "../tools/files.ts";
import { resultsFolder, userPath } from "../tools/paths.ts";
import { planCells } from "./plan.ts";
import { fillPage, shippedBlocks, shippedFigures, shippedPages } from "./pages/shipped.ts";
import { readShipped, shippedProfile, shipRuns } from "./shipped/shipped.ts";

const help =
  `Ships the finished runs of \`reproduce --profile ${shippedProfile}\`: settings, scores, episodes and policies go to
results/shipped, from where \`reproduce\` plays them again. A run takes the place of an older one with the same settings. The numbers
and pictures of README.md and results/RESULTS.md are written anew from them.

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
  const cells = planCells(shippedProfile, {}, backend, datasetFolder());
  const { shipped, missing, bytes } = await shipRuns(
    cells,
    texts.out === undefined ? resultsFolder : userPath(texts.out),
  );
  console.log(`Shipped ${shipped.length} runs, ${(bytes / 1e6).toFixed(1)} MB of files; ${missing} are not finished`);
  const { runs, problems } = await readShipped();
  if (problems.length > 0) throw new Error(problems.join("\n"));
  const evaluations = runs.map(({ evaluation }) => evaluation);
  const blocks = shippedBlocks(evaluations);
  for (const page of shippedPages) await Deno.writeTextFile(page, fillPage(await Deno.readTextFile(page), blocks));
  for (const [name, spec] of Object.entries(shippedFigures(evaluations))) {
    await writeAtomically(join(resultsFolder, "gallery", `${name}.png`), (await renderFigure(spec)).png);
  }
  console.log(
    `Wrote their numbers and pictures into ${shippedPages.map((page) => basename(page)).join(", ")} and the gallery`,
  );
  return 0;
}

await runCommand(main);
