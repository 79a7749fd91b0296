import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { withFolder } from "../folder.ts";
import { downloadVerified, setUpCuda } from "../../tools/setup_gpu.ts";

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

Deno.test({
  name: "setUpCuda() unpacks a wheel that has the hash in place of the last one, and leaves all as it was for another",
  ignore: !await new Deno.Command("python3", { args: ["--version"], stdout: "null" }).output().then(
    ({ success }) => success,
    () => false,
  ),
  fn: () =>
    withFolder(async (folder) => {
      const [wheel, plugin, into] = ["plugin.whl", "plugin.so", "modules/.cuda"].map((name) => join(folder, name));
      const hashes: string[] = [];
      for (const text of ["old", "new"]) {
        await Deno.writeTextFile(plugin, text);
        await new Deno.Command("python3", { args: ["-m", "zipfile", "-c", wheel, plugin] }).output();
        hashes.push(createHash("sha256").update(await Deno.readFile(wheel)).digest("hex"));
        if (text === "new") await assertRejects(() => setUpCuda(wheel, hashes[0], into), Error, "its SHA-256 must be");
        const there = async () => await Deno.readTextFile(join(into, "plugin.so"));
        if (text === "new") assertEquals(await there(), "old");
        await setUpCuda(wheel, hashes.at(-1)!, into);
        assertEquals(await there(), text);
      }
      assertEquals([...Deno.readDirSync(join(folder, "modules"))].map(({ name }) => name), [".cuda"]);
    }),
});
