/**
 * `deno task play`: watch two policies side by side in the browser.
 *
 * @module
 */

import { readArguments, readInteger } from "../../../tools/arguments.ts";
import { userPath } from "../../../tools/paths.ts";
import { runCommand } from "../../../tools/command.ts";
import { onStop } from "../../../tools/processes.ts";
import { serveSite } from "./serve.ts";
import { buildSite, policyFolders, writeSite } from "./site.ts";

const help = `Watches two policies side by side in the browser: physics, networks and drawing run there.

Usage: deno task play [<folder> ...] [--port <number>]
       deno task play [<folder> ...] --static <folder>

  <folder>           a run of train or reproduce, an exported policy, or a folder of such (default: those of this package,
                     and results/exports)
  --port <number>    where to listen on 127.0.0.1 (default: 8417, or any free one if that is taken)
  --static <folder>  write the page into a folder instead, for any web server
  -h, --help         this text`;

const usualPort = 8417;

const line = { verb: "play", texts: ["port", "static"], positional: ["folder..."] } as const;

async function main(): Promise<number> {
  const { texts, switches, positional } = readArguments(Deno.args, line);
  if (switches.help) {
    console.log(help);
    return 0;
  }
  const port = texts.port === undefined ? usualPort : readInteger("play", "--port", texts.port, 0);
  if (port > 65535) {
    throw new RangeError(`Cannot play: --port must be at most 65535, current value is ${port}`);
  }
  const site = await buildSite(positional.length > 0 ? positional.map(userPath) : policyFolders());
  if (texts.static !== undefined) {
    const folder = userPath(texts.static);
    await writeSite(site, folder);
    console.log(`Written to ${folder}; serve it, such as with: npx serve ${texts.static}`);
    return 0;
  }
  let server;
  try {
    server = serveSite(site, port);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    if (texts.port !== undefined) throw new Error(`Cannot play: port ${port} is taken; name another with --port`);
    server = serveSite(site, 0);
  }
  console.log(`Open http://127.0.0.1:${server.addr.port}/ (Ctrl-C ends it)`);
  onStop(() => Deno.exit(0));
  await server.finished;
  return 0;
}

await runCommand(main);
