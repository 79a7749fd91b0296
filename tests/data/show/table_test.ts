import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { tableFromIPC } from "@uwdata/flechette";
import { toArrow } from "../../../data/show/arrow.ts";
import { escapeMarkdown, toCsv, toMarkdown, toText } from "../../../data/show/table.ts";

const table = {
  title: "t",
  columns: ["Deno", "commit", "seconds", "95 %", "ratio", "95 %", "95 %"],
  rows: [
    ["2.9.6", "1234567", "1.50", "[1, 2]", "007", "[3, 4]", "5"],
    ["2.9.7", "7e12345", "", "[3, 4]", "12345678901234567890", "", "6"],
  ],
  notes: [],
  numbers: ["seconds"],
};

Deno.test("toArrow() takes the types of columns from the columns, never from the looks of cells; blanks of numbers are null", () => {
  const read = tableFromIPC(toArrow(table));
  assertEquals(read.names, ["Deno", "commit", "seconds", "95 %", "ratio", "ratio, 95 %", "95 %, 95 %"]);
  const column = (name: string) => read.getChild(name)!;
  assertEquals([...column("Deno").toArray()], ["2.9.6", "2.9.7"]);
  assertEquals([...column("commit").toArray()], ["1234567", "7e12345"]);
  assertEquals([...column("ratio").toArray()], ["007", "12345678901234567890"]);
  assertEquals([...column("ratio, 95 %").toArray()], ["[3, 4]", ""]);
  assertEquals([column("seconds").at(0), column("seconds").at(1), column("seconds").nullCount], [1.5, null, 1]);
  assertEquals(tableFromIPC(toArrow({ ...table, rows: [] })).numRows, 0);
  const wrong = { ...table, numbers: ["Deno"] };
  assertThrows(() => toArrow(wrong), TypeError, 'column "Deno" must hold numbers, row 0 is "2.9.6"');
});

Deno.test("toCsv() gives every column a name of its own and quotes what would break a line or a cell", () => {
  assertEquals(toCsv(table).split("\n")[0], 'Deno,commit,seconds,95 %,ratio,"ratio, 95 %","95 %, 95 %"');
  assertEquals(toCsv({ ...table, columns: ["a"], rows: [['"b"\r\nc,']] }), 'a\n"""b""\r\nc,"\n');
});

Deno.test("toMarkdown() shows titles and cells as they are: no markup, no link, no HTML, no other cell", () => {
  const shown = {
    "<script>alert(1)</script>": "&lt;script>alert(1)&lt;/script>",
    "a | b": "a \\| b",
    "[x](javascript:alert(1))": "[x\\](javascript:alert(1))",
    "`code` *bold* __proto__ ~no~": "\\`code\\` \\*bold\\* \\_\\_proto\\_\\_ \\~no\\~",
    "av_pbc halfcheetah_medium": "av_pbc halfcheetah_medium",
    "[1.25, 3.5] -7 50 % ± 3": "[1.25, 3.5] -7 50 % ± 3",
    "one\ntwo": "one two",
    "back\\slash & $x$": "back\\\\slash &amp; \\$x\\$",
  };
  for (const [text, wanted] of Object.entries(shown)) assertEquals(escapeMarkdown(text), wanted);
  const rows = Object.keys(shown).map((text) => [text, text]);
  const text = toMarkdown({ title: "<b>|", columns: ["a|", "b"], rows, notes: ["run `deno task <x>`, <img src=x>"] });
  const lines = text.split("\n");
  assertEquals(lines[0], "## &lt;b>\\|");
  for (const line of lines.slice(2, 4 + rows.length)) {
    assertEquals(line.replaceAll("\\\\", "").replaceAll("\\|", "").split("|").length, 4, line);
  }
  assertStringIncludes(text, "run `deno task <x>`, &lt;img src=x>");
});

Deno.test("toText(), toMarkdown() and toCsv() print a table", () => {
  const small = { title: "T", columns: ["a", "b"], rows: [["x, y", "1.5"], ["z", "10"]], notes: ["n"] };
  assertEquals(toText(small).split("\n").slice(4, 6), ["x, y  1.5", "z      10"]);
  assertStringIncludes(toMarkdown(small), "| x, y | 1.5 |");
  assertEquals(toCsv(small), 'a,b\n"x, y",1.5\nz,10\n');
});
