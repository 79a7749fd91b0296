/**
 * BibTeX of what runs used: their algorithms' papers, their data, their simulator, this software.
 *
 * @module
 */

import { join } from "node:path";
import { workspaceFolder } from "../../tools/paths.ts";

/** What is to be cited. */
export interface Used {
  /** Texts that name papers as `arXiv 2405.19690`, such as an algorithm's source. */
  sources: readonly string[];
  /** Ids of the datasets. */
  datasets: readonly string[];
}

/** The entries of `references.bib`, by key. */
async function entries(): Promise<Map<string, string>> {
  const text = await Deno.readTextFile(join(workspaceFolder, "references.bib"));
  return new Map(text.split(/\n(?=@)/).map((entry) => [entry.match(/^@\w+\{([^,]+),/)![1], entry.trim()]));
}

/**
 * One entry per paper, data set, simulator and this software, in BibTeX.
 *
 * @throws {Error} If `references.bib` lacks a paper that a source names.
 */
export async function bibliography({ sources, datasets }: Used): Promise<string> {
  const all = await entries();
  const papers = [
    ...new Set(sources.flatMap((text) => [...text.matchAll(/arXiv (\d{4}\.\d{5})/g)].map(([, id]) => id))),
  ];
  const ofPapers = papers.map((id) => {
    const entry = [...all.values()].find((text) => text.includes(`{${id}}`));
    if (!entry) {
      throw new Error(`Cannot cite arXiv ${id}: references.bib must have it; add an entry with eprint = {${id}}`);
    }
    return entry;
  });
  const cff = await Deno.readTextFile(join(workspaceFolder, "CITATION.cff"));
  const [, released] = cff.match(/^date-released: (\d{4})/m)!;
  const { version } = JSON.parse(await Deno.readTextFile(join(workspaceFolder, "deno.json")));
  const own = `@software{onestep,
  title = {Onestep: One-Step Policies for Offline Reinforcement Learning, in {TypeScript}},
  author = {{The Onestep developers}},
  version = {${version}},
  year = {${released}},
}`;
  const onRobots = datasets.length > 0;
  const ofD4rl = datasets.some((id) => !id.endsWith("-local"));
  return [
    ...ofPapers,
    ...(ofD4rl ? [all.get("fu2020d4rl")!] : []),
    ...(onRobots ? [all.get("todorov2012mujoco")!] : []),
    own,
  ].join("\n\n") + "\n";
}
