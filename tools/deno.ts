/**
 * Runs `deno <arguments>`, on networks without jsr.io too.
 *
 * @module
 */

import { childEnvironment, hasOwnParent, onParentEnd, signals, stopChild } from "./processes.ts";
import { standInFlags } from "./stand_ins.ts";

/** Commands that load no module. */
const withoutModules = ["fmt", "lint"];

/** A command of Deno in the workspace, with the stand-ins where they are needed; signals are passed on. */
export async function runDeno([command, ...rest]: readonly string[]): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), {
    env: { ...childEnvironment(), INIT_CWD: Deno.env.get("INIT_CWD") ?? Deno.cwd() },
    cwd: new URL("../", import.meta.url),
    args: [command, ...(withoutModules.includes(command) ? [] : await standInFlags()), ...rest],
    stdin: "inherit",
  }).spawn();
  return await passSignals(child);
}

/** Waits for a child, which gets the signals that come to this process alone and ends when `deno task` does. */
async function passSignals(child: Deno.ChildProcess): Promise<number> {
  for (const signal of signals) {
    Deno.addSignalListener(signal, () => {
      // Ctrl-C in a terminal, and anything in a Windows console, goes to all that run there.
      if (Deno.build.os === "windows" || signal === "SIGINT" && Deno.stdin.isTerminal()) return;
      try {
        child.kill(signal);
      } catch {
        // It ended first.
      }
    });
  }
  const ofTask = Deno.env.has("INIT_CWD"); // Which deno task sets.
  using _ = ofTask || hasOwnParent() ? onParentEnd(() => stopChild(child)) : null;
  return (await child.status).code;
}

if (import.meta.main) Deno.exit(await runDeno(Deno.args));
