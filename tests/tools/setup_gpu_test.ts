import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { downloadVerified } from "../../tools/setup_gpu.ts";

const bytes = new Uint8Array(3e6).map((_, i) => i % 251);
const sha256 = createHash("sha256").update(bytes).digest("hex");

Deno.test("downloadVerified() keeps what has the hash, and nothing of what has another", async () => {
  const folder = await Deno.makeTempDir();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/none") return new Response("no", { status: 404 });
      return new Response(pathname === "/right" ? bytes : bytes.with(1_000_000, 0));
    },
  );
  try {
    const at = (name: string) => [`http://127.0.0.1:${server.addr.port}/${name}`, sha256, join(folder, name)] as const;
    await downloadVerified(...at("right"));
    await assertRejects(() => downloadVerified(...at("wrong")), Error, `its SHA-256 must be ${sha256}, current is`);
    await assertRejects(() => downloadVerified(...at("none")), Error, "status must be 200, current is 404");
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["right"]);
    assert((await Deno.readFile(join(folder, "right"))).every((byte, i) => byte === bytes[i]));
  } finally {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
});
