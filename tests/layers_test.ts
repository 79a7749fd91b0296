import { assertEquals } from "@std/assert";
import { join } from "node:path/posix";

/** Folders and files, each of which may import itself, its own line and the lines above. */
const layers = [
  ["tools"],
  ["algorithms/engine"],
  ["algorithms/core"],
  ["algorithms"],
  ["environments"],
  ["data"],
  ["results/cells"],
  ["results/scores"],
  ["results/train"],
  ["results/experiments"],
  ["results/experiments/mod.ts"],
  ["results/shipped"],
  ["results/plan.ts", "results/profiles.ts", "results/report", "results/executors", "results/policies"],
  ["results"],
  ["mod.ts", "bench", "experiments", "examples"],
];

const workspace = new URL("../", import.meta.url);

/** What every file imports, types too. */
const imports = new Map<string, string[]>();
function visit(folder: string) {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(`${folder}/`, workspace))) {
    const path = join(folder, name);
    if (isDirectory) visit(path);
    else if (name.endsWith(".ts")) {
      const text = Deno.readTextFileSync(new URL(path, workspace));
      const found = text.matchAll(/^(?:import|export)\b(?:[^"';=]*\bfrom)?\s*"(\.[^"]*)"|import\("(\.[^"]*)"\)/gm);
      imports.set(path, Array.from(found, ([, statement, call]) => join(folder, statement ?? call)));
    }
  }
}
for (const { name, isDirectory } of Deno.readDirSync(workspace)) {
  if (isDirectory && layers.flat().some((entry) => entry.split("/")[0] === name)) visit(name);
}

const within = (path: string, entry: string) => path === entry || path.startsWith(`${entry}/`);
const rankOf = (path: string) => {
  const [longest] = layers.flat().filter((entry) => within(path, entry)).sort((a, b) => b.length - a.length);
  return layers.findIndex((line) => line.includes(longest));
};
/** Imports that break a rule, as `from -> to`. */
const breaking = (breaks: (from: string, to: string) => boolean) =>
  [...imports].flatMap(([from, all]) => all.filter((to) => breaks(from, to)).map((to) => `${from} -> ${to}`));

Deno.test("no file imports itself by way of others", () => {
  const [clear, above, circles]: [Set<string>, string[], string[]] = [new Set(), [], []];
  const follow = (path: string) => {
    if (above.includes(path)) circles.push([...above.slice(above.indexOf(path)), path].join(" -> "));
    if (clear.has(path) || above.includes(path)) return;
    above.push(path);
    imports.get(path)?.forEach(follow);
    clear.add(above.pop()!);
  };
  [...imports.keys()].forEach(follow);
  assertEquals(circles, []);
});

Deno.test("imports point from later layers to earlier ones", () =>
  assertEquals(breaking((from, to) => rankOf(to) > rankOf(from)), []));

Deno.test("experiments import no other experiment, and only results/experiments/mod.ts names them", () => {
  const list = "results/experiments/mod.ts";
  const listed = imports.get(list)!.filter((path) =>
    within(path, "results/experiments") && !path.endsWith("experiment.ts")
  );
  const own = (path: string) => path.replace(/\/mod\.ts$/, "");
  assertEquals(
    breaking((from, to) =>
      listed.some((path) =>
        within(to, own(path)) && !within(from, own(path)) && within(from, "results/experiments") && from !== list
      )
    ),
    [],
  );
  assertEquals(breaking((from, to) => listed.includes(to) && from !== list), []);
});

Deno.test("only algorithms/registry.ts lists algorithms, beside algorithms/mod.ts, which exports them", () => {
  const all = imports.get("algorithms/registry.ts")!.filter((path) => !within(path, "algorithms/core"));
  const lists = (found: string[]) => all.filter((path) => found.includes(path)).length > all.length / 2;
  const listing = [...imports].filter(([, found]) => lists(found)).map(([path]) => path);
  assertEquals(listing.sort(), ["algorithms/mod.ts", "algorithms/registry.ts"]);
});
