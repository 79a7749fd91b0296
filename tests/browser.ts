/**
 * A headless Chromium for tests, where the machine has one.
 *
 * @module
 */

import { type Browser, chromium } from "playwright-core";
import { browsers } from "../tools/browsers.ts";

const exists = (path: string) => {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
};

/** Path of the browser; null if there is none, and then its tests are ignored. */
export const browserPath: string | null = browsers.find(exists) ?? null;

/** Starts the browser; only `file:` and `http://127.0.0.1` are ever opened, so that it needs no sandbox. */
export async function startBrowser(): Promise<Browser> {
  return await chromium.launch({ executablePath: browserPath!, args: ["--no-sandbox"] });
}
