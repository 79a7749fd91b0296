import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import * as ort from "onnxruntime-node";
import type { Agent } from "../../algorithms/core/agent.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { anyBatch } from "../../algorithms/engine/any_batch.ts";
import { exportOnnx } from "../../algorithms/engine/export_onnx.ts";
import { encodeOnnx } from "../../algorithms/engine/onnx.ts";
import { decodeOnnx } from "../../algorithms/engine/onnx_reader.ts";
import { openPolicy } from "../../algorithms/engine/open_policy.ts";
import { type Tensor, tf } from "../../algorithms/engine/tensor.ts";
import { algorithms, createSmall } from "../algorithms/small.ts";

type Inputs = { name: string; shape: (number | string)[] }[];

const open = async (bytes: Uint8Array) => {
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  return {
    inputs: session.inputMetadata as unknown as Inputs,
    async run(data: Record<string, Float32Array>, batch: number) {
      const feeds = Object.fromEntries(this.inputs.map(({ name, shape }) => {
        const dims = shape.map((n) => typeof n === "number" ? n : batch);
        return [name, new ort.Tensor("float32", data[name], dims)];
      }));
      const [result] = Object.values(await session.run(feeds));
      return result.data as Float32Array;
    },
  };
};

/** Positive numbers, for a noise level has none below zero. */
const draw = (name: string, n: number) => createRng(name).fillNormal(new Float32Array(n)).map((x) => Math.abs(x) + 0.1);

/**
 * Asserts that the new file gives what single calls of the old one give: bit by bit for one row, up to 1e-6 for more. Kernels take
 * several numbers at once and what is left over one by one, so that exp, and on some processors products, differ in the last digit by place.
 */
async function assertSameRows(old: Uint8Array) {
  const { bytes, fixed } = anyBatch(old);
  assertEquals(fixed, null);
  const [one, many] = [await open(old), await open(bytes)];
  assert(many.inputs.every(({ shape }) => shape[0] === "batch"), "an input has no batch");
  const sizes = one.inputs.map(({ name, shape }) => [name, (shape as number[]).reduce((a, b) => a * b)] as const);
  for (const batch of [1, 3, 64]) {
    const data = Object.fromEntries(sizes.map(([name, size]) => [name, draw(name, batch * size)]));
    const found = await many.run(data, batch);
    assert(found.every(Number.isFinite));
    const wanted: number[] = [];
    for (let i = 0; i < batch; i++) {
      const row = Object.fromEntries(sizes.map(([name, size]) => [name, data[name].slice(i * size, (i + 1) * size)]));
      wanted.push(...await one.run(row, 1));
    }
    if (batch === 1) assertEquals(found, Float32Array.from(wanted));
    found.forEach((x, i) => assertAlmostEquals(x, wanted[i], 1e-6 * Math.max(1, Math.abs(wanted[i]))));
  }
}

for (const name of Object.keys(algorithms)) {
  Deno.test(`${name}: 1, 3 and 64 rows of an exported file are as many single calls`, async () => {
    const agent: Agent = createSmall(name, 160);
    const state = agent.init(createRng("init"));
    await assertSameRows(agent.exportPolicy(state));
    const denoiser = agent.exportDenoiser?.(state);
    if (denoiser) await assertSameRows(denoiser.bytes);
  });
}

const [wide, column] = [[5, 4], [4, 1]].map((shape) =>
  [shape, createRng(`${shape}`).fillNormal(new Float32Array(shape[0] * shape[1]))] as const
);
const matrix = ([shape, data]: readonly [number[], Float32Array]) => tf.tensor(data, [...shape]);

/** Functions of `observation [1, 4]` and `noise [5, 4]`, by what they need. */
const functions: Record<string, (x: Tensor, noise: Tensor) => Tensor> = {
  "a product of several rows, and one of a single column": (_, noise) =>
    tf.reshape(tf.matMul(noise, matrix(column)), [1, 5]),
  "operands of different ranks in the file": (x) => tf.mul(tf.matMul(x, matrix(column)), tf.sum(x, 1, true)),
  "sums, means and extremes over axes": (x, noise) =>
    tf.concat([tf.sum(noise, 0, true), tf.mean(x, 1, true), tf.reshape(tf.max(noise), [1, 1])], 1),
  "parts, and their order": (x, noise) =>
    tf.add(tf.transpose(tf.slice(noise, [1, 0], [3, 1])), tf.slice(x, [0, 1], [1, 3])),
  "softmax": (_, noise) => tf.reshape(tf.sum(tf.softmax(noise), 0), [1, 4]),
  "constants beside rows": (_, noise) => tf.concat([matrix(wide), noise], 1),
  "a choice": (x) => tf.where(tf.greater(x, 0.5), x, tf.zerosLike(x)),
};

for (const [what, fn] of Object.entries(functions)) {
  Deno.test(`anyBatch() keeps the numbers of ${what}`, async () => {
    const inputs = { observation: [1, 4], noise: [5, 4] };
    const file = exportOnnx("f", inputs, ({ observation, noise }) => ({
      action: tf.add(fn(observation, noise), tf.mul(tf.sum(noise), 1e-3)),
    }));
    await assertSameRows(file);
  });
}

const example = (fn: (x: Tensor) => Tensor) =>
  exportOnnx("f", { observation: [1, 4] }, ({ observation }) => ({ action: fn(observation) }));

Deno.test("anyBatch() leaves a file as it is where it knows nothing of an operation, and says of which", () => {
  const refused = (file: Uint8Array, why: string) => {
    const { bytes, fixed } = anyBatch(file);
    assertEquals(bytes, file);
    assertStringIncludes(fixed ?? "", why);
  };
  refused(example((x) => tf.cumsum(x, 1)), "Cannot export f for any batch: operation CumSum");
  refused(example(() => tf.ones([1, 2])), '"action" does not depend on the input');
  refused(new Uint8Array(10), "");
});

Deno.test("anyBatch() of its own file is the file, and of another program's nothing", () => {
  const { bytes } = anyBatch(example(tf.tanh));
  assertEquals(anyBatch(bytes), { bytes, fixed: null });
  const text = new TextDecoder("latin1").decode(bytes);
  const other = bytes.slice();
  other[text.indexOf("onestep")] = "O".charCodeAt(0);
  assertEquals(anyBatch(other), {
    bytes: other,
    fixed: 'Cannot read an ONNX file: it must be Onestep\'s own, current has the producer "Onestep"',
  });
});

Deno.test("decodeOnnx() reads what encodeOnnx() wrote, to the same bytes", () => {
  for (const name of ["srpo", "diffusion_ql"]) {
    const agent = createSmall(name);
    const file = agent.exportPolicy(agent.init(createRng("init")));
    assertEquals(encodeOnnx(decodeOnnx(file)), file);
  }
});

Deno.test("openPolicy() acts alike by a file for one observation and by one for any number", async () => {
  const agent = createSmall("diffusion_ql");
  const file = agent.exportPolicy(agent.init(createRng("init")));
  const [old, batched] = [await openPolicy(file), await openPolicy(anyBatch(file).bytes)];
  assertEquals(old.inputs, { observation: [1, 3], noise: [5, 2] });
  assertEquals(batched.inputs, { observation: [1, 3], noise: [1, 5, 2] });
  const feeds = { observation: draw("observation", 3), noise: draw("noise", 10) };
  assertEquals(await batched.act(feeds), await old.act(feeds));
});
