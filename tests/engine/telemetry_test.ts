import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { fromFileUrl } from "../../tools/paths.ts";

const script = `
  import { ndarray } from "./algorithms/engine/array.ts";
  import { compile } from "./algorithms/engine/compile.ts";
  import { openPolicy } from "./algorithms/engine/open_policy.ts";
  import { useRoute } from "./algorithms/engine/runtime.ts";
  import { tf } from "./algorithms/engine/tensor.ts";
  await useRoute(Deno.env.get("ROUTE"));
  const double = compile("double", ({ x }) => ({ y: tf.mul(x, 2) }));
  const { y } = await double({ x: ndarray([1, 2], [2]) });
  await openPolicy(await Deno.readFile("results/gallery/policies/hopper-srpo/policy.onnx"));
  await new Promise((done) => setTimeout(done, 1000)); // The uploader writes within this time where it runs.
  console.log(y.data[1]);`;

/** Files that a process of ONNX Runtime's leaves below its home and temporary folders. */
async function filesLeft(setting: Record<string, string>): Promise<string[]> {
  const folder = await Deno.makeTempDir();
  try {
    const environment = Object.fromEntries(
      Object.entries(Deno.env.toObject()).filter(([name]) => name !== "CI" && name !== "ORT_DISABLE_TELEMETRY"),
    );
    const { DENO_DIR = join(environment.HOME ?? "", ".cache/deno") } = environment;
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--quiet", "--no-check", script],
      cwd: fromFileUrl(new URL("../../", import.meta.url)),
      clearEnv: true,
      env: { ...environment, DENO_DIR, HOME: folder, TMPDIR: folder, XDG_CACHE_HOME: folder, ...setting },
    }).output();
    assertEquals(new TextDecoder().decode(stdout).trim(), "4", new TextDecoder().decode(stderr));
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const route of ["library", "package"]) {
  Deno.test({
    name:
      `createSession() and openPolicy() start no telemetry by the ${route}, although nothing in the environment forbids it`,
    ignore: Deno.build.os !== "linux",
    async fn() {
      assertEquals(await filesLeft({ ROUTE: route }), []);
    },
  });
}
