import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Agent, AgentState } from "../../algorithms/core/agent.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { copyArrays, type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { useBackend } from "../../algorithms/engine/backend.ts";
import { compile } from "../../algorithms/engine/compile.ts";
import { tracedKernels } from "../../algorithms/engine/kernels.ts";
import { type Tensor, tf, valueAndGrad } from "../../algorithms/engine/tensor.ts";
import { byItself, together } from "../../algorithms/engine/together.ts";
import { treeEntries } from "../../algorithms/engine/tree.ts";
import { createDistillation, distillationDefaults } from "../../algorithms/offline_behavior_distillation/mod.ts";
import { algorithms, createSmall, drawTransitions } from "../algorithms/small.ts";
import { a, b, discrete, index, type Inputs, smooth, weighted } from "./kernel_cases.ts";

await useBackend("onnx");
const seeds = [0, 1, 2, 3];

/** Asserts that trees agree up to a bound relative to max(1, |value|). */
function assertAlike(found: unknown, wanted: unknown, bound: number) {
  const [left, right] = [found, wanted].map((tree) => treeEntries<NdArray | number>(tree));
  assertEquals(left.map(([path]) => path), right.map(([path]) => path));
  left.forEach(([path, x], i) => {
    const [xs, ys] = [x, right[i][1]].map((value) => typeof value === "number" ? [value] : [...value.data]);
    assertEquals(xs.length, ys.length);
    xs.forEach((y, k) => {
      const error = Math.abs(y - ys[k]) / Math.max(1, Math.abs(ys[k]));
      assert(error <= bound, `${path}[${k}]: ${y}, alone ${ys[k]}`);
    });
  });
}

/** Five updates of a seed of its own. */
async function train(agent: Agent, seed: number) {
  let state: AgentState = agent.init(createRng(`init/${seed}`));
  let metrics: Record<string, number> = {};
  for (let k = 0; k < 5; k++) {
    ({ state, metrics } = await agent.update(state, drawTransitions(`${seed}/${k}`), createRng(`${seed}/update/${k}`)));
  }
  return { arrays: state.arrays, metrics };
}

for (const name of Object.keys(algorithms)) {
  Deno.test(`${name}: four seeds together train as each one alone`, async () => {
    const agent = createSmall(name);
    const alone = [];
    for (const seed of seeds) alone.push(await train(agent, seed));
    const all = await together(seeds.map((seed) => () => train(agent, seed)));
    assertAlike(all.map(({ metrics }) => metrics), alone.map(({ metrics }) => metrics), 1e-5);
    // A bias is added after a product and not within; Adam makes of such rounding up to a part of the learning rate, 3e-4.
    assertAlike(all.map(({ arrays }) => arrays), alone.map(({ arrays }) => arrays), 1e-4);
    assert(JSON.stringify(all[0].metrics) !== JSON.stringify(all[1].metrics), "all seeds are the same");
  });
}

Deno.test("an outer step of behaviour distillation: four seeds together as each one alone", async () => {
  const config = { ...distillationDefaults, syntheticSize: 8, innerSteps: 5, hidden: 16, batchSize: 16 };
  const sizes = { observationDim: 3, actionDim: 2, maxAction: 1 };
  const distillation = createDistillation(config, sizes);
  const draw = (name: string, rows: number, dim: number) =>
    ndarray(createRng(name).fillNormal(new Float32Array(rows * dim)), [rows, dim]);
  const step = async (seed: number) => {
    const pairs = { observation: draw(`s${seed}`, 8, 3), action: draw(`a${seed}`, 8, 2) };
    const weight = ndarray(new Float32Array(16).fill(1), [16, 1]);
    const batch = { observation: draw(`o${seed}`, 16, 3), action: draw(`b${seed}`, 16, 2), weight };
    const { state, metrics } = await distillation.update(distillation.start(pairs), batch, createRng(`noise${seed}`));
    return { state, metrics };
  };
  const alone = [];
  for (const seed of seeds) alone.push(await step(seed));
  assertAlike(await together(seeds.map((seed) => () => step(seed))), alone, 1e-5);
});

Deno.test("every traced kernel has a case with an axis of runs", () => {
  assertEquals([...Object.keys(smooth), ...Object.keys(discrete)].sort(), tracedKernels());
});

for (const [name, f] of Object.entries({ ...smooth, ...discrete })) {
  Deno.test(`${name} with an axis of runs gives each run what it gives alone, and its gradient`, async () => {
    const run = compile<{ state: { a: NdArray; b: NdArray }; index: NdArray }>(name, ({ state: { a, b }, index }) => {
      const y = f({ a, b, index });
      if (!(name in smooth)) return { state: { a: tf.mul(a, 1), b: tf.mul(b, 1) }, y };
      const { value, grad } = valueAndGrad(
        (p: Inputs) => tf.add(weighted(f({ ...p, index })), tf.sum(tf.mul(p.a, p.b))),
        { a, b } as Inputs,
      );
      return { state: grad, value, y };
    });
    const inputs = (k: number) => ({ // Away from 0 and 1, so that every function stays defined.
      state: copyArrays({ a: k === 0 ? a : b, b: k === 1 ? a : b }),
      index: k === 0 ? index : ndarray(Int32Array.of(0, 0, 1), [3]),
    });
    const alone = [await run(inputs(0)), await run(inputs(1)), await run(inputs(2))];
    assertAlike(await together([0, 1, 2].map((k) => () => run(inputs(k)))), alone, 1e-6);
  });
}

type Counter = { state: { x: NdArray } };
const counting = (by: number) =>
  compile<Counter, { state: { x: Tensor } }>("count", ({ state }) => ({ state: { x: tf.add(state.x, by) } }));
const start = () => ({ x: ndarray([0, 0], [2]) });

Deno.test("together(): runs of different lengths, of different functions, each to its end", async () => {
  const [one, ten] = [counting(1), counting(10)];
  const count = async (calls: readonly ReturnType<typeof counting>[]) => {
    let state: { x: NdArray } = start();
    for (const call of calls) ({ state } = await call({ state }));
    return state.x.data[0];
  };
  const found = await together([[one, one, one], [one, ten], [ten], []].map((calls) => () => count(calls)));
  assertEquals(found, [3, 11, 10, 0]);
});

Deno.test("together(): one run's error is everyone's, once all have ended; calls afterwards are by themselves again", async () => {
  const one = counting(1);
  let ended = 0;
  const failing = async () => {
    await one({ state: start() });
    throw new RangeError("Cannot go on: wanted to");
  };
  const going = async () => {
    let state: { x: NdArray } = start();
    try {
      for (;;) ({ state } = await one({ state }));
    } finally {
      await new Promise((done) => setTimeout(done, 20)); // A lock to give back, say.
      ended++;
    }
  };
  await assertRejects(() => together([failing, going, going]), RangeError, "Cannot go on");
  assertEquals(ended, 2);
  assertEquals((await one({ state: start() })).state.x.data[0], 1);
});

Deno.test("byItself(): a call that one run makes waits for no other", async () => {
  const [one, ten] = [counting(1), counting(10)];
  const found = await together([0, 1].map((run) => async () => {
    const { state } = run === 0 ? await byItself(() => ten({ state: start() })) : { state: start() };
    return (await one({ state })).state.x.data[0];
  }));
  assertEquals(found, [11, 1]);
});
