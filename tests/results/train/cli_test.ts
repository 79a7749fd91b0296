import { assert, assertEquals } from "@std/assert";
import { basename, dirname, join } from "node:path";
import { makeHopperFile, workspace } from "./example.ts";

const folder = await Deno.makeTempDir();
const file = await makeHopperFile(folder);
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

/** Runs a command of the tasks as the launcher does, from where the data lie. */
function start(script: string, args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "tools/deno.ts", "run", "-A", "--quiet", `results/train/${script}`, ...args],
    cwd: workspace,
    env: { INIT_CWD: dirname(file), NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function run(script: string, ...args: string[]) {
  const { code, stdout, stderr } = await start(script, args).output();
  const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out, error };
}

const bc = ["bc", `./${basename(file)}`, "--set", "hidden=16", "--set", "batchSize=32", "--folder", "runs"];

Deno.test("deno task train keeps a run per seed, scores it, and does not train it again; compare takes the folder", async () => {
  const args = [...bc, "--updates", "40", "--seeds", "0-1", "--episodes", "2", "--evaluate-every", "20"];
  const first = await run("train_cli.ts", ...args);
  assertEquals(first.code, 0, first.error);
  assert(/Score: -?[\d.]+ \[-?[\d.]+, -?[\d.]+\], 2 seeds/.test(first.out), first.out);
  const kept = first.out.match(/kept in (.*)/)![1];
  assert(kept.startsWith(join(folder, "runs/hopper-medium-replay-local/bc")), kept);
  const before = await Deno.stat(join(kept, "seed_1/checkpoint.safetensors"));
  const second = await run("train_cli.ts", ...args);
  assertEquals((await Deno.stat(join(kept, "seed_1/checkpoint.safetensors"))).mtime, before.mtime);
  assertEquals(second.out, first.out);
  const other = await run("train_cli.ts", ...args, "--set", "learningRate=0.01");
  assertEquals(other.code, 0, other.error);
  const { out, code, error } = await run("compare_cli.ts", "runs");
  assertEquals(code, 0, error);
  assert(/BC, learningRate 0.0\d+ minus BC, learningRate 0.0\d+/.test(out), out);
  assert(out.includes("Settings that differ"), out);
});

Deno.test({
  name: "deno task train stopped by Ctrl-C says so, and the same command goes on",
  ignore: Deno.build.os === "windows",
  async fn() {
    const args = [...bc, "--updates", "200000", "--evaluate-every", "500", "--episodes", "1"];
    const child = start("train_cli.ts", args);
    const reader = child.stdout.getReader();
    const kept = new TextDecoder().decode((await reader.read()).value).match(/kept in (.*)/)![1];
    reader.releaseLock();
    const checkpoint = join(kept, "seed_0/checkpoint.safetensors");
    while (!await Deno.stat(checkpoint).then(() => true, () => false)) {
      await new Promise((done) => setTimeout(done, 50));
    }
    child.kill("SIGINT");
    const { code, stderr } = await child.output();
    assertEquals(code, 130);
    assert(new TextDecoder().decode(stderr).includes("Stopped; the same command goes on"));
  },
});

Deno.test("deno task train and compare have help, and refuse what they do not know in one line", async () => {
  for (const script of ["train_cli.ts", "compare_cli.ts"]) {
    for (const flag of ["-h", "--help"]) {
      const { code, out } = await run(script, flag);
      assertEquals(code, 0);
      assert(out.includes("Usage: deno task"), out);
    }
  }
  const refuses = async (args: string[], message: string) => {
    const { code, error } = await run("train_cli.ts", ...args);
    assertEquals(code, 1);
    const line = error.trim().split("\n").at(-1)!;
    assert(line.startsWith("error: ") && line.includes(message), error);
  };
  await refuses(["bc"], "an algorithm and a dataset must be given");
  await refuses(["bd", basename(file)], 'did you mean "bc"?');
  await refuses([...bc, "--set", "hiden=1"], 'did you mean "hidden"?');
  await refuses([...bc, "--set", "learningRate=fast"], 'learningRate must be a number, current value is "fast"');
  await refuses([...bc, "--set", "updates=5"], "use --updates");
  await refuses([...bc, "--seeds", "0,0"], "0 is given twice");
  await refuses([...bc, "--updates", "1e3"], 'in decimal digits, current value is "1e3"');
});
