import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { writeAtomically, writeError } from "../../tools/files.ts";
import { withFolder } from "../folder.ts";

Deno.test("writeAtomically() leaves the old file when the new one cannot be written", () =>
  withFolder(async (folder) => {
    const path = join(folder, "x.txt");
    await writeAtomically(path, "old");
    await Deno.mkdir(join(folder, "taken"));
    await assertRejects(() => writeAtomically(join(folder, "taken"), "new"), Error, "Cannot write");
    await assertRejects(() => writeAtomically(join(folder, "no", "x"), "new"), Error, "Cannot write");
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["taken", "x.txt"]);
    assertEquals(await Deno.readTextFile(path), "old");
  }));

Deno.test("writeError() says that the disk is full when it is", async () => {
  // Devices need every permission, which an eval has and this test does not.
  const write = 'await Deno.writeTextFile("/dev/full", "x").catch((error) => console.log(error.message))';
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["eval", "--no-config", write] }).output();
  const message = new TextDecoder().decode(stdout);
  assertStringIncludes(
    writeError("results/x", new Error(message)).message,
    "the disk must have space left; free some of results",
  );
});
