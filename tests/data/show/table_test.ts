import { assertEquals, assertStringIncludes } from "@std/assert";
import { toCsv, toMarkdown, toText } from "../../../data/show/table.ts";

Deno.test("toText(), toMarkdown() and toCsv() print a table", () => {
  const table = { title: "T", columns: ["a", "b"], rows: [["x, y", "1.5"], ["z", "10"]], notes: ["n"] };
  assertEquals(toText(table).split("\n").slice(4, 6), ["x, y  1.5", "z      10"]);
  assertStringIncludes(toMarkdown(table), "| x, y | 1.5 |");
  assertEquals(toCsv(table), 'a,b\n"x, y",1.5\nz,10\n');
});
