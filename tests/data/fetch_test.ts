import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { catalog, type CatalogEntry, d4rlHost, datasetPath } from "../../data/catalog.ts";
import { fetchDataset, fetchFile, type FetchOptions, verifyFile } from "../../data/fetch.ts";
import { type HdfArray, writeHdf5 } from "../../data/hdf5.ts";

/** A real HDF5 file of some hundred kilobytes. */
async function makeFile(folder: string): Promise<Uint8Array<ArrayBuffer>> {
  const path = join(folder, "source.hdf5");
  const data = Float32Array.from({ length: 60_000 }, (_, i) => Math.sin(i * i));
  await writeHdf5(path, new Map<string, HdfArray>([["observations", { shape: [10_000, 6], data }]]));
  const bytes = await Deno.readFile(path);
  await Deno.remove(path);
  return bytes;
}

const entryOf = (bytes: Uint8Array): CatalogEntry => ({
  id: "test-v0",
  path: "some/where/test-v0.hdf5",
  bytes: bytes.length,
  sha256: createHash("sha256").update(bytes).digest("hex"),
  maxEpisodeSteps: 1000,
  transitions: null,
  returns: null,
  licence: "",
  papers: [],
});

/** How the server treats a request, given which one it is. */
type Behaviour = (bytes: Uint8Array<ArrayBuffer>, request: Request, count: number) => Response | Promise<Response>;

const headers = { "content-type": "application/octet-stream" };

/** As a well-behaved file server. */
const serve: Behaviour = (bytes, request) => {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "")?.[1] ?? NaN);
  if (Number.isNaN(from)) return new Response(bytes, { headers: { ...headers, "content-length": `${bytes.length}` } });
  if (from >= bytes.length) return new Response(null, { status: 416 });
  const range = `bytes ${from}-${bytes.length - 1}/${bytes.length}`;
  return new Response(bytes.subarray(from), {
    status: 206,
    headers: { ...headers, "content-range": range, "content-length": `${bytes.length - from}` },
  });
};

/** The first `share` of what `serve` would send, then `end`: nothing more, or a broken connection. */
const partly = (share: number, end: "stall" | "cut"): Behaviour => async (bytes, request, count) => {
  const whole = await serve(bytes, request, count);
  const body = new Uint8Array(await whole.arrayBuffer());
  const stream = new ReadableStream({
    start(controller) {
      controller.enqueue(body.subarray(0, Math.ceil(share * body.length)));
      if (end === "cut") setTimeout(() => controller.error(new Error("cut")), 20);
    },
  });
  return new Response(stream, { status: whole.status, headers: whole.headers });
};

/** Runs `use` with a folder, the file and a server; checks that nothing but the right file is ever in its place. */
async function withServer(
  behaviour: Behaviour,
  use: (
    context: { options: FetchOptions; path: string; entry: CatalogEntry; requests: Request[]; bytes: Uint8Array },
  ) => Promise<void>,
) {
  const folder = await Deno.makeTempDir();
  const bytes = await makeFile(folder);
  const path = join(folder, "test-v0.hdf5");
  const requests: Request[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {}, onError: () => new Response(null) },
    (r) => {
      requests.push(r);
      return behaviour(bytes, r, requests.length);
    },
  );
  const host = `http://127.0.0.1:${(server.addr as Deno.NetAddr).port}`;
  const options = { hosts: [host], stallMs: 300, backoffMs: 5, attempts: 3 };
  try {
    await use({ options, path, entry: entryOf(bytes), requests, bytes });
    const left = await Deno.readFile(path).catch(() => null);
    if (left) assertEquals(left, bytes);
  } finally {
    await server.shutdown().catch(() => {});
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("fetchFile() downloads, verifies, and does not download again", async () => {
  await withServer(serve, async ({ options, path, entry, requests, bytes }) => {
    const seen: number[] = [];
    assertEquals(await fetchFile(entry, path, { ...options, onProgress: (p) => seen.push(p.received) }), path);
    assertEquals(seen.at(-1), bytes.length);
    assertEquals(requests.length, 1);
    await fetchFile(entry, path, options);
    assertEquals(requests.length, 1);
    assertEquals([...Deno.readDirSync(join(path, ".."))].map(({ name }) => name), ["test-v0.hdf5"]);
  });
});

for (
  const [what, behaviour] of [["stalls", partly(0.4, "stall")], ["cuts the connection", partly(0.4, "cut")]] as const
) {
  Deno.test(`fetchFile() goes on by range where a server that ${what} left it`, async () => {
    await withServer((...args) => (args[2] < 3 ? behaviour : serve)(...args), async (context) => {
      const { options, path, entry, requests } = context;
      await fetchFile(entry, path, options);
      const ranges = requests.map((request) => request.headers.get("range"));
      assertEquals(ranges.length, 3);
      assertEquals(ranges[0], null);
      assert(ranges.slice(1).every((range) => /^bytes=[1-9]\d*-$/.test(range!)));
    });
  });
}

Deno.test("fetchFile() goes on after a process was stopped half-way, and says so", async () => {
  await withServer((...args) => (args[2] < 2 ? partly(0.5, "stall") : serve)(...args), async (context) => {
    const { options, path, entry, requests } = context;
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 150);
    const stopped = { ...options, stallMs: 10_000, signal: stop.signal };
    await assertRejects(() => fetchFile(entry, path, stopped), Error, "stopped; the same command goes on");
    await fetchFile(entry, path, options);
    assert(requests[1].headers.get("range"));
  });
});

Deno.test("fetchFile() starts over with a server that ignores ranges", async () => {
  const whole: Behaviour = (bytes) => new Response(bytes, { headers });
  await withServer(
    (...args) => (args[2] < 2 ? partly(0.5, "cut") : whole)(...args),
    async ({ options, path, entry }) => {
      await fetchFile(entry, path, options);
    },
  );
});

const htmlPage: Behaviour = () => new Response("<html>Sign in</html>", { headers: { "content-type": "text/html" } });
const wrongFile: Behaviour = (bytes) => {
  const other = bytes.slice();
  other[other.length - 1000] ^= 1;
  return new Response(other, { headers });
};
const truncated: Behaviour = (bytes) => new Response(bytes.subarray(0, 50_000), { headers });
const status = (code: number): Behaviour => () => new Response("no", { status: code });

for (
  const [what, behaviour, said] of [
    ["an HTML page with status 200", htmlPage, "text/html"],
    ["a wrong file of the right size", wrongFile, "SHA-256 must be"],
    ["a truncated file", truncated, /bytes of application\/octet-stream, the file has|closed the connection/],
    ["403", status(403), "it answers 403"],
    ["404", status(404), "it answers 404"],
    ["429", status(429), "gave up after 3 attempts (it answers 429)"],
    ["503", status(503), "gave up after 3 attempts (it answers 503)"],
    ["nothing, ever", partly(0, "stall"), "gave up after 3 attempts (it sent nothing for 0.3 s)"],
  ] as const
) {
  Deno.test(`fetchFile() refuses ${what} with one clear line, and keeps nothing of it`, async () => {
    await withServer(behaviour, async ({ options, path, entry }) => {
      const error = await assertRejects(
        () => fetchFile(entry, path, options),
        Error,
        'Cannot fetch "test-v0": 127.0.0.1',
      );
      assert(typeof said === "string" ? error.message.includes(said) : said.test(error.message), error.message);
      assert(error.message.includes(`put the file at ${path} yourself`) && !error.message.includes("\n"));
      const left = [...Deno.readDirSync(join(path, ".."))].map(({ name }) => name);
      assert(!left.includes("test-v0.hdf5"), left.join());
    });
  });
}

Deno.test("fetchFile() waits as long as a busy server asks, and then succeeds", async () => {
  const busy: Behaviour = () => new Response(null, { status: 429, headers: { "retry-after": "1" } });
  await withServer((...args) => (args[2] < 2 ? busy : serve)(...args), async ({ options, path, entry }) => {
    const start = performance.now();
    await fetchFile(entry, path, options);
    assert(performance.now() - start >= 1000);
  });
});

Deno.test("fetchFile() turns to the next host when one does not have the file", async () => {
  await withServer(serve, async ({ options, path, entry }) => {
    await fetchFile(entry, path, { ...options, hosts: ["http://127.0.0.1:9", ...options.hosts!] });
  });
});

Deno.test("fetchFile() offline names the host and the ways out", async () => {
  await withServer(serve, async ({ options, path, entry }) => {
    const error = await assertRejects(
      () => fetchFile(entry, path, { ...options, hosts: ["http://127.0.0.1:9"] }),
      Error,
    );
    assert(
      /Cannot fetch "test-v0": 127\.0\.0\.1:9: gave up after 3 attempts .*--mirror/.test(error.message),
      error.message,
    );
  });
});

Deno.test("two downloads of one file at once share one transfer", async () => {
  const slowly: Behaviour = async (...args) => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    return serve(...args);
  };
  await withServer(slowly, async ({ options, path, entry, requests }) => {
    await Promise.all([1, 2, 3].map(() => fetchFile(entry, path, options)));
    assertEquals(requests.length, 1);
  });
});

Deno.test("a file that the user puts in the folder is verified, then used or refused, never replaced", async () => {
  await withServer(status(500), async ({ options, path, entry, requests, bytes }) => {
    await Deno.writeFile(path, bytes.subarray(0, 60_000));
    await assertRejects(
      () => fetchFile(entry, path, options),
      Error,
      "by its own header, current size is 60000; move it away",
    );
    assertEquals((await Deno.stat(path)).size, 60_000);
    await Deno.writeTextFile(path, "something else");
    await assertRejects(() => fetchFile(entry, path, options), Error, "it must be an HDF5 file");
    await Deno.writeFile(path, bytes);
    assertEquals(await fetchFile(entry, path, options), path);
    assertEquals((await verifyFile(entry, path)).compared, "published");
    assertEquals(requests.length, 0);
  });
});

Deno.test("fetchDataset() names the nearest id", async () => {
  await assertRejects(() => fetchDataset("hopper-medum-v2"), RangeError, 'did you mean "hopper-medium-v2"?');
});

Deno.test("the catalog has every dataset of the papers, under D4RL's file names", () => {
  const robots = ["halfcheetah", "hopper", "walker2d"];
  const kinds = ["medium", "medium-replay", "medium-expert", "expert", "random"];
  const mazes = ["umaze", "umaze-diverse", "medium-play", "medium-diverse", "large-play", "large-diverse"];
  const wanted = [
    ...robots.flatMap((robot) => kinds.map((kind) => `${robot}-${kind}-v2`)),
    ...mazes.flatMap((maze) => ["v0", "v2"].map((version) => `antmaze-${maze}-${version}`)),
    ...["complete", "partial", "mixed"].map((kind) => `kitchen-${kind}-v0`),
    "pen-human-v1",
    "pen-cloned-v1",
  ];
  for (const id of wanted) assert(catalog.has(id), id);
  assertEquals(datasetPath("walker2d-medium-replay-v2", "/d"), join("/d", "walker2d_medium_replay-v2.hdf5"));
  for (const { id, sha256, bytes } of catalog.values()) {
    if (sha256) assert(/^[0-9a-f]{64}$/.test(sha256), id);
    if (bytes !== null) assert(bytes > 5e5, id);
  }
  assertEquals(new Set([...catalog.values()].map(({ path }) => path)).size, catalog.size);
  assert(d4rlHost.startsWith("http://rail.eecs.berkeley.edu/"));
});
