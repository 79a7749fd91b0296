import { assert, assertEquals } from "@std/assert";
import type { AnyAlgorithm } from "../algorithms/core/agent.ts";
import * as registry from "../algorithms/registry.ts";
import { papers } from "../results/experiments/papers.ts";
import { settingsPage, settingsPath } from "../results/settings_page.ts";

const entryPoints = ["", "algorithms/", "algorithms/core/", "algorithms/engine/", "data/", "environments/", "results/"];

Deno.test("deno doc finds every public export documented", async () => {
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--lint", ...entryPoints.map((folder) => `${folder}mod.ts`)],
    cwd: new URL("../", import.meta.url),
    env: { NO_COLOR: "1" },
    stdout: "null",
    stderr: "piped",
  }).output();
  const problems = new TextDecoder().decode(stderr).split(/^(?=error)/m).filter((text) => text.startsWith("error["));
  // The engine shows TF.js as it is, and an import bears no documentation.
  const own = problems.filter((text) => !text.includes("node_modules") && !text.includes("import * as tf"));
  assertEquals(own, []);
});

Deno.test("algorithms/SETTINGS.md is what the code says; deno task settings writes it", async () =>
  assertEquals(await Deno.readTextFile(settingsPath), settingsPage()));

Deno.test("CITATION.cff and references.bib have every paper that an algorithm or a claim comes from, by one title and year", async () => {
  const [cff, bib] = await Promise.all(
    ["CITATION.cff", "references.bib"].map((name) => Deno.readTextFile(new URL(`../${name}`, import.meta.url))),
  );
  const entries = new Map(
    [...cff.matchAll(/title: "?(.*?)"?\n.*\n {4}year: (\d+)\n {4}url: https:\/\/arxiv.org\/abs\/([\d.]+)/g)].map((
      [, title, year, id],
    ) => [id, `${title}, ${year}`]),
  );
  const inBib = [...bib.matchAll(/title = \{(.*)\},[^@]*year = \{(\d+)\},\s*eprint = \{([\d.]+)\}/g)];
  assertEquals(new Map(inBib.map(([, title, year, id]) => [id, `${title}, ${year}`])), entries);
  const sources = [...Object.values<AnyAlgorithm>(registry).map(({ source }) => source)];
  for (const { title, source } of Object.values(papers)) {
    if (source === papers.grid.source) continue; // Of no paper.
    sources.push(source);
    const id = source.match(/arXiv ([\d.]+)/)![1];
    assertEquals(entries.get(id)?.split(", 20")[0], title);
  }
  for (const [, id] of sources.join(";").matchAll(/arXiv (\d{4}\.\d{5})/g)) assert(entries.has(id), id);
});
