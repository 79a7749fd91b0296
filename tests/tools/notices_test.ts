import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { billOfMaterials, noticesOf, readLocked } from "../../tools/notices.ts";
import { workspaceFolder } from "../../tools/paths.ts";

const config = JSON.parse(await Deno.readTextFile(join(workspaceFolder, "deno.json")));
const [needed, develop, gpu] = ["deno.lock", "tools/develop.lock", "tools/gpu.lock"].map(readLocked);

Deno.test("the lock files agree, hold what deno.json names, and keep apart what only some need", async () => {
  const specifiers = await Promise.all(
    ["deno.lock", "tools/develop.lock", "tools/gpu.lock"].map(async (name) =>
      Object.keys(JSON.parse(await Deno.readTextFile(join(workspaceFolder, name))).specifiers)
    ),
  );
  const named = (names: Record<string, string>) =>
    Object.values(names).map((target) => target.replace(/^npm:\/?(@?[^@]+@[^/]+).*$/, "npm:$1"));
  const scoped = named(Object.assign({}, ...Object.values(config.scopes)));
  for (const name of named(config.imports)) assert(specifiers.every((list) => list.includes(name)), name);
  for (const name of scoped) {
    const isGpu = name.includes("tfjs-node-gpu");
    assertEquals(specifiers.map((list) => list.includes(name)), [false, !isGpu, isGpu], name);
  }
  for (const [key, { integrity }] of needed) {
    for (const other of [develop, gpu]) assertEquals(other.get(key)?.integrity, integrity, key);
  }
});

Deno.test("every version in deno.json is exact", () => {
  for (
    const target of [config.imports, ...Object.values(config.scopes)].flatMap((names) => Object.values<string>(names))
  ) {
    assert(/^(npm|jsr):\/?@?[^@]+@\d+\.\d+\.\d+(\/|$)/.test(target), target);
  }
});

Deno.test("noticesOf() has the texts of a package and of what it needs, each once", () => {
  const text = noticesOf(["vega", "@mujoco/mujoco"], needed);
  for (
    const line of [
      "vega 6.4.0, BSD-3-Clause",
      "d3-array 3.2.4, ISC",
      "@mujoco/mujoco 3.14.0, Apache-2.0, Google DeepMind",
    ]
  ) {
    assertStringIncludes(text, line);
  }
  assertEquals(text.split("Version 2.0, January 2004").length, 2);
  assert(!text.includes("onnxruntime"));
});

Deno.test("billOfMaterials() has every locked package with its hash, and a licence for all that is installed", () => {
  const bill = billOfMaterials(config, ["@std/cli@1.0.17"], needed, [develop, gpu]) as {
    components: {
      name: string;
      version: string;
      scope: string;
      hashes?: { content: string }[];
      licenses?: unknown[];
    }[];
    dependencies: { ref: string; dependsOn: string[] }[];
  };
  const names = new Set(bill.components.map(({ name, version }) => `${name}@${version}`));
  for (const packages of [needed, develop, gpu]) {
    for (const { name, version } of packages.values()) assert(names.has(`${name}@${version}`), name);
  }
  const refs = new Set(bill.dependencies.map(({ ref }) => ref));
  for (const { ref, dependsOn } of bill.dependencies) assert(dependsOn.every((other) => refs.has(other)), ref);
  for (const { name, scope, hashes, licenses } of bill.components.filter(({ name }) => !name.startsWith("@std/"))) {
    assert(/^[0-9a-f]{128}$/.test(hashes![0].content), name);
    assert(scope === "optional" || licenses, `${name} has no licence`);
  }
});
