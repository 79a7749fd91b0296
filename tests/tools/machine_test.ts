import { assert, assertEquals } from "@std/assert";
import { hostname, userInfo } from "node:os";
import { describeMachine } from "../../tools/machine.ts";

Deno.test("describeMachine() says what a result was made with, and neither where nor by whom", async () => {
  const { machine, versions } = await describeMachine();
  assertEquals(Object.keys(machine), ["processor", "cores", "memoryGiB", "system"]);
  assertEquals(Object.keys(versions).sort(), ["commit", "deno", "onestep"]);
  const values: unknown[] = [...Object.values(machine), ...Object.values(versions)];
  for (const name of [hostname(), userInfo().username, Deno.cwd()]) assert(!values.includes(name), name);
});
