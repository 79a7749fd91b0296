import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { useThreads } from "../../algorithms/engine/backend.ts";
import { ndarray } from "../../algorithms/engine/array.ts";
import type { OnnxGraph } from "../../algorithms/engine/onnx.ts";
import { createSession, useRoute } from "../../algorithms/engine/runtime.ts";
import { fromFileUrl } from "../../tools/paths.ts";

const value = (name: string, size: number) => ({ name, shape: [size], dtype: "float32" as const });
const negation = (size: number): OnnxGraph => ({
  name: "negation",
  nodes: [{ op: "Neg", inputs: ["x"], outputs: ["y"], attributes: {} }],
  inputs: [value("x", size)],
  outputs: [value("y", size)],
  constants: [],
});

for (const size of [8, 1 << 21]) {
  Deno.test(`session: ${size} results stand where they should`, async () => {
    const session = await createSession(negation(size));
    const [x, y] = [ndarray(new Float32Array(size).fill(3), [size]), ndarray(new Float32Array(size), [size])];
    await session.run([x], [y]);
    assertEquals([y.data[0], y.data[size - 1]], [-3, -3]);
  });

  Deno.test(`session: an error of a run that has ${size} results arrives`, async () => {
    const session = await createSession(negation(size));
    const y = ndarray(new Float32Array(size), [size]);
    await assertRejects(
      () => session.run([ndarray([1, 2, 3], [3])], [y]),
      TypeError,
      `input "x" must be float32 [${size}], current is float32 [3]`,
    );
  });
}

/** How much memory outside of V8's heap the results of a run take, in bytes, where 8 MiB are written. */
async function growthByRun(): Promise<number> {
  const size = 1 << 21;
  const session = await createSession(negation(size));
  const [x, y] = [ndarray(new Float32Array(size), [size]), ndarray(new Float32Array(size), [size])];
  await session.run([x], [y]);
  const before = Deno.memoryUsage().external;
  let growth = 0;
  for (let i = 0; i < 4; i++) {
    await session.run([x], [y]);
    growth = Math.max(growth, Deno.memoryUsage().external - before);
  }
  return growth;
}

Deno.test("session: large results are copied by the package, and not by the library", async () => {
  try {
    await useRoute("package");
    const byPackage = await growthByRun();
    assert(byPackage >= 1 << 23, `${byPackage} bytes more`);
  } finally {
    await useRoute("library");
  }
  const byLibrary = await growthByRun();
  assert(byLibrary < 1 << 23, `${byLibrary} bytes more`);
});

Deno.test("session: timers have their turn while one run follows the other", async () => {
  const session = await createSession(negation(8));
  const [x, y] = [ndarray(new Float32Array(8), [8]), ndarray(new Float32Array(8), [8])];
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  // Where runs starve timers, there is no tick at all, however long.
  for (const start = performance.now(); ticks < 3 && performance.now() - start < 20_000;) await session.run([x], [y]);
  clearInterval(timer);
  assert(ticks >= 3, `${ticks} ticks in 20 s`);
});

/** What a run prints that has some permissions. */
async function runWith(...permissions: string[]): Promise<{ out: string; warnings: string }> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--no-prompt", ...permissions, "tests/engine/negation_script.ts"],
    cwd: fromFileUrl(new URL("../../", import.meta.url)),
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  return { out: text(stdout), warnings: text(stderr) };
}

Deno.test("session: without the permission for the library the package runs it, and one line says why", async () => {
  assertEquals(await runWith("--allow-read", "--allow-env", "--allow-sys", "--allow-ffi"), {
    out: "-1,-2",
    warnings: "",
  });
  assertEquals(await runWith("--allow-read", "--allow-env", "--allow-sys", "--allow-ffi=node_modules"), {
    out: "-1,-2",
    warnings:
      "ONNX Runtime is used by its package for Node, a few percent slower: its library needs Deno's permission " +
      "--allow-ffi, for all paths",
  });
});

/** How many threads a session adds to a process of its own, and the corner of a product that it made. */
async function runWithThreads(threads: number): Promise<{ started: number; corner: number }> {
  const script = `
    import { useThreads } from "./algorithms/engine/backend.ts";
    import { createSession, useRoute } from "./algorithms/engine/runtime.ts";
    const count = () => [...Deno.readDirSync("/proc/self/task")].length;
    const [rows, shape] = [512, [512, 512]];
    const value = (name) => ({ name, shape, dtype: "float32" });
    const nodes = [{ op: "Gemm", inputs: ["a", "b"], outputs: ["c"], attributes: {} }];
    const [a, b, c] = [0, 1, 2].map((k) => ({ shape, data: Float32Array.from({ length: rows * rows }, (_, i) => Math.sin(i + k)) }));
    const graph = { name: "product", nodes, inputs: [value("a"), value("b")], outputs: [value("c")], constants: [] };
    await createSession(graph); // The runtime itself starts, too.
    const before = count();
    useThreads(${threads});
    const session = await createSession(graph);
    const started = count() - before;
    await session.run([a, b], [c]);
    console.log(JSON.stringify({ started, corner: c.data.at(-1) }));`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", "--no-check", script],
    cwd: fromFileUrl(new URL("../../", import.meta.url)),
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert(text.startsWith("{"), new TextDecoder().decode(stderr));
  return JSON.parse(text);
}

Deno.test({
  name: "useThreads(): sessions made from then on have that many, for the same results",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const [alone, together] = [await runWithThreads(1), await runWithThreads(3)];
    assertEquals([alone.started, together.started], [0, 2]); // The caller's thread works too.
    assertAlmostEquals(alone.corner, together.corner, 1e-3);
  },
});

Deno.test("useThreads() refuses what is no number of threads", () => {
  assertThrows(() => useThreads(1.5), RangeError, "an integer of at least 1, current value is 1.5");
});
