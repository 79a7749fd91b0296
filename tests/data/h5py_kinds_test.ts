import { assert, assertEquals, assertRejects } from "@std/assert";
import { basename, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { loadDataset } from "../../data/dataset.ts";

/** What tests/golden/h5py_kinds.py writes; gzip, base64. */
interface Kinds {
  plain: Record<string, number[] | number[][]>;
  files: Record<string, { file: string; others: Record<string, string>; refused: string | null }>;
}

const kinds: Kinds = JSON.parse(
  await Deno.readTextFile(new URL("../golden/h5py_kinds.json", import.meta.url)),
);
const unpack = (text: string) => gunzipSync(Uint8Array.fromBase64(text));

Deno.test(`loadDataset() reads ${Object.keys(kinds.files).length} files of h5py's as h5py reads them, or refuses them by name in a line`, async (t) => {
  for (const [name, { file, others, refused }] of Object.entries(kinds.files)) {
    await t.step(name, async () => {
      const folder = await Deno.makeTempDir();
      try {
        const path = join(folder, `${name}.hdf5`);
        await Deno.writeFile(path, unpack(file));
        for (const [other, text] of Object.entries(others)) {
          await Deno.writeFile(join(folder, basename(other)), unpack(text));
        }
        if (refused !== null) {
          const { message } = await assertRejects(() => loadDataset(path), Error, refused);
          assert(message.length < 500 && !message.includes("\n") && !/delete|damaged/.test(message), message);
          return;
        }
        for (const _ of ["from the file", "from the cache"]) {
          const data = await loadDataset(path);
          for (const key of ["observations", "actions", "rewards", "terminals", "timeouts"] as const) {
            assertEquals([...data[key]!], kinds.plain[key].flat().map(Number), key);
          }
        }
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    });
  }
});
