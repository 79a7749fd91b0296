import { assertEquals } from "@std/assert";
import { fromFileUrl } from "../../tools/paths.ts";

/** What a script here prints, in a process of its own. */
async function printed(script: string, ...args: string[]): Promise<string> {
  const { stdout, stderr, code } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--no-prompt", "-A", fromFileUrl(new URL(script, import.meta.url)), ...args],
    cwd: fromFileUrl(new URL("../../", import.meta.url)),
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

for (const route of ["library", "package"]) {
  for (const first of ["update", "policy"]) {
    Deno.test({
      name:
        `denormal numbers are flushed in every thread that runs sessions, by the ${route}, after the first ${first}`,
      ignore: Deno.build.arch !== "x86_64", // ONNX Runtime flushes them on no other.
      async fn() {
        const flushed = { product: 0, flushes: true };
        const found = JSON.parse(await printed("denormals_script.ts", route, first));
        assertEquals(found, { main: flushed, early: flushed, late: flushed });
      },
    });
  }
}

Deno.test("two workers and the main thread run sessions at once and are ended at random: no crash, no wrong number", async () => {
  assertEquals(await printed("workers_script.ts", "20"), "20 rounds, all right");
});
