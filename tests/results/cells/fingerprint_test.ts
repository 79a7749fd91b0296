import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { dirname, join } from "node:path";
import { catalog } from "../../../data/catalog.ts";
import { dataHash, packageVersion, registries } from "../../../results/cells/fingerprint.ts";
import { fromFileUrl } from "../../../tools/paths.ts";
import { withFolder } from "../../folder.ts";

const workspace = fromFileUrl(new URL("../../../", import.meta.url));

async function copyFolder(from: string, to: string) {
  await Deno.mkdir(to);
  for (const { name, isDirectory, isFile } of Deno.readDirSync(from)) {
    if (isDirectory && name !== "gallery") await copyFolder(join(from, name), join(to, name));
    else if (isFile && /\.(ts|json|safetensors)$/.test(name)) await Deno.copyFile(join(from, name), join(to, name));
  }
}

/** A copy of the workspace's code, to be edited. */
async function withCopy(run: (copy: string) => Promise<void>) {
  await withFolder(async (folder) => {
    const copy = join(folder, "copy");
    await Deno.mkdir(copy);
    for (const name of ["algorithms", "data", "environments", "tools", "results"]) {
      await copyFolder(join(workspace, name), join(copy, name));
    }
    for (const name of ["deno.json", "run.json"]) await Deno.copyFile(join(workspace, "deno.json"), join(copy, name));
    await Deno.symlink(join(workspace, "node_modules"), join(copy, "node_modules"));
    const script = `
      import { planCells } from "./results/plan.ts";
      const cells = [
        ...planCells("smoke", {}, "onnx", "datasets"),
        ...planCells("paper", { only: "dtql", task: "kitchen-mixed-v0" }, "onnx", "datasets"),
      ];
      console.log(JSON.stringify(cells.map((c) => [[c.experiment, c.task, c.algorithm].join(" "), c.hash])));`;
    await Deno.writeTextFile(join(copy, "hashes.ts"), script);
    await run(copy);
  });
}

/** Hashes of all cells of `smoke` and of Kitchen, by what they are. */
async function hashes(copy: string): Promise<Record<string, string>> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", "--node-modules-dir=manual", "--config=run.json", "hashes.ts"],
    cwd: copy,
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert(text.startsWith("["), new TextDecoder().decode(stderr));
  return Object.fromEntries(JSON.parse(text));
}

async function edit(copy: string, path: string, from: RegExp, to: string) {
  const text = await Deno.readTextFile(join(copy, path));
  assert(from.test(text), `${path} lacks ${from}`);
  await Deno.writeTextFile(join(copy, path), text.replace(from, to));
}

/** An edit, and which cells it makes anew: `none`, `all`, or those whose description fits. */
type Case = [what: string, anew: "none" | "all" | RegExp, change: (copy: string) => Promise<void>];

const line = "\nexport const more = 1;\n";
const version = (name: string) => (copy: string) =>
  edit(copy, "deno.json", new RegExp(`(npm:/?${name}@)[\\d.]+`), "$199.0.0");
const onData = / (hopper|kitchen)-/;

const cases: Case[] = [
  ["an added algorithm", "none", async (copy) => {
    await Deno.copyFile(join(copy, "algorithms/bc.ts"), join(copy, "algorithms/another.ts"));
    await edit(copy, "algorithms/registry.ts", /.*bc\.ts.*\n/, '$&export { bc as another } from "./another.ts";\n');
  }],
  ["an added experiment", "none", async (copy) => {
    await copyFolder(join(copy, "results/experiments/toy"), join(copy, "results/experiments/another"));
    await edit(copy, "results/experiments/mod.ts", /.*toy\/mod.*\n/, '$&  import("./another/mod.ts"),\n');
  }],
  ["a dataset in the catalog", "none", (copy) => edit(copy, "data/catalog.ts", /$/, line)],
  ["a line of Kitchen", /kitchen/, (copy) => edit(copy, "environments/kitchen.ts", /$/, line)],
  ["a word of an error", "none", (copy) => edit(copy, "algorithms/core/config.ts", /Cannot create/, "$& an")],
  ["a comment", "none", (copy) => edit(copy, "algorithms/core/nn.ts", /\n\n/, "\n\n// A better sentence.\n\n\n")],
  ["the end of lines", "none", (copy) => edit(copy, "algorithms/core/nn.ts", /\n/g, "\r\n")],
  [
    "an import of types",
    "none",
    (copy) => edit(copy, "algorithms/core/nn.ts", /import /, 'import type { Stage } from "./stage.ts";\n$&'),
  ],
  ["a file elsewhere", "none", async (copy) => {
    const [from, to] = ["algorithms/core/optim.ts", "algorithms/core/moved/optimizers.ts"];
    await Deno.mkdir(dirname(join(copy, to)));
    await Deno.rename(join(copy, from), join(copy, to));
    await edit(copy, to, /from "\.\.\//g, 'from "../../');
    await edit(copy, to, /from "\.\//g, 'from "../');
    const visit = async (folder: string) => {
      for (const { name, isDirectory } of Deno.readDirSync(join(copy, folder))) {
        if (isDirectory) await visit(`${folder}/${name}`);
        else if (name.endsWith(".ts")) {
          const path = join(copy, folder, name);
          const text = await Deno.readTextFile(path);
          await Deno.writeTextFile(path, text.replaceAll(/"([^"]*\/)optim\.ts"/g, '"$1moved/optimizers.ts"'));
        }
      }
    };
    for (const folder of ["algorithms", "data", "results"]) await visit(folder);
  }],
  ["words of a section and of a claim", "none", async (copy) => {
    await edit(copy, "results/experiments/bandits/section.ts", /near a mode/, "close to a mode");
    await edit(copy, "results/experiments/dtql.ts", /One-step DTQL/, "DTQL");
  }],
  [
    "an algorithm's code",
    / bc$|stitching|distillation|sizes|exponents/,
    (copy) => edit(copy, "algorithms/bc.ts", /$/, line),
  ],
  ["a study's code", /^toy /, (copy) => edit(copy, "results/experiments/toy/study.ts", /$/, line)],
  ["a planner's code", /^stitching /, (copy) => edit(copy, "algorithms/stitching/planner.ts", /$/, line)],
  ["a script that trained behaviours", "none", (copy) => edit(copy, "data/behaviour/train_ppo.ts", /$/, line)],
  ["code that keeps runs", "none", (copy) => edit(copy, "results/cells/run_folder.ts", /$/, line)],
  ["code that all share", "all", (copy) => edit(copy, "algorithms/core/nn.ts", /$/, line)],
  ["a package of random numbers", "all", version("pure-rand")],
  ["a package of hashes", "all", version("@noble/hashes")],
  ["the package that reads HDF5", onData, version("h5wasm")],
  ["the package that writes ONNX", "all", version("@bufbuild/protobuf")],
  ["the runtime", "all", version("onnxruntime-node")],
];

Deno.test("cellHash() changes with what a cell's result depends on, and with nothing else", async (t) => {
  await withCopy(async (copy) => {
    const before = await hashes(copy);
    assert(Object.keys(before).length > 25);
    for (const [what, anew, change] of cases) {
      await t.step(what, async () => {
        await withCopy(async (copy) => {
          await change(copy);
          const after = await hashes(copy);
          const changed = Object.keys(before).filter((cell) => after[cell] !== before[cell]);
          const wanted = Object.keys(before).filter((cell) => anew === "all" || anew !== "none" && anew.test(cell));
          assertEquals(changed, wanted);
        });
      });
    }
  });
});

Deno.test("packageVersion() takes the longest fitting key, of subpaths too", () => {
  const imports = { "a": "npm:a@1", "a/": "npm:/a@2/", "a/b": "npm:a@3/b", "@s/c": "npm:@s/c@4" };
  assertEquals(packageVersion("a", imports), "npm:a@1");
  assertEquals(packageVersion("a/x.js", imports), "npm:/a@2/x.js");
  assertEquals(packageVersion("a/b", imports), "npm:a@3/b");
  assertEquals(packageVersion("@s/c/node", imports), "npm:@s/c@4/node");
  assertEquals(packageVersion("node:path", imports), "node:path");
});

Deno.test("registries are files that exist", async () => {
  for (const url of registries) assert((await Deno.stat(new URL(url))).isFile, url);
});

Deno.test("dataHash() is a D4RL file's hash by its id, and a local recipe's own", () => {
  assertEquals(dataHash("hopper-medium-v2"), catalog.get("hopper-medium-v2")!.sha256);
  const [hopper, cheetah] = ["hopper", "halfcheetah"].map((robot) => dataHash(`${robot}-medium-replay-local`));
  assertNotEquals(hopper, cheetah);
});
