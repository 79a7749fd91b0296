/**
 * `deno task video <run>`: a policy as GIF, WebM and a strip of poses.
 *
 * @module
 */

import { basename, join } from "node:path";
import { readArguments, readInteger } from "../../../tools/arguments.ts";
import { runCommand } from "../../../tools/command.ts";
import { exists, resultsFolder, userPath } from "../../../tools/paths.ts";
import { exportRun } from "../export.ts";
import { film } from "./film.ts";

const help = `Films policies, as the playground draws them: film.gif, film.webm and strip.png. Needs Chromium.

Usage: deno task video <run> [<run>] [--calls <n>] [--seconds <n>] [--seed <n>] [--out <folder>]

  <run>            folder of a run of reproduce or of train, or of an exported policy; two of one task stand side by side
  --calls <n>      beside the one-step policy, its run's diffusion model with so many network calls per action
  --seconds <n>    of film, 1 to 60 (default: 5)
  --seed <n>       of the start (default: 0)
  --out <folder>   where to write (default: results/videos/<name of the run>)
  -h, --help       this text

The film's clock is a real one: thinking takes what it took in the browser on this machine, the least of 50 tries.`;

const line = { verb: "film", texts: ["calls", "seconds", "seed", "out"], positional: ["run..."] } as const;

async function main(): Promise<number> {
  const { texts, switches, positional } = readArguments(Deno.args, line);
  if (switches.help || positional.length === 0) {
    console.log(help);
    return switches.help ? 0 : 1;
  }
  if (positional.length > 2) {
    throw new RangeError(`Cannot film: two runs at most, current number is ${positional.length}`);
  }
  const natural = (name: "calls" | "seconds" | "seed", usual: number, least: number) =>
    texts[name] === undefined ? usual : readInteger("film", `--${name}`, texts[name], least);
  const [calls, seconds, seed] = [natural("calls", 0, 1), natural("seconds", 5, 1), natural("seed", 0, 0)];
  if (seconds > 60) throw new RangeError(`Cannot film: --seconds must be at most 60, current value is ${seconds}`);
  if (calls > 0 && positional.length > 1) throw new RangeError("Cannot film: --calls is for one run, current are two");
  const runs = positional.map(userPath);
  const out = texts.out === undefined ? join(resultsFolder, "videos", basename(runs[0])) : userPath(texts.out);
  const work = await Deno.makeTempDir();
  try {
    const exports = [];
    for (const [i, run] of runs.entries()) {
      const exported = exists(join(run, "card.json")) ? run : join(work, `${i}`);
      if (exported !== run) await exportRun(run, exported);
      exports.push(exported);
    }
    for (const { words, metres } of await film(exports, out, { calls, seconds, seed })) {
      console.log(`${words.join(", ")}; ${metres.toFixed(1)} m`);
    }
    for (const name of ["film.gif", "film.webm", "strip.png"]) {
      const { size } = await Deno.stat(join(out, name));
      console.log(`${join(out, name)}: ${(size / 1e6).toFixed(1)} MB`);
    }
  } finally {
    await Deno.remove(work, { recursive: true });
  }
  return 0;
}

await runCommand(main);
