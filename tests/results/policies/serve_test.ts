import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { type PolicyCard, readExport } from "../../../results/policies/card.ts";
import { serveSite } from "../../../results/policies/play/serve.ts";
import { buildSite } from "../../../results/policies/play/site.ts";
import { sha256Hex } from "../../../tools/digest.ts";
import { resultsFolder } from "../../../tools/paths.ts";
import { withFolder } from "../../folder.ts";

const wasm = new Uint8Array(1_000_003).map((_, i) => i % 251);
const site = new Map([
  ["index.html", new TextEncoder().encode("<!doctype html><title>a</title>")],
  ["a.wasm", wasm],
]);

/** What a server answers to a request as it stands. */
async function ask(port: number, request: string): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(`${request}\r\nconnection: close\r\n\r\n`));
  return await new Response(connection.readable).text();
}

async function served(check: (url: string, port: number) => Promise<void>, take?: Parameters<typeof serveSite>[2]) {
  const server = serveSite(site, 0, take);
  try {
    await check(`http://127.0.0.1:${server.addr.port}/`, server.addr.port);
  } finally {
    await server.shutdown();
  }
}

Deno.test("serveSite() answers to this machine's name alone: a page that leads its own name here reads nothing", () =>
  served(async (_, port) => {
    const status = async (host: string) => (await ask(port, `GET / HTTP/1.1\r\nhost: ${host}`)).split(" ")[1];
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LocalHost:${port}`]) {
      assertEquals(await status(host), "200", host);
    }
    for (const host of ["evil.example", `evil.example:${port}`, "127.0.0.1", `127.0.0.1.evil.example:${port}`, ""]) {
      assert(["421", "400"].includes(await status(host)), host);
    }
    assert(!(await ask(port, `GET / HTTP/1.1\r\nhost: evil.example`)).includes("<title>"));
  }));

Deno.test("serveSite() says what a file is, whose, and what its page may load", () =>
  served(async (url) => {
    for (const path of ["", "a.wasm", "nothing"]) {
      const response = await fetch(url + path);
      await response.body?.cancel();
      const { headers } = response;
      assertEquals(headers.get("x-content-type-options"), "nosniff");
      assertEquals(headers.get("cross-origin-resource-policy"), "same-origin");
      assertEquals(headers.get("access-control-allow-origin"), null);
      assert(headers.get("content-security-policy")!.startsWith("default-src 'none';"));
    }
  }));

Deno.test("serveSite() refuses other methods and paths that are no text", () =>
  served(async (url, port) => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      const response = await fetch(`${url}taken/x`, { method });
      await response.body?.cancel();
      assertEquals([response.status, response.headers.get("allow")], [405, "GET, HEAD"], method);
    }
    for (const path of ["/%ff", "/%e0%a4%a", "/%"]) {
      assertEquals((await ask(port, `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}`)).split(" ")[1], "400", path);
    }
    for (const path of ["/../deno.json", "/%2e%2e/deno.json", "/..%2fdeno.json", "//a.wasm"]) {
      assertEquals((await ask(port, `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}`)).split(" ")[1], "404", path);
    }
  }));

Deno.test("serveSite() gives a file whole, its length, and ranges of it", () =>
  served(async (url) => {
    const get = async (range?: string, method = "GET") => {
      const response = await fetch(`${url}a.wasm`, { method, headers: range === undefined ? {} : { range } });
      return { response, bytes: await response.bytes() };
    };
    const whole = await get();
    assertEquals(whole.response.headers.get("content-length"), `${wasm.length}`);
    assertEquals(whole.bytes, wasm);
    const head = await get(undefined, "HEAD");
    assertEquals([head.response.headers.get("content-length"), head.bytes.length], [`${wasm.length}`, 0]);
    const end = wasm.length - 1;
    for (
      const [range, first, last] of [
        ["bytes=0-0", 0, 0],
        ["bytes=500000-799999", 500_000, 799_999],
        ["bytes=1000000-", 1_000_000, end],
        ["bytes=-3", end - 2, end],
        ["bytes=10-99999999", 10, end],
      ] as const
    ) {
      const { response, bytes } = await get(range);
      assertEquals([response.status, response.headers.get("content-range")], [
        206,
        `bytes ${first}-${last}/${wasm.length}`,
      ]);
      assertEquals(bytes, wasm.subarray(first, last + 1));
    }
    for (const range of ["bytes=2000000-", "bytes=-0"]) assertEquals((await get(range)).response.status, 416, range);
    for (const range of ["bytes=5-2", "bytes=0-1,3-4", "lines=1-2", "bytes=-"]) {
      assertEquals([(await get(range)).response.status, (await get(range)).bytes.length], [200, wasm.length], range);
    }
  }));

const gallery = join(resultsFolder, "gallery", "policies");

Deno.test("readExport() takes files that are what their card says, and refuses by name links, other bytes and missing files", () =>
  withFolder(async (folder) => {
    const at = (name: string) => join(folder, name);
    const names = ["card.json", "policy.onnx", "denoiser.onnx", "denoiser.json"];
    const anew = async () => {
      for (const name of names) {
        await Deno.remove(at(name)).catch(() => {}); // The first time there is none.
        await Deno.copyFile(join(gallery, "hopper-srpo", name), at(name));
      }
    };
    await anew();
    const { card, files } = (await readExport(folder))!;
    assertEquals([...files.keys()], names);
    for (const [name, hash] of Object.entries(card.sha256!)) assertEquals(sha256Hex(files.get(name)!), hash, name);
    assertEquals(Object.keys(card.sha256!).sort(), names.slice(1).sort());

    const edited = await Deno.readFile(at("policy.onnx"));
    edited[edited.length - 1]++;
    await Deno.writeFile(at("policy.onnx"), edited);
    await assertRejects(() => readExport(folder), Error, "policy.onnx\": its SHA-256 must be the card's");
    await anew();
    await Deno.remove(at("denoiser.json"));
    await assertRejects(() => readExport(folder), Error, 'denoiser.json": it must be there');
    await anew();
    await Deno.writeTextFile(at("secret"), "private");
    for (const name of ["policy.onnx", "card.json"]) {
      await Deno.remove(at(name));
      await Deno.symlink(at("secret"), at(name));
      await assertRejects(() => readExport(folder), Error, `${name}": it must be a regular file, current is a link`);
      await assertRejects(() => buildSite([folder]), Error, "no exported policy");
      await anew();
    }
    await Deno.truncate(at("denoiser.onnx"), 2 ** 29 + 1); // Without blocks on the disk.
    await assertRejects(() => readExport(folder), Error, "it must have at most 536870912 bytes");
    await anew();
    const { sha256: _, ...older } = JSON.parse(await Deno.readTextFile(at("card.json"))) as PolicyCard;
    await Deno.writeTextFile(at("card.json"), JSON.stringify(older));
    assertEquals((await readExport(folder))!.files.size, 4);
    await Deno.remove(at("card.json"));
    assertEquals(await readExport(folder), null);
  }));
