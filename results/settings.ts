/**
 * All algorithms' settings as a page, from their defaults and presets: `deno task settings` writes `algorithms/SETTINGS.md`.
 *
 * @module
 */

import { algorithms } from "./cell.ts";
import { writeAtomically } from "../tools/files.ts";
import { fromFileUrl } from "../tools/paths.ts";

/** Where the page lies. */
export const settingsPath: string = fromFileUrl(new URL("../algorithms/SETTINGS.md", import.meta.url));

const text = (value: unknown) => typeof value === "object" ? `\`${JSON.stringify(value)}\`` : `${value}`;

function section(name: string): string[] {
  const { title, source, defaults, presets } = algorithms[name as keyof typeof algorithms];
  const settings = Object.entries(defaults).map(([setting, value]) => `| ${setting} | ${text(value)} |`);
  const differences = Object.entries(presets).map(([task, preset]) => {
    const own = Object.entries(preset!.config).map(([setting, value]) => `${setting} ${text(value)}`).join(", ");
    return `| ${task} | ${own || "as above"} | ${preset!.source} |`;
  });
  return [
    `## ${title} (\`${name}\`)`,
    "",
    `Source: ${source}.`,
    "",
    "| setting | default |",
    "| --- | --- |",
    ...settings,
    "",
    ...(differences.length > 0 ? ["| task | differs in | source |", "| --- | --- | --- |", ...differences, ""] : []),
  ];
}

/** The page. */
export function settingsPage(): string {
  return [
    "# Settings",
    "",
    "Written by `deno task settings` from the code. What a setting means stands beside its type in the algorithm's file.",
    "",
    ...Object.keys(algorithms).flatMap(section),
  ].join("\n");
}

if (import.meta.main) await writeAtomically(settingsPath, settingsPage());
