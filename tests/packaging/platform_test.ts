import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { workspaceFolder } from "../../tools/paths.ts";
import { standInMap } from "../../tools/stand_ins.ts";

const config = JSON.parse(await Deno.readTextFile(join(workspaceFolder, "deno.json")));

/** Runs `deno` as on a system for which ONNX Runtime has no binary: its package fails, and no library may be opened. */
async function withoutRuntime(args: string[]) {
  const map = standInMap(config);
  map.imports["onnxruntime-node"] = `data:text/javascript,throw new Error("no binary for this system")`;
  const flags = ["--no-prompt", "--allow-read", "--allow-env", "--allow-sys", "--ext=ts"];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      `--import-map=data:application/json,${encodeURIComponent(JSON.stringify(map))}`,
      ...flags,
      ...args,
    ],
    cwd: workspaceFolder,
    env: { NO_COLOR: "1" },
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out, err };
}

const script = (backend: string) => `
  import { createRng, dtql, makeBandit, train, useBackend } from "./mod.ts";
  await useBackend("${backend}");
  const bandit = makeBandit("25gaussians", "near", 1000, createRng(0));
  const policy = await train(dtql, bandit, { updates: 2, overrides: { hidden: 16, batchSize: 32 } });
  console.log((await policy.act([0])).length);
`;

async function runScript(backend: string) {
  return await withoutRuntime([
    `data:application/typescript,${encodeURIComponent(script(backend).replaceAll('"./', `"${root}`))}`,
  ]);
}
const root = new URL("../../", import.meta.url).href;

Deno.test("a system without a binary of ONNX Runtime starts, and trains by WebAssembly", async () => {
  const help = await withoutRuntime(["results/reproduce.ts", "--help"]);
  assertEquals(help.code, 0, help.err);
  assertStringIncludes(help.out, "Usage: deno task reproduce");
  const { code, out, err } = await runScript("wasm");
  assertEquals([code, out.trim()], [0, "2"], err);
});

Deno.test("a system without a binary of ONNX Runtime says so, and what to use", async () => {
  const { code, err } = await runScript("onnx");
  assertEquals(code, 1);
  assertStringIncludes(err, `Cannot load ONNX Runtime on ${Deno.build.os} ${Deno.build.arch}: it has binaries for `);
  assertStringIncludes(err, "use another backend, such as --backend wasm");
});
