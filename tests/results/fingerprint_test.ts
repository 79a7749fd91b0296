import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { join } from "node:path";
import { catalog } from "../../data/catalog.ts";
import { cellFolder } from "../../results/cell.ts";
import { dataFingerprint } from "../../results/fingerprint.ts";
import { fromFileUrl } from "../../tools/paths.ts";
import { planCells } from "../../results/plan.ts";

const workspace = fromFileUrl(new URL("../../", import.meta.url));

/** The fingerprints of a DTQL and a stitching cell's code in a copy of the workspace. */
async function fingerprints(copy: string): Promise<{ dtql: string; stitching: string }> {
  const script = `
    import { codeFingerprint } from "./results/fingerprint.ts";
    console.log(JSON.stringify({
      dtql: codeFingerprint({ algorithm: "dtql", kind: "environment" }),
      stitching: codeFingerprint({ algorithm: "stitching", kind: "stitching" }),
    }));`;
  await Deno.writeTextFile(join(copy, "show.ts"), script);
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", "--node-modules-dir=manual", "show.ts"],
    cwd: copy,
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert(text.startsWith("{"), new TextDecoder().decode(stderr));
  return JSON.parse(text);
}

async function copyFolder(from: string, to: string) {
  await Deno.mkdir(to);
  for (const { name, isDirectory, isFile } of Deno.readDirSync(from)) {
    if (isDirectory) await copyFolder(join(from, name), join(to, name));
    else if (isFile && /\.(ts|json)$/.test(name)) await Deno.copyFile(join(from, name), join(to, name));
  }
}

Deno.test("codeFingerprint() changes with the code that a cell runs, and with no other and no comment", async () => {
  const copy = await Deno.makeTempDir();
  try {
    for (const name of ["algorithms", "data", "environments", "tools"]) {
      await copyFolder(join(workspace, name), join(copy, name));
    }
    await Deno.mkdir(join(copy, "results"));
    for (const { name, isFile } of Deno.readDirSync(join(workspace, "results"))) {
      if (isFile && /\.(ts|json)$/.test(name)) {
        await Deno.copyFile(join(workspace, "results", name), join(copy, "results", name));
      }
    }
    await Deno.copyFile(join(workspace, "deno.json"), join(copy, "deno.json"));
    await Deno.symlink(join(workspace, "node_modules"), join(copy, "node_modules"));
    const edit = async (path: string, from: RegExp, to: string) => {
      const text = await Deno.readTextFile(join(copy, path));
      assert(from.test(text), path);
      await Deno.writeTextFile(join(copy, path), text.replace(from, to));
    };
    const first = await fingerprints(copy);
    assertNotEquals(first.dtql, first.stitching);
    await edit("algorithms/dtql/dtql.ts", /^/, "// A better sentence.\n\n");
    assertEquals(await fingerprints(copy), first);
    await edit("algorithms/stitching/stitch.ts", /$/, "\nexport const more = 1;\n");
    const second = await fingerprints(copy);
    assertEquals(second.dtql, first.dtql);
    assertNotEquals(second.stitching, first.stitching);
    await edit("algorithms/core/nn.ts", /$/, "\nexport const more = 1;\n");
    const third = await fingerprints(copy);
    assertNotEquals(third.dtql, second.dtql);
    assertNotEquals(third.stitching, second.stitching);
    await edit("deno.json", /onnxruntime-node@1\.\d+\.\d+"/, 'onnxruntime-node@1.99.0"');
    assertNotEquals((await fingerprints(copy)).dtql, third.dtql);
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
});

Deno.test("dataFingerprint() is a D4RL file's hash, a local recipe's own, and none without a dataset", () => {
  assertEquals(dataFingerprint("/data/hopper-medium-v2.hdf5"), catalog.get("hopper-medium-v2")!.sha256);
  const [hopper, cheetah] = ["hopper", "halfcheetah"].map((robot) =>
    dataFingerprint(`${robot}-medium-replay-local.hdf5`)
  );
  assertNotEquals(hopper, cheetah);
  assertEquals(dataFingerprint(null), null);
});

Deno.test("a cell's folder changes with its threads, if they are more than one", () => {
  const folder = (threads?: number) =>
    cellFolder("", planCells("smoke", { task: "25gaussians-far", threads }, "onnx", "")[0]);
  assertEquals(folder(1), folder());
  assertNotEquals(folder(2), folder());
});
