import { assert, assertEquals, assertRejects } from "@std/assert";
import { ndarray } from "../../algorithms/core/compile.ts";
import type { OnnxGraph } from "../../algorithms/core/onnx.ts";
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
