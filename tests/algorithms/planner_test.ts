import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { useBackend } from "../../algorithms/engine/backend.ts";
import { type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { compile } from "../../algorithms/engine/compile.ts";
import { initMlp, sinusoidalEmbedding } from "../../algorithms/core/nn.ts";
import { sharedRows } from "../../algorithms/core/rows.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { bellmanTarget, polyakAverage } from "../../algorithms/core/td.ts";
import { type Tensor, tf } from "../../algorithms/engine/tensor.ts";
import { mapTree, treeLeaves, treeLike } from "../../algorithms/engine/tree.ts";
import { cosineSchedule } from "../../algorithms/core/vp.ts";
import { normalize } from "../../algorithms/stitching/cdf_normalizer.ts";
import { createPlanner } from "../../algorithms/stitching/planner.ts";
import {
  type PlannerConfig,
  plannerDefaults,
  reverseFactors,
  reverseStep,
  unknownEntries,
} from "../../algorithms/stitching/planner_model.ts";
import { joinTrajectories, type Trajectories, type TrajectorySet } from "../../algorithms/core/trajectories.ts";
import { generateTrajectories, imagineTrajectories, keepAbove } from "../../algorithms/stitching/generate.ts";
import { createWindows, fitNormalizers, returnLabels } from "../../algorithms/stitching/windows.ts";
import { initTemporalUnet, type TemporalUnet, temporalUnetNoise } from "../../algorithms/stitching/temporal_unet.ts";

const near = (got: ArrayLike<number>, wanted: readonly number[], tolerance: number) => {
  assertEquals(got.length, wanted.length);
  wanted.forEach((w, i) => assertAlmostEquals(got[i], w, tolerance * Math.max(1, Math.abs(w))));
};

Deno.test("sinusoidalEmbedding() matches golden S2", async () => {
  await useBackend("cpu");
  const wanted = [
    0.14112000806,
    0.13879810108,
    0.00646325907019,
    0.0002999999955,
    -0.9899924966,
    0.990320699136,
    0.999979112923,
    0.999999955,
  ];
  near(sinusoidalEmbedding(tf.tensor2d([[3]]), 8).dataSync(), wanted, 1e-6);
});

/** The tensors of {@linkcode TemporalUnet} in golden S3's order, each filled as S3 says, in PyTorch's layouts. */
function goldenUnet(): TemporalUnet<NdArray> {
  const like = initTemporalUnet(2, { width: 8, multipliers: [1, 2] }, createRng(0));
  type Kind = "linear" | "conv" | "transposed" | "norm";
  let j = 0;
  const filled = new Map<NdArray, NdArray>();
  const fill = (p: Record<string, NdArray>, kind: Kind) => {
    const wave = (k: number) => Math.sin(1.7 * k + j);
    const [weight, bias] = Object.values(p);
    const [rows, out] = kind === "norm" ? [1, weight.shape[0]] : weight.shape;
    const taps = kind === "transposed" ? 4 : kind === "conv" ? tapsOf.get(weight)! : 1;
    const inputs = rows / taps;
    const data = new Float32Array(weight.data.length);
    for (let tap = 0; tap < taps; tap++) {
      for (let i = 0; i < inputs; i++) {
        for (let o = 0; o < out; o++) {
          const slot = kind === "transposed" ? [3, 1, 2, 0].indexOf(tap) : tap;
          const k = kind === "transposed" ? (i * out + o) * taps + tap : (o * inputs + i) * taps + tap;
          data[(slot * inputs + i) * out + o] = kind === "norm" ? 1 + 0.1 * wave(o) : 0.3 * wave(k);
        }
      }
    }
    filled.set(weight, ndarray(data, weight.shape));
    j++;
    filled.set(bias, ndarray(bias.data.map((_, k) => 0.1 * wave(k)), bias.shape));
    j++;
  };
  const tapsOf = new Map<NdArray, number>();
  const convolve = (p: { weight: NdArray; bias: NdArray }, taps: number) => {
    tapsOf.set(p.weight, taps);
    fill({ ...p }, "conv");
  };
  const each = (p: object, kind: Kind) => fill(p as Record<string, NdArray>, kind);
  const block = (b: TemporalUnet<NdArray>["middle"][number]) => {
    for (const { conv, norm } of [b.first, b.second]) {
      convolve(conv, 5);
      each(norm, "norm");
    }
    each(b.embedding, "linear");
    for (const shortcut of b.shortcut) convolve(shortcut, 1);
  };
  for (const layer of [...like.step, ...like.returns]) each(layer, "linear");
  for (const { blocks, downsample } of like.down) {
    blocks.forEach(block);
    for (const stride of downsample) convolve(stride, 3);
  }
  for (const { blocks, upsample } of like.up) {
    blocks.forEach(block);
    each(upsample, "transposed");
  }
  like.middle.forEach(block);
  convolve(like.head.block.conv, 5);
  each(like.head.block.norm, "norm");
  convolve(like.head.output, 1);
  assertEquals(j, 106);
  return treeLike<NdArray, TemporalUnet<NdArray>>(like, treeLeaves<NdArray>(like).map((leaf) => filled.get(leaf)!));
}

const countOf = (p: unknown) => treeLeaves<NdArray>(p).reduce((sum, { data }) => sum + data.length, 0);
const goldenInput = ndarray(Array.from({ length: 8 }, (_, k) => Math.sin(1.7 * k + 0.3)), [1, 4, 2]);
const conditional = [
  -0.220117946694,
  -0.108645848127,
  -0.485775324873,
  -0.460806449062,
  0.469850821952,
  0.162456275128,
  -0.0840403183119,
  -0.184519486778,
];
const unconditional = [
  -0.0311162777266,
  -0.124789759467,
  -0.59876870214,
  -0.280535153191,
  0.202807296532,
  -0.234795341695,
  0.0371027305981,
  -0.0037738747728,
];

Deno.test("temporalUnetNoise() matches golden S3, with the return and without, compiled and not", async () => {
  const p = goldenUnet();
  assertEquals(countOf(p), 17_466);
  for (const backend of ["onnx", "cpu"] as const) {
    await useBackend(backend);
    const run = compile<{ p: typeof p; x: NdArray; keep: NdArray }, { noise: Tensor }>("unet", ({ p, x, keep }) => ({
      noise: temporalUnetNoise(p, x, tf.tensor2d([[3]]), tf.tensor2d([[0.9]]), keep),
    }));
    for (const [keep, wanted] of [[1, conditional], [0, unconditional]] as const) {
      near((await run({ p, x: goldenInput, keep: ndarray([keep], [1, 1]) })).noise.data, wanted, 1e-5);
    }
  }
});

Deno.test("the planner's networks have the sizes of golden S5", () => {
  const published = { width: 128, multipliers: [1, 4, 8] };
  const sizes = { 11: 59_732_491, 12: 59_733_388, 17: 59_737_873, 18: 59_738_770, 60: 59_776_444, 61: 59_777_341 };
  for (const [channels, wanted] of Object.entries(sizes).slice(0, 2)) {
    assertEquals(countOf(initTemporalUnet(Number(channels), published, createRng(0))), wanted);
  }
  // More channels add weights to the first convolution (five taps), its shortcut and the output alone.
  for (const [channels, wanted] of Object.entries(sizes)) {
    assertEquals(wanted - sizes[11], (Number(channels) - 11) * (5 * 128 + 128 + 128 + 1));
  }
  const inverse = (s: number, a: number, hidden: number) => countOf(initMlp([2 * s, hidden, hidden, a], createRng(0)));
  assertEquals([inverse(11, 3, 256), inverse(17, 6, 256)], [72_451, 76_294]);
  assertEquals([inverse(11, 3, 512), inverse(17, 6, 512)], [275_971, 283_654]);
});

Deno.test("cosineSchedule() matches golden S1", () => {
  const { beta, alphaBar, posterior } = cosineSchedule(5);
  near(beta, [0.1012940794, 0.279543845984, 0.473635353449, 0.724052369108, 0.999], 1e-10);
  near(alphaBar, [0.8987059206, 0.647478211147, 0.340809639759, 0.0940456126767, 9.40456126767e-05], 1e-10);
  near(posterior.map((p) => p.variance), [0, 0.0803245002901, 0.253290691328, 0.526834848094, 0.905133556776], 1e-10);
  near(posterior.map((p) => p.clean), [1, 0.751748849413, 0.578157073187, 0.466572976783, 0.306390717519], 1e-10);
  near(posterior.map((p) => p.noisy), [0, 0.243894425547, 0.387988160736, 0.382223909413, 0.0286514877484], 1e-10);
  const long = cosineSchedule(200);
  near([0, 99, 198, 199].map((t) => long.beta[t]), [0.000254972636372, 0.0155345530961, 0.749984821939, 0.999], 1e-9);
  near([99, 199].map((t) => long.alphaBar[t]), [0.493843590441, 6.07179930855e-08], 1e-9);
});

Deno.test("reverseStep() matches golden S4", async () => {
  await useBackend("cpu");
  const factors = mapTree<NdArray, Tensor>(
    reverseFactors(cosineSchedule(5), 3, { guidance: 1.2, temperature: 0.5 }),
    ({ data }) => tf.scalar(data[0]),
  );
  const shape: [number, number, number] = [1, 4, 2];
  const z = tf.tensor(Array.from({ length: 8 }, (_, k) => Math.cos(1.3 * k)), shape);
  const x = tf.tensor(goldenInput.data, shape);
  const next = reverseStep(x, tf.tensor(conditional, shape), tf.tensor(unconditional, shape), z, factors).dataSync();
  const wanted = [-0.648867293414, -1.01501262037, 0.79999244185, 1.0445625147, -0.783232392629, -0.706332881638];
  near(next.slice(2), wanted, 1e-5); // The first step is overwritten by what is known.
});

Deno.test("reverseStep() with guidance 1 is the conditional step, with 0 the unconditional one", async () => {
  await useBackend("cpu");
  const shape: [number, number, number] = [1, 4, 2];
  const [x, c, u] = [[...goldenInput.data], conditional, unconditional].map((y) => tf.tensor(y, shape));
  const step = (guidance: number, c: Tensor, u: Tensor) => {
    const factors = mapTree<NdArray, Tensor>(
      reverseFactors(cosineSchedule(5), 3, { guidance, temperature: 0.5 }),
      ({ data }) => tf.scalar(data[0]),
    );
    return reverseStep(x, c, u, tf.zerosLike(x), factors).dataSync();
  };
  near(step(1, c, u), [...step(7, c, c)], 1e-6);
  near(step(0, c, u), [...step(7, u, u)], 1e-6);
});

Deno.test("bellmanTarget() and polyakAverage() match golden S10", async () => {
  await useBackend("cpu");
  const one = tf.tensor2d([[1]]);
  const target = (terminal: number) =>
    bellmanTarget(one, tf.tensor2d([[terminal]]), tf.tensor2d([[2]]), 0.99).dataSync()[0];
  near([target(0), target(1)], [2.98, 1], 1e-6);
  assertAlmostEquals(polyakAverage(one, tf.tensor2d([[3]]), 1 - 0.995).dataSync()[0], 1.01, 1e-6);
});

Deno.test("returnLabels() match golden S7, with and without the penalty", () => {
  const data = { count: 3, reward: Float32Array.of(1, 2, 3), done: Float32Array.of(0, 0, 1) };
  const config = { discount: 0.99, returnsScale: 400, terminationPenalty: -100 };
  assertAlmostEquals(returnLabels(data, [0, 0, 0], config)[0], 0.01480075, 1e-8);
  assertAlmostEquals(returnLabels(data, [0, 0, 1], config)[0], -0.23022425, 1e-8);
});

/** Points on a line: they drift right by the first action, at a reward of the step's length; fast and slow trajectories. */
function driftingData(trajectories: number, length: number): { data: Trajectories; terminal: Float32Array } {
  const rng = createRng("drift");
  const rows = Array.from({ length: trajectories }).flatMap((_, k) => {
    const speed = k % 2 ? 0.1 : 0.02;
    let x = 0.3 * rng.uniform();
    return Array.from({ length }, (_, t) => {
      const action = speed * (0.8 + 0.4 * rng.uniform());
      return { x, action, next: x += action, done: t === length - 1 ? 1 : 0 };
    });
  });
  const flat = (f: (row: typeof rows[number]) => number) => Float32Array.from(rows, f);
  const done = flat((r) => r.done);
  const data = {
    count: rows.length,
    observationDim: 1,
    actionDim: 1,
    observation: flat((r) => r.x),
    action: flat((r) => r.action),
    reward: flat((r) => r.action),
    nextObservation: flat((r) => r.next),
    done,
  };
  return { data, terminal: new Float32Array(rows.length) };
}

const small: PlannerConfig = {
  ...plannerDefaults,
  updates: 1000,
  batchSize: 32,
  learningRate: 1e-3,
  horizon: 8,
  context: 3,
  width: 16,
  multipliers: [1, 2],
  inverseHidden: 32,
  diffusionSteps: 10,
  returnsScale: 1.5,
  guidance: 1.5,
};

Deno.test("createWindows() cuts windows inside of trajectories, and continues them by zeros", () => {
  const { data, terminal } = driftingData(4, 12);
  const normalizers = fitNormalizers(data);
  const draw = createWindows(data, terminal, normalizers, small);
  const { window, action, returns } = draw(200, createRng(1));
  assertEquals([window.shape, action.shape, returns.shape], [[200, 8, 2], [200, 8, 1], [200, 1]]);
  const labels = returnLabels(data, terminal, small);
  const empty = [normalize(normalizers.step[0], 0), normalize(normalizers.step[1], 0)];
  for (let b = 0; b < 200; b++) {
    const row = labels.indexOf(returns.data[b]);
    const left = 12 - row % 12;
    for (let t = 0; t < 8; t++) {
      const at = [0, 1].map((c) => window.data[(b * 8 + t) * 2 + c]);
      const wanted = t < left
        ? [
          normalize(normalizers.step[0], data.observation[row + t]),
          normalize(normalizers.step[1], data.reward[row + t]),
        ]
        : empty;
      near(at, wanted, 1e-6);
    }
  }
});

Deno.test("unknownEntries() knows the context's observations and all of its rewards but the last", () => {
  assertEquals([...unknownEntries(1, 2, 3)], [0, 0, 1, 1, 1, 1]);
  assertEquals([...unknownEntries(2, 3, 2)], [0, 0, 0, 1, 1, 1]);
});

Deno.test("a planner learns to plan for a high return, its inverse dynamics to act, and its plans go on from what was seen", async () => {
  await useBackend("onnx");
  const { data, terminal } = driftingData(40, 20);
  const normalizers = fitNormalizers(data);
  const spec = { observationDim: 1, actionDim: 1, maxAction: 1, normalizers };
  const draw = createWindows(data, terminal, normalizers, small);
  const rng = createRng("planner");
  const planner = createPlanner(small, spec);
  let state = planner.init(rng.child("init"));
  const losses: number[] = [];
  for (let k = 0; k < small.updates; k++) {
    const result = await planner.update(
      state,
      draw(small.batchSize, rng.child(`batch/${k}`)),
      rng.child(`update/${k}`),
    );
    state = result.state;
    losses.push(result.metrics.noiseLoss);
  }
  const mean = (xs: ArrayLike<number>) => Array.from(xs).reduce((a, b) => a + b) / xs.length;
  assert(mean(losses.slice(-30)) < 0.7 * mean(losses.slice(0, 30)));
  const rows = 20;
  const start = Float32Array.from({ length: rows }, (_, i) => 0.1 + 0.01 * i);
  const plan = (targetReturn: number) =>
    createPlanner({ ...small, targetReturn }, spec).startPlanning(state, rows, rng.child("plan"))
      .plan(start, new Float32Array(rows));
  const [fast, slow] = [await plan(1.1), await plan(0.2)];
  assertEquals([fast.steps, fast.action.length], [7, 7 * rows]);
  assert(mean(fast.action) > 2 * mean(slow.action), `${mean(fast.action)}, ${mean(slow.action)}`);
  assert(mean(fast.reward) > 2 * mean(slow.reward), `${mean(fast.reward)}, ${mean(slow.reward)}`);
  const leaps = fast.action.map((action, i) => {
    const before = i % 7 === 0 ? start[Math.floor(i / 7)] : fast.observation[i - 1];
    return Math.abs(fast.observation[i] - before - action);
  });
  assert(mean(leaps) < 0.05, `${mean(leaps)}`);

  // The same stream gives the same plan, and a policy with a memory acts by it.
  assertEquals(await plan(1.1), fast);
  const act = planner.startActing(state, rows, rng.child("act"));
  for (let step = 0; step < small.context + 2; step++) {
    const { shape, data: action } = await act(ndarray(start.map((x) => x + 0.1 * step), [rows, 1]));
    assertEquals(shape, [rows, 1]);
    assert(action.every((x) => Number.isFinite(x) && Math.abs(x) <= 1));
  }
});

Deno.test("createPlanner() names the setting that is out of range", () => {
  const spec = { observationDim: 1, actionDim: 1, maxAction: 1, normalizers: { step: [], action: [] } };
  const make = (change: Partial<PlannerConfig>) => () => createPlanner({ ...small, ...change }, spec);
  assertThrows(make({ horizon: 7 }), RangeError, "horizon must be a positive multiple of 2, current value is 7");
  assertThrows(make({ context: 8 }), RangeError, "context must be an integer in [1, 8), current value is 8");
  assertThrows(make({ multipliers: [2, 4] }), RangeError, "multipliers[0] must be 1, current value is 2");
});

Deno.test("generateTrajectories() and imagineTrajectories() take down what happened, and the planner's rewards", async () => {
  await useBackend("onnx");
  const { data, terminal } = driftingData(10, 20);
  const normalizers = fitNormalizers(data);
  const planner = createPlanner(small, { observationDim: 1, actionDim: 1, maxAction: 1, normalizers });
  const rng = createRng("generate");
  let state = planner.init(rng.child("init"));
  const draw = createWindows(data, terminal, normalizers, small);
  for (let k = 0; k < 20; k++) {
    ({ state } = await planner.update(state, draw(32, rng.child(`batch/${k}`)), rng.child(`update/${k}`)));
  }
  const rewards: number[] = [];
  const environments = [7, 12].map((limit) => {
    let [x, step] = [0, 0];
    return {
      reset: (seed: number) => [x = seed / 10],
      step(action: ArrayLike<number>) {
        x += action[0];
        const terminated = ++step === limit && limit === 7;
        return { observation: [x], reward: rewards.push(1e6), terminated, truncated: step === limit && limit === 12 };
      },
    };
  });
  const made = await generateTrajectories(planner, state, environments, [1, 2], rng.child("made"));
  assertEquals(made.data.count, 19);
  assertEquals([6, 18].map((i) => [made.data.done[i], made.terminal[i]]), [[1, 1], [1, 0]]);
  assertEquals(made.data.done.reduce((a, b) => a + b), 2);
  near([made.data.observation[0], made.data.observation[7]], [0.1, 0.2], 1e-6);
  for (let i = 0; i < 19; i++) {
    assertAlmostEquals(made.data.nextObservation[i], made.data.observation[i] + made.data.action[i], 1e-6);
    if (!made.data.done[i]) assertEquals(made.data.observation[i + 1], made.data.nextObservation[i]);
    assert(made.data.reward[i] <= data.reward.reduce((a, b) => Math.max(a, b)) + 1e-6); // Not the environment's.
  }
  const imagined = await imagineTrajectories(planner, state, Float32Array.of(0.1, 0.2), 2, 11, rng.child("imagined"));
  assertEquals(imagined.data.count, 22);
  near([imagined.data.observation[0], imagined.data.observation[11]], [0.1, 0.2], 1e-6);
  for (let i = 0; i < 21; i++) {
    if (!imagined.data.done[i]) assertEquals(imagined.data.observation[i + 1], imagined.data.nextObservation[i]);
  }
  const { data: both, terminal: ended } = joinTrajectories(made, imagined);
  assertEquals([both.count, both.done.reduce((a, b) => a + b), both.reward[19]], [41, 4, imagined.data.reward[0]]);
  assertEquals([ended.length, ended[6]], [41, 1]);
});

Deno.test("keepAbove() keeps the trajectories above a quantile of the data's returns, whole and in order", () => {
  const set = (returns: number[][]): TrajectorySet => {
    const reward = Float32Array.from(returns.flat());
    const done = Float32Array.from(
      returns.flatMap((rewards) => rewards.map((_, i) => Number(i === rewards.length - 1))),
    );
    const observation = reward.map((_, i) => i);
    const [action, nextObservation] = [observation.map((x) => -x), observation.map((x) => x + 0.5)];
    const rows = { observation, action, reward, nextObservation, done };
    return { data: { count: reward.length, observationDim: 1, actionDim: 1, ...rows }, terminal: done };
  };
  const data = set([[1], [2], [1, 2], [4], [5], [6]]).data;
  const made = set([[2, 2], [3, 3], [9], [5], [1, 1, 4]]);
  const kept = keepAbove(made, data, 0.8); // Above 5.
  assertEquals([...kept.data.observation], [2, 3, 4, 6, 7, 8]);
  assertEquals([...kept.data.reward], [3, 3, 9, 1, 1, 4]);
  assertEquals([...kept.data.done], [0, 1, 1, 0, 0, 1]);
  assertEquals([...kept.terminal], [0, 1, 1, 0, 0, 1]);
  assertEquals([kept.data.action[2], kept.data.nextObservation[2], kept.data.count], [-4, 4.5, 6]);
  assertEquals(keepAbove(made, data, 1).data.count, 1); // None but 9 is above the best.
  const all = joinTrajectories({ data, terminal: data.done }, keepAbove(made, set([[100]]).data, 0.5));
  assertEquals(all.data.count, data.count); // None kept.
});

Deno.test("sharedRows() draws a share among the last rows", () => {
  const draw = (last: number, share: number) => sharedRows(1000, { last, share }, 400, createRng("share"));
  const among = (rows: Int32Array) => rows.filter((row) => row >= 990).length;
  assertEquals(among(draw(10, 0.5)), 200);
  assertEquals(among(draw(10, 0.05)), 20);
  assertEquals(new Set(draw(10, 0.5).filter((row) => row >= 990)).size, 10);
  assertEquals(draw(0, 0.5).length, 400);
  assert(draw(0, 0.5).every((row) => row >= 0 && row < 1000) && among(draw(0, 0.5)) < 20);
});
