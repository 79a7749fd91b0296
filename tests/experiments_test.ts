import { assertEquals, assertStringIncludes } from "@std/assert";

Deno.test("experiments/dtql_bandit.ts trains and measures", async () => {
  const cwd = new URL("../", import.meta.url);
  const args = ["run", "-A", "--quiet", "experiments/dtql_bandit.ts", "near", "5"];
  const { code, stdout } = await new Deno.Command(Deno.execPath(), { args, cwd }).output();
  assertEquals(code, 0);
  assertStringIncludes(new TextDecoder().decode(stdout), "nearestMean");
});
