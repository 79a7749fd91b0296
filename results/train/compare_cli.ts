/**
 * `deno task compare <run> <run> ...`: paired differences, with intervals.
 *
 * @module
 */

import { readArguments } from "../../tools/arguments.ts";
import { userPath } from "../../tools/paths.ts";
import { runCommand } from "../../tools/command.ts";
import { compare } from "./compare.ts";

const help =
  `Compares runs: scores over seeds, paired differences, the chance that one beats the other, settings that differ.

Usage: deno task compare <run> <run> ...

  <run>       a run's folder, or a folder of such: all runs below it count, those that differ in their seed alone together
  -h, --help  this text`;

await runCommand(async () => {
  const { switches, positional } = readArguments(Deno.args, { verb: "compare", texts: [], positional: ["run..."] });
  if (switches.help || positional.length === 0) console.log(help);
  else console.log((await compare(...positional.map(userPath))).toText());
  return 0;
});
