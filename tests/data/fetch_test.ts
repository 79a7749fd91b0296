import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { catalog, type CatalogEntry, d4rlHost, datasetPath, datasetScore, idOfFile } from "../../data/catalog.ts";
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

/** A stream of what `next` gives, one piece every `ms`, without end. */
const endless = (next: (i: number) => Uint8Array, ms = 0) => {
  let i = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
      controller.enqueue(next(i++));
    },
  });
};
const zeros = new Uint8Array(100_000);
const from = (bytes: Uint8Array, more: Uint8Array) => (i: number) => i === 0 ? bytes : more;
const gzipped = async (bytes: Uint8Array<ArrayBuffer>) =>
  await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
/** Made before anybody waits for it. */
const bomb = await gzipped(new Uint8Array(1e7));

for (
  const [what, behaviour, said] of [
    [
      "sends more than the file has, without end",
      (bytes) => new Response(endless(from(bytes, zeros))),
      "it sends more than the",
    ],
    ["announces more than the file has", (bytes) => {
      const length = { ...headers, "content-length": `${bytes.length + 1e9}` };
      return new Response(endless(from(bytes, zeros)), { headers: length });
    }, /it offers \d+ bytes of application\/octet-stream, the file has|gave up after 3 attempts/],
    [
      "sends it compressed",
      async (bytes) => new Response(await gzipped(bytes), { headers: { ...headers, "content-encoding": "gzip" } }),
      "it sends the file as gzip",
    ],
    [
      "sends a compressed bomb",
      () => new Response(bomb, { headers: { "content-encoding": "gzip" } }),
      "it sends the file as gzip",
    ],
    ["redirects without end", (_, request) => Response.redirect(request.url, 302), "gave up after 3 attempts"],
    [
      "redirects to another file of the same size",
      (bytes, request, count) =>
        request.url.endsWith("/other")
          ? wrongFile(bytes, request, count)
          : Response.redirect(new URL("/other", request.url), 302),
      "SHA-256 must be",
    ],
    [
      "sends a byte now and then",
      (bytes) => new Response(endless((i) => bytes.subarray(i, i + 1), 50)),
      /gave up after 3 attempts \(it sent \d+ bytes for 0.3 s\)/,
    ],
    ["sends a byte and hangs up, for ever", partly(1e-6, "cut"), "gave up after 3 attempts"],
    [
      "answers with a range that nobody asked for",
      (bytes) =>
        new Response(bytes.subarray(10), {
          status: 206,
          headers: { "content-range": `bytes 10-${bytes.length - 1}/${bytes.length}` },
        }),
      "it answers with another range than asked for",
    ],
    ["sends an empty file", () => new Response(new Uint8Array(0)), /it closed the connection at 0|it offers 0 bytes/],
  ] as [string, Behaviour, string | RegExp][]
) {
  Deno.test(`fetchFile() refuses a server that ${what}`, async () => {
    await withServer(behaviour, async ({ options, path, entry, bytes }) => {
      const { message } = await assertRejects(
        () => fetchFile(entry, path, { ...options, hosts: [...options.hosts!] }),
        Error,
      );
      assert(typeof said === "string" ? message.includes(said) : said.test(message), message);
      for (const { name } of Deno.readDirSync(join(path, ".."))) {
        assert(name !== "test-v0.hdf5" && Deno.statSync(join(path, "..", name)).size <= bytes.length, name);
      }
    });
  });
}

Deno.test("fetchFile() takes no more than it is told of a file whose size nobody knows", async () => {
  await withServer((bytes) => new Response(endless(from(bytes, zeros))), async ({ options, path, entry }) => {
    const unknown = { ...entry, bytes: null, sha256: null };
    const most = { ...options, mostUnknownBytes: 1_000_000 };
    await assertRejects(
      () => fetchFile(unknown, path, most),
      Error,
      "it sends more than the 1000000 bytes that are taken",
    );
    assertEquals([...Deno.readDirSync(join(path, ".."))].filter(({ name }) => !name.endsWith(".from")), []);
  });
});

/** As `serve`, with an ETag, and ranges only for those who have that one's beginning. */
const tagged = (tag: string): Behaviour => async (bytes, request, count) => {
  const asked = request.headers.get("if-range");
  const whole = new Request(request.url);
  const response = await serve(bytes, asked === null || asked === tag ? request : whole, count);
  response.headers.set("etag", tag);
  return response;
};

for (
  const [what, known, first, then, resumes] of [
    ["goes on with a file of a published hash, whoever began it", true, serve, serve, true],
    ["goes on if the host says that the file is the same", false, tagged('"a"'), tagged('"a"'), true],
    ["starts anew if the host says that the file is another", false, tagged('"a"'), tagged('"b"'), false],
    ["starts anew if nobody can say whether the file is the same", false, serve, serve, false],
  ] as [string, boolean, Behaviour, Behaviour, boolean][]
) {
  Deno.test(`fetchFile() ${what}`, async () => {
    const cut: Behaviour = async (bytes, request, count) => {
      const whole = await first(bytes, request, count);
      const part = new Uint8Array(await whole.arrayBuffer()).subarray(0, 50_000);
      return new Response(endless(from(part, new Uint8Array(0)), 100), { headers: whole.headers });
    };
    await withServer((...args) => (args[2] === 1 ? cut : then)(...args), async ({ options, path, entry, requests }) => {
      const wanted = known ? entry : { ...entry, sha256: null };
      await fetchFile(wanted, path, options);
      assertEquals(requests.length, 2);
      const [, { headers }] = requests;
      const asksForTheSame = !known && headers.get("if-range") !== null;
      assertEquals(headers.get("range") !== null, resumes || asksForTheSame, "range");
      assertEquals(headers.get("accept-encoding"), "identity");
    });
  });
}

Deno.test("fetchFile() gets a file once more from its beginning if what it went on with came out wrong", async () => {
  await withServer(serve, async ({ options, path, entry, requests }) => {
    const other = new Uint8Array(40_000).fill(7);
    await Deno.writeFile(`${path}.part`, other);
    await fetchFile(entry, path, options);
    assertEquals(requests.map((request) => request.headers.get("range")), ["bytes=40000-", null]);
    await Deno.remove(path);
    await Deno.writeFile(`${path}.part`, new Uint8Array(entry.bytes!)); // As long as the file, so that nothing is asked for at first.
    await fetchFile(entry, path, options);
    assertEquals(requests.length, 3);
    await Deno.remove(path);
    await Deno.writeFile(`${path}.part`, new Uint8Array(entry.bytes! + 1));
    await fetchFile(entry, path, options);
    assertEquals(requests.length, 4);
  });
});

Deno.test("fetchFile() writes through no symbolic link: target, part, note, hash or lock", async () => {
  await withServer(serve, async ({ options, path, entry, requests }) => {
    const secret = join(path, "..", "secret");
    await Deno.writeTextFile(secret, "private");
    for (const end of ["", ".part", ".part.from", ".sha256", ".lock"]) {
      const link = `${path}${end}`;
      await Deno.symlink(end === "" ? `${secret}.not_there` : secret, link);
      await assertRejects(() => fetchFile(entry, path, options), Error, `${link} must not be a symbolic link`);
      await Deno.remove(link);
    }
    assertEquals(await Deno.readTextFile(secret), "private");
    assertEquals(requests.length, 0);
    await Deno.symlink(secret, path); // One to a file is read, and that is not the dataset.
    await assertRejects(() => fetchFile(entry, path, options), Error, "it must be an HDF5 file");
    await Deno.remove(path);
    await fetchFile(entry, path, options);
  });
});

Deno.test("a file of a dataset without a published hash is held against the one that came first", async () => {
  let served = 0;
  const changing: Behaviour = (bytes, request, count) => (served++ === 0 ? serve : wrongFile)(bytes, request, count);
  await withServer(changing, async ({ options, path, entry, bytes }) => {
    const unknown = { ...entry, sha256: null };
    await fetchFile(unknown, path, options);
    assertEquals((await verifyFile(unknown, path)).compared, "first seen here");
    await Deno.remove(path);
    await assertRejects(() => fetchFile(unknown, path, options), Error, "as it was first seen here");
    await Deno.writeFile(path, bytes);
  });
});

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

Deno.test("the catalog has 122 files of D4RL's, 102 with size and SHA-256, whose reference scores are their own rows'", () => {
  const entries = [...catalog.values()];
  assertEquals(entries.length, 122);
  assertEquals(entries.filter(({ sha256, bytes }) => sha256 && bytes).length, 102);
  assertEquals(entries.filter(({ sha256 }) => !sha256).length, 20);
  const names = entries.map(({ path }) => path.split("/").at(-1));
  assertEquals(new Set(names).size, 122);
  for (const { id, path } of entries) assertEquals(idOfFile(path.split("/").at(-1)!), id);
  // Rows of D4RL's infos.py and of its registered environments.
  const rows: Record<string, [least: number, largest: number, steps: number]> = {
    "halfcheetah-full-replay-v2": [-280.178953, 12135, 1000],
    "ant-medium-v0": [-325.6, 3879.7, 1000],
    "relocate-human-v1": [-6.425911, 4233.877797728884, 200],
    "pen-cloned-v0": [96.262799, 3076.8331017826877, 100],
    "antmaze-umaze-diverse-v0": [0, 1, 700],
    "antmaze-large-play-v2": [0, 1, 1000],
    "kitchen-mixed-v0": [0, 4, 280],
    "maze2d-open-v0": [0.01, 20.66, 150],
    "maze2d-open-dense-v0": [11.17817, 27.166538620695782, 150],
    "maze2d-umaze-v1": [23.85, 161.86, 300],
    "maze2d-large-dense-v1": [30.569041, 303.4857382709002, 800],
    "maze2d-eval-umaze-v1": [36.63, 141.4, 300],
    "maze2d-eval-medium-v1": [13.07, 204.93, 600],
    "maze2d-eval-large-v1": [16.4, 302.22, 800],
    "maze2d-eval-umaze-dense-v1": [56.95455, 178.21373133248397, 300],
    "maze2d-eval-medium-dense-v1": [42.28578, 235.5658957482388, 600],
    "maze2d-eval-large-dense-v1": [56.95455, 326.09647655082637, 800],
  };
  for (const [id, [least, largest, steps]] of Object.entries(rows)) {
    assertAlmostEquals(datasetScore(id, least)!, 0, 1e-9, id);
    assertAlmostEquals(datasetScore(id, largest)!, 100, 1e-9, id);
    assertEquals(catalog.get(id)!.maxEpisodeSteps, steps, id);
  }
  assertEquals(entries.filter(({ id }) => datasetScore(id, 1) === null).map(({ id }) => id), ["ant-random-expert-v0"]);
});

Deno.test("D4RL_DATASET_HOST and D4RL_DATASET_CATALOG name another host, and the sizes and hashes of its files", async () => {
  const asked: string[] = [];
  const listed: Behaviour = (bytes, request, count) => {
    asked.push(new URL(request.url).pathname);
    return serve(bytes, request, count);
  };
  await withServer(listed, async ({ options, path, entry }) => {
    const own = join(path, "..", "catalog.json");
    await Deno.writeTextFile(own, JSON.stringify({ "hopper-medium-v2": { bytes: entry.bytes, sha256: entry.sha256 } }));
    Deno.env.set("D4RL_DATASET_HOST", options.hosts![0]);
    Deno.env.set("D4RL_DATASET_CATALOG", own);
    try {
      const found = await fetchDataset("hopper-medium-v2", { folder: join(path, "..", "folder") });
      assert(found.endsWith("hopper_medium-v2.hdf5"));
      assertEquals(asked, ["/hopper_medium-v2.hdf5"]);
      for (const text of ["nonsense", '{"hopper-medium-v2": {"bytes": "1", "sha256": "ab"}}']) {
        await Deno.writeTextFile(own, text);
        await assertRejects(() => fetchDataset("hopper-medium-v2"), TypeError, "D4RL_DATASET_CATALOG");
      }
    } finally {
      Deno.env.delete("D4RL_DATASET_HOST");
      Deno.env.delete("D4RL_DATASET_CATALOG");
    }
  });
});
