/**
 * Starts a task: `deno task <name>` comes here.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { closest } from "fastest-levenshtein";
import { runCommand } from "./command.ts";
import { runDeno } from "./deno.ts";
import { lockFlags, permissionFlags, type Rights } from "./flags.ts";
import { exists, userPath, workspaceFolder } from "./paths.ts";
import { type DenoTask, type ScriptTask, tasks } from "./tasks.ts";

/** The least version that has all that is used here; the tests run on it too. */
export const leastDeno = "2.9.0";

/** Refuses a Deno that is too old, by its version. */
export function checkVersion(current: string): void {
  const parts = (version: string) => version.split(".").map((part) => parseInt(part));
  const [wanted, found] = [parts(leastDeno), parts(current)];
  const i = wanted.findIndex((part, i) => part !== found[i]);
  if (i >= 0 && found[i] < wanted[i]) {
    throw new RangeError(
      `Cannot run: Deno must be ${leastDeno} or newer, current version is ${current}; npx -y deno@2.9.6 has it`,
    );
  }
}

/** Each value in a command line, with its flag. */
function* values(args: readonly string[]): Generator<{ flag: string | null; value: string }> {
  for (const [i, arg] of args.entries()) {
    const [flag, value] = [arg.split("=")[0], arg.split("=").slice(1).join("=")];
    if (!arg.startsWith("-")) yield { flag: args[i - 1]?.startsWith("-") ? args[i - 1] : null, value: arg };
    else if (value) yield { flag, value };
  }
}

/** A task's own rights, and those that the user's words ask for: to read what they name, to write where they say. */
export function rightsOf({ rights, writes = {} }: ScriptTask, args: readonly string[]): Rights {
  const own = typeof rights === "function" ? rights(args) : rights;
  const [read, write]: [string[], string[]] = [[], []];
  for (const { flag, value } of values(args)) {
    const path = userPath(value);
    const where = flag === null ? undefined : writes[flag];
    if (where) write.push(where === "folder" ? path : dirname(path));
    else if (/[\\/]/.test(value) || exists(path)) {
      read.push(path);
      if (own.data === "write") write.push(dirname(path)); // What is decoded of a file lies beside it.
    }
  }
  const inside = (paths: readonly string[]) => paths.map((path) => join(workspaceFolder, path));
  return {
    ...own,
    read: own.read === "any" ? "any" : [...inside(own.read ?? []), ...read],
    write: [...inside(own.write ?? []), ...write],
  };
}

function backendOf(args: readonly string[]): string | undefined {
  return [...values(args)].find(({ flag }) => flag === "--backend")?.value ?? Deno.env.get("ONESTEP_BACKEND");
}

async function runScript(task: ScriptTask, args: readonly string[]): Promise<number> {
  const own = task.lock?.(args);
  const lock = own ? [`--lock=${join(workspaceFolder, own)}`] : lockFlags(backendOf(args));
  const flags = ["--quiet", ...lock, ...permissionFlags(rightsOf(task, args))];
  return await runDeno(["run", ...flags, task.script, ...args]);
}

async function runSteps({ steps }: DenoTask, args: readonly string[]): Promise<number> {
  for (const step of steps(args)) {
    const code = await runDeno(step);
    if (code !== 0) return code;
  }
  return 0;
}

/** Runs a task to its exit code. */
async function runTask([name, ...args]: readonly string[]): Promise<number> {
  checkVersion(Deno.version.deno);
  const task = tasks[name];
  if (!task) {
    throw new RangeError(
      `Cannot run task "${name}": it is unknown; did you mean "${closest(name, Object.keys(tasks))}"?`,
    );
  }
  const asksHelp = args.some((arg) => arg === "-h" || arg === "--help");
  if (task.takes === "nothing" && args.length > 0) {
    const { tasks: { [name]: { description } } } = JSON.parse(
      await Deno.readTextFile(join(workspaceFolder, "deno.json")),
    );
    if (!asksHelp) throw new RangeError(`Cannot run ${name}: it takes no arguments, current is "${args.join(" ")}"`);
    console.log(`${description}.\n\nUsage: deno task ${name}`);
    return 0;
  }
  if ("steps" in task) return await runSteps(task, args);
  return await runScript(task, asksHelp ? ["--help"] : [...task.before ?? [], ...args]);
}

if (import.meta.main) await runCommand(() => runTask(Deno.args));
