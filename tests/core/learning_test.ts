import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import {
  decodeCheckpoint,
  decodeSafetensors,
  encodeCheckpoint,
  nestTensors,
  restoreTree,
} from "../../algorithms/engine/checkpoint.ts";
import { type NdArray, ndarray, scalar } from "../../algorithms/engine/array.ts";
import { compile } from "../../algorithms/engine/compile.ts";
import { useBackend } from "../../algorithms/engine/backend.ts";
import { clip, exp, tanh } from "../../algorithms/core/gradient.ts";
import { drawOrthogonal, fourierEmbedding, initLinear, mish, relu } from "../../algorithms/core/nn.ts";
import { layerNorm } from "../../algorithms/core/layer_norm.ts";
import { adamStep, adamUpdate, clipByGlobalNorm, initAdam } from "../../algorithms/core/optim.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { bellmanTarget, expectileLoss, polyakAverage } from "../../algorithms/core/td.ts";
import { type Tensor, tf, valueAndGrad } from "../../algorithms/engine/tensor.ts";
import { mapTree, treeEntries, zipTree } from "../../algorithms/engine/tree.ts";

Deno.test("createRng() gives the same stream for the same seed and path, whatever was drawn before", () => {
  const one = createRng(3);
  one.uniform();
  assertEquals(one.child("critic").uniform(), createRng(3).child("critic").uniform());
  assertNotEquals(one.child("critic").uniform(), one.child("actor").uniform());
});

Deno.test("fillNormal() takes the ziggurat's layer from a draw's high bits and the place in it from the next draw", () => {
  const [layers, edge, area] = [128, 3.442619855899, 9.91256303526217e-3]; // Marsaglia & Tsang 2000.
  const density = (x: number) => Math.exp(-x * x / 2);
  const widths = [area / density(edge), edge];
  for (let i = 2; i < layers; i++) widths.push(Math.sqrt(-2 * Math.log(area / widths[i - 1] + density(widths[i - 1]))));
  widths.push(0);
  let within = 0;
  for (let seed = 0; seed < 500; seed++) {
    const stream = createRng(seed);
    const layer = Math.floor(layers * stream.uniform());
    const u = 2 * stream.uniform() - 1;
    if (Math.abs(u) >= widths[layer + 1] / widths[layer]) continue; // In a layer's corner, or in the tail.
    const [drawn] = createRng(seed).fillNormal(new Float64Array(1));
    assertAlmostEquals(drawn, u * widths[layer], 1e-12);
    within++;
  }
  assert(within > 480, `${within}`); // 98.8 %
});

Deno.test("fillUniform() stays below 1 in float32 too", () => {
  const [seed, at] = [3096, 4629]; // A draw above 1 - 2^-25, which rounds to 1.
  const exact = createRng(seed).fillUniform(new Float64Array(at + 1));
  assert(exact[at] < 1 && Math.fround(exact[at]) === 1);
  assertEquals(createRng(seed).fillUniform(new Float32Array(at + 1))[at], 1 - 2 ** -24);
});

Deno.test("createRng() draws unit Gaussians, uniforms and unbiased integers", () => {
  const rng = createRng("moments");
  const n = 200_000;
  const z = rng.fillNormal(new Float64Array(n));
  const moment = (k: number) => z.reduce((a, b) => a + b ** k, 0) / n;
  // Five standard errors of each moment.
  assertAlmostEquals(moment(1), 0, 5 / Math.sqrt(n));
  assertAlmostEquals(moment(2), 1, 5 * Math.sqrt(2 / n));
  assertAlmostEquals(moment(4), 3, 5 * Math.sqrt(96 / n));
  const sorted = z.toSorted();
  for (const [x, below] of [[-2, 0.0227501], [-1, 0.1586553], [-0.3, 0.3820886], [0.7, 0.7580363], [1.5, 0.9331928]]) {
    const share = sorted.findIndex((v) => v > x) / n;
    assertAlmostEquals(share, below, 5 * Math.sqrt(below * (1 - below) / n));
  }
  const far = z.filter((x) => Math.abs(x) > 3.442619855899).length; // Where the ziggurat's tail begins.
  assertAlmostEquals(far, 5.7607e-4 * n, 5 * Math.sqrt(5.7607e-4 * n));
  const counts = new Array(7).fill(0);
  for (let i = 0; i < 70_000; i++) counts[rng.integer(7)]++;
  for (const count of counts) assertAlmostEquals(count, 10_000, 5 * Math.sqrt(10_000));
  assertThrows(() => rng.integer(0), RangeError, "n must be an integer in [1, 2^32], current value is 0");
});

Deno.test("drawOrthogonal() has an orthonormal shorter side", () => {
  for (const [rows, columns] of [[7, 3], [3, 7], [5, 5]]) {
    const w = drawOrthogonal(rows, columns, createRng(`${rows}`));
    const short = Math.min(rows, columns);
    const at = (k: number, i: number) => rows >= columns ? w[i * columns + k] : w[k * columns + i];
    for (let a = 0; a < short; a++) {
      for (let b = 0; b < short; b++) {
        let dot = 0;
        for (let i = 0; i < Math.max(rows, columns); i++) dot += at(a, i) * at(b, i);
        assertAlmostEquals(dot, a === b ? 1 : 0, 1e-6);
      }
    }
  }
});

Deno.test("initLinear() is uniform within 1 / sqrt(inputs)", () => {
  const { weight } = initLinear(16, 5000, createRng("init"));
  const values = Array.from(weight.data);
  assert(values.every((x) => Math.abs(x) <= 0.25));
  const variance = values.reduce((a, b) => a + b * b, 0) / values.length;
  assertAlmostEquals(variance, 0.25 ** 2 / 3, 1e-3);
});

Deno.test("fourierEmbedding() is sin and cos of 2 pi w x", async () => {
  const run = compile("fourier", ({ w, x }) => ({ y: fourierEmbedding(w, x) }));
  const { y } = await run({ w: ndarray([0.25, 2], [1, 2]), x: ndarray([0.5], [1, 1]) });
  [Math.sin(Math.PI / 4), 0, Math.cos(Math.PI / 4), 1].forEach((v, i) => assertAlmostEquals(y.data[i], v, 1e-6));
});

/** Adam in plain loops and float64, as Kingma & Ba write it, with decoupled decay. */
function plainAdam(gradients: number[], start: number, lr: number, decay: number): number {
  let [p, m, v] = [start, 0, 0];
  gradients.forEach((g, i) => {
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    p -= lr * decay * p;
    p -= lr * m / (1 - 0.9 ** (i + 1)) / (Math.sqrt(v / (1 - 0.999 ** (i + 1))) + 1e-8);
  });
  return p;
}

for (const decay of [0, 0.01]) {
  Deno.test(`adamUpdate() agrees with plain loops over 50 steps, large and small leaves, weight decay ${decay}`, async () => {
    type Params<L> = { large: L; small: L };
    const [n, lr] = [20_000, 0.01];
    const step = compile<
      {
        state: { p: Params<NdArray>; adam: ReturnType<typeof initAdam> };
        g: Params<NdArray>;
        step: ReturnType<typeof adamStep>;
      }
    >("adam", ({ state, g, step }) => {
      const { params, state: adam } = adamUpdate(state.p, g, state.adam, step, decay ? { decays: "weights" } : {});
      return { state: { p: params, adam } };
    });
    const fill = (v: number): Params<NdArray> => ({
      large: ndarray(new Float32Array(n).fill(v), [n]),
      small: ndarray(new Float32Array(3).fill(2 * v), [3]),
    });
    const gradients = Array.from({ length: 50 }, (_, i) => Math.cos(i) + 0.3);
    let state = { p: fill(1), adam: initAdam(fill(1)) };
    for (const [i, g] of gradients.entries()) {
      const scalars = adamStep(i + 1, { learningRate: lr, weightDecay: decay });
      ({ state } = await step({ state, g: fill(g), step: scalars }));
    }
    assertAlmostEquals(state.p.large.data[n - 1], plainAdam(gradients, 1, lr, decay), 1e-5);
    assertAlmostEquals(state.p.small.data[2], plainAdam(gradients.map((g) => 2 * g), 2, lr, decay), 1e-5);
  });
}

Deno.test("clipByGlobalNorm() scales by the norm of the whole tree, and leaves small gradients alone", async () => {
  const run = compile<{ g: { a: NdArray; b: NdArray } }>("clip", ({ g }) => ({
    clipped: clipByGlobalNorm(g, 1),
    kept: clipByGlobalNorm(g, 100),
  }));
  const { clipped, kept } = await run({ g: { a: ndarray([3], [1]), b: ndarray([4], [1]) } });
  assertAlmostEquals(clipped.a.data[0], 0.6, 1e-6);
  assertAlmostEquals(clipped.b.data[0], 0.8, 1e-6);
  assertEquals(kept.b.data[0], 4);
});

for (const expectile of [0.7, 0.9]) {
  Deno.test(`expectileLoss() makes a constant converge to ${expectile} on samples {0, 1}`, async () => {
    const samples = ndarray([0, 1], [2, 1]);
    const slope = compile(
      "expectile",
      ({ v, samples }) => valueAndGrad((p: { v: Tensor }) => expectileLoss(tf.sub(samples, p.v), expectile), { v }),
    );
    let v = 0.2;
    for (let i = 0; i < 200; i++) v -= (await slope({ v: ndarray([v], [1, 1]), samples })).grad.v.data[0];
    assertAlmostEquals(v, expectile, 1e-5);
  });
}

Deno.test("bellmanTarget() stops at terminals, polyakAverage() moves by its rate", async () => {
  const run = compile(
    "td",
    ({ r, d, v }) => ({ y: bellmanTarget(r, d, v, 0.9), mean: polyakAverage({ v }, { v: r }, 0.25) }),
  );
  const [r, d, v] = [[1, 2], [0, 1], [10, 10]].map((x) => ndarray(x, [2, 1]));
  const { y, mean } = await run({ r, d, v });
  assertEquals([...y.data], [10, 2]);
  assertEquals([...mean.v.data], [7.75, 8]);
});

Deno.test("mapTree(), zipTree() and treeEntries() keep structure and order", () => {
  const tree = { a: [1, 2], b: { c: 3 } };
  assertEquals(treeEntries<number>(tree), [["a/0", 1], ["a/1", 2], ["b/c", 3]]);
  assertEquals(mapTree<number, string>(tree, (x, path) => `${path}=${x}`), {
    a: ["a/0=1", "a/1=2"],
    b: { c: "b/c=3" },
  });
  assertEquals(zipTree<number, typeof tree>(tree, tree, (a, b) => a + b), { a: [2, 4], b: { c: 6 } });
});

const sample = { w: ndarray([1.5, -2, 3, 4], [2, 2]), n: { k: ndarray(Int32Array.of(7), [1]) } };

Deno.test("encodeCheckpoint() and decodeCheckpoint() round-trip bits, shapes, types and metadata", () => {
  const checkpoint = decodeCheckpoint(encodeCheckpoint(sample, { updates: "12" }));
  assertEquals(restoreTree(sample, checkpoint), sample);
  assertEquals(checkpoint.metadata, { updates: "12" });
});

Deno.test("encodeCheckpoint() writes the safetensors layout", () => {
  const bytes = encodeCheckpoint(sample);
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  assertEquals(header.w, { dtype: "F32", shape: [2, 2], data_offsets: [0, 16] });
  assertEquals(header["n/k"], { dtype: "I32", shape: [1], data_offsets: [16, 20] });
  assertEquals(bytes.length, 8 + length + 20);
});

Deno.test("encodeCheckpoint() refuses values that are not finite, decodeCheckpoint() damaged bytes", () => {
  assertThrows(() => encodeCheckpoint({ w: ndarray([1, NaN], [2]) }), RangeError, 'tensor "w": values must be finite');
  const bytes = encodeCheckpoint(sample);
  assertThrows(() => decodeCheckpoint(bytes.slice(0, 5)), Error, "at least 8 bytes, current size is 5");
  assertThrows(() => decodeCheckpoint(bytes.slice(0, 20)), Error, "its header is cut short");
  assertThrows(() => decodeCheckpoint(bytes.slice(0, -3)), Error, 'tensor "n/k" is cut short');
  const flipped = bytes.slice();
  flipped[flipped.length - 1] ^= 1;
  assertThrows(() => decodeCheckpoint(flipped), Error, "it is damaged");
  const text = new TextDecoder("latin1").decode(encodeCheckpoint(sample, { updates: "41" }));
  const changed = Uint8Array.from(text.replace('"updates":"41"', '"updates":"43"'), (c) => c.charCodeAt(0));
  assertThrows(() => decodeCheckpoint(changed), Error, "it is damaged");
  const other = { ...sample, w: ndarray([1], [1]) };
  assertThrows(
    () => restoreTree(other, decodeCheckpoint(bytes)),
    Error,
    'tensor "w": it must be [1], current is [2, 2]',
  );
});

Deno.test("second derivatives of tanh(), exp(), clip(), mish(), relu() and layerNorm() are those of finite differences", async () => {
  await useBackend("cpu");
  const row = (xs: readonly number[]) => tf.tensor2d([[...xs]]);
  const ones = tf.ones([4]);
  const operations: Record<string, (x: Tensor) => Tensor> = {
    tanh,
    exp,
    clip: (x) => tf.square(clip(x, -0.5, 1)),
    mish,
    relu: (x) => tf.square(relu(x)),
    layerNorm: (x) => tf.square(layerNorm({ scale: ones, shift: ones }, x)),
  };
  const point = [0.3, -1.2, 0.8, 1.7];
  const weights = row([1, -0.5, 0.7, 0.2]);
  for (const [name, f] of Object.entries(operations)) {
    const first = tf.grad((x: Tensor) => tf.sum(tf.mul(f(x), weights)));
    const second = tf.grad((x: Tensor) => tf.sum(tf.mul(first(x), weights)))(row(point)).dataSync();
    point.forEach((_, i) => {
      const along = (h: number) => {
        const g = first(row(point.map((x, j) => j === i ? x + h : x))).dataSync();
        return [...weights.dataSync()].reduce((sum, w, j) => sum + w * g[j], 0);
      };
      const wanted = (along(1e-2) - along(-1e-2)) / 2e-2;
      assertAlmostEquals(second[i], wanted, 5e-3 * Math.max(1, Math.abs(wanted)), `${name}, ${i}`);
    });
  }
});

/** A safetensors file with a header of one's own. */
function safetensors(header: unknown, body: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + body);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

Deno.test("decodeSafetensors() refuses tensors that overlap, leave gaps, or have other bytes than their shape", () => {
  const tensor = (from: number, to: number, shape = [(to - from) / 4]) => ({
    dtype: "F32",
    shape,
    data_offsets: [from, to],
  });
  assertEquals(decodeSafetensors(safetensors({ b: tensor(8, 16), a: tensor(0, 8) }, 16)).tensors.size, 2);
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`t${i}`, tensor(0, 1_000_000)]));
  const wrong: [unknown, number, string][] = [
    [many, 1_000_000, "must begin where the one before it ends"],
    [{ a: tensor(0, 8), b: tensor(4, 12) }, 12, "must begin where the one before it ends, at 8, current is 4"],
    [{ a: tensor(0, 8), b: tensor(12, 16) }, 16, "must begin where the one before it ends, at 8, current is 12"],
    [{ a: tensor(0, 8) }, 12, "it must have 8 bytes after its header, current are 12"],
    [{ a: tensor(0, 8, [3]) }, 8, "must have the bytes of its shape [3], current are 8"],
    [{ a: tensor(0, 8, [-2]) }, 8, "must have a shape and data_offsets of whole numbers"],
    [{ a: tensor(0, 8, [2 ** 40, 2 ** 40]) }, 8, "must have the bytes of its shape"],
    [{ a: tensor(8, 0, [2]) }, 8, "must have a shape and data_offsets of whole numbers"],
    [{ a: { dtype: "F32", shape: "2", data_offsets: [0, 8] } }, 8, "must have a shape and data_offsets"],
    [{ a: null }, 8, "must have a shape and data_offsets"],
    [{ a: tensor(0, 8), __metadata__: { x: 1 } }, 8, "its __metadata__ must be texts by name"],
    ["[1]", 0, "its header must be an object"],
    ["null", 0, "its header must be an object"],
  ];
  for (const [header, body, said] of wrong) {
    assertThrows(() => decodeSafetensors(safetensors(header, body)), Error, `Cannot read safetensors: `);
    assertThrows(() => decodeSafetensors(safetensors(header, body)), Error, said);
    assertThrows(() => decodeCheckpoint(safetensors(header, body)), Error, "delete the file to start over");
  }
});

Deno.test("nestTensors() makes of every name a property of the tree's own, and pollutes nothing", () => {
  const names = ["constructor/prototype/x", "__proto__/polluted", "a/toString", "list/0", "list/1", "hasOwnProperty"];
  const tensors = new Map(names.map((name, i) => [name, scalar(i)]));
  const tree = nestTensors({ tensors, metadata: {} }) as Record<string, never>;
  assertEquals(Object.keys(tree).sort(), ["__proto__", "a", "constructor", "hasOwnProperty", "list"]);
  assertEquals(Object.keys(Object.prototype), []);
  assertEquals(({} as { polluted?: unknown }).polluted, undefined);
  assertEquals((tree as unknown as { constructor: { prototype: { x: NdArray } } }).constructor.prototype.x.data[0], 0);
  assert(Array.isArray(tree.list));
  for (const pair of [["a", "a/b"], ["a/b", "a"], ["a/b/c", "a/b"]]) {
    const clash = new Map(pair.map((name) => [name, scalar(0)]));
    assertThrows(() => nestTensors({ tensors: clash, metadata: {} }), Error, "another tensor");
  }
});
