import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { useBackend } from "../../algorithms/engine/backend.ts";
import { type NdArray, ndarray, scalar } from "../../algorithms/engine/array.ts";
import { compile } from "../../algorithms/engine/compile.ts";
import { tanh } from "../../algorithms/core/gradient.ts";
import { type Linear, linear, mlp, relu } from "../../algorithms/core/nn.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { meanSquaredError } from "../../algorithms/core/td.ts";
import { type Tensor, tf, valueAndGrad } from "../../algorithms/engine/tensor.ts";
import { treeEntries, treeLeaves, treeLike } from "../../algorithms/engine/tree.ts";
import {
  clipPairs,
  createDistillation,
  type DistillationArrays,
  distillationDefaults,
  outerLoss,
} from "../../algorithms/offline_behavior_distillation/distill.ts";
import {
  initPolicy,
  meanAction,
  policyGaussian,
  sampleAction,
  type TanhGaussianPolicy,
} from "../../algorithms/offline_behavior_distillation/policy.ts";
import { trainVariant } from "../../algorithms/offline_behavior_distillation/student.ts";
import { createUnroll, type Pairs } from "../../algorithms/offline_behavior_distillation/unroll.ts";
import {
  boundedDensityWeights,
  effectiveSampleSize,
  stateDensityWeights,
  stateRankWeights,
} from "../../algorithms/offline_behavior_distillation/weights.ts";

const near = (got: ArrayLike<number>, wanted: readonly number[], tolerance = 2e-5, scale = 1) => {
  assertEquals(got.length, wanted.length);
  wanted.forEach((w, i) => assertAlmostEquals(got[i], w, tolerance * Math.max(scale, Math.abs(w))));
};

/** The goldens' numbers: `amp sin(1.7 k + phase)`. */
const wave = (n: number, amp: number, phase: number) =>
  Array.from({ length: n }, (_, k) => amp * Math.sin(1.7 * k + phase));
const filled = (shape: number[], amp: number, phase: number) =>
  ndarray(wave(shape.reduce((a, b) => a * b, 1), amp, phase), shape);
/** A PyTorch weight `[out, in]` as ours. */
const transposed = ([out, inputs]: [number, number], amp: number, phase: number) => {
  const data = wave(out * inputs, amp, phase);
  return ndarray(Float32Array.from(data, (_, k) => data[(k % out) * inputs + Math.floor(k / out)]), [inputs, out]);
};

/** Outer loss and gradients of a deterministic policy. */
async function distillOnce(
  act: (p: Linear[], s: Tensor) => Tensor,
  start: Linear<NdArray>[],
  pairs: Pairs,
  outer: { observation: NdArray; action: NdArray; weight: NdArray },
  steps: number,
  innerMomentum: number,
) {
  const loss = (p: Linear[], { observation, action }: Pairs<Tensor>) => meanSquaredError(act(p, observation), action);
  const unroll = createUnroll<Linear[]>("test", loss, { innerLearningRate: 0.1, innerMomentum });
  const noises = Array.from({ length: steps }, () => scalar(0));
  const { path, losses } = await unroll.train(start, pairs, noises);
  const measure = compile<{ p: Linear<NdArray>[]; outer: typeof outer }>("outer", ({ p, outer }) => {
    const { value, grad } = valueAndGrad(
      (q) => outerLoss(act(q, outer.observation), outer.action, outer.weight),
      p,
    );
    return { value, grad };
  });
  const { value, grad } = await measure({ p: path[steps], outer });
  const back = await unroll.pullBack(path, pairs, noises, grad);
  return { path, losses, value: value.data[0], ...back };
}

Deno.test("createUnroll() matches golden G1, a scalar policy", async () => {
  await useBackend("onnx");
  const start = [{ weight: ndarray([0.3], [1, 1]), bias: ndarray([-0.1], [1]) }];
  const pairs = { observation: ndarray([1, -2], [2, 1]), action: ndarray([0.5, 1], [2, 1]) };
  const outer = (weight: number[]) => ({
    observation: ndarray([0.5, -1.5], [2, 1]),
    action: ndarray([0.2, 0.4], [2, 1]),
    weight: ndarray(weight, [2, 1]),
  });
  const policy = ([layer]: Linear[], s: Tensor) => linear(layer, s);
  const plain = await distillOnce(policy, start, pairs, outer([1, 1]), 2, 0);
  near(plain.losses, [1.49, 0.47125]);
  near(treeLeaves<NdArray>(plain.path[2]).map(({ data }) => data[0]), [-0.145, 0.229]);
  near([plain.value], [0.00202725], 1e-5, 1e-3);
  near(plain.pairs.observation.data, [-0.0036375, -0.018117], 1e-5, 0.01);
  near(plain.pairs.action.data, [-0.01407, 0.027015], 1e-5, 0.01);
  near(treeLeaves<NdArray>(plain.start).map(({ data }) => data[0]), [-0.0234, -0.009945], 1e-5, 0.01);
  const weighted = await distillOnce(policy, start, pairs, outer([0.5, 2]), 2, 0);
  near([weighted.value], [0.0026353125], 1e-5, 1e-3);
  near(weighted.pairs.observation.data, [-0.007503375, -0.02977425], 1e-5, 0.01);
  near(weighted.pairs.action.data, [-0.0105225, 0.05500875], 1e-5, 0.01);
  near(treeLeaves<NdArray>(weighted.start).map(({ data }) => data[0]), [-0.029835, 0.02676375], 1e-5, 0.01);
});

const goldenMlp = () =>
  ([[[4, 3], 0.6, 0.1, 0.2, 0.5], [[4, 4], 0.5, 0.9, 0.2, 1.3], [[2, 4], 0.7, 1.7, 0.1, 2.1]] as const).map(
    ([shape, amp, phase, biasAmp, biasPhase]): Linear<NdArray> => ({
      weight: transposed([...shape], amp, phase),
      bias: filled([shape[0]], biasAmp, biasPhase),
    }),
  );
const tanhPolicy = (p: Linear[], s: Tensor) => tanh(mlp(p, s, relu));
const goldenPairs = () => ({ observation: filled([3, 3], 1, 0.3), action: filled([3, 2], 0.8, 0.7) });
const goldenOuter = (weight: number[]) => ({
  observation: filled([2, 3], 1, 2.2),
  action: filled([2, 2], 0.8, 2.9),
  weight: ndarray(weight, [2, 1]),
});

Deno.test("createUnroll() matches golden G2: three steps, weights, momentum, and a hundred steps", async () => {
  await useBackend("onnx");
  const run = (weight: number[], steps: number, momentum: number) =>
    distillOnce(tanhPolicy, goldenMlp(), goldenPairs(), goldenOuter(weight), steps, momentum);
  const plain = await run([1, 1], 3, 0);
  near(plain.losses, [0.343822514991, 0.331673160905, 0.320419633307]);
  near(plain.path[3][2].bias.data, [0.0777121501279, -0.0490385357031], 1e-5, 0.1);
  near([plain.value], [0.344854705939], 1e-5);
  near(
    plain.pairs.observation.data,
    [
      0.00251271480138,
      -0.00616476704644,
      -0.000924122216287,
      -0.00056026513989,
      0.00237816839072,
      -5.25626674142e-05,
      -0.00113672197237,
      -0.00609150729515,
      0.00270643632625,
    ],
    1e-5,
    0.01,
  );
  near(
    plain.pairs.action.data,
    [
      0.024827272924,
      0.0183203704744,
      0.0237225882584,
      0.0189104346326,
      0.0236026248749,
      0.0203068157267,
    ],
    1e-5,
    0.01,
  );

  const weighted = await run([2, 5], 3, 0);
  near([weighted.value], [1.068852936648], 1e-5);
  near(
    weighted.pairs.action.data,
    [
      0.0603044795102,
      -0.141249618973,
      0.0792016604759,
      -0.0786080374887,
      0.0831768517225,
      -0.0426833337418,
    ],
    1e-5,
    0.1,
  );
  near(weighted.pairs.observation.data.slice(0, 3), [0.00617671807318, -0.0316273809634, 0.00197330973905], 1e-5, 0.01);

  const moving = await run([1, 1], 3, 0.9);
  near([moving.losses[2], moving.value], [0.310305956655, 0.344015804593], 1e-5);
  near(moving.path[3][2].bias.data, [0.0701811870525, -0.0381573340941], 1e-5, 0.1);
  near(
    moving.pairs.action.data,
    [
      0.0567867353354,
      0.0534202545716,
      0.0468750150974,
      0.0451354038455,
      0.0463971973077,
      0.0452497875523,
    ],
    1e-5,
    0.1,
  );
  near(
    moving.pairs.observation.data.slice(3, 6),
    [-0.000830260343113, 0.00216316020143, 0.000272837778646],
    1e-5,
    0.01,
  );

  const long = await run([4, 10], 100, 0); // The specification allows 1e-3 in float32.
  near([long.losses[99], long.value], [0.0231439021895, 2.435400656772], 1e-3, 0.01);
  near(long.pairs.observation.data, [
    -0.522046491466,
    -0.585086712617,
    0.672816894678,
    -1.76981232417,
    2.46093977468,
    1.13565524265,
    1.45193204065,
    -0.42833023333,
    -1.34155605604,
  ], 1e-3);
  near(long.pairs.action.data, [
    1.93331358188,
    0.516123203144,
    -0.558134376456,
    -0.980476470161,
    0.342012890451,
    0.688827271772,
  ], 1e-3);
});

const goldenHead = (): TanhGaussianPolicy<NdArray> => ({
  layers: [{ weight: transposed([4, 2], 0.5, 0.2), bias: filled([4], 0.3, 1.1) }],
  scale: scalar(1),
  offset: scalar(-1),
});

Deno.test("the tanh-Gaussian head matches golden G3, its loss and its gradients through two steps", async () => {
  await useBackend("onnx");
  const p = goldenHead();
  const one = compile<{ p: typeof p; s: NdArray; noise: NdArray; target: NdArray }>(
    "head",
    ({ p, s, noise, target }) => {
      const { value, grad } = valueAndGrad((q) => meanSquaredError(sampleAction(q, s, noise, 1), target), p);
      return { ...policyGaussian(p, s), action: sampleAction(p, s, noise, 1), plain: meanAction(p, s, 1), value, grad };
    },
  );
  const s = ndarray([0.4, -0.8], [1, 2]);
  const target = ndarray([0.1, 0.3], [1, 2]);
  const got = await one({ p, s, noise: ndarray([0.5, -1.25], [1, 2]), target });
  near(got.mean.data, [-0.0714239608975, 0.344899333277], 1e-6);
  near(got.logStandardDeviation.data, [-1.42704940759, -1.01063312885], 1e-6);
  near(got.action.data, [0.0485458830492, -0.109643669807], 1e-6);
  near(got.plain.data, [-0.0713027545787, 0.331844275256], 1e-6);
  near([got.value.data[0]], [0.0852277311822], 1e-6);
  near([got.grad.scale.data[0], got.grad.offset.data[0]], [0.000672777530574, 0.177980968717], 1e-6);
  near(got.grad.layers[0].bias.data, [-0.0513328548913, -0.404719042439, -0.00616035499692, 0.184141323714], 1e-6);

  const loss = (p: TanhGaussianPolicy, { observation, action }: Pairs<Tensor>, noise: Tensor) =>
    meanSquaredError(sampleAction(p, observation, noise, 1), action);
  const unroll = createUnroll<TanhGaussianPolicy>("g3", loss, { innerLearningRate: 0.1, innerMomentum: 0 });
  const pairs = { observation: filled([2, 2], 1, 0.3), action: filled([2, 2], 0.8, 0.7) };
  const noises = [0.05, 1.05].map((phase) => filled([2, 2], 1, phase));
  const { path } = await unroll.train(p, pairs, noises);
  const { value, grad } = await one({ p: path[2], s, noise: filled([1, 2], 1, 4.05), target });
  near([value.data[0]], [0.103417075354], 1e-5);
  const same = await unroll.pullBack(path, pairs, noises, grad);
  near(
    same.pairs.observation.data,
    [-0.00526879193688, 0.00653356220296, 0.0123834496752, -0.00152508744663],
    1e-5,
    0.1,
  );
  near(same.pairs.action.data, [-0.00591344967124, -0.00499177396334, -0.047668073978, -0.0292882807268], 1e-5, 0.1);
  const fresh = await unroll.pullBack(path, pairs, [2.05, 3.05].map((phase) => filled([2, 2], 1, phase)), grad);
  near(fresh.pairs.observation.data, [-0.00403466366326, 0.0123158124535, 0.0205539330247, 0.012665544381], 1e-5, 0.1);
  near(fresh.pairs.action.data, [-0.00576801965143, -0.00818275198193, -0.0479563817506, -0.0092222406553], 1e-5, 0.1);
});

Deno.test("clipPairs() and the outer step match golden G4", () => {
  const clipped = clipPairs({ observation: ndarray([3, 0, 0], [1, 3]), action: ndarray([0, 4], [1, 2]) }, 2);
  near([clipped.observation.data[0], clipped.action.data[1]], [1.19999976, 1.59999968], 1e-7);
  const { momentum, learningRate } = distillationDefaults;
  let [u, x] = [0, 0];
  const steps = [1, 0.5, -0.25].map((g) => x -= learningRate * (u = momentum * u + g));
  near(steps, [-0.1, -0.24, -0.341], 1e-12);
});

Deno.test("outerLoss() matches golden G5, with values and without", async () => {
  await useBackend("cpu");
  const [action, wanted] = [[[0.1, -0.2], [0.4, 0.5]], [[0.3, 0.1], [-0.1, 0.2]]].map((x) => tf.tensor2d(x));
  const { valueScale } = distillationDefaults;
  near(outerLoss(action, wanted, tf.tensor2d([[300 * valueScale], [700 * valueScale]])).dataSync(), [1.385], 1e-6);
  near(outerLoss(action, wanted, tf.ones([2, 1])).dataSync(), [0.1175], 1e-6);
});

// Plain loops in float64: the policy of one hidden layer, its inner gradient, and the R-operator's derivative of that gradient.
type Twin = { w1: number[][]; b1: number[]; w2: number[][]; b2: number[]; scale: number; offset: number };
const flatten = (t: Twin) => [...t.w1.flat(), ...t.b1, ...t.w2.flat(), ...t.b2, t.scale, t.offset];
const twinOf = (x: number[], S: number, H: number, A: number): Twin => {
  let at = 0;
  const take = (n: number) => x.slice(at, at += n);
  const matrix = (rows: number, columns: number) => Array.from({ length: rows }, () => take(columns));
  return {
    w1: matrix(S, H),
    b1: take(H),
    w2: matrix(H, 2 * A),
    b2: take(2 * A),
    scale: take(1)[0],
    offset: take(1)[0],
  };
};
const product = (x: number[], w: number[][]) => w[0].map((_, j) => x.reduce((sum, xi, i) => sum + xi * w[i][j], 0));

/** Gradient of the inner loss, and its derivative along `v`: [gradient, derivative] of parameters, states and actions. */
function rOperator(t: Twin, v: Twin, s: number[][], a: number[][], noise: number[][]) {
  const A = a[0].length;
  const n = a.length * A;
  const zero = (m: number[][]) => m.map((row) => row.map(() => 0));
  const empty = (): Twin => ({
    w1: zero(t.w1),
    b1: t.b1.map(() => 0),
    w2: zero(t.w2),
    b2: t.b2.map(() => 0),
    scale: 0,
    offset: 0,
  });
  const [g, rg] = [empty(), empty()];
  const states: number[][] = [];
  const actions: number[][] = [];
  let loss = 0;
  s.forEach((row, i) => {
    const z1 = product(row, t.w1).map((z, j) => z + t.b1[j]);
    const rz1 = product(row, v.w1).map((z, j) => z + v.b1[j]);
    const [h, rh] = [z1.map((z) => Math.max(z, 0)), rz1.map((r, j) => z1[j] > 0 ? r : 0)];
    const z2 = product(h, t.w2).map((z, j) => z + t.b2[j]);
    const rz2 = product(rh, t.w2).map((z, j) => z + product(h, v.w2)[j] + v.b2[j]);
    const [delta, rDelta]: number[][] = [[], []];
    const rAction: number[] = [];
    for (let d = 0; d < A; d++) {
      const [m, r, rm, rr, e] = [z2[d], z2[A + d], rz2[d], rz2[A + d], noise[i][d]];
      const l = t.scale * r + t.offset;
      const rl = t.scale * rr + v.scale * r + v.offset;
      const sd = Math.exp(l);
      const y = Math.tanh(m + sd * e);
      const ry = (1 - y * y) * (rm + sd * rl * e);
      loss += (y - a[i][d]) ** 2 / n;
      const [dy, rdy] = [2 * (y - a[i][d]) / n, 2 * ry / n];
      const du = dy * (1 - y * y);
      const rdu = rdy * (1 - y * y) - 2 * dy * y * ry;
      const dl = du * e * sd;
      const rdl = (rdu + du * rl) * sd * e;
      delta[d] = du;
      rDelta[d] = rdu;
      delta[A + d] = t.scale * dl;
      rDelta[A + d] = t.scale * rdl + v.scale * dl;
      g.scale += dl * r;
      rg.scale += rdl * r + dl * rr;
      g.offset += dl;
      rg.offset += rdl;
      rAction[d] = -rdy;
    }
    const back = h.map((_, j) => delta.reduce((sum, d, k) => sum + d * t.w2[j][k], 0) * Number(z1[j] > 0));
    const rBack = h.map((_, j) =>
      delta.reduce((sum, d, k) => sum + rDelta[k] * t.w2[j][k] + d * v.w2[j][k], 0) * Number(z1[j] > 0)
    );
    delta.forEach((d, k) => {
      g.b2[k] += d;
      rg.b2[k] += rDelta[k];
      h.forEach((_, j) => {
        g.w2[j][k] += h[j] * d;
        rg.w2[j][k] += h[j] * rDelta[k] + rh[j] * d;
      });
    });
    back.forEach((d, j) => {
      g.b1[j] += d;
      rg.b1[j] += rBack[j];
      row.forEach((x, k) => {
        g.w1[k][j] += x * d;
        rg.w1[k][j] += x * rBack[j];
      });
    });
    states.push(row.map((_, k) => rBack.reduce((sum, r, j) => sum + r * t.w1[k][j] + back[j] * v.w1[k][j], 0)));
    actions.push(rAction);
  });
  return { loss, gradient: g, parameters: rg, states, actions };
}

const [S, H, A, N, T] = [3, 5, 2, 4, 6];
const tiny = () => {
  const rng = createRng("tiny");
  const normal = (n: number, name: string) => [...rng.child(name).fillNormal(new Float64Array(n))];
  const matrix = (rows: number, columns: number, name: string) => {
    const x = normal(rows * columns, name);
    return Array.from({ length: rows }, (_, i) => x.slice(i * columns, (i + 1) * columns));
  };
  const theta = normal(S * H + H + H * 2 * A + 2 * A + 2, "theta").map((x, i, all) =>
    i === all.length - 2 ? 0.9 : i === all.length - 1 ? -1.1 : 0.6 * x
  );
  return {
    theta: twinOf(theta, S, H, A),
    s: matrix(N, S, "s"),
    a: matrix(N, A, "a").map((row) => row.map((x) => 0.5 * x)),
    noises: Array.from({ length: T }, (_, k) => matrix(N, A, `noise/${k}`)),
    outer: { s: matrix(5, S, "outer/s"), a: matrix(5, A, "outer/a"), noise: matrix(5, A, "outer/noise") },
  };
};

/** Outer objective of pairs after T steps, in float64. */
function objective({ theta, s, a, noises, outer }: ReturnType<typeof tiny>, momentum: number): number {
  let [x, velocity] = [flatten(theta), flatten(theta).map(() => 0)];
  const zero = twinOf(x.map(() => 0), S, H, A);
  for (const noise of noises) {
    const g = flatten(rOperator(twinOf(x, S, H, A), zero, s, a, noise).gradient);
    velocity = velocity.map((v, i) => momentum * v + g[i]);
    x = x.map((w, i) => w - 0.1 * velocity[i]);
  }
  return rOperator(twinOf(x, S, H, A), zero, outer.s, outer.a, outer.noise).loss;
}

Deno.test("the R-operator's formulas agree with finite differences of the gradient (golden G8, float64)", () => {
  const { theta, s, a, noises: [noise] } = tiny();
  const v = twinOf(flatten(theta).map((_, i) => Math.sin(2.3 * i + 1)), S, H, A);
  const { parameters } = rOperator(theta, v, s, a, noise);
  const along = (h: number) =>
    flatten(rOperator(twinOf(flatten(theta).map((x, i) => x + h * flatten(v)[i]), S, H, A), v, s, a, noise).gradient);
  const [plus, minus] = [along(1e-5), along(-1e-5)];
  flatten(parameters).forEach((x, i) => assertAlmostEquals(x, (plus[i] - minus[i]) / 2e-5, 1e-8));
});

const policyArrays = (t: Twin): TanhGaussianPolicy<NdArray> => ({
  layers: [
    { weight: ndarray(t.w1.flat(), [S, H]), bias: ndarray(t.b1, [H]) },
    { weight: ndarray(t.w2.flat(), [H, 2 * A]), bias: ndarray(t.b2, [2 * A]) },
  ],
  scale: scalar(t.scale),
  offset: scalar(t.offset),
});

for (const momentum of [0, 0.7]) {
  Deno.test(`the outer gradient with inner momentum ${momentum} agrees with finite differences in float64`, async () => {
    await useBackend("onnx");
    const problem = tiny();
    const loss = (p: TanhGaussianPolicy, { observation, action }: Pairs<Tensor>, noise: Tensor) =>
      meanSquaredError(sampleAction(p, observation, noise, 1), action);
    const unroll = createUnroll<TanhGaussianPolicy>("tiny", loss, { innerLearningRate: 0.1, innerMomentum: momentum });
    const rows = (m: number[][]) => ndarray(m.flat(), [m.length, m[0].length]);
    const pairs = { observation: rows(problem.s), action: rows(problem.a) };
    const noises = problem.noises.map(rows);
    const { path } = await unroll.train(policyArrays(problem.theta), pairs, noises);
    const measure = compile<{ p: TanhGaussianPolicy<NdArray>; s: NdArray; a: NdArray; noise: NdArray }>(
      "tiny/outer",
      ({ p, s, a, noise }) => {
        const { value, grad } = valueAndGrad((q) => meanSquaredError(sampleAction(q, s, noise, 1), a), p);
        return { value, grad };
      },
    );
    const { s, a, noise } = problem.outer;
    const { value, grad } = await measure({ p: path[T], s: rows(s), a: rows(a), noise: rows(noise) });
    assertAlmostEquals(value.data[0], objective(problem, momentum), 1e-5);
    const { pairs: gradient } = await unroll.pullBack(path, pairs, noises, grad);
    const largest = (xs: ArrayLike<number>) => Array.from(xs).reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    for (const [which, key] of [["s", "observation"], ["a", "action"]] as const) {
      const scale = largest(gradient[key].data);
      problem[which].forEach((row, i) =>
        row.forEach((_, d) => {
          const shifted = (h: number) => {
            const m = problem[which].map((r) => [...r]);
            m[i][d] += h;
            return objective({ ...problem, [which]: m }, momentum);
          };
          const wanted = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
          assertAlmostEquals(gradient[key].data[i * row.length + d], wanted, 1e-4 * scale);
        })
      );
    }
  });
}

Deno.test("createUnroll() keeps golden G9's invariants", async () => {
  await useBackend("onnx");
  const outer = goldenOuter([1, 1]);
  const run = (pairs: Pairs, steps: number, momentum: number) =>
    distillOnce(tanhPolicy, goldenMlp(), pairs, outer, steps, momentum);
  const none = await run(goldenPairs(), 0, 0);
  assert([...none.pairs.observation.data, ...none.pairs.action.data].every((x) => x === 0));
  const [one, other] = [await run(goldenPairs(), 1, 0), await run(goldenPairs(), 1, 0.9)];
  near(other.pairs.observation.data, [...one.pairs.observation.data], 1e-7);
  const swap = ({ data, shape }: NdArray) => {
    const dim = shape[1];
    return ndarray([...data.slice(2 * dim), ...data.slice(dim, 2 * dim), ...data.slice(0, dim)], shape);
  };
  const { observation, action } = goldenPairs();
  const plain = await run({ observation, action }, 3, 0);
  const permuted = await run({ observation: swap(observation), action: swap(action) }, 3, 0);
  near(swap(permuted.pairs.observation).data, [...plain.pairs.observation.data], 1e-5, 0.01);
  const still = createUnroll<Linear[]>(
    "still",
    (p, { observation, action }) => meanSquaredError(tanhPolicy(p, observation), action),
    { innerLearningRate: 0, innerMomentum: 0 },
  );
  const noises = [scalar(0), scalar(0)];
  const { path } = await still.train(goldenMlp(), goldenPairs(), noises);
  const { pairs } = await still.pullBack(path, goldenPairs(), noises, goldenMlp());
  assert([...pairs.observation.data, ...pairs.action.data].every((x) => x === 0));
});

Deno.test("initPolicy() is orthogonal with gain sqrt(2) and has the published sizes; both architectures run", async () => {
  const rng = createRng(0);
  const count = (s: number, a: number, depth: number) =>
    treeLeaves<NdArray>(initPolicy(s, a, { hidden: 256, depth }, rng)).reduce((sum, { data }) => sum + data.length, 0);
  assertEquals([1, 2, 3, 4, 5].map((depth) => count(11, 3, depth)), [4616, 70_408, 136_200, 201_992, 267_784]);
  assertEquals([1, 2, 3, 4, 5].map((depth) => count(17, 6, depth)), [7694, 73_486, 139_278, 205_070, 270_862]);
  const { data, shape: [rows, columns] } = initPolicy(3, 2, { hidden: 8, depth: 1 }, rng).layers[0].weight;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < rows; j++) {
      let dot = 0;
      for (let k = 0; k < columns; k++) dot += data[i * columns + k] * data[j * columns + k];
      assertAlmostEquals(dot, i === j ? 2 : 0, 1e-5);
    }
  }
  await useBackend("cpu");
  const eager = (tree: TanhGaussianPolicy<NdArray>): TanhGaussianPolicy =>
    treeLike(tree as never, treeEntries<NdArray>(tree).map(([, { data, shape }]) => tf.tensor(data, [...shape])));
  const p = eager(initPolicy(3, 2, { hidden: 8, depth: 3 }, rng));
  const s = tf.tensor2d([[0.1, -0.4, 2]]);
  assertNotEquals([...meanAction(p, s, 1).dataSync()], [...meanAction(p, s, 1, "residual").dataSync()]);
  const { mean } = policyGaussian(p, s, "residual");
  const h1 = relu(linear(p.layers[0], s));
  const h = relu(linear(p.layers[2], relu(linear(p.layers[1], h1))));
  near(mean.dataSync(), [...linear(p.layers[3], tf.add(h, h1)).dataSync().slice(0, 2)], 1e-6);
});

Deno.test("stateDensityWeights() match the specification's table", () => {
  const logs = [-30, -5, 0, 4, 10, -Infinity];
  const weights = (exponent: number) => stateDensityWeights(logs, { exponent });
  near(weights(1), [3, 4.1664e-11, 2.8073e-13, 5.1417e-15, 1.2745e-17, 3], 1e-4, 1e-17);
  near(
    weights(0.1),
    [2.74780510661, 0.225553578394, 0.136805160704, 0.0917032416211, 0.0503278060692, 2.74780510661],
    1e-10,
  );
  near(
    weights(0.05),
    [2.12190052253, 0.607934678165, 0.473460003411, 0.387636265145, 0.287168008217, 2.12190052253],
    1e-10,
  );
  near([1, 0.1, 0.05].map((tau) => effectiveSampleSize(weights(tau))), [2, 2.3713230764, 3.66173690555], 1e-9);
  assertEquals([...weights(0)], [1, 1, 1, 1, 1, 1]);
  const capped = stateDensityWeights(logs, { exponent: 1, cap: 2 });
  near([capped[0], capped.reduce((a, b) => a + b) / 6], [2, 1], 1e-9);
  const clipped = stateDensityWeights([-30, -5, 0, 4, 10], { exponent: 1, clip: [0.05, 0.95] });
  assertAlmostEquals(Math.log(clipped[0] / clipped[4]), 25 + 8.8, 1e-9);
  assertThrows(() => stateDensityWeights([NaN], { exponent: 1 }), RangeError, "no log density is finite");
});

Deno.test("stateDensityWeights() keep to their cap and to a mean of 1 at once, so that a tenth of the rows stays effective", () => {
  const rng = createRng("density");
  const logs = rng.fillNormal(new Float64Array(20_000)).map((z) => 8 * z - Math.abs(z) ** 3);
  for (const exponent of [0.05, 0.2, 0.5, 1]) {
    const weights = stateDensityWeights(logs, { exponent, clip: [0.001, 0.999], cap: 10 });
    assertAlmostEquals(weights.reduce((a, b) => a + b) / weights.length, 1, 1e-9);
    assert(weights.every((w) => w <= 10), `${exponent}`);
    assert(effectiveSampleSize(weights) >= weights.length / 10, `${exponent}`);
  }
  assertThrows(() => stateDensityWeights(logs, { exponent: 1, cap: 0.5 }), RangeError, "cap must be at least 1");
});

Deno.test("stateRankWeights() and boundedDensityWeights() fall with density, within bounds, whatever its scale", () => {
  const logs = [-300, -5, 0, 0, 4, -Infinity];
  const rank = stateRankWeights(logs);
  assertAlmostEquals(rank.reduce((a, b) => a + b), 6, 1e-9);
  assertEquals([rank[0], rank[2]], [rank[5], rank[3]]);
  assertEquals([...stateRankWeights(logs.map((x) => 3 * x))], [...rank]);
  const spread = stateRankWeights(Float64Array.from({ length: 101 }, (_, i) => i));
  assertAlmostEquals(spread[0] / spread[100], 10, 1e-9);
  const bounded = boundedDensityWeights([-1000, 0, 1000]);
  near(bounded, [2, 1, 0], 1e-9);
});

Deno.test("distillation of a linear teacher cuts the outer loss of fresh policies more than threefold over five draws of pairs (golden G10)", async () => {
  await useBackend("onnx");
  const config = {
    ...distillationDefaults,
    objective: "pbc" as const,
    noise: "none" as const,
    pairs: 8,
    innerUpdates: 10,
    hidden: 128,
    depth: 1,
    updates: 200,
    batchSize: 64,
  };
  let [before, after] = [0, 0];
  for (let n = 0; n < 5; n++) {
    const rng = createRng(`teacher/${n}`);
    const draw = (rows: number, stream = rng) => {
      const observation = ndarray(stream.fillNormal(new Float32Array(2 * rows)), [rows, 2]);
      const action = Float32Array.from(
        { length: rows },
        (_, i) => 0.4 * observation.data[2 * i] - 0.3 * observation.data[2 * i + 1],
      );
      return { observation, action: ndarray(action, [rows, 1]) };
    };
    const distillation = createDistillation(config, { observationDim: 2, actionDim: 1, maxAction: 1 });
    const first = draw(config.pairs);
    let state = distillation.start(first);
    const weight = ndarray(new Float32Array(64).fill(1), [64, 1]);
    const step = (from: typeof state, k: string) =>
      distillation.update(from, { ...draw(64, rng.child(`batch/${k}`)), weight }, rng.child(`update/${k}`));
    for (let k = 0; k < config.updates; k++) ({ state } = await step(state, `${k}`));
    const loss = async (pairs: Pairs) => {
      let sum = 0;
      for (let i = 0; i < 20; i++) sum += (await step(distillation.start(pairs), `test/${i}`)).metrics.outerLoss / 20;
      return sum;
    };
    const { pairs } = state.arrays as DistillationArrays;
    before += await loss(first);
    after += await loss(pairs);
    const policy = await distillation.trainPolicy(pairs, rng.child("policy"));
    const test = draw(100, rng.child("test"));
    const { data, shape } = await distillation.act(policy, test.observation);
    assertEquals(shape, [100, 1]);
    assert((data as Float32Array).reduce((sum, x, i) => sum + (x - test.action.data[i]) ** 2 / 100, 0) < 0.1);
  }
  assert(after < before / 3, `${before} to ${after}`); // One draw of them gives 2 to 11 times.
});

Deno.test("trainVariant() learns pairs with every architecture and optimizer", async () => {
  await useBackend("onnx");
  const rng = createRng("variant");
  const observation = ndarray(rng.fillNormal(new Float32Array(32)), [16, 2]);
  const action = ndarray(Array.from({ length: 16 }, (_, i) => Math.tanh(observation.data[2 * i])), [16, 1]);
  const eager = (tree: TanhGaussianPolicy<NdArray>): TanhGaussianPolicy =>
    treeLike(tree as never, treeEntries<NdArray>(tree).map(([, { data, shape }]) => tf.tensor(data, [...shape])));
  for (const architecture of ["plain", "residual"] as const) {
    for (const optimizer of ["sgd", "sgdm", "adam", "adamw"] as const) {
      await useBackend("onnx");
      const variant = { depth: 3, architecture, optimizer };
      const p = await trainVariant(
        { observation, action },
        variant,
        { hidden: 64, innerLearningRate: 0.1, innerUpdates: 150, maxAction: 1 },
        rng.child("train"),
      );
      await useBackend("cpu");
      const found = meanAction(eager(p), tf.tensor2d(observation.data as Float32Array, [16, 2]), 1, architecture)
        .dataSync();
      const error = (found as Float32Array).reduce((sum, x, i) => sum + (x - action.data[i]) ** 2 / 16, 0);
      assert(error < 0.03, `${architecture} ${optimizer}: ${error}`);
    }
  }
});
