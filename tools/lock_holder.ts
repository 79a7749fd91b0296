/**
 * What a lock's file says of its holder, and whether that one is still there.
 *
 * @module
 */

import process from "node:process";
import { hostName, unknownHost } from "./files.ts";
import { shownPath } from "./paths.ts";

/** Who holds a lock. */
export interface Holder {
  /** As `process 12 on node3`; `another process` where its file does not say. */
  who: string;
  /** What to do if that one is gone, for a lock that outlives its process; else empty. */
  remedy: string;
}

/** What a lock's file says. */
export interface HolderText {
  text: string;
  host: string;
  pid: number;
  /** Of a file that is the lock itself. */
  token?: string;
}

/** What this process writes into a lock's file. */
export const ownText = (isLockItself: boolean): string =>
  `${hostName()} ${Deno.pid}${isLockItself ? ` ${crypto.randomUUID()}` : ""}\n`;

/** What a lock's file says; null if nothing, or not yet. Windows reads no file that another process has locked. */
export function readHolder(path: string): HolderText | null {
  try {
    const text = Deno.readTextFileSync(path);
    const [, host, pid, token] = text.match(/^([\w-]+) (\d+)(?: (\S+))?\n$/)!;
    return { text, host, pid: Number(pid), token };
  } catch {
    return null;
  }
}

/** The holder in words. */
export function holderOf(path: string, isLockItself: boolean): Holder {
  const there = readHolder(path);
  const place = there && there.host !== unknownHost ? ` on ${there.host}` : "";
  return {
    who: there ? `process ${there.pid}${place}` : "another process",
    remedy: isLockItself ? `; if that process is gone, remove ${shownPath(path)}` : "",
  };
}

/** Whether a holder ran on this very machine and is gone for certain. */
export const isGone = async ({ host, pid }: HolderText): Promise<boolean> =>
  host === hostName() && ![unknownHost, "localhost"].includes(host) && await isRunning(pid) === false;

/** Whether a process of this machine runs; null where that may not be asked: by `ps`, or with the right to run anything. */
async function isRunning(pid: number): Promise<boolean | null> {
  const may = (command?: string) => Deno.permissions.querySync({ name: "run", command }).state === "granted";
  if (may("ps")) {
    const options = { args: ["-o", "pid=,stat=", "-p", `${Deno.pid},${pid}`], clearEnv: true }; // LD_… needs more rights.
    const output = await new Deno.Command("ps", options).output().catch(() => null);
    const lines = output ? new TextDecoder().decode(output.stdout).matchAll(/^\s*(\d+)\s+(\S)/gm) : [];
    const states = new Map(Array.from(lines, ([, pid, state]) => [Number(pid), state]));
    if (states.has(Deno.pid)) return states.has(pid) && states.get(pid) !== "Z"; // Others' `ps` may know no such options.
  }
  if (!may()) return null;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code !== "ESRCH";
  }
}
