import { assertEquals } from "@std/assert";
import { settingsPage, settingsPath } from "../results/settings_page.ts";

Deno.test("every public export is documented", async () => {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--lint", "mod.ts"],
    cwd: new URL("../", import.meta.url),
    env: { NO_COLOR: "1" },
    stdout: "null",
    stderr: "piped",
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
});

Deno.test("algorithms/SETTINGS.md is what the code says; deno task settings writes it", async () =>
  assertEquals(await Deno.readTextFile(settingsPath), settingsPage()));
