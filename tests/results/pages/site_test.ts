import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import axe from "axe-core";
import { dirname, join } from "node:path";
import { anchorOf, markdownHtml, notebookHtml } from "../../../results/pages/markdown.ts";
import { filesBelow, writeApi } from "../../../results/pages/api.ts";
import { buildPages, deadLinks, pages } from "../../../results/pages/site.ts";
import { workspaceFolder } from "../../../tools/paths.ts";
import { browserPath, startBrowser } from "../../browser.ts";
import { withFolder } from "../../folder.ts";

const others = new Set(["playground/index.html", "api/index.html", "report.html"]);

/** All pages of ours, and stand-ins for what other tools make. */
async function built(): Promise<Map<string, string | Uint8Array>> {
  return new Map([
    ...[...others].map((path): [string, string] => [path, "made elsewhere"]),
    ...await buildPages(pages, others),
  ]);
}

const textOf = (contents: string | Uint8Array) => typeof contents === "string" ? contents : null;

Deno.test("buildPages() makes every page and all that they link to, and no link is dead", async () => {
  const files = await built();
  for (const path of ["index.html", "results/RESULTS.html", "notebooks/00_tour.html", "examples/how_to/deploy.html"]) {
    assert(files.has(path), path);
  }
  assertStringIncludes(`${files.get("index.html")}`, 'src="results/gallery/playground.gif" width="640" height="305"');
  assertEquals(deadLinks(new Map([...files].map(([path, contents]) => [path, textOf(contents)]))), []);
});

Deno.test("deadLinks() names a missing file and a missing anchor", () =>
  assertEquals(
    deadLinks(
      new Map([
        ["a.html", '<a href="b.html"></a><a href="b.html#there"></a><a href="b.html#gone"></a><img src="c.png">'],
        ["b.html", '<h2 id="there">'],
      ]),
    ),
    ["a.html -> b.html#gone", "a.html -> c.png"],
  ));

Deno.test("buildPages() refuses a link that leads to no file, by the page's name", () =>
  withFolder(async (folder) => {
    const path = join(workspaceFolder, "results", "dead_link_test.md");
    await Deno.copyFile(join(workspaceFolder, "README.md"), join(folder, "kept.md"));
    await Deno.writeTextFile(path, "[x](nowhere.md)");
    try {
      await assertRejects(
        () => buildPages(["results/dead_link_test.md"], others),
        Error,
        "results/dead_link_test.md links to nowhere.md",
      );
    } finally {
      await Deno.remove(path);
    }
  }));

Deno.test("writeApi() documents every export path and links to sources, names no path of this machine, and stays small", () =>
  withFolder(async (folder) => {
    const sources = await writeApi(join(folder, "api"));
    const files = filesBelow(folder);
    for (const path of ["", "algorithms/", "core/", "data/", "engine/", "environments/", "results/"]) {
      assert(files.has(`api/${path}index.html`), path);
    }
    const page = (name: string) => files.get(`api/${name}.html`)!;
    assertStringIncludes(page("algorithms/~/dtql"), 'class="link td-ref">Algorithm</a>');
    assertStringIncludes(page("engine/~/compile"), "from &quot;@onestep/onestep/engine&quot;");
    assertStringIncludes(page("core/~/cosineDecay"), "Example");
    assert(sources.includes("algorithms/core/optim.ts") && sources.includes("algorithms/bc.ts"), `${sources}`);
    const others = ["index.html", ...sources.map((path) => `${path}.html`)].map((path): [string, string] => [path, ""]);
    assertEquals(deadLinks(new Map([...files, ...others])), []);
    for (const [path, html] of files) {
      assert(!html?.includes("file:///"), path);
      const nested = html?.split(/<a\s/).slice(1).find((after) => !after.includes("</a>"));
      assertEquals(nested, undefined, `${path}: a link in a link`);
    }
    assert([...files.keys()].reduce((sum, path) => sum + Deno.statSync(join(folder, path)).size, 0) < 15e6);
  }));

Deno.test("markdownHtml() gives headings GitHub's anchors, and shows code as it is", () => {
  assertEquals(anchorOf("If you know `CORL`, d3rlpy"), "if-you-know-corl-d3rlpy");
  assertEquals(markdownHtml("## A `b` c").trim(), '<h2 id="a-b-c">A <code>b</code> c</h2>');
  assertEquals(markdownHtml("```ts\na < b;\n```").trim(), '<pre tabindex="0"><code>a &lt; b;</code></pre>');
});

Deno.test("notebookHtml() shows text, code and one form of each output", () => {
  const html = notebookHtml({
    cells: [
      { cell_type: "markdown", source: ["# Title\n"] },
      {
        cell_type: "code",
        source: "1 < 2",
        outputs: [{ data: { "image/png": "AAAA", "text/plain": "a figure\nwith more" } }, { text: ["hello\n"] }],
      },
    ],
  }, "x.ipynb");
  for (const part of ['<h1 id="title">', "1 &lt; 2", 'alt="a figure" src="data:image/png;base64,AAAA"', "hello"]) {
    assert(html.includes(part), part);
  }
});

/** Blocks of TypeScript in Markdown. */
const blocksOf = (markdown: string) => [...markdown.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code);

Deno.test("blocks of TypeScript in README.md and the how-to pages pass the type checker; that of own data runs", async () => {
  const folder = join(workspaceFolder, "examples", "how_to");
  const pages = [...Deno.readDirSync(folder)].map(({ name }) => join(folder, name));
  const scripts = [join(workspaceFolder, "README.md"), ...pages].flatMap((path) =>
    blocksOf(Deno.readTextFileSync(path)).map((code, i) => ({ code, script: path.replace(/\w+\.md$/, `_$&_${i}.ts`) }))
  );
  const run = async (...args: string[]) => {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), { args, stdout: "null", stderr: "piped" })
      .output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
  };
  try {
    for (const { code, script } of scripts) await Deno.writeTextFile(script, code);
    await run("check", "--quiet", ...scripts.map(({ script }) => script));
    await run("run", "-A", "--quiet", scripts.find(({ script }) => script.includes("own_data"))!.script);
  } finally {
    for (const { script } of scripts) await Deno.remove(script);
  }
});

Deno.test({
  name: "the site's pages have no violation of accessibility, and nothing too wide, on a phone in the dark",
  ignore: browserPath === null,
  sanitizeOps: false,
  sanitizeResources: false,
  fn: () =>
    withFolder(async (folder) => {
      for (const [path, contents] of await built()) {
        await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
        if (typeof contents === "string") await Deno.writeTextFile(join(folder, path), contents);
        else await Deno.writeFile(join(folder, path), contents);
      }
      const browser = await startBrowser();
      try {
        const page = await browser.newPage({ colorScheme: "dark", viewport: { width: 360, height: 740 } });
        for (
          const path of [
            "index.html",
            "results/RESULTS.html",
            "notebooks/dtql_bandit.html",
            "examples/how_to/deploy.html",
          ]
        ) {
          await page.goto(`file://${join(folder, path)}`);
          const [wide, width] = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]") as number[];
          assert(wide <= width, `${path} is ${wide} wide`);
          await page.addScriptTag({ content: axe.source });
          const { violations } = await page.evaluate("axe.run()") as axe.AxeResults;
          assertEquals(violations.map(({ id, nodes }) => `${path}, ${id}: ${nodes[0].html.slice(0, 160)}`), []);
        }
      } finally {
        await browser.close();
      }
    }),
});
