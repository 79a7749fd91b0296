import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import h5wasm from "h5wasm/node";
import { readHdf5, writeHdf5 } from "../../data/hdf5.ts";
import { findChunks, type ReadBytes } from "../../data/hdf5_structure.ts";
import { fromFileUrl, workspaceFolder } from "../../tools/paths.ts";

const golden = (name: string) => fromFileUrl(new URL(`../golden/${name}.hdf5`, import.meta.url));
const worker = fromFileUrl(new URL("./hdf5_worker.ts", import.meta.url));

/** A file's bytes, and the addresses of its objects. */
async function openFile(path: string): Promise<{ read: ReadBytes; addressOf: (name: string) => number }> {
  const bytes = await Deno.readFile(path);
  const module = await h5wasm.ready;
  const id = module.open(path, module.H5F_ACC_RDONLY, false, -1, -1);
  return {
    read: (at, length) => bytes.subarray(at, at + length),
    addressOf: (name) =>
      Number(new DataView(Uint8Array.from(module.create_object_reference(id, name)).buffer).getBigUint64(0, true)),
  };
}

/** What tests/golden/h5py_layouts.py writes. */
const values = (count: number) => Float32Array.from({ length: count }, (_, i) => i * 0.25 - 100);
const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

Deno.test("readHdf5() reads every layout that h5py writes: columns, shuffled, unfiltered, 1 to 3 axes, nested, linked, sparse", async () => {
  const { arrays } = await readHdf5(golden("h5py_layouts"));
  assertEquals(arrays.size, 24);
  for (const [name, { shape, data }] of arrays) {
    const expected = values(count(shape));
    if (name === "sparse") expected.fill(7, 20); // Chunks never written.
    assertEquals(data, expected, name);
  }
  assertEquals((await readHdf5(golden("h5py_latest"))).arrays.get("columns")!.data, values(5000));
});

Deno.test("findChunks() finds the chunks where the file has them, and says null to structures it does not know", async () => {
  const { read, addressOf } = await openFile(golden("h5py_layouts"));
  const found = (name: string, shape: number[], chunk: number[]) =>
    findChunks(read, addressOf(name), shape, chunk)?.length;
  assertEquals(found("columns", [1000, 5], [300, 1]), 20);
  assertEquals(found("line", [1001], [10]), 101); // A tree of two levels.
  assertEquals(found("cube", [7, 5, 3], [2, 2, 2]), 24);
  assertEquals(found("a/b/nested", [9, 4], [5, 4]), 2);
  assertEquals(found("many/member_11", [3], [2]), 2);
  assertEquals(found("described", [9, 4], [5, 4]), 2); // Its header has a continuation.

  assertEquals(found("linked", [1000, 5], [300, 1]), 20); // A soft link.
  assertEquals(found("sparse", [10, 4], [5, 4]), undefined);
  assertEquals(found("contiguous", [9, 4], [5, 4]), undefined);
  assertEquals(found("columns", [1000, 5], [300, 5]), undefined); // Other chunks than the file has.
  const latest = await openFile(golden("h5py_latest"));
  assertEquals(findChunks(latest.read, latest.addressOf("columns"), [1000, 5], [300, 1]), null);
});

Deno.test("a damaged file is refused again after a whole one took its place, and the other way round", async () => {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "x.hdf5");
  // Bytes, as the library itself reads them; floats go another way.
  const flags = Int8Array.from({ length: 20_000 }, (_, i) => Math.sin(i * i) > 0 ? 1 : 0);
  await writeHdf5(path, new Map([["flags", { shape: [20_000], data: flags }]]));
  const whole = await Deno.readFile(path);
  const damaged = whole.slice();
  damaged[whole.length - 500] ^= 4;
  damaged[whole.length >> 1] ^= 4;
  for (const [bytes, good] of [[whole, true], [damaged, false], [whole, true], [damaged, false]] as const) {
    await Deno.writeFile(path, bytes);
    if (good) assertEquals((await readHdf5(path)).arrays.get("flags")!.data, flags);
    else await assertRejects(() => readHdf5(path), Error, "Cannot read dataset");
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("writeHdf5() writes the structures that every HDF5 library reads, and that readHdf5() reads by itself", async () => {
  const path = await Deno.makeTempFile({ suffix: ".hdf5" });
  const shape = [5000, 3];
  await writeHdf5(path, new Map([["infos/qpos", { shape, data: values(15_000) }]]));
  const { read, addressOf } = await openFile(path);
  const chunks = findChunks(read, addressOf("infos/qpos"), shape, [4096, 3]);
  assertEquals(chunks?.map(({ offset }) => offset), [[0, 0], [4096, 0]]);
  assert(chunks!.every(({ address, bytes }) => read(address, bytes).length === bytes));
  await Deno.remove(path);
});

Deno.test("readHdf5() says the library's reason in a process that may write no file, and writes none", async () => {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "x.hdf5");
  await writeHdf5(path, new Map([["columns", { shape: [5000], data: values(5000) }]]));
  const bytes = await Deno.readFile(path);
  const { read, addressOf } = await openFile(path);
  const [{ address }] = findChunks(read, addressOf("columns"), [5000], [4096])!;
  const readAlone = async (bytes: Uint8Array) => {
    await Deno.writeFile(path, bytes);
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "--allow-env", `--allow-read=${folder},${workspaceFolder}`, worker, path],
      stdout: "piped",
      stderr: "inherit",
    }).output();
    return new TextDecoder().decode(stdout).trim();
  };
  assertEquals(await readAlone(bytes), "columns");
  const header = bytes.slice();
  header[addressOf("columns")] = 9; // Version of the object header.
  assertEquals(
    await readAlone(header),
    `Cannot read dataset "${path}": it is damaged (its values do not have the SHA-256 it was written with); get it again`,
  );
  const superblock = bytes.slice();
  superblock[9] = 77; // Version of the free space.
  assertEquals(await readAlone(superblock), `Cannot read dataset "${path}": bad free space version number`);
  const chunk = bytes.slice();
  chunk[address + 40] ^= 16;
  assert(/: columns: |it is damaged \(/.test(await readAlone(chunk)));
  await Deno.remove(folder, { recursive: true });
});

Deno.test("writeHdf5() writes the same bytes at any time, and leaves the clock alone when it fails", async () => {
  const folder = await Deno.makeTempDir();
  const arrays = new Map([["a", { shape: [5000], data: values(5000) }], ["g/b", {
    shape: [7],
    data: new Int8Array(7),
  }]]);
  const bytes = [];
  for (const name of ["one", "two"]) {
    await writeHdf5(join(folder, name), arrays, { x: "y" });
    bytes.push(await Deno.readFile(join(folder, name)));
    await new Promise((resolve) => setTimeout(resolve, 1100)); // The library's clock ticks in seconds.
  }
  assertEquals(bytes[0], bytes[1]);
  const said = "the folder must be there and writable, and its disk must have space left (";
  await assertRejects(() => writeHdf5(join(folder, "none", "x"), arrays), Error, said);
  assert(Date.now() > 1e12);
  await Deno.remove(folder, { recursive: true });
});
