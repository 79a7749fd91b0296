import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { parseArgs } from "../../tools/std/cli.ts";
import { workspaceFolder } from "../../tools/paths.ts";
import { type Registry, startRegistry } from "../packaging/registry.ts";

const config = JSON.parse(await Deno.readTextFile(join(workspaceFolder, "deno.json")));
const std = ["assert", "cli"].map((name) => ({
  name: `@std/${name}`,
  specifier: config.imports[`@std/${name}`] as string,
}));
const versionOf = (specifier: string) => specifier.split("@").at(-1)!;

/** A workspace with the launcher alone, whose lock file wants what a registry has; and an empty cache. */
async function makeWorkspace(registry: Registry) {
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(join(folder, "tools/std"), { recursive: true });
  for (const name of ["deno", "files", "machine", "paths", "processes", "stand_ins", "std/assert", "std/cli"]) {
    await Deno.copyFile(join(workspaceFolder, `tools/${name}.ts`), join(folder, `tools/${name}.ts`));
  }
  const imports = Object.fromEntries(std.map(({ name, specifier }) => [name, specifier]));
  const specifiers = Object.fromEntries(std.map(({ specifier }) => [specifier, versionOf(specifier)]));
  const jsr = Object.fromEntries(std.map(({ name, specifier }) => {
    const version = versionOf(specifier);
    return [`${name}@${version}`, { integrity: registry.integrity(name, version) }];
  }));
  const lock = { version: "5", specifiers, jsr, workspace: { dependencies: Object.values(imports) } };
  await Deno.writeTextFile(join(folder, "deno.json"), JSON.stringify({ imports, scopes: {}, lock: config.lock }));
  await Deno.writeTextFile(join(folder, "deno.lock"), JSON.stringify(lock));
  return { folder, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}

/** The real packages' place taken by the stand-ins, in a registry. */
async function addPackages(registry: Registry, comment = "") {
  for (const { name, specifier } of std) {
    const text = await Deno.readTextFile(join(workspaceFolder, `tools/std/${name.split("/")[1]}.ts`));
    const files = new Map([["/mod.ts", new TextEncoder().encode(text + comment)]]);
    registry.add(name, versionOf(specifier), { ".": "./mod.ts" }, files);
  }
}

/** Imports both packages through the launcher. */
async function launch(folder: string, registry: string, rights = ["-A"]) {
  const script = 'import { assert } from "@std/assert"; import { parseArgs } from "@std/cli"; assert(parseArgs([]));';
  const started = performance.now();
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", ...rights, "tools/deno.ts", "eval", script],
    cwd: folder,
    env: { JSR_URL: registry, DENO_DIR: join(folder, "cache"), NO_COLOR: "1" },
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr), ms: performance.now() - started };
}

async function withServer(handler: Deno.ServeHandler, f: (url: string) => Promise<void>) {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, handler);
  try {
    await f(`http://127.0.0.1:${server.addr.port}`);
  } finally {
    await server.shutdown();
  }
}

const answers: [string, Deno.ServeHandler][] = [
  [
    "answers with a proxy's page",
    () => new Response("<html>blocked</html>", { headers: { "content-type": "text/html" } }),
  ],
  ["answers 403", () => new Response("no", { status: 403 })],
  ["answers with other JSON", () => Response.json({ hello: "world" })],
];

for (const [what, handler] of answers) {
  Deno.test(`the launcher uses the stand-ins when the registry ${what}`, () =>
    withServer(handler, async (url) => {
      await using registry = startRegistry();
      await addPackages(registry);
      await using workspace = await makeWorkspace(registry);
      const { code, stderr } = await launch(workspace.folder, url);
      assertStringIncludes(stderr, `${url} is out of reach; using the stand-ins`);
      assertEquals(code, 0, stderr);
      const again = await launch(workspace.folder, url);
      assertEquals([again.code, again.stderr], [0, ""], "what was said is not said again within a day");
      const said = join(workspace.folder, "node_modules/.onestep/said.txt");
      await Deno.utime(said, 0, Date.now() / 1000 - 25 * 3600);
      assertStringIncludes((await launch(workspace.folder, url)).stderr, "using the stand-ins");
    }));
}

Deno.test("the launcher does not wait long for a registry that never answers", () => {
  const waiting: (() => void)[] = [];
  return withServer(() => new Promise<Response>((done) => waiting.push(() => done(new Response()))), async (url) => {
    await using registry = startRegistry();
    await addPackages(registry);
    await using workspace = await makeWorkspace(registry);
    const { code, stderr, ms } = await launch(workspace.folder, url);
    waiting.forEach((done) => done());
    assertEquals(code, 0, stderr);
    assert(ms < 30_000, `took ${ms} ms`);
  });
});

Deno.test("the launcher takes the packages that the lock file names, and then needs no registry", async () => {
  const registry = startRegistry();
  await addPackages(registry);
  await using workspace = await makeWorkspace(registry);
  const first = await launch(workspace.folder, registry.url);
  assertEquals([first.code, first.stderr], [0, ""]);
  assert(registry.asked.includes(`/@std/cli/${versionOf(std[1].specifier)}/mod.ts`), registry.asked.join());
  await registry[Symbol.asyncDispose]();
  const second = await launch(workspace.folder, registry.url);
  assertEquals([second.code, second.stderr], [0, ""]);
});

Deno.test("the launcher runs nothing that differs from the lock file, and does not change that", async () => {
  await using registry = startRegistry();
  await addPackages(registry);
  await using workspace = await makeWorkspace(registry);
  const before = await Deno.readTextFile(join(workspace.folder, "deno.lock"));
  await addPackages(registry, "// changed");
  const { code, stderr } = await launch(workspace.folder, registry.url);
  assertStringIncludes(stderr, `${registry.url} does not give what deno.lock names; using the stand-ins`);
  assertEquals(code, 0, stderr);
  assertEquals(await Deno.readTextFile(join(workspace.folder, "deno.lock")), before);
});

Deno.test("the launcher works where the workspace cannot be written to", async () => {
  await using registry = startRegistry();
  await addPackages(registry);
  await using workspace = await makeWorkspace(registry);
  const rights = ["--allow-read", "--allow-env", "--allow-run", "--allow-net"];
  const { code, stderr } = await launch(workspace.folder, "http://127.0.0.1:1", rights);
  assertStringIncludes(stderr, "using the stand-ins");
  assertEquals(code, 0, stderr);
  assert(![...Deno.readDirSync(workspace.folder)].some(({ name }) => name === "node_modules"));
});

Deno.test("parseArgs() of the stand-in reads values, switches and positionals, and reports what it does not know", () => {
  const unknown: string[] = [];
  const args = ["--profile", "quick", "--seeds=0,1", "--fresh", "rest", "--what"];
  const flags = parseArgs(args, {
    string: ["profile", "seeds"],
    boolean: ["fresh", "help"],
    unknown: (arg) => void unknown.push(arg),
  });
  assertEquals([flags.profile, flags.seeds, flags.fresh, flags.help], ["quick", "0,1", true, false]);
  assertEquals(flags._, ["rest"]);
  assertEquals(unknown, ["--what"]);
});
