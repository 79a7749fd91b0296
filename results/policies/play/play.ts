/**
 * `deno task play`: watch two policies side by side in the browser.
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import { userPath } from "../../../tools/paths.ts";
import { runCommand } from "../../../tools/command.ts";
import { onStop } from "../../../tools/processes.ts";
import { buildSite, policyFolders, serveSite, writeSite } from "./site.ts";

const help = `Watches two policies side by side in the browser: physics, networks and drawing run there.

Usage: deno task play [<folder> ...] [--port <number>]
       deno task play [<folder> ...] --static <folder>

  <folder>           an exported policy, or a folder of them (default: those of this package, and results/exports; make
                     more with deno task export)
  --port <number>    where to listen on 127.0.0.1 (default: 8417, or any free one if that is taken)
  --static <folder>  write the page into a folder instead, for any web server
  --help             this text`;

const usualPort = 8417;

async function main(): Promise<number> {
  const flags = parseArgs(Deno.args, {
    string: ["port", "static"],
    boolean: ["help"],
    unknown: (arg: string) => {
      if (arg.startsWith("-")) {
        throw new RangeError(`Cannot play: unknown flag "${arg}"; known: --port, --static, --help`);
      }
      return true;
    },
  });
  if (flags.help) {
    console.log(help);
    return 0;
  }
  const port = flags.port === undefined ? usualPort : Number(flags.port);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new RangeError(`Cannot play: --port must be an integer from 0 to 65535, current value is "${flags.port}"`);
  }
  const folders = flags._.length > 0 ? flags._.map((folder) => userPath(String(folder))) : policyFolders();
  const site = await buildSite(folders);
  if (flags.static !== undefined) {
    await writeSite(site, userPath(flags.static));
    console.log(`Written to ${userPath(flags.static)}; serve it, such as with: npx serve ${flags.static}`);
    return 0;
  }
  let server;
  try {
    server = serveSite(site, port);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    if (flags.port !== undefined) throw new Error(`Cannot play: port ${port} is taken; name another with --port`);
    server = serveSite(site, 0);
  }
  console.log(`Open http://127.0.0.1:${server.addr.port}/ (Ctrl-C ends it)`);
  onStop(() => Deno.exit(0));
  await server.finished;
  return 0;
}

await runCommand(main);
