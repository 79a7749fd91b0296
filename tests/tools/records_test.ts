import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { misfit, readRecord } from "../../tools/records.ts";
import { withFolder } from "../folder.ts";

Deno.test("misfit() names the first field that is not of the shape", () => {
  const shape = { a: "number", list: [{ b: "string" }], perhaps: ["or null", { c: "boolean" }] } as const;
  const value = { a: 1, list: [{ b: "x" }], perhaps: null, more: [] };
  assertEquals(misfit(value, shape), null);
  assertEquals(misfit({ ...value, perhaps: { c: true } }, shape), null);
  assertEquals(misfit({ ...value, a: undefined }, shape), "a must be a number, current is missing");
  assertEquals(misfit({ ...value, list: [{ b: "x" }, { b: 3 }] }, shape), "list[1].b must be a string, current is 3");
  assertEquals(misfit({ ...value, list: {} }, shape), "list must be a list, current is an object");
  assertEquals(misfit({ ...value, perhaps: { c: [] } }, shape), "perhaps.c must be a boolean, current is a list");
  assertEquals(misfit(null, shape), "it must be an object, current is null");
  assertEquals(misfit([[1, "x"]], [["number"]]), "[0][1] must be a number, current is x");
});

Deno.test("readRecord() gives null without a file, and names one that is damaged", () =>
  withFolder(async (folder) => {
    const path = join(folder, "x.json");
    assertEquals(await readRecord(path, "anything"), null);
    await Deno.writeTextFile(path, '{"a": 1');
    await assertRejects(() => readRecord(path, "anything"), Error, `Cannot read "${path}": it must be JSON, `);
    await Deno.writeTextFile(path, "{}");
    await assertRejects(() => readRecord(path, { a: "number" }), Error, `Cannot read "${path}": a must be a number`);
    assertEquals(await readRecord(path, {}), {});
  }));
