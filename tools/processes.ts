/**
 * Processes that end when they are asked to, and with those that started them.
 *
 * @module
 */

/** Who started a process, for it to end with: its number, in the environment. */
const parentVariable = "ONESTEP_PARENT";
/** Signals within this time are one: Ctrl-C reaches a task from the terminal, from `deno task` and from the launcher. */
const pressMs = 1000;
/** How often a process looks whether its parent is still there. */
const lookMs = 500;
/** How long a child has to end by itself. */
const graceMs = 20_000;

/**
 * The environment of a child on top of one's own: nobody asks for newer versions or sends telemetry, the child can see its parent
 * end, and arrays lie in large pages, 3 % of an update's time. These are for glibc on x86-64 alone, where a page has 2 MiB.
 */
export function childEnvironment(): Record<string, string> {
  const { os, arch, env } = Deno.build;
  const large = os === "linux" && arch === "x86_64" && env === "gnu";
  return {
    DENO_NO_UPDATE_CHECK: "1",
    ORT_DISABLE_TELEMETRY: "1",
    [parentVariable]: `${Deno.pid}`,
    ...(large ? { GLIBC_TUNABLES: Deno.env.get("GLIBC_TUNABLES") ?? "glibc.malloc.hugetlb=1" } : {}),
  };
}

/** What asks a process to end. */
export const signals: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM"];

/**
 * Calls `stop` when the process is asked to end (Ctrl-C, SIGTERM), or when the process that started it has ended. Another Ctrl-C,
 * a second later or more, ends it at once.
 *
 * @returns Disposing it leaves signals to the system again.
 */
export function onStop(stop: () => void): Disposable {
  let [first, asked] = [0, false];
  const handle = () => {
    if (asked && performance.now() - first >= pressMs) exitNow();
    if (asked) return;
    [first, asked] = [performance.now(), true];
    stop();
  };
  for (const signal of signals) Deno.addSignalListener(signal, handle);
  const watch = hasOwnParent() ? onParentEnd(handle) : null;
  return {
    [Symbol.dispose]() {
      for (const signal of signals) Deno.removeSignalListener(signal, handle);
      watch?.[Symbol.dispose]();
    },
  };
}

/** Whether the process was started with {@linkcode childEnvironment}, not by a user, who may leave it alone. */
export const hasOwnParent = (): boolean => Deno.env.get(parentVariable) === `${Deno.ppid}`;

/** Calls `end` once the process that started this one has ended, however it did; where systems tell (not on Windows). */
export function onParentEnd(end: () => void): Disposable {
  const parent = Deno.ppid;
  const timer = setInterval(() => {
    if (Deno.ppid === parent) return;
    clearInterval(timer);
    end();
  }, lookMs);
  Deno.unrefTimer(timer);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Ends the process as Ctrl-C does, with the cursor that a progress bar may have hidden. */
export function exitNow(): never {
  if (Deno.stderr.isTerminal()) Deno.stderr.writeSync(new TextEncoder().encode("\\x1b[?25h"));
  Deno.exit(130);
}

/** Asks a child to end; one that does not is killed. */
export async function stopChild(child: Deno.ChildProcess, grace: number = graceMs): Promise<void> {
  const kill = (signal: Deno.Signal) => {
    try {
      child.kill(signal);
    } catch {
      // It ended first.
    }
  };
  kill("SIGTERM");
  const timer = setTimeout(() => kill("SIGKILL"), grace);
  await child.status;
  clearTimeout(timer);
}
