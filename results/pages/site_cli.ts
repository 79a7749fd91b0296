/**
 * `deno task site`: everything to read and to try, as one folder.
 *
 * @module
 */

import { join } from "node:path";
import { readArguments } from "../../tools/arguments.ts";
import { runCommand } from "../../tools/command.ts";
import { resultsFolder, userPath } from "../../tools/paths.ts";
import { writeSite } from "./site.ts";

const help = `Builds the site: pages, playground, results, notebooks and the API, as one folder for any web server.

Usage: deno task site [--out <folder>]

  --out <folder>  where to write; what is there goes (default: results/site)
  -h, --help      this text

The report is part of it where results/report.html is there (deno task reproduce).`;

await runCommand(async () => {
  const { texts, switches } = readArguments(Deno.args, { verb: "build the site", texts: ["out"] });
  if (switches.help) {
    console.log(help);
    return 0;
  }
  const folder = texts.out === undefined ? join(resultsFolder, "site") : userPath(texts.out);
  const { files, bytes, report } = await writeSite(folder);
  console.log(
    `${folder}: ${files} files, ${(bytes / 1e6).toFixed(0)} MB${report ? "" : ", without a report: none is there"}`,
  );
  console.log(`Serve it, such as with: npx serve ${texts.out ?? "results/site"}`);
  return 0;
});
