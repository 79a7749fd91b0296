import { assert, assertEquals, assertThrows } from "@std/assert";
import { createRng } from "../../algorithms/core/rng.ts";
import { crossNormalizedLoss, type TwinCritic } from "../../algorithms/core/twin_critic.ts";
import { useBackend } from "../../algorithms/engine/backend.ts";
import { type NdArray, ndarray, scalar } from "../../algorithms/engine/array.ts";
import { compile } from "../../algorithms/engine/compile.ts";
import { stopGradient, type Tensor, tf, valueAndGrad } from "../../algorithms/engine/tensor.ts";
import {
  bfqAction,
  type BfqConfig,
  bfqDefaults,
  bfqValues,
  boundaryLoss,
  compositionLoss,
  createBfq,
  derivativeLoss,
  derivativeTarget,
  drawMapNoise,
  type FlowMap,
  logitNormalTimes,
  type MapNoise,
  meanVelocity,
  moved,
  type Velocity,
  velocityWithDerivative,
} from "../../algorithms/bfq.ts";
import golden from "../golden/bfq_golden.json" with { type: "json" };
import { filled, filler } from "../golden.ts";
import { batchAt, filledStack, near, nearSummary, spec, uniform } from "./family.ts";

await useBackend("onnx");

const timeScale = golden.sizes.time_scale;
const network = (): FlowMap<NdArray> => {
  const fill = filler(golden.bases.network);
  return {
    start: filledStack(fill, [8, 16, 8]),
    end: filledStack(fill, [8, 16, 8]),
    trunk: filledStack(fill, [21, 8, 8, 8, 2]),
  };
};
const critic = (): TwinCritic<NdArray> => {
  const fill = filler(golden.bases.critic);
  return { q1: filledStack(fill, [5, 8, 8, 8, 1]), q2: filledStack(fill, [5, 8, 8, 8, 1]) };
};
const { observation: s, action: a } = batchAt(600000);
const epsilon = filled(602018, [4, 2], 1.7);
const sorted = [0, 1, 2, 3].map((i) => [...uniform(603027, [4, 3]).data.slice(3 * i, 3 * i + 3)].sort());
const timesAt = (j: number) => ndarray(sorted.map((row) => row[j]), [4, 1]);
const noise = { epsilon, r: timesAt(0), m: timesAt(1), t: timesAt(2) };
const tBoundary = uniform(605045, [4, 1]);
const width = uniform(604036, [4, 1]).data.map((u) => 1e-3 * u);
const boundary = { epsilon, r: ndarray(tBoundary.data.map((t, i) => t - width[i]), [4, 1]), t: tBoundary };
const small: BfqConfig = { ...bfqDefaults, hidden: 8, timeDim: 8 };

type Inputs = { p: FlowMap<NdArray>; s: NdArray; a: NdArray; noise: MapNoise };
const inputs = (noise: MapNoise): Inputs => ({ p: network(), s, a, noise });
const velocityOf = (p: FlowMap, s: Tensor): Velocity => (x, r, t) => meanVelocity(p, s, x, r, t, timeScale);
const diffused = (a: Tensor, { epsilon, t }: MapNoise<Tensor>) => tf.add(tf.mul(tf.sub(1, t), a), tf.mul(t, epsilon));

Deno.test("the filler gives BFQ's twin's inputs", () => {
  const { inputs } = golden;
  near(s.data, inputs.s, 1e-7);
  near(a.data, inputs.a, 1e-7);
  near(epsilon.data, inputs.eps, 1e-6);
  for (const [j, name] of ["r", "m", "t"].entries()) near(timesAt(j).data, inputs[name as "r"], 1e-7);
  near(tBoundary.data, inputs.t_boundary, 1e-7);
  near(width, inputs.width, 1e-9);
});

Deno.test("meanVelocity(), moved() and bfqAction() match rows velocity, direct, middle, target and action", async () => {
  const run = compile<Inputs>("forward", ({ p, s, a, noise }) => {
    const { r, m, t, epsilon } = noise as Required<MapNoise<Tensor>>;
    const velocity = velocityOf(p, s);
    const x = diffused(a, noise);
    const middle = moved(velocity, x, m, t);
    return {
      velocity: velocity(x, r, t),
      direct: moved(velocity, x, r, t),
      middle,
      target: moved(velocity, middle, r, m),
      free: moved(velocity, epsilon, tf.zeros([4, 1]), tf.ones([4, 1])),
      action: bfqAction(p, s, epsilon, timeScale),
    };
  });
  const result = await run(inputs(noise));
  for (const name of ["velocity", "direct", "middle", "target", "action"] as const) {
    near(result[name].data, golden.bfq[name]);
  }
  near(result.free.data, golden.bfq.action_unclipped);
});

Deno.test("compositionLoss() and boundaryLoss() match rows composition and boundary", async () => {
  const of = (loss: (velocity: Velocity, a: Tensor, noise: Required<MapNoise<Tensor>>) => Tensor) =>
    compile<Inputs>(
      "loss",
      ({ p, s, a, noise }) =>
        valueAndGrad((p: FlowMap) => loss(velocityOf(p, s), a, noise as Required<MapNoise<Tensor>>), p),
    );
  for (
    const [loss, noises, row] of [
      [compositionLoss, noise, golden.bfq.composition],
      [boundaryLoss, boundary, golden.bfq.boundary],
    ] as const
  ) {
    const { value, grad } = await of(loss)(inputs(noises));
    near(value.data, row.loss);
    nearSummary(grad, row.grads);
  }
});

for (const [coin, name] of [[1, "q_term_numerator1"], [0, "q_term_numerator2"]] as const) {
  Deno.test(`crossNormalizedLoss() matches row ${name} of BFQ`, async () => {
    const run = compile<Inputs & { critic: TwinCritic<NdArray>; coin: NdArray }>(
      "value",
      ({ p, s, noise, critic, coin }) =>
        valueAndGrad((p: FlowMap) => {
          const action = bfqAction(p, s, noise.epsilon, timeScale);
          return crossNormalizedLoss(bfqValues(critic, s, action), coin);
        }, p),
    );
    const { value, grad } = await run({ ...inputs(noise), critic: critic(), coin: scalar(coin) });
    near(value.data, golden.bfq[name].loss);
    nearSummary(grad, golden.bfq[name].grads);
  });
}

Deno.test("velocityWithDerivative(), derivativeTarget() and derivativeLoss() match rows u, total_derivative, target and meanflow of OFQL", async () => {
  const { t, r, u, total_derivative, target, meanflow } = golden.ofql;
  const column = (rows: number[][]) => ndarray(rows.flat(), [4, 1]);
  const run = compile<Inputs>("derivative", ({ p, s, a, noise }) => {
    const at = { x: diffused(a, noise), r: noise.r, t: noise.t };
    const along = { dx: tf.sub(noise.epsilon, a), dt: tf.onesLike(noise.t) };
    return {
      ...velocityWithDerivative(p, s, at, along, timeScale),
      plain: meanVelocity(p, s, at.x, at.r, at.t, timeScale),
      target: derivativeTarget(p, s, a, noise, timeScale),
      loss: valueAndGrad((p: FlowMap) => derivativeLoss(p, s, a, noise, timeScale), p),
    };
  });
  const result = await run(inputs({ epsilon, r: column(r), t: column(t) }));
  near(result.value.data, u);
  near(result.plain.data, u);
  near(result.derivative.data, total_derivative);
  near(result.target.data, target);
  near(result.loss.value.data, meanflow.loss);
  nearSummary(result.loss.grad, meanflow.grads);
});

Deno.test("logitNormalTimes() matches row logit_normal, and makes a share of the rows equal", () => {
  const { normals, t, r, times } = golden.ofql.logit_normal;
  const found = logitNormalTimes(normals.flat(), 0);
  near(found.t, t, 1e-6);
  near(found.r, r, 1e-6);
  near(found.t, times.map((pair) => Math.max(...pair)), 1e-6);
  const half = logitNormalTimes(normals.flat(), 0.5);
  assertEquals([...half.r].map((x, i) => x === half.t[i]), [true, true, false, false]);
});

// ---------------------------------------------------------------------------------------------- Properties

Deno.test("compositionLoss() and boundaryLoss() vanish for data at one point, whose velocity is (x - a) / t", async () => {
  const run = compile<{ a: NdArray; noise: MapNoise; boundary: MapNoise }>("point", ({ a, noise, boundary }) => {
    const velocity: Velocity = (x, _r, t) => tf.div(tf.sub(x, a), t);
    return {
      composition: compositionLoss(velocity, a, noise as Required<MapNoise<Tensor>>),
      boundary: boundaryLoss(velocity, a, boundary),
      action: moved(velocity, noise.epsilon, tf.zeros([4, 1]), tf.ones([4, 1])),
    };
  });
  const { composition, boundary: slope, action } = await run({ a, noise, boundary });
  assert(composition.data[0] < 1e-12 && slope.data[0] < 1e-10, `${composition.data[0]}, ${slope.data[0]}`);
  near(action.data, [...a.data], 1e-6);
});

Deno.test("velocityWithDerivative() is the limit of differences", async () => {
  const run = compile<Inputs & { h: NdArray }>("difference", ({ p, s, a, noise, h }) => {
    const { r, t } = noise;
    const dx = tf.sub(noise.epsilon, a);
    const x = diffused(a, noise);
    const at = (sign: number) => {
      const step = tf.mul(h, sign);
      return meanVelocity(p, s, tf.add(x, tf.mul(dx, step)), r, tf.add(t, step), timeScale);
    };
    const difference = tf.div(tf.sub(at(1), at(-1)), tf.mul(h, 2));
    return {
      difference,
      ...velocityWithDerivative(p, s, { x, r, t }, { dx, dt: tf.onesLike(stopGradient(t)) }, timeScale),
    };
  });
  const { difference, derivative } = await run({ ...inputs({ epsilon, r: noise.r, t: noise.t }), h: scalar(2e-3) });
  near(difference.data, [...derivative.data], 2e-4); // h^2 8^3 / 6, and float32's 6e-8 / h.
});

Deno.test("drawMapNoise() sorts three times, and keeps the boundary's interval within [0, 1] and its width", () => {
  const composition = drawMapNoise("composition", 500, 2, small, createRng("times"));
  const boundary = drawMapNoise("boundary", 500, 2, small, createRng("times"));
  for (let i = 0; i < 500; i++) {
    const [r, m, t] = [composition.r, composition.m!, composition.t].map(({ data }) => data[i]);
    assert(0 <= r && r <= m && m <= t && t <= 1);
    const gap = boundary.t.data[i] - boundary.r.data[i];
    assert(boundary.r.data[i] >= 0 && gap >= 0 && gap <= 1e-3 + 1e-7);
  }
});

// ------------------------------------------------------------------------------------------------- Settings

Deno.test("createBfq() trains one of composition and boundary at each update, in the given share", async () => {
  const batch = batchAt(600000);
  const seen = async (change: Partial<BfqConfig>) => {
    const agent = createBfq({ ...small, ...change }, spec);
    let state = agent.init(createRng(0));
    const names: string[] = [];
    for (let k = 0; k < 40; k++) {
      const result = await agent.update(state, batch, createRng(`update/${k}`));
      state = result.state;
      names.push(Object.keys(result.metrics)[1]);
    }
    return names.filter((name) => name === "boundaryLoss").length;
  };
  assertEquals([await seen({ boundaryShare: 0 }), await seen({ boundaryShare: 1 })], [0, 40]);
  const some = await seen({});
  assert(some > 8 && some < 32, `${some} of 40`);
  assertEquals(await seen({ imitation: "derivative" }), 0);
});

Deno.test("bfq's policy stays within bounds of 2.5, where data do", async () => {
  const batch = batchAt(600000);
  const wide = { ...spec, maxAction: 2.5 };
  const [agent, unit] = [createBfq(small, wide), createBfq(small, spec)];
  const scaled = { ...batch, action: ndarray(batch.action.data.map((a) => 2.5 * a), [4, 2]) };
  const x = await agent.update(agent.init(createRng("init")), scaled, createRng(1));
  const y = await unit.update(unit.init(createRng("init")), batch, createRng(1));
  near([x.metrics.actorLoss], [y.metrics.actorLoss], 1e-5);
  const [b, c] = [
    await agent.act(x.state, batch.observation, 1, createRng("act")),
    await unit.act(y.state, batch.observation, 1, createRng("act")),
  ];
  near(b.data, [...c.data].map((v) => 2.5 * v), 1e-5);
});

Deno.test("createBfq() refuses settings out of range", () => {
  const refuses = (change: Partial<BfqConfig>, message: string) =>
    assertThrows(() => createBfq({ ...small, ...change }, spec), RangeError, message);
  refuses({ boundaryShare: 1.5 }, "Cannot create BFQ: boundaryShare must be in [0, 1], current value is 1.5");
  refuses({ imitation: "flow" as "composition" }, "imitation must be one of composition, derivative");
});
