import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { writeFigure } from "../../../data/show/write_figure.ts";
import { withFolder } from "../../folder.ts";

Deno.test("writeFigure() writes a specification, an SVG and a PNG with text in it", () =>
  withFolder(async (folder) => {
    const figure = (title: string) => ({
      title,
      data: { values: [{ x: 1 }, { x: 2 }] },
      mark: "point" as const,
      encoding: { x: { field: "x", type: "quantitative" as const } },
    });
    await writeFigure(join(folder, "a"), figure("A title"));
    await writeFigure(join(folder, "b"), figure(" "));
    assertStringIncludes(await Deno.readTextFile(join(folder, "a.svg")), "A title");
    const [a, b] = await Promise.all(["a", "b"].map((name) => Deno.readFile(join(folder, `${name}.png`))));
    assertEquals([...a.subarray(1, 4)], [0x50, 0x4e, 0x47]);
    assert(a.length > b.length + 200, "the title left no pixels; is the font there?");
  }));
