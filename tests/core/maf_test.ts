import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { useBackend } from "../../algorithms/engine/backend.ts";
import { type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { compile } from "../../algorithms/engine/compile.ts";
import {
  initMaf,
  logDensities,
  madeMasks,
  madeTransform,
  type Maf,
  mafDefaults,
  mafLogDensity,
  trainMaf,
} from "../../algorithms/core/maf.ts";
import type { Linear } from "../../algorithms/core/nn.ts";
import { fitGaussian, gaussianLogLikelihood } from "../../algorithms/core/gaussian.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { type Tensor, tf } from "../../algorithms/engine/tensor.ts";
import { mapTree, treeLeaves } from "../../algorithms/engine/tree.ts";

const near = (got: ArrayLike<number>, wanted: readonly number[], tolerance = 1e-5) => {
  assertEquals(got.length, wanted.length);
  wanted.forEach((w, i) => assertAlmostEquals(got[i], w, tolerance * Math.max(1, Math.abs(w))));
};
/** Rows of a mask as the specification prints them, `[out, in]`. */
const printed = (mask: Float32Array, inputs: number) => {
  const outputs = mask.length / inputs;
  return Array.from({ length: outputs }, (_, o) => Array.from({ length: inputs }, (_, i) => mask[i * outputs + o]));
};

Deno.test("madeMasks() match the golden masks of three dimensions and four hidden units, both orders", () => {
  const hidden = [[1, 0, 1, 0], [1, 1, 1, 1], [1, 0, 1, 0], [1, 1, 1, 1]];
  const [a, b, c] = madeMasks(3, 4, "rising");
  assertEquals(printed(a, 3), [[1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 1, 0]]);
  assertEquals(printed(b, 4), hidden);
  const half = [[0, 0, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]];
  assertEquals(printed(c, 4), [...half, ...half]);
  const [d, e, f] = madeMasks(3, 4, "falling");
  assertEquals(printed(d, 3), [[0, 0, 1], [0, 1, 1], [0, 0, 1], [0, 1, 1]]);
  assertEquals(printed(e, 4), hidden);
  assertEquals(printed(f, 4), [...half.toReversed(), ...half.toReversed()]);
});

const wave = (n: number, amp: number, phase: number) =>
  Array.from({ length: n }, (_, k) => amp * Math.sin(1.7 * k + phase));

/** Layers filled as the goldens say, PyTorch's `[out, in]` turned into ours, parameters counted from `j`. */
const layersFrom = (j: number): Linear<NdArray>[] =>
  ([[4, 3], [4, 4], [6, 4]] as const).map(([out, inputs], l) => {
    const data = wave(out * inputs, 0.5, 0.1 + j + 2 * l);
    const weight = Array.from(data, (_, k) => data[(k % out) * inputs + Math.floor(k / out)]);
    return { weight: ndarray(weight, [inputs, out]), bias: ndarray(wave(out, 0.2, 0.3 + j + 2 * l + 1), [out]) };
  });
const golden = (): Maf<NdArray> => ({
  blocks: [0, 8].map((j) => ({
    layers: layersFrom(j),
    logGamma: ndarray(wave(3, 0.1, 0.4 + j + 6), [3]),
    beta: ndarray(wave(3, 0.1, 0.8 + j + 7), [3]),
  })),
  moments: [0, 1].map((i) => ({
    mean: ndarray([0.1, -0.2, 0.3].map((x) => (i + 1) * x), [3]),
    variance: ndarray([1.5, 0.8, 1.1].map((x) => x + 0.1 * i), [3]),
  })),
});
const rows = [0.5, -1, 0.25, 0, 0, 0, 2, 1, -3];
const eager = <T>(tree: unknown): T => mapTree<NdArray, Tensor>(tree, ({ data, shape }) => tf.tensor(data, [...shape]));

Deno.test("madeTransform() matches the golden MADE", async () => {
  await useBackend("cpu");
  const masks = madeMasks(3, 4, "rising").map((mask, l) =>
    tf.tensor2d(mask, [[3, 4], [4, 4], [4, 6]][l] as [number, number])
  );
  const { u, slope } = madeTransform(eager<Linear[]>(layersFrom(0)), masks, tf.tensor2d(rows, [3, 3]));
  near(u.dataSync(), [
    0.78645511079,
    -1.25986698434,
    0.159485625205,
    0.196425105376,
    -0.161181538323,
    -0.0854360941618,
    2.55654512703,
    0.968466316941,
    -2.66365761985,
  ]);
  near(slope.dataSync(), [
    0.165565293817,
    0.099348574528,
    -0.136344744096,
    0.165565293817,
    0.0987185280124,
    -0.131511660263,
    0.165565293817,
    0.101238714075,
    -0.146937903785,
  ]);
  const [us, slopes] = [u, slope].map((t) => t.arraySync() as number[][]);
  const density = us.map((row, i) =>
    row.reduce((sum, x, d) => sum - x * x / 2 - Math.log(2 * Math.PI) / 2 + slopes[i][d], 0)
  );
  near(density, [-3.74385253745, -2.6599742563, -9.92141045021]);
});

Deno.test("mafLogDensity() matches the golden flow of two blocks, evaluating and training, compiled and not", async () => {
  for (const backend of ["onnx", "cpu"] as const) {
    await useBackend(backend);
    const run = compile<{ flow: Maf<NdArray>; x: NdArray }>("flow", ({ flow, x }) => ({
      still: mafLogDensity(flow, x, "evaluate"),
      train: mafLogDensity(flow, x, "train"),
    }));
    const { still, train } = await run({ flow: golden(), x: ndarray(rows, [3, 3]) });
    near(still.logDensity.data, [-3.67774898059, -3.35889504702, -8.99068550823]);
    near(still.u.data, [
      0.324506015946,
      -0.952472831205,
      -0.515953748043,
      -0.144704282988,
      0.238510332646,
      -0.697361741176,
      1.71167262225,
      1.40072851329,
      -2.60699227144,
    ]);
    near(train.logDensity.data, [-4.1986910634, -3.8737753672, -5.18270950531]);
    near(train.moments[0].mean.data, [0.207980844773, -0.195086073524, 0.183679730373]);
    near(train.moments[0].variance.data, [1.50085867649, 0.844144721463, 1.2346225111]);
  }
});

Deno.test("a MADE is autoregressive: no output depends on later inputs, and on its own by the inverse scale", async () => {
  await useBackend("cpu");
  const masks = madeMasks(3, 4, "rising").map((mask, l) =>
    tf.tensor2d(mask, [[3, 4], [4, 4], [4, 6]][l] as [number, number])
  );
  const layers = eager<Linear[]>(layersFrom(0));
  const x = tf.tensor2d([[0.5, -1, 0.25]]);
  const slopes = madeTransform(layers, masks, x).slope.dataSync();
  for (let i = 0; i < 3; i++) {
    const row = tf.grad((x: Tensor) => tf.sum(tf.slice(madeTransform(layers, masks, x).u, [0, i], [1, 1])))(x)
      .dataSync();
    for (let j = i + 1; j < 3; j++) assertEquals(Math.abs(row[j]), 0);
    assertAlmostEquals(row[i], Math.exp(slopes[i]), 1e-5);
  }
});

Deno.test("initMaf() has the published number of parameters", () => {
  const count = (dim: number) =>
    treeLeaves<NdArray>(initMaf(dim, mafDefaults, createRng(0)).blocks).reduce((sum, { data }) => sum + data.length, 0);
  assertEquals([count(11), count(17)], [67_720, 76_840]);
});

Deno.test("trainMaf() learns a bent density: its held-out likelihood comes near the truth's", async () => {
  await useBackend("onnx");
  const [rng, n] = [createRng("bent"), 4000];
  const z = rng.fillNormal(new Float32Array(2 * n));
  const data = z.map((x, i) => i % 2 ? 0.5 * z[i - 1] ** 2 + 0.4 * x : x);
  const truth = data.reduce((sum, x, i) => {
    const [mean, sd] = i % 2 ? [0.5 * data[i - 1] ** 2, 0.4] : [0, 1];
    return sum - ((x - mean) / sd) ** 2 / 2 - Math.log(sd) - Math.log(2 * Math.PI) / 2;
  }, 0) / n;
  const values: number[] = [];
  const config = { ...mafDefaults, blocks: 3, hidden: 32, learningRate: 3e-3, epochs: 12 };
  const flow = await trainMaf(data, n, config, rng.child("train"), (_, value) => values.push(value));
  const found = await logDensities(flow, data, n);
  const mean = found.reduce((a, b) => a + b, 0) / n;
  console.log("     ", mean.toFixed(3), "of", truth.toFixed(3));
  assert(mean > truth - 0.15 && values.length === 12, `${mean}, ${truth}`);
  await assertRejects(() => trainMaf(data, 50, config, rng), RangeError, "there must be at least 113 rows");
});

Deno.test("fitGaussian() and gaussianLogLikelihood() are those of a correlated pair", () => {
  const z = createRng("pair").fillNormal(new Float64Array(40_000));
  const rows = z.map((x, i) => i % 2 ? 1 + 0.6 * z[i - 1] + 0.8 * x : 2 * x);
  const fitted = fitGaussian(rows, 20_000);
  near(fitted.mean, [0, 1], 0.03);
  near(fitted.factor, [2, 0, 0.6, 0.8], 0.03);
  const entropy = Math.log(2) + Math.log(0.8) + Math.log(2 * Math.PI) + 1;
  assertAlmostEquals(gaussianLogLikelihood(fitted, rows, 20_000), -entropy, 0.03);
  assertThrows(() => fitGaussian([1, 2, 2, 4, 3, 6], 3), RangeError, "dimension 1 must not be a linear function");
});
