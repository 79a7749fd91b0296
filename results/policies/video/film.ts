/**
 * Films policies: a browser without a window draws them as the playground does.
 *
 * @module
 */

import { join } from "node:path";
import { browsers } from "../../../tools/browsers.ts";
import { makeFolder, writeAtomically } from "../../../tools/files.ts";
import { fromFileUrl } from "../../../tools/paths.ts";
import { bundle } from "../play/bundle.ts";
import { serveSite } from "../play/serve.ts";
import { buildSite, type Site } from "../play/site.ts";
import type { PlayPolicy } from "../play/messages.ts";
import type { FilmOrder, FilmResult } from "./order.ts";

/** Time that a film may take. */
const limitMs = 600_000;

/** What to film. */
export interface FilmOptions {
  /** Network calls per action of the diffusion model, filmed beside the one-step policy; 0 for that policy alone. */
  calls: number;
  seconds: number;
  seed: number;
}

/** Which policies of the exports are filmed. */
function partsOf(policies: readonly PlayPolicy[], calls: number): FilmOrder["parts"] {
  const parts = policies.filter(({ kind }) => kind === "one-step").map((policy) => ({ policy, calls: 1 }));
  if (calls === 0 && parts.length > 0) return parts.slice(0, 2);
  const [iterative] = policies.filter(({ kind }) => kind === "iterative");
  if (!iterative) throw new RangeError("Cannot film: this policy has no diffusion model of its own; leave out --calls");
  const wanted = calls || iterative.calls.at(-1)!;
  if (!iterative.calls.includes(wanted)) {
    throw new RangeError(
      `Cannot film: --calls must be one of ${iterative.calls.join(", ")}, current value is ${wanted}`,
    );
  }
  return [...parts.slice(0, 1), { policy: iterative, calls: wanted }];
}

/**
 * Writes `<out>/film.gif`, `film.webm` and `strip.png` of exported policies, one beside the other.
 *
 * @param exports Folders of `deno task export`, of one task; two at most.
 * @throws {Error} If this machine has no Chromium, or what is asked for is not there; the message has the remedy.
 */
export async function film(exports: readonly string[], out: string, options: FilmOptions): Promise<FilmResult> {
  const site = new Map(await buildSite(exports));
  const policies = JSON.parse(new TextDecoder().decode(site.get("policies.json"))) as PlayPolicy[];
  const tasks = [...new Set(policies.map(({ task }) => task))];
  if (tasks.length > 1) {
    throw new RangeError(`Cannot film: policies must be of one task, current are ${tasks.join(", ")}`);
  }
  const order: FilmOrder = {
    task: tasks[0],
    parts: partsOf(policies, options.calls),
    seed: options.seed,
    seconds: options.seconds,
    framesPerSecond: 12.5, // GIF counts in hundredths of a second.
    width: 320,
    height: 240,
    stripPoses: 6,
  };
  const [script] = await bundle([fromFileUrl(new URL("film_page.ts", import.meta.url))]);
  site.set("film.js", script);
  site.set("index.html", encode('<!doctype html><meta charset="utf-8"><script type="module" src="film.js"></script>'));
  site.set("order.json", encode(JSON.stringify(order)));
  const taken = await takeFrom(site);
  await makeFolder(out);
  for (const [kind, name] of [["gif", "film.gif"], ["webm", "film.webm"], ["png", "strip.png"]]) {
    await writeAtomically(join(out, name), taken.get(kind)!);
  }
  return JSON.parse(new TextDecoder().decode(taken.get("done")));
}

const encode = (text: string) => new TextEncoder().encode(text);

/** Starts the first browser that is there. */
function startBrowser(args: string[]): Deno.ChildProcess {
  for (const browser of browsers) {
    try {
      return new Deno.Command(browser, { args, stdout: "null", stderr: "null" }).spawn();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw new Error(
    `Cannot film: it needs Chromium at ${browsers.join(" or ")}; install it, such as with: apt-get install chromium`,
  );
}

/** Opens the page without a window until it has handed over everything. */
async function takeFrom(site: Site): Promise<Map<string, Uint8Array>> {
  const taken = new Map<string, Uint8Array>();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const server = serveSite(site, 0, async (name, request) => {
    taken.set(name, await request.bytes());
    if (name === "done") resolve();
    if (name === "failed") reject(new Error(`Cannot film: ${new TextDecoder().decode(taken.get(name))}`));
  });
  const profile = await Deno.makeTempDir();
  const timer = setTimeout(
    () => reject(new Error(`Cannot film: it took longer than ${limitMs / 60_000} min`)),
    limitMs,
  );
  let child: Deno.ChildProcess | null = null;
  try {
    const page = `http://127.0.0.1:${server.addr.port}/`; // Nothing else is opened, so it needs no sandbox, nor has root one.
    child = startBrowser(["--headless=new", "--no-sandbox", `--user-data-dir=${profile}`, page]);
    const ended = child.status.then(({ code }) =>
      Promise.reject(new Error(`Cannot film: Chromium ended with ${code}`))
    );
    await Promise.race([promise, ended]);
    return taken;
  } finally {
    clearTimeout(timer);
    try {
      child?.kill();
    } catch {
      // It ended by itself.
    }
    await child?.status;
    await server.shutdown();
    await Deno.remove(profile, { recursive: true }).catch(() => {}); // Its last children may still write there.
  }
}
