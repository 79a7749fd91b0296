import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { table as frame } from "arquero";
import { curveText, jupyterDisplay, showFigure, showFrame, showTable } from "../../../data/show/display.ts";

const spec = {
  title: "A & B",
  data: { values: [{ x: 1, y: 2 }] },
  mark: "point" as const,
  encoding: { x: { field: "x", type: "quantitative" as const }, y: { field: "y", type: "quantitative" as const } },
};

Deno.test("showFigure() gives a notebook Vega-Lite under a name that front ends know, and pictures", async () => {
  const bundle = await (await showFigure(spec))[jupyterDisplay]();
  assertEquals(Object.keys(bundle).sort(), [
    "application/vnd.vegalite.v5+json",
    "image/png",
    "image/svg+xml",
    "text/html",
    "text/plain",
  ]);
  const { $schema } = bundle["application/vnd.vegalite.v5+json"] as { $schema: string };
  assertStringIncludes($schema, "/v5.json");
  assertStringIncludes(bundle["image/svg+xml"] as string, "A &amp; B");
  assertStringIncludes(bundle["text/html"] as string, 'alt="A &amp; B"');
  assertEquals([...Uint8Array.fromBase64(bundle["image/png"] as string).slice(1, 4)], [0x50, 0x4e, 0x47]);
});

Deno.test("what shows itself prints as text in a terminal", async () => {
  const table = { title: "T", columns: ["a"], rows: [["<1>"]], notes: ["n"] };
  assertStringIncludes(Deno.inspect(showTable(table)), "<1>");
  assertEquals(Deno.inspect(await showFigure(spec)), "[A & B]");
});

Deno.test("showTable() escapes what it puts into HTML", async () => {
  const table = { title: "T", columns: ["a"], rows: [["<1>"]], notes: ["a & b"] };
  const html = (await showTable(table)[jupyterDisplay]())["text/html"] as string;
  assertStringIncludes(html, "<td>&lt;1&gt;</td>");
  assertStringIncludes(html, "a &amp; b");
});

Deno.test("showFrame() shows the first rows and says how many there are", () => {
  const text = showFrame(frame({ x: [0.123456789, 2], name: ["a", "b"] }), 1).toText();
  assert(text.startsWith("2 rows") && text.includes("0.12346") && !text.includes("b\n"));
});

Deno.test("curveText() averages what does not fit and never fails on little", () => {
  assertEquals(curveText([]), "no values");
  assertEquals(curveText([3]), "▁ 3 to 3, last 3");
  assertEquals(curveText([0, 0, 4, 4], 2), "▁█ 0 to 4, last 4");
});
