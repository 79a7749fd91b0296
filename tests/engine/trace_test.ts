import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Backend, isEager, useBackend } from "../../algorithms/engine/backend.ts";
import { type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { compile, type Compiled } from "../../algorithms/engine/compile.ts";
import { layerNorm } from "../../algorithms/core/layer_norm.ts";
import { linear, mish, relu } from "../../algorithms/core/nn.ts";
import { type Tensor, tf, valueAndGrad } from "../../algorithms/engine/tensor.ts";
import { tracedKernels } from "../../algorithms/engine/kernels.ts";
import { treeEntries } from "../../algorithms/engine/tree.ts";
import { hasWebGpu } from "../processes.ts";
import { a, b, discrete, index, type Inputs, row, smooth, square, weighted } from "./kernel_cases.ts";

const tolerance = 1e-5; // Float32 against float32, of max(1, |value|).

for (const [name, f] of Object.entries(smooth)) {
  Deno.test(`the gradient of ${name} agrees with central differences`, async () => {
    await tf.setBackend("cpu");
    const h = 0.004; // Float32: rounding is near 1e-6 / h, the third derivative's part near h^2.
    const [x, y] = [Array.from(a.data), Array.from(b.data, (value) => value + 0.013)]; // Not equal anywhere: no kink.
    const indices = tf.tensor1d(index.data as Int32Array, "int32");
    const loss = (p: { a: Tensor; b: Tensor }) =>
      tf.add(weighted(f({ ...p, index: indices })), tf.sum(tf.mul(p.a, p.b)));
    const at = (x: number[], y: number[]) => ({ a: tf.tensor2d(x, [2, 3]), b: tf.tensor2d(y, [2, 3]) });
    const value = (x: number[], y: number[]) => loss(at(x, y)).dataSync()[0];
    const { grad } = valueAndGrad(loss, at(x, y));
    x.forEach((_, i) => {
      const shifted = (values: number[], by: number) => values.with(i, values[i] + by);
      const byA = (value(shifted(x, h), y) - value(shifted(x, -h), y)) / (2 * h);
      const byB = (value(x, shifted(y, h)) - value(x, shifted(y, -h))) / (2 * h);
      for (const [found, wanted] of [[grad.a.dataSync()[i], byA], [grad.b.dataSync()[i], byB]]) {
        assert(Math.abs(found - wanted) <= 3e-3 * Math.max(1, Math.abs(wanted)), `[${i}]: ${found}, wanted ${wanted}`);
      }
    });
  });
}

type Arrays = { a: NdArray; b: NdArray; index: NdArray };
type Run = Compiled<Arrays, Record<string, unknown>>;

async function on(backend: Backend, run: Run): Promise<[string, NdArray][]> {
  await useBackend(backend);
  try {
    return treeEntries<NdArray>(await run({ a, b, index }));
  } finally {
    await useBackend("onnx");
  }
}

async function assertParity(name: string, run: Run, backend: Backend) {
  const [ours, eager] = [await on("onnx", run), await on(backend, run)];
  assertEquals(ours.map(([path, { shape }]) => [path, shape]), eager.map(([path, { shape }]) => [path, shape]));
  ours.forEach(([path, { data }], i) =>
    data.forEach((x, k) => {
      const wanted = eager[i][1].data[k];
      const error = Math.abs(x - wanted) / Math.max(1, Math.abs(wanted));
      assert(error <= tolerance, `${name} ${path}[${k}]: ${x} on onnx, ${wanted} on ${backend}`);
    })
  );
}

Deno.test("every traced kernel has a parity case", () => {
  assertEquals([...Object.keys(smooth), ...Object.keys(discrete)].sort(), tracedKernels());
});

const networks: Record<string, (t: Tensor, u: Tensor) => Tensor> = {
  tanh: (t) => tf.tanh(t),
  mish: (t) => mish(tf.mul(tf.sub(t, 0.5), 8)),
  relu: (t) => relu(tf.sub(t, 0.5)),
  layerNorm: (t, u) => layerNorm({ scale: tf.reshape(row(u), [3]), shift: tf.reshape(row(t), [3]) }, tf.mul(t, t)),
  matMul: (t) => tf.exp(square(t)),
};

for (const backend of ["cpu", ...(await hasWebGpu() ? ["webgpu" as const] : [])] as const) {
  for (const [name, f] of Object.entries(smooth)) {
    Deno.test(`traced ${name} and its gradient agree with eager ${backend}`, () =>
      assertParity(
        name,
        compile<Arrays>(name, (inputs) => {
          const { value, grad } = valueAndGrad((p: Inputs) => {
            // The second term ties both arguments to the loss, so that each has a gradient.
            return tf.add(weighted(f({ ...p, index: inputs.index })), tf.sum(tf.mul(p.a, p.b)));
          }, { a: inputs.a, b: inputs.b } as Inputs);
          return { y: f(inputs), value, grad };
        }),
        backend,
      ));
  }

  for (const [name, f] of Object.entries(discrete)) {
    Deno.test(`traced ${name} agrees with eager ${backend}`, () =>
      assertParity(name, compile<Arrays>(name, (inputs) => ({ y: f(inputs) })), backend));
  }

  for (const [name, f] of Object.entries(networks)) {
    Deno.test(`traced ${name} agrees with eager ${backend} in first and second derivatives`, () =>
      assertParity(
        name,
        compile(name, ({ a, b }) => {
          const penalty = (p: { a: Tensor; b: Tensor }) => {
            const { grad } = valueAndGrad((q: { a: Tensor }) => weighted(f(q.a, p.b)), { a: p.a });
            return tf.add(tf.sum(tf.square(grad.a)), tf.sum(tf.mul(p.a, p.b)));
          };
          return { first: valueAndGrad(penalty, { a, b }), y: f(a, b) };
        }),
        backend,
      ));
  }
}

const derivatives = { mish: (x: number) => x * Math.tanh(Math.log1p(Math.exp(x))) };

Deno.test("mish() agrees with its definition in float64 from -40 to 40, gradient by central differences", async () => {
  const xs = Array.from({ length: 81 }, (_, i) => i - 40);
  const run = compile("mish", ({ x }) => ({
    y: mish(x),
    slope: valueAndGrad((p: { x: Tensor }) => tf.sum(mish(p.x)), { x }).grad.x,
  }));
  const { y, slope } = await run({ x: ndarray(xs, [81]) });
  const h = 1e-5;
  xs.forEach((x, i) => {
    const exact = derivatives.mish(x);
    assert(Math.abs(y.data[i] - exact) <= 1e-6 * Math.max(1, Math.abs(exact)), `mish(${x}) is ${y.data[i]}`);
    const difference = (derivatives.mish(x + h) - derivatives.mish(x - h)) / (2 * h);
    // The slope holds x (1 - t^2) as a float32 difference, hence an error in proportion to x.
    assert(
      Math.abs(slope.data[i] - difference) <= 1e-6 * Math.max(1, Math.abs(x)),
      `mish'(${x}) is ${slope.data[i]}, wanted ${difference}`,
    );
  });
});

Deno.test("log1p() and expm1() keep small numbers, as Math's do", async () => {
  const small = [1e-30, 1e-12, 1e-8, 1e-5, 3e-4, 0.01, 0.2, 0.49];
  const logs = Float32Array.from([
    ...small,
    ...small.map((x) => -x),
    0,
    0.5,
    0.51,
    3,
    1e4,
    1e30,
    -0.5,
    -0.51,
    -0.9,
    -0.9999,
  ]);
  const exponents = Float32Array.from([...small, ...small.map((x) => -x), 0, 1, 10, 80, -1, -10, -80]);
  const run = compile("small", ({ x, y }) => ({ log1p: tf.log1p(x), expm1: tf.expm1(y) }));
  const found = await run({ x: ndarray(logs, [logs.length]), y: ndarray(exponents, [exponents.length]) });
  for (const [name, inputs] of [["log1p", logs], ["expm1", exponents]] as const) {
    inputs.forEach((x, i) => {
      const [value, wanted] = [found[name].data[i], Math[name](x)];
      assert(Math.abs(value - wanted) <= 1e-6 * Math.abs(wanted), `${name}(${x}) is ${value}, wanted ${wanted}`);
    });
  }
  assertEquals([...(await run({ x: ndarray([-1], [1]), y: ndarray([100], [1]) })).log1p.data], [-Infinity]);
});

for (const backend of (["tensorflow", "webgpu", "wasm"] as const)) {
  Deno.test(`backend ${backend} agrees with onnx on a network's gradient, or says how to get it`, async () => {
    const run: Run = compile(
      "network",
      ({ a, b }) =>
        valueAndGrad(
          (p: { a: Tensor; b: Tensor }) => weighted(mish(tf.matMul(p.a as tf.Tensor2D, p.b as tf.Tensor2D, true))),
          { a, b },
        ),
    );
    try {
      await assertParity("network", run, backend);
    } catch (error) {
      if (backend === "wasm" || !(error instanceof Error) || !error.message.startsWith("Cannot use backend")) {
        throw error;
      }
      const remedy = { tensorflow: "deno task setup:gpu", webgpu: "WebGPU adapter" }[backend];
      assert(error.message.includes(remedy), error.message);
      console.log(`      ${error.message}`);
    }
  });
}

Deno.test("useBackend() names the nearest backend for an unknown one", async () => {
  await assertRejects(() => useBackend("wsam"), RangeError, 'did you mean "wasm"?');
});

Deno.test("compile() names dataSync(), random numbers and untraceable operations", async () => {
  const x = ndarray([1, 2], [2]);
  const reading = compile("reading", ({ x }) => ({ y: tf.mul(x, x.dataSync()[0]) }));
  await assertRejects(() => reading({ x }), TypeError, "Cannot compile reading: Cannot read a tensor's values");
  const random = compile("random", ({ x }) => ({ y: tf.add(x, tf.randomNormal([2])) }));
  await assertRejects(() => random({ x }), TypeError, "Cannot compile random: random numbers were drawn inside");
  const unknown = compile("unknown", ({ x }) => ({ y: tf.spectral.fft(tf.complex(x, x)) }));
  await assertRejects(() => unknown({ x }), TypeError, "Cannot compile unknown: operation");
  const fine = compile("fine", ({ x }) => ({ y: tf.mul(x, 2) })); // A failed trace leaves nothing behind.
  assertEquals([...(await fine({ x })).y.data], [2, 4]);
});

Deno.test("compile() refuses a state that was given to an earlier call", async () => {
  const run = compile<{ state: { x: NdArray } }>("step", ({ state }) => ({ state: { x: tf.add(state.x, 1) } }));
  const first = { x: ndarray(new Float32Array(20_000), [20_000]) };
  const { state: second } = await run({ state: first });
  await assertRejects(() => run({ state: first }), Error, "this state was given to an earlier call");
  const { state: third } = await run({ state: second });
  assertEquals(third.x.data[0], 2);
});

for (const backend of ["onnx", "cpu"] as const) {
  Deno.test(`one state is given to one call at a time on ${backend}, and read by none meanwhile`, async () => {
    await useBackend(backend);
    try {
      type State = { state: { x: NdArray } };
      const step = compile<State>("step", ({ state }) => ({ state: { x: tf.mul(state.x, 2) } }));
      const total = compile<{ x: NdArray }>("total", ({ x }) => ({ total: tf.sum(x) }));
      const measure = compile<State>("measure", ({ state }) => ({ total: tf.sum(state.x) }));
      const fresh = () => ({ x: ndarray(new Float32Array(20_000).fill(1), [20_000]) });

      const first = fresh();
      const [one, other] = await Promise.allSettled([step({ state: first }), step({ state: first })]);
      assert(one.status === "fulfilled" && one.value.state.x.data.every((x: number) => x === 2));
      assert(
        other.status === "rejected" && /Cannot run step: this state was given to an earlier call/.test(other.reason),
      );
      await assertRejects(() => total(first), Error, "Cannot run total: this state was given to an earlier call");

      const second = fresh();
      const reads = [total(second), total(second)]; // Several may read it.
      await assertRejects(() => step({ state: second }), Error, "Cannot run step: another call still reads this state");
      for (const { total } of await Promise.all(reads)) assertEquals(total.data[0], 20_000);
      assertEquals((await step({ state: second })).state.x.data[7], 2);

      const third = fresh(); // A function that gives no state back leaves it.
      for (let i = 0; i < 2; i++) assertEquals((await measure({ state: third })).total.data[0], 20_000);
      const broken = compile<State>("broken", ({ state }) => ({ state: { x: tf.reshape(state.x, [7]) } }));
      await assertRejects(() => broken({ state: third }), Error); // So does a failure before anything ran.
      assertEquals((await step({ state: third })).state.x.data[7], 2);
    } finally {
      await useBackend("onnx");
    }
  });
}

async function refusesRanks(verb: "compile" | "run") {
  const [column, vector] = [ndarray([1, 2, 3], [3, 1]), ndarray([1, 2, 3], [3])];
  const binary = {
    add: [tf.add, "Add"],
    sub: [tf.sub, "Sub"],
    mul: [tf.mul, "Mul"],
    div: [tf.div, "Div"],
    pow: [tf.pow, "Pow"],
    maximum: [tf.maximum, "Max"],
    minimum: [tf.minimum, "Min"],
    squaredDifference: [tf.squaredDifference, "Sub"],
    equal: [tf.equal, "Equal"],
    notEqual: [tf.notEqual, "Equal"],
    greater: [tf.greater, "Greater"],
    greaterEqual: [tf.greaterEqual, "GreaterOrEqual"],
    less: [tf.less, "Less"],
    lessEqual: [tf.lessEqual, "LessOrEqual"],
  } as unknown as Record<string, [(a: Tensor, b: Tensor) => Tensor, string]>;
  for (const [name, [f, op]] of Object.entries(binary)) {
    for (const swapped of [false, true]) {
      const [a, b] = swapped ? [vector, column] : [column, vector];
      const shown = [a, b].map(({ shape }) => `[${shape.join(", ")}]`).join(" and ");
      const run = compile<{ a: NdArray; b: NdArray }>(name, ({ a, b }) => ({ y: tf.cast(f(a, b), "float32") }));
      await assertRejects(
        () => run({ a, b }),
        TypeError,
        `Cannot ${verb} ${name}: Cannot broadcast in ${op}: operands must have one rank, or be scalars, current shapes are ${shown}`,
      );
      const scaled = compile<{ a: NdArray; b: NdArray }>(name, ({ a, b }) => ({ y: tf.cast(f(a, b), "float32") }));
      assertEquals((await scaled({ a, b: ndarray([2], []) })).y.shape, a.shape);
      assertEquals((await scaled({ a: column, b: ndarray([1, 2, 3], [1, 3]) })).y.shape, [3, 3]); // Meant, as the ranks say.
    }
  }
  const logical = compile<{ a: NdArray; b: NdArray }>("logical", ({ a, b }) => ({
    y: tf.cast(tf.logicalAnd(tf.less(a, 2), tf.less(b, 2)), "float32"),
  }));
  await assertRejects(() => logical({ a: column, b: vector }), TypeError, "Cannot broadcast in And");
  const product = compile<{ a: NdArray; b: NdArray }>("product", ({ a, b }) => ({ y: tf.matMul(a, b) }));
  const cubes = ndarray(new Float32Array(8), [1, 2, 2, 2]);
  await assertRejects(
    () => product({ a: cubes, b: ndarray(new Float32Array(8), [2, 2, 2]) }),
    TypeError,
    "Cannot broadcast in MatMul",
  );
  const loss = compile<{ w: NdArray; x: NdArray }>("loss", ({ w, x }) =>
    // The kind of fault that this is about: rewards of shape [batch].
    valueAndGrad((p: { w: Tensor }) => tf.mean(tf.square(tf.sub(tf.mul(x, p.w), tf.reshape(x, [3])))), { w }));
  await assertRejects(
    () => loss({ w: ndarray([1], [1, 1]), x: column }),
    TypeError,
    "current shapes are [3, 1] and [3]",
  );
  const byRow = compile<{ a: NdArray; b: NdArray }>(
    "by row",
    ({ a, b }) => ({ y: linear({ weight: tf.ones([1, 2]), bias: b }, a) }),
  );
  await assertRejects(() => byRow({ a: column, b: vector }), TypeError, "Cannot broadcast in Add: a row for [3, 2]");
}

for (const backend of ["onnx", "cpu", "wasm", ...(await hasWebGpu() ? ["webgpu" as const] : [])] as const) {
  Deno.test(`operands of different ranks are refused by every operation on ${backend}, unless one is a scalar`, async () => {
    await useBackend(backend);
    try {
      await refusesRanks(isEager(backend) ? "run" : "compile");
    } finally {
      await useBackend("onnx");
    }
  });
}

Deno.test("compile() keeps interleaved states apart", async () => {
  const run = compile<{ state: { x: NdArray } }>("step", ({ state }) => ({ state: { x: tf.mul(state.x, 2) } }));
  let [one, two] = [3, 5].map((v) => ({ x: ndarray([v, v], [2]) }));
  for (let i = 0; i < 4; i++) {
    ({ state: one } = await run({ state: one }));
    ({ state: two } = await run({ state: two }));
  }
  assertEquals([...one.x.data, ...two.x.data], [48, 48, 80, 80]);
});

Deno.test("pieces of a split vector that are joined again are copied as one, whatever their order", async () => {
  await useBackend("onnx");
  const f = compile("pieces", ({ x, y }) => {
    const [a, b, c] = tf.split(x, [2, 1, 3], 0);
    const [d, e] = tf.split(y, [1, 2], 0);
    const join = (...parts: Tensor[]) => tf.concat(parts, 0);
    return {
      whole: join(a, b, c),
      front: join(a, b),
      mixed: join(b, c, d, e, a),
      swapped: join(c, b, a),
      twice: join(a, a),
    };
  });
  const { whole, front, mixed, swapped, twice } = await f({
    x: ndarray([0, 1, 2, 3, 4, 5], [6]),
    y: ndarray([7, 8, 9], [3]),
  });
  assertEquals([...whole.data], [0, 1, 2, 3, 4, 5]);
  assertEquals([...front.data], [0, 1, 2]);
  assertEquals([...mixed.data], [2, 3, 4, 5, 7, 8, 9, 0, 1]);
  assertEquals([...swapped.data], [3, 4, 5, 2, 0, 1]);
  assertEquals([...twice.data], [0, 1, 0, 1]);
});
