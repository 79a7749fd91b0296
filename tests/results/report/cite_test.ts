import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { toLatex } from "../../../data/show/table.ts";
import { bibliography } from "../../../results/report/cite.ts";
import { workspaceFolder } from "../../../tools/paths.ts";
import { withFolder } from "../../folder.ts";

const keys = (bibtex: string) => [...bibtex.matchAll(/^@\w+\{(\w+),/gm)].map(([, key]) => key);

async function cite(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "tools/task.ts", "cite", ...args],
    cwd: workspaceFolder,
    env: { NO_COLOR: "1" },
  }).output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

Deno.test("bibliography() names papers once, D4RL for its files alone, the simulator for robots, and this software", async () => {
  const of = async (sources: string[], datasets: string[]) => keys(await bibliography({ sources, datasets }));
  const srpo = "Chen et al. 2023, arXiv 2310.07297";
  assertEquals(await of([srpo, srpo], []), ["chen2024srpo", "onestep"]);
  assertEquals(await of([srpo], ["hopper-medium-replay-local"]), ["chen2024srpo", "todorov2012mujoco", "onestep"]);
  assertEquals(await of([], ["hopper-medium-v2"]), ["fu2020d4rl", "todorov2012mujoco", "onestep"]);
  await assertRejects(() => of(["arXiv 1234.56789"], []), Error, "references.bib must have it");
});

Deno.test("every entry of references.bib has matching braces", async () => {
  for (const entry of (await Deno.readTextFile(join(workspaceFolder, "references.bib"))).split(/\n(?=@)/)) {
    const depth = [...entry].reduce((sum, c) => sum + (c === "{" ? 1 : c === "}" ? -1 : 0), 0);
    assertEquals(depth, 0, entry);
  }
});

Deno.test("deno task cite reads what reproduce, train and save() write, and refuses a folder without runs", () =>
  withFolder(async (folder) => {
    const runs = {
      a: { source: "Chen, Wang & Zhou 2024, arXiv 2405.19690", cell: { task: "25gaussians-far" } },
      b: { source: "arXiv 2310.07297", policy: { algorithm: "srpo", task: "hopper-medium-v2" } },
      c: { policy: { algorithm: "iql", task: null } },
    };
    for (const [name, run] of Object.entries(runs)) {
      await Deno.mkdir(join(folder, "runs", name), { recursive: true });
      await Deno.writeTextFile(join(folder, "runs", name, "run.json"), JSON.stringify(run));
    }
    const { code, out } = await cite(folder);
    assertEquals(code, 0);
    assertEquals(
      new Set(keys(out)),
      new Set(["chen2024dtql", "chen2024srpo", "kostrikov2022iql", "fu2020d4rl", "todorov2012mujoco", "onestep"]),
    );
    await Deno.remove(join(folder, "runs"), { recursive: true });
    const none = await cite(folder);
    assertEquals(none.code, 1);
    assertStringIncludes(none.err, "Cannot cite: no run.json lies below");
  }));

Deno.test("toLatex() escapes what LaTeX reads as commands, and sets numbers to the right", () => {
  const tex = toLatex({
    title: "50 % of A_1 & B",
    columns: ["name", "score"],
    numbers: ["score"],
    rows: [["a\\b{c}^2~<", "1.5"]],
    notes: ["A note\nof two lines"],
  });
  assertStringIncludes(tex, "% A note of two lines\n\\begin{table}");
  assertStringIncludes(tex, "\\caption{50 \\% of A\\_1 \\& B}");
  assertStringIncludes(tex, "\\begin{tabular}{lr}");
  assertStringIncludes(tex, "a\\textbackslash{}b\\{c\\}\\textasciicircum{}2\\textasciitilde{}$<$ & 1.5 \\\\");
  assert(!/[^\\][&%#](?! )/.test(tex.split("\n").find((line) => line.includes("caption"))!));
});
