/**
 * `reproduce` as a process.
 *
 * @module
 */

import { fromFileUrl } from "../../tools/paths.ts";

const workspace = fromFileUrl(new URL("../../", import.meta.url));

/** The command with arguments, as the task runs it. */
export const reproduce = (args: readonly string[], env: Record<string, string> = {}): Deno.Command =>
  new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "tools/deno.ts", "run", "--no-prompt", "-A", "results/reproduce.ts", ...args],
    cwd: workspace,
    env,
    stdout: "piped",
    stderr: "piped",
  });

/** Output as text. */
export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** The last line of output. */
export const lastLine = (bytes: Uint8Array): string => textOf(bytes).trim().split("\n").at(-1)!;
