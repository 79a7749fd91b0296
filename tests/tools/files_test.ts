import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { basename, join } from "node:path";
import {
  hostName,
  partPath,
  removeParts,
  renameOver,
  sweepParts,
  writeAtomically,
  writeError,
} from "../../tools/files.ts";

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

Deno.test("parts have this machine and process in their names, are swept by these and older names, and are not said", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "x.hdf5");
    assertEquals(partPath(path), `${path}.${hostName()}.${Deno.pid}.part`);
    assert(/^[\w-]+$/.test(hostName()));
    const parts = [basename(partPath(path)), basename(partPath(path, 7)), "x.hdf5.12.part", "x.hdf5.12.3.part"];
    const others = ["x.hdf5.part", "x.hdf5.backup.part", "x.hdf5.arrays.node-3.12.part", "y.hdf5.node-3.12.part"];
    for (const name of [...parts, ...others]) await Deno.writeTextFile(join(folder, name), "");
    await sweepParts(path);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), others.sort());
    await removeParts(folder);
    assertEquals([...Deno.readDirSync(folder)], []);
    const error = await assertRejects(() => writeAtomically(join(folder, "none", "y"), ""), Error);
    assertStringIncludes(error.message, `open '${join(folder, "none", "y")}'`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
