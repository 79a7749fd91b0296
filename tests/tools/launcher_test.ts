import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parseArgs } from "../../tools/std/cli.ts";

const workspace = new URL("../../", import.meta.url);

/** Runs `import` of both packages through the launcher, against a registry of ours and an empty cache. */
async function launch(registry: string): Promise<{ code: number; stderr: string; ms: number }> {
  const cache = await Deno.makeTempDir();
  const script = 'import { assert } from "@std/assert"; import { parseArgs } from "@std/cli"; assert(parseArgs([]));';
  const started = performance.now();
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--quiet",
      "--no-config",
      "tools/deno.ts",
      "eval",
      "--node-modules-dir=none",
      "--no-lock",
      script,
    ],
    cwd: workspace,
    env: { JSR_URL: registry, DENO_DIR: cache, NO_COLOR: "1" },
  }).output();
  const ms = performance.now() - started;
  await Deno.remove(cache, { recursive: true });
  return { code, stderr: new TextDecoder().decode(stderr), ms };
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
      const { code, stderr } = await launch(url);
      assertStringIncludes(stderr, `${url} is out of reach; using the stand-ins`);
      assertEquals(code, 0, stderr);
    }));
}

Deno.test("the launcher does not wait long for a registry that never answers", () => {
  const waiting: (() => void)[] = [];
  return withServer(() => new Promise<Response>((done) => waiting.push(() => done(new Response()))), async (url) => {
    const { code, stderr, ms } = await launch(url);
    waiting.forEach((done) => done());
    assertEquals(code, 0, stderr);
    assert(ms < 30_000, `took ${ms} ms`);
  });
});

Deno.test("the launcher goes to a registry that answers like jsr.io", () => {
  const asked: string[] = [];
  return withServer((request) => {
    const { pathname } = new URL(request.url);
    asked.push(pathname);
    const name = pathname.split("/")[2];
    if (pathname === `/@std/${name}/meta.json`) {
      return Response.json({ scope: "std", name, latest: "1.0.99", versions: { "1.0.99": {} } });
    }
    if (pathname === `/@std/${name}/1.0.99_meta.json`) {
      return Response.json({ manifest: { "/mod.ts": { size: 0, checksum: "" } }, exports: { ".": "./mod.ts" } });
    }
    return new Response("not here", { status: 404 });
  }, async (url) => {
    const { stderr } = await launch(url);
    assert(!stderr.includes("out of reach"), stderr);
    assert(asked.some((path) => path === "/@std/assert/meta.json"), `${asked}`);
  });
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
