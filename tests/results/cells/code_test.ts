import { assert, assertEquals } from "@std/assert";
import * as nodeModule from "node:module";
import { join } from "node:path";
import { codeParts, codeTokens } from "../../../results/cells/code.ts";
import { fromFileUrl } from "../../../tools/paths.ts";

const pathsOf = (source: string) => codeParts(source).flatMap((part) => typeof part === "string" ? [] : [part.path]);

Deno.test("codeTokens() leaves out comments and blanks, and nothing else", () => {
  assertEquals(codeTokens("a = 1; // b\n/* c */ d"), ["a", "=", "1", ";", "d"]);
  assertEquals(codeTokens("`a // ${b /* c */ + `d ${'}'} e`} f`"), [
    "`a // ${",
    "b",
    "+",
    "`d ${",
    "'}'",
    "} e`",
    "} f`",
  ]);
  assertEquals(codeTokens("x = a / b; y = /[/'\"]/g.test(z) // end"), [
    ...["x", "=", "a", "/", "b", ";", "y", "=", "/[/'\"]/g", ".", "test", "(", "z", ")"],
  ]);
  assertEquals(codeTokens("a\r\nb"), codeTokens("a\n\n b"));
});

Deno.test("codeParts() finds the paths of values, and leaves out imports of types", () => {
  assertEquals(
    pathsOf(`
      import a, { type b } from "./a.ts";
      import type { c } from "./types.ts";
      import { type d, type e } from "./types.ts";
      import "./effect.ts";
      import json from "./data.json" with { type: "json" };
      export * from "./star.ts";
      export { f } from "./f.ts";
      export type { g } from "./types.ts";
      export type h = "./no.ts";
      const i = await import("./i.ts");
      new Worker(new URL("./worker.ts", import.meta.url));
      import.meta.resolve("./resolved.wasm");
      const text = 'import x from "./no.ts"';
      // import y from "./no.ts";
    `),
    ["./a.ts", "./effect.ts", "./data.json", "./star.ts", "./f.ts", "./i.ts", "./worker.ts", "./resolved.wasm"],
  );
  assertEquals(codeParts('import type { a } from "./a.ts"; b;'), codeParts("b;"));
});

Deno.test("codeParts() leaves out the words of errors, and not what they compute", () => {
  const parts = (source: string) => codeParts(source).join(" ");
  assertEquals(parts("throw new RangeError(`Cannot a ${b(1)} c`, d)"), parts("throw new RangeError(`x ${b(1)}`, d)"));
  assert(parts("throw new Error(`${b(1)}`)") !== parts("throw new Error(`${b(2)}`)"));
  assert(parts('f("a")') !== parts('f("b")'));
});

const strip =
  (nodeModule as { stripTypeScriptTypes?: (source: string, options: object) => string }).stripTypeScriptTypes;

Deno.test({
  name: "codeTokens() of every file of the workspace reads as the compiler does, and codeParts() finds the same paths",
  ignore: strip === undefined,
  fn: () => {
    const compiled = (source: string) => strip!(source, { mode: "transform" });
    let files = 0;
    const visit = (folder: string) => {
      for (const { name, isDirectory } of Deno.readDirSync(folder)) {
        const path = join(folder, name);
        if (isDirectory) visit(path);
        else if (name.endsWith(".ts")) {
          const source = Deno.readTextFileSync(path);
          const code = compiled(source);
          assertEquals(codeTokens(compiled(codeTokens(source).join(" "))), codeTokens(code), path);
          assertEquals(pathsOf(source), pathsOf(code), path);
          files++;
        }
      }
    };
    const workspace = fromFileUrl(new URL("../../../", import.meta.url));
    for (const folder of ["algorithms", "bench", "data", "environments", "results", "tests", "tools"]) {
      visit(join(workspace, folder));
    }
    assert(files > 200, `${files}`);
  },
});
