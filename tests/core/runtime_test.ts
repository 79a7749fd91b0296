import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { useThreads } from "../../algorithms/core/backend.ts";
import { ndarray } from "../../algorithms/core/compile.ts";
import type { OnnxGraph } from "../../algorithms/core/onnx.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { createSession } from "../../algorithms/core/runtime.ts";

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
    await assertRejects(() => session.run([ndarray([1, 2, 3], [3])], [y]), Error, "invalid dimensions");
  });
}

Deno.test("session: large results are not copied", async () => {
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
  assert(growth < 4 * size, `${growth} bytes more, a result takes ${4 * size}`);
});

Deno.test({
  name: "useThreads(): sessions made from then on have that many, for the same results",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const rows = 256;
    const shape = [rows, rows];
    const graph: OnnxGraph = {
      name: "product",
      nodes: [{ op: "Gemm", inputs: ["a", "b"], outputs: ["c"], attributes: {} }],
      inputs: ["a", "b"].map((name) => ({ name, shape, dtype: "float32" })),
      outputs: [{ name: "c", shape, dtype: "float32" }],
      constants: [],
    };
    const draw = (name: string) => ndarray(createRng(name).fillNormal(new Float32Array(rows * rows)), shape);
    const run = async (threads: number) => {
      useThreads(threads);
      const before = [...Deno.readDirSync("/proc/self/task")].length;
      const session = await createSession(graph);
      const started = [...Deno.readDirSync("/proc/self/task")].length - before;
      const c = ndarray(new Float32Array(rows * rows), shape);
      await session.run([draw("a"), draw("b")], [c]);
      return { started, c };
    };
    try {
      const [alone, together] = [await run(1), await run(3)];
      assertEquals([alone.started, together.started], [0, 2]); // This thread works too.
      alone.c.data.forEach((x, i) => assert(Math.abs(x - together.c.data[i]) <= 1e-4));
    } finally {
      useThreads(1);
    }
    assertThrows(() => useThreads(1.5), RangeError, "an integer of at least 1, current value is 1.5");
  },
});
