import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { renameOver, writeError } from "../../tools/files.ts";

for (
  const [os, number, remedy] of [
    ["linux", 28, "the disk must have space left"],
    ["linux", 122, "your quota must have space left"],
    ["darwin", 69, "your quota must have space left"],
    ["linux", 30, "must be writable"],
    ["linux", 5, "(os error 5)"], // A broken disk there.
    ["windows", 112, "the disk must have space left"],
    ["windows", 39, "the disk must have space left"],
    ["windows", 32, "no other program may have it open"],
    ["windows", 5, "no other program may have it open"],
    ["windows", 28, "(os error 28)"], // A printer's paper there.
  ] as const
) {
  Deno.test(`writeError() knows error ${number} of ${os}`, () => {
    const { message } = writeError("results/x", new Error(`It failed (os error ${number})`), os);
    assertStringIncludes(message, remedy);
    assert(message.startsWith('Cannot write "results/x": '), message);
  });
}

Deno.test("renameOver() replaces a file, and waits for nothing that will not come", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const [from, to] = ["from", "to"].map((name) => join(folder, name));
    await Deno.writeTextFile(from, "new");
    await Deno.writeTextFile(to, "old");
    await renameOver(from, to);
    assertEquals(await Deno.readTextFile(to), "new");
    const start = performance.now();
    await assertRejects(() => renameOver(from, to), Deno.errors.NotFound);
    assert(performance.now() - start < 500);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
