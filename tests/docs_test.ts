import { assertEquals } from "@std/assert";
import { settingsPage, settingsPath } from "../results/settings_page.ts";

const entryPoints = ["", "algorithms/", "algorithms/core/", "algorithms/engine/", "data/", "environments/", "results/"];

Deno.test("deno doc finds every public export documented", async () => {
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--lint", ...entryPoints.map((folder) => `${folder}mod.ts`)],
    cwd: new URL("../", import.meta.url),
    env: { NO_COLOR: "1" },
    stdout: "null",
    stderr: "piped",
  }).output();
  const problems = new TextDecoder().decode(stderr).split(/^(?=error)/m).filter((text) => text.startsWith("error["));
  // The engine shows TF.js as it is, and an import bears no documentation.
  const own = problems.filter((text) => !text.includes("node_modules") && !text.includes("import * as tf"));
  assertEquals(own, []);
});

Deno.test("algorithms/SETTINGS.md is what the code says; deno task settings writes it", async () =>
  assertEquals(await Deno.readTextFile(settingsPath), settingsPage()));
