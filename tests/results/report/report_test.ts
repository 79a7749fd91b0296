import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromArrow } from "arquero";
import axe from "axe-core";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { escapeHtml } from "../../../data/show/display.ts";
import { writeReport } from "../../../results/report/report.ts";
import { browserPath, startBrowser } from "../../browser.ts";
import { withFolder } from "../../folder.ts";
import { syntheticEvaluation } from "../synthetic.ts";

const tasks = ["hopper-medium-replay-local", "halfcheetah-medium-replay-local"];

/** Two experiments on two tasks, three seeds. */
const evaluations = tasks.flatMap((task) =>
  [0, 1, 2].flatMap((seed) => [
    syntheticEvaluation({ experiment: "dtql", algorithm: "dtql", task, seed }, [{
      score: 60,
      actMs: 0.1,
    }]),
    syntheticEvaluation({ experiment: "dtql", algorithm: "diffusion_ql", task, seed }, [
      { candidates: 1, score: 50, actMs: 0.4 },
      { candidates: 50, score: 52, actMs: 1.5 },
    ]),
    syntheticEvaluation({ experiment: "srpo", algorithm: "dtql", task, seed }, [{
      score: 10,
      actMs: 0.1,
    }]),
  ])
);

const report = (root: string, list = evaluations) =>
  writeReport({ root, profile: "quick", evaluations: list, failures: [], planned: 40 });

/** The report that tests read and do not change, written once. */
let written: ReturnType<typeof report> | null = null;
const shared = await Deno.makeTempDir();
const withReport = async (use: (folder: string, made: Awaited<ReturnType<typeof report>>) => unknown) => {
  await use(shared, await (written ??= report(shared)));
};
Deno.test.afterAll(() => Deno.remove(shared, { recursive: true }));

Deno.test("writeReport() keeps experiments apart although both have the same method on the same task", () =>
  withReport((_, { sections }) => {
    const rows = (name: string) => sections.find((s) => s.name === name)!.tables[`${name}_scores`].rows;
    const scores = (name: string) => rows(name).filter(([, method]) => method === "DTQL").map((row) => row[3]);
    assert(scores("dtql").every((score) => Math.abs(Number(score) - 60) < 1));
    assert(scores("srpo").every((score) => Math.abs(Number(score) - 10) < 1));
    assertEquals(rows("dtql")[0][5], "3 x 10");
  }));

Deno.test("writeReport() writes every table as CSV and Arrow with the same numbers", () =>
  withReport(async (folder, { sections }) => {
    for (const [name, { columns, rows }] of sections.flatMap(({ tables }) => Object.entries(tables))) {
      const csv = await Deno.readTextFile(join(folder, "quick", `${name}.csv`));
      assertEquals(csv.trim().split("\n").length, rows.length + 1, name);
      const frame = fromArrow(await Deno.readFile(join(folder, "quick", `${name}.arrow`)));
      assertEquals([frame.numRows(), frame.numCols()], [rows.length, columns.length], name);
    }
    const frame = fromArrow(await Deno.readFile(join(folder, "quick", "dtql_scores.arrow")));
    assertEquals(typeof frame.get("score", 0), "number");
  }));

Deno.test("tables of every section have distinct columns, and numbers where they say so", () =>
  withReport(async (folder, { sections }) => {
    for (const table of sections.flatMap(({ tables }) => Object.values(tables))) {
      assertEquals(new Set(table.columns).size, table.columns.length, table.title);
      for (const name of table.numbers ?? []) assert(table.columns.includes(name), `${table.title} lacks ${name}`);
      const machines = table.columns.includes("Deno");
      if (machines) assert(!table.numbers!.includes("Deno"));
    }
    const machines = fromArrow(await Deno.readFile(join(folder, "quick", "machines.arrow")));
    assertEquals(machines.get("Deno", 0), "2.9.6");
  }));

Deno.test("writeReport() aggregates over tasks and never merges what only some tasks have", () =>
  withFolder(async (folder) => {
    const partial = evaluations.filter(({ cell }) => cell.task === tasks[0] || cell.algorithm === "dtql");
    const { sections } = await report(folder, partial);
    const { rows } = sections.find((s) => s.name === "dtql")!.tables.dtql_tasks;
    assertEquals(rows.map(([method]) => method), ["DTQL, one sample"]);
  }));

Deno.test("escapeHtml() leaves no markup", () =>
  assertEquals(escapeHtml('<a href="x">&</a>'), "&lt;a href=&quot;x&quot;&gt;&amp;&lt;/a&gt;"));

for (
  const [name, width, colorScheme] of [
    ["a desk", 1200, "light"],
    ["a phone in the dark", 360, "dark"],
    ["a tablet", 800, "light"],
    ["a large screen in the dark", 1600, "dark"],
  ] as const
) {
  Deno.test({
    name:
      `the report opens on ${name} without a network: figures live, nothing too wide, no error, no violation of accessibility`,
    ignore: browserPath === null,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: () =>
      withReport(async (_, { page: path }) => {
        const browser = await startBrowser();
        try {
          const page = await browser.newPage({ colorScheme, viewport: { width, height: 800 }, offline: true });
          const problems: string[] = [];
          page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
          page.on("pageerror", (error) => problems.push(error.message));
          page.on("request", (request) => /^https?:/.test(request.url()) && problems.push(request.url()));
          await page.goto(`file://${path}`);
          const figures = page.locator("figure.picture");
          assert(await figures.count() >= 4, `${await figures.count()} figures`);
          for (let i = 0; i < await figures.count(); i++) {
            await figures.nth(i).scrollIntoViewIfNeeded();
            await figures.nth(i).locator(".frame svg").waitFor({ timeout: 10_000 });
          }
          const page0 = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]") as number[];
          assert(page0[0] <= page0[1], `${page0[0]} wide on ${page0[1]}`);
          const ids = await page.evaluate("[...document.querySelectorAll('[id]')].map(({ id }) => id)") as string[];
          assertEquals(new Set(ids).size, ids.length, "every anchor is one place");
          const clipped = await page.evaluate(
            "[...document.querySelectorAll('.frame')].filter((f) => f.scrollWidth > f.clientWidth + 1).map((f) => f.parentElement.id)",
          );
          assertEquals(clipped, [], "figures that are wider than their frame");
          const colors = await page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]",
          ) as string[];
          const lightness = (text: string) => Number(text.match(/\d+/)![0]);
          assertEquals(lightness(colors[0]) < lightness(colors[1]), colorScheme === "light");
          assertStringIncludes(await page.getByRole("heading", { level: 1 }).innerText(), "tested claims hold");
          if (width === 800 || width === 1600) return assertEquals(problems, []); // Axe looks once per colour scheme.
          await page.addScriptTag({ content: axe.source });
          const { violations } = await page.evaluate("axe.run()") as axe.AxeResults;
          assertEquals(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)}`), []);
          assertEquals(problems, []);
        } finally {
          await browser.close();
        }
      }),
  });
}

Deno.test({
  name: "the report's pictures are there where scripts do not run",
  ignore: browserPath === null,
  sanitizeOps: false,
  sanitizeResources: false,
  fn: () =>
    withReport(async (_, { page: path }) => {
      const browser = await startBrowser();
      try {
        const context = await browser.newContext({ javaScriptEnabled: false });
        const page = await context.newPage();
        await page.goto(`file://${path}`);
        const image = page.locator("figure.picture img").first();
        await image.scrollIntoViewIfNeeded();
        const box = await image.boundingBox();
        assert(box !== null && box.width > 300 && box.height > 100);
        assertEquals(await page.locator("figure .frame svg").count(), 0);
      } finally {
        await browser.close();
      }
    }),
});

const gym = ["halfcheetah", "hopper", "walker2d"].flatMap((robot) =>
  ["medium", "medium-replay", "medium-expert"].map((level) => `${robot}-${level}-v2`)
);

Deno.test("writeReport() of 8,640 cells keeps to one row per cell and folds the long table", () =>
  withFolder(async (folder) => {
    const many = gym.flatMap((task) =>
      (["srpo", "dtql", "bc", "iql", "td3_bc", "rebrac"] as const).flatMap((algorithm) =>
        Array.from({ length: 160 }, (_, seed) =>
          syntheticEvaluation({ experiment: "srpo", algorithm, task, seed }, [{
            candidates: 1,
            score: 30 + algorithm.length,
            actMs: 0.1,
          }]))
      )
    );
    const { page } = await report(folder, many);
    const html = await Deno.readTextFile(page);
    assertStringIncludes(html, "<summary>8640 rows</summary>");
    assertStringIncludes(html, "160 x 10");
  }));

/** The page of the two experiments in a browser, with a clipboard. */
const onPage = (use: (page: Page, folder: string) => Promise<void>) =>
  withReport(async (folder, { page: path }) => {
    const browser = await startBrowser();
    try {
      const context = await browser.newContext({
        permissions: ["clipboard-read", "clipboard-write"],
        acceptDownloads: true,
      });
      const page = await context.newPage();
      await page.goto(`file://${path}`);
      await use(page, folder);
    } finally {
      await browser.close();
    }
  });

Deno.test({
  name: "the report's buttons copy the very CSV and LaTeX that lie beside it, and BibTeX, and hand out figures",
  ignore: browserPath === null,
  sanitizeOps: false,
  sanitizeResources: false,
  fn: () =>
    onPage(async (page, folder) => {
      const clipboard = () => page.evaluate("navigator.clipboard.readText()") as Promise<string>;
      for (const [form, file] of [["CSV", "dtql_scores.csv"], ["LaTeX", "tables/dtql_scores.tex"]]) {
        await page.locator(".table:has(#table_dtql_scores)").getByRole("button", { name: form }).click();
        await page.getByRole("status").filter({ hasText: `${form} copied` }).waitFor();
        assertEquals(await clipboard(), await Deno.readTextFile(join(folder, "quick", file)));
      }
      await page.getByRole("button", { name: "Copy BibTeX" }).click();
      assertStringIncludes(await clipboard(), "eprint = {2405.19690}");
      const figure = page.locator(`[id="figure_dtql_${tasks[0]}"]`);
      for (const [form, start] of [["SVG", "<svg"], ["PNG", "\u2030PNG"]]) {
        const [download] = await Promise.all([
          page.waitForEvent("download"),
          figure.getByRole("button", { name: form }).click(),
        ]);
        assertEquals(download.suggestedFilename(), `dtql_${tasks[0]}.${form.toLowerCase()}`);
        const bytes = await Deno.readFile(await download.path());
        assertEquals(new TextDecoder("latin1").decode(bytes.slice(0, start.length)), start);
      }
    }),
});

Deno.test("the report's forest draws one row per tested claim, hollow for one seed, on the wanted side of its threshold", () =>
  withFolder(async (folder) => {
    const one = evaluations.filter(({ cell }) => cell.seed === 0 && cell.task === tasks[0]);
    const { page, answers } = await report(folder, one);
    const html = await Deno.readTextFile(page);
    const rows = html.match(/<svg viewBox="0 0 240 26".*?<\/svg>/g)!;
    const tested = answers.filter(({ ours }) => ours !== null);
    assertEquals(rows.length, tested.length);
    assert(rows.every((row) => row.includes("hollow") && !row.includes('class="bar"')));
    const holding = tested.findIndex(({ verdict }) => verdict === "seen once");
    assert(Number(rows[holding].match(/cx="([\d.]+)"/)![1]) > 120);
    await withReport(async (_, made) => assertStringIncludes(await Deno.readTextFile(made.page), 'class="bar"'));
  }));

Deno.test("every SVG of a report is under a megabyte and of no fixed colour of ink", () =>
  withReport(async (folder, { sections }) => {
    for (const name of sections.flatMap(({ figures }) => Object.keys(figures))) {
      const svg = await Deno.readTextFile(join(folder, "quick", `${name}.svg`));
      assert(svg.length < 1e6, `${name}: ${svg.length}`);
      assert(!/(fill|stroke)="(black|#000)"/.test(svg), name);
      assertStringIncludes(svg, "prefers-color-scheme: dark");
    }
  }));
