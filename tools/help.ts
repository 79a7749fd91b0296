/**
 * `deno task help`: all tasks, by what they are for.
 *
 * @module
 */

import { join } from "node:path";
import { workspaceFolder } from "./paths.ts";

/** Tasks by what they are for. */
export const groups: Readonly<Record<string, readonly string[]>> = {
  "Run and learn": ["reproduce", "train", "compare", "dataset"],
  "Show and deploy": ["play", "video", "export", "cite", "site", "notebooks", "ship"],
  "Measure": ["bench", "bench:full", "bench:peers", "bench:compare", "bench:profile", "bench:scaling"],
  "Develop": ["ok", "test", "check", "lint", "fmt", "settings", "pulls", "lock", "notices", "setup:gpu"],
};

/** The page. */
export function helpText(descriptions: Readonly<Record<string, { description: string }>>): string {
  const lines = Object.entries(groups).flatMap(([title, names]) => [
    "",
    title,
    ...names.map((name) =>
      `  deno task ${name.padEnd(14)} ${descriptions[name].description.replace(/ \(--help.*\)$/, "")}`
    ),
  ]);
  return [
    "Onestep: one-step policies for offline reinforcement learning. To begin: deno task reproduce (10 minutes on 2 cores).",
    ...lines,
    "",
    "Each has --help. Without Deno installed, write npx -y deno@2.9.6 for deno.",
  ].join("\n");
}

if (import.meta.main) {
  console.log(helpText(JSON.parse(await Deno.readTextFile(join(workspaceFolder, "deno.json"))).tasks));
}
