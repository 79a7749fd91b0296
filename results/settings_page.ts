/**
 * All algorithms' settings as a page, from their defaults and presets: `deno task settings` writes `algorithms/SETTINGS.md`.
 *
 * @module
 */

import * as registry from "../algorithms/registry.ts";
import type { AnyAlgorithm } from "../algorithms/core/agent.ts";
import { writeAtomically } from "../tools/files.ts";
import { fromFileUrl } from "../tools/paths.ts";
import { experiments, runsOf } from "./experiments/mod.ts";

/** Where the page lies. */
export const settingsPath: string = fromFileUrl(new URL("../algorithms/SETTINGS.md", import.meta.url));

const text = (value: unknown) => typeof value === "object" ? `\`${JSON.stringify(value)}\`` : `${value}`;

/** Those of the registry, then the experiments' own. */
function allAlgorithms(): AnyAlgorithm[] {
  const listed: AnyAlgorithm[] = Object.values(registry);
  const run = experiments.flatMap((experiment) => runsOf(experiment).map(({ algorithm }) => algorithm));
  return [...new Set([...listed, ...run])];
}

function section({ name, title, source, defaults, presets }: AnyAlgorithm): string[] {
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
    ...(differences.length > 0
      ? ["| task | differs in | source |", "| --- | --- | --- |", ...differences]
      : ["One setting for all tasks."]),
    "",
  ];
}

/** The page. */
export function settingsPage(): string {
  return [
    "# Settings",
    "",
    "Written by `deno task settings` from the code. What a setting means stands beside its type in the algorithm's file.",
    "",
    ...allAlgorithms().flatMap(section),
  ].join("\n");
}

if (import.meta.main) await writeAtomically(settingsPath, settingsPage());
