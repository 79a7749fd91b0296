import { assert, assertEquals, assertRejects } from "@std/assert";
import { useBackend } from "../../algorithms/engine/backend.ts";
import { copyArrays, type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { compile } from "../../algorithms/engine/compile.ts";
import { linear, mish } from "../../algorithms/core/nn.ts";
import { adamStep, initTrained, trainStep } from "../../algorithms/core/optim.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { createSession } from "../../algorithms/engine/runtime.ts";
import { overwritableInputs, schedule } from "../../algorithms/engine/node_order.ts";
import { type Tensor, tf } from "../../algorithms/engine/tensor.ts";
import { traceGraph } from "../../algorithms/engine/trace.ts";

const rows = 160; // 160 x 160 is large enough for a buffer of its own.
const draw = (name: string, shape: readonly number[]) =>
  ndarray(createRng(name).fillNormal(new Float32Array(shape.reduce((a, b) => a * b, 1))), shape);
const layers = () => [0, 1, 2].map((i) => ({ weight: draw(`w${i}`, [rows, rows]), bias: draw(`b${i}`, [rows]) }));

type Layers<L> = { weight: L; bias: L }[];
const output = (p: Layers<Tensor>, x: Tensor) => p.reduce((h, layer) => mish(linear(layer, tf.mul(h, 0.1))), x);

function gradientGraph() {
  const shapes = [[rows, rows], ...layers().flatMap(({ weight, bias }) => [weight.shape, bias.shape])];
  return traceGraph("gradient", shapes.map((shape) => ({ shape, dtype: "float32" })), ([x, ...flat]) => {
    const loss = (...ws: Tensor[]) =>
      tf.mean(tf.square(output([0, 1, 2].map((i) => ({ weight: ws[2 * i], bias: ws[2 * i + 1] })), x)));
    return tf.grads(loss)(flat);
  });
}

Deno.test("schedule: the same results to the bit, every operation after its operands", async () => {
  await useBackend("onnx");
  const graph = gradientGraph();
  const scheduled = schedule(graph);
  const made = new Set([...scheduled.inputs, ...scheduled.constants].map(({ name }) => name));
  for (const node of scheduled.nodes.toReversed()) {
    assert(node.inputs.every((input) => made.has(input)), `${node.op} before an operand`);
    node.outputs.forEach((name) => made.add(name));
  }
  const inputs = [draw("x", [rows, rows]), ...layers().flatMap(({ weight, bias }) => [weight, bias])];
  const run = async (which: typeof scheduled) => {
    const results = which.outputs.map(({ shape }) =>
      ndarray(draw("", shape as number[]).data.fill(0), shape as number[])
    );
    await (await createSession(which)).run(inputs, results);
    return results.map(({ data }) => data);
  };
  assertEquals(await run(scheduled), await run(graph));
});

Deno.test("schedule: a layer's derivative stands before the next layer's product", () => {
  const graph = gradientGraph();
  const before = (nodes: typeof graph.nodes) => { // The second product.
    const products = nodes.flatMap(({ op }, i) => op === "Gemm" ? [i] : []);
    return nodes.slice(0, products[1]).filter(({ op }) => ["Add", "Mul", "Sub", "Div", "Sigmoid"].includes(op)).length;
  };
  assertEquals(before(schedule(graph).nodes.toReversed()), before(graph.nodes) + 4); // t + s (x - t y)
});

Deno.test("overwriting: only where every reader has run", () => {
  const graph = (fn: (xs: Tensor[]) => Tensor[]) =>
    overwritableInputs(traceGraph("t", [0, 1].map(() => ({ shape: [4, 4], dtype: "float32" as const })), fn));
  const moment = graph(([m, g]) => [tf.add(tf.mul(m, 0.9), g)]);
  assert(moment("input_0", "output_0") && moment("input_1", "output_0"));
  const product = graph(([w, g]) => [tf.sub(w, tf.matMul(g as tf.Tensor2D, w as tf.Tensor2D))]);
  assert(!product("input_0", "output_0"), "a product reads all of w for each element");
  const later = graph(([m, g]) => {
    const next = tf.add(m, g);
    return [next, tf.mul(m, next)];
  });
  assert(!later("input_0", "output_0"), "m is read again after");
  assert(later("input_0", "output_1"));
  const view = graph(([m, g]) => [tf.add(m, g), tf.square(tf.reshape(m, [16]))]);
  assert(!view("input_0", "output_0"), "a view of m is read at some other time");
});

Deno.test("donated moments: written in place, and never over what the caller holds", async () => {
  await useBackend("onnx");
  const update = compile<
    { state: ReturnType<typeof initTrained<Layers<NdArray>>>; x: NdArray; step: ReturnType<typeof adamStep> }
  >(
    "update",
    ({ state, x, step }) => ({ state: trainStep(state, (p) => tf.mean(tf.square(output(p, x))), step).next }),
  );
  const x = draw("x", [rows, rows]);
  const first = initTrained(layers());
  const kept = copyArrays(first);
  const run = async (state: typeof first, from: number, to: number, each = (s: typeof first) => s) => {
    for (let i = from; i <= to; i++) {
      state = each((await update({ state, x, step: adamStep(i, { learningRate: 1e-3 }) })).state as typeof first);
    }
    return state;
  };
  const copied = await run(copyArrays(first), 1, 5, copyArrays); // Never the same buffers.
  const second = await run(first, 1, 1);
  assertEquals(first, kept, "the caller's own arrays were written to");
  const moments = second.adam.first[1].data;
  const third = await run(second, 2, 2);
  assert(third.adam.first[1].data === moments, "not in place");
  assert(third.params[0].weight.data !== second.params[0].weight.data, "weights are read by products");
  await assertRejects(() => run(second, 2, 2), Error, "given to an earlier call");
  assertEquals(await run(third, 3, 5), copied);
});
