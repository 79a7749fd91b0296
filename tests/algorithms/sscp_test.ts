import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { resolveConfig } from "../../algorithms/core/config.ts";
import { type GeluCritic, geluValues } from "../../algorithms/core/gelu_critic.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { polyakAverage } from "../../algorithms/core/td.ts";
import { twinError } from "../../algorithms/core/twin_critic.ts";
import { useBackend } from "../../algorithms/engine/backend.ts";
import { copyArrays, type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { compile } from "../../algorithms/engine/compile.ts";
import { tf, valueAndGrad } from "../../algorithms/engine/tensor.ts";
import {
  completionTerms,
  createSscp,
  drawSscpNoise,
  fourierFeatures,
  noiseCompletion,
  sscp,
  type SscpActor,
  type SscpConfig,
  sscpDefaults,
  type SscpNetworks,
  type SscpNoise,
  sscpTarget,
  sscpTerms,
  stepVelocity,
} from "../../algorithms/sscp.ts";
import golden from "../golden/sscp_golden.json" with { type: "json" };
import { filled, filler } from "../golden.ts";
import {
  batchAt,
  countOf,
  drawAt,
  filledGeluCritic,
  filledStack,
  near,
  nearSummary,
  orderedCritic,
  scriptedRng,
  spec,
  uniform,
} from "./family.ts";

await useBackend("onnx");

/** Frequencies first, at their own scale, then the two embeddings and the trunk. */
function filledActor(base: number): SscpActor<NdArray> {
  const fill = filler(base);
  fill.skip(1);
  return {
    frequencies: filled(base, [1, 4], 0.35),
    time: filledStack(fill, [8, 8, 8]),
    step: filledStack(fill, [8, 8, 8]),
    trunk: filledStack(fill, [13, 8, 8, 8, 8, 2]),
  };
}

const { bases } = golden;
const batch = batchAt(300000);
const noiseAt = (base: number): SscpNoise => ({
  next: drawAt(base, 5),
  start: drawAt(base, 6),
  u: uniform(base + 7 * 1009, [4, 1]),
});
const noise = noiseAt(300000);
const small: SscpConfig = { ...sscpDefaults, hidden: 8, timeDim: 8 };

type Inputs = {
  p: SscpNetworks<NdArray>;
  targets: { actor: SscpActor<NdArray>; critic: GeluCritic<NdArray> };
  batch: typeof batch;
  noise: SscpNoise;
};
const inputs = (): Inputs => ({
  p: { critic: filledGeluCritic(bases.critic), actor: filledActor(bases.actor) },
  targets: { actor: filledActor(bases.actor_target), critic: filledGeluCritic(bases.critic_target) },
  batch,
  noise,
});

Deno.test("the filler gives SSCP's reference inputs", () => {
  const { inputs } = golden;
  near(batch.observation.data, inputs.s, 1e-7);
  near(batch.action.data, inputs.a, 1e-7);
  near(batch.nextObservation.data, inputs.s_next, 1e-7);
  near(batch.reward.data, inputs.r, 1e-7);
  near(batch.terminal.data.map((t) => 1 - t), inputs.mask);
  near(noise.next.data, inputs.z_next, 1e-6);
  near(noise.start.data, inputs.x0, 1e-6);
  near(noise.u.data, inputs.u, 1e-7);
});

Deno.test("SSCP's actor matches rows t, x_t, h_step0, h_completion, completed, fourier and sampled_action", async () => {
  const run = compile<Inputs>("forward", ({ p: { actor }, targets, batch: { observation: s, action: a }, noise }) => {
    const t = tf.square(noise.u);
    const d = tf.sub(1, t);
    const x = tf.add(tf.mul(d, noise.start), tf.mul(t, a));
    return {
      t,
      x,
      still: stepVelocity(actor, s, x, t, tf.zerosLike(t)),
      rest: stepVelocity(actor, s, x, t, d),
      completed: completionTerms((x, t, d) => stepVelocity(actor, s, x, t, d), a, noise).completed,
      features: fourierFeatures(actor.frequencies, t),
      action: tf.clipByValue(noiseCompletion(targets.actor, s, noise.next), -1, 1),
    };
  });
  const result = await run(inputs());
  near(result.t.data, golden.t);
  near(result.x.data, golden.x_t);
  near(result.still.data, golden.h_step0);
  near(result.rest.data, golden.h_completion);
  near(result.completed.data, golden.completed);
  assertEquals([...result.completed.data].map((x) => Math.abs(x) > 1), golden.clipped_rows.flat());
  near(filledActor(bases.actor).frequencies.data, golden.fourier.frequencies, 1e-7);
  near(result.features.data, golden.fourier.features_of_t);
  near(result.action.data, golden.sampled_action);
});

for (const rule of ["min", "mean"] as const) {
  Deno.test(`sscpTarget() and the critic's loss match row critic_${rule}`, async () => {
    const run = compile<Inputs>("critic", ({ p, targets, batch, noise }) => {
      const next = tf.clipByValue(noiseCompletion(targets.actor, batch.nextObservation, noise.next), -1, 1);
      const goal = sscpTarget(targets.actor, targets.critic, batch, noise.next, { ...small, nextValue: rule });
      const loss = (critic: GeluCritic) =>
        tf.mul(twinError(geluValues(critic, batch.observation, batch.action), goal), 0.5);
      return {
        next,
        nextQ: geluValues(targets.critic, batch.nextObservation, next),
        goal,
        critic: sscpTerms(p, targets, batch, noise, { ...small, nextValue: rule }).critic,
        ...valueAndGrad(loss, p.critic),
      };
    });
    const expected = golden[`critic_${rule}`];
    const result = await run(inputs());
    near(result.next.data, expected.next_action);
    result.nextQ.forEach((q: NdArray, i: number) => near(q.data, expected.next_q[i]));
    near(result.goal.data, expected.target);
    near(result.value.data, expected.loss);
    near(result.critic.data, expected.loss);
    nearSummary(orderedCritic(result.grad), expected.grads);
  });
}

for (const row of ["actor_alpha2_0.2", "actor_unnormalized"] as const) {
  Deno.test(`sscpTerms() matches row ${row}`, async () => {
    const expected = golden[row];
    const config = { ...small, completionWeight: expected.alpha2, normalizeValue: expected.normalize_q_loss };
    const run = compile<Inputs>("actor", ({ p, targets, batch, noise }) => {
      const terms = (actor: SscpActor) => sscpTerms({ ...p, actor }, targets, batch, noise, config);
      const of = (term: "flow" | "completion" | "value") =>
        valueAndGrad((actor: SscpActor) => terms(actor)[term], p.actor);
      const { total, critic } = terms(p.actor);
      return {
        flow: of("flow"),
        completion: of("completion"),
        value: of("value"),
        total: tf.sub(total, critic),
        all: valueAndGrad((x: SscpNetworks) => sscpTerms(x, targets, batch, noise, config), p).grad,
      };
    });
    const { flow, completion, value, total, all } = await run(inputs());
    near(flow.value.data, expected.flow);
    near(completion.value.data, expected.completion);
    near(value.value.data, expected.q);
    near(total.data, expected.total);
    nearSummary(flow.grad, expected.grad_flow);
    nearSummary(completion.grad, expected.grad_completion);
    nearSummary(value.grad, expected.grad_q);
    nearSummary(all.actor, expected.grad_total);
    nearSummary(orderedCritic(all.critic), golden.critic_min.grads); // The value term does not reach it.
  });
}

Deno.test("polyakAverage() matches both averages of row ema", async () => {
  const run = compile<Pick<Inputs, "p" | "targets">>("average", ({ p, targets }) => ({
    actor: polyakAverage(targets.actor, p.actor, 0.0005),
    critic: polyakAverage(targets.critic, p.critic, 0.005),
  }));
  const { p, targets } = inputs();
  const { actor, critic } = await run({ p, targets });
  nearSummary(actor, golden.ema.actor_target);
  nearSummary(orderedCritic(critic), golden.ema.critic_target);
});

interface Arrays {
  networks: { params: SscpNetworks<NdArray> };
  criticTarget: GeluCritic<NdArray>;
  actorAverage: SscpActor<NdArray>;
}

/** Three updates of the reference trainer's, and the action of the averaged actor afterwards. */
async function replay(config: SscpConfig, run: typeof golden.e2e_default | typeof golden.e2e_fast) {
  const agent = createSscp(config, spec);
  const arrays = agent.init(createRng(0)).arrays as Arrays;
  arrays.networks.params = inputs().p;
  arrays.criticTarget = copyArrays(arrays.networks.params.critic);
  arrays.actorAverage = copyArrays(arrays.networks.params.actor);
  let state = { updates: 0, arrays: arrays as unknown };
  const check = (k: number, { networks: { params }, criticTarget, actorAverage }: Arrays) => {
    const row = run.rows[k];
    nearSummary(params.actor, row.actor);
    nearSummary(actorAverage, row.actor_target);
    nearSummary(orderedCritic(params.critic), row.critic);
    nearSummary(orderedCritic(criticTarget), row.critic_target);
  };
  check(0, arrays);
  for (let k = 0; k < 3; k++) {
    const base = 350000 + 20000 * k;
    const { next, start, u } = noiseAt(base);
    const result = await agent.update(state, batchAt(base), scriptedRng([next, start], [u.data]));
    state = result.state as typeof state;
    const { criticLoss, flowLoss, completionLoss, valueLoss, loss } = result.metrics;
    const row = run.rows[k + 1];
    near([criticLoss, flowLoss, completionLoss, valueLoss], [row.critic_loss, row.flow, row.completion, row.q]);
    near([loss - criticLoss], row.total);
    check(k + 1, state.arrays as Arrays);
  }
  const last = 350000 + 20000 * 2;
  const { data } = await agent.act(state, batchAt(last).observation, 1, scriptedRng([noiseAt(last).next], []));
  near(data, run.action_after_3);
}

Deno.test("createSscp() reproduces the reference trainer of row e2e_default over three updates", () =>
  replay({ ...small, completionWeight: 0.2 }, golden.e2e_default));

const fast: SscpConfig = {
  ...small,
  nextValue: "mean",
  normalizeValue: false,
  completionWeight: 0.75,
  learningRate: 0.01,
  polyakRate: 0.1,
  actorPolyakRate: 0.05,
};
Deno.test("createSscp() reproduces the reference trainer of row e2e_fast over three updates", () =>
  replay(fast, golden.e2e_fast));

Deno.test("createSscp() has the published parameter counts on halfcheetah", () => {
  const agent = createSscp(sscpDefaults, { observationDim: 17, actionDim: 6, maxAction: 1 });
  const { networks: { params } } = agent.init(createRng(0)).arrays as Arrays;
  const { actor, one_q } = golden.param_counts_S17_A6;
  assertEquals([params.actor, params.critic.q1, params.critic.q2].map(countOf), [actor, one_q, one_q]);
});

// ---------------------------------------------------------------------------------------------- Properties

Deno.test("completionTerms() of the velocity (a - x) / (1 - t) completes every sample", async () => {
  const { completion, completed } = await compile<{ a: NdArray; noise: SscpNoise }>(
    "point",
    ({ a, noise }) => completionTerms((x, t) => tf.div(tf.sub(a, x), tf.sub(1, t)), a, noise),
  )({ a: batch.action, noise });
  near(completed.data, [...batch.action.data], 1e-6);
  near(completion.data, 0, 1e-12);
});

Deno.test("drawSscpNoise() draws roots of times whose mean is 1/3", () => {
  const n = 100_000;
  const { u } = drawSscpNoise(n, 1, createRng("times"));
  const mean = [...u.data].reduce((sum, u) => sum + u * u, 0) / n;
  assertAlmostEquals(mean, 1 / 3, 4.5 * Math.sqrt(4 / 45 / n)); // 4.5 standard errors
});

// ------------------------------------------------------------------------------------------------- Settings

Deno.test("sscpTerms() judges the action from pure noise if asked", async () => {
  const run = compile<Inputs>("judged", ({ p, targets, batch, noise }) => {
    const from = tf.clipByValue(noiseCompletion(p.actor, batch.observation, noise.start), -1, 1);
    const [q1, q2] = geluValues(p.critic, batch.observation, from);
    const config: SscpConfig = { ...small, valueAt: "pure noise", normalizeValue: false };
    return {
      is: sscpTerms(p, targets, batch, noise, config).value,
      wanted: tf.neg(tf.mean(tf.mul(tf.add(q1, q2), 0.5))),
    };
  });
  const { is, wanted } = await run(inputs());
  near(is.data, [...wanted.data], 1e-6);
});

Deno.test("createSscp() moves its averages after the step if asked", async () => {
  const agent = createSscp({ ...fast, targetAverage: "after step" }, spec);
  const state = agent.init(createRng(0));
  const before = copyArrays((state.arrays as Arrays).actorAverage).frequencies.data;
  const { state: { arrays } } = await agent.update(state, batch, createRng("noise"));
  const { actorAverage, networks } = arrays as Arrays;
  const to = networks.params.actor.frequencies.data;
  near(actorAverage.frequencies.data, [...before].map((x, i) => 0.95 * x + 0.05 * to[i]), 1e-6);
  assert(before.some((x, i) => Math.abs(x - to[i]) > 1e-3));
});

Deno.test("sscp's policy stays within bounds of 2.5, where data do", async () => {
  const wide = { ...spec, maxAction: 2.5 };
  const [agent, unit] = [createSscp(small, wide), createSscp(small, spec)];
  const scaled = { ...batch, action: ndarray(batch.action.data.map((a) => 2.5 * a), [4, 2]) };
  const a = await agent.update(agent.init(createRng("init")), scaled, createRng(1));
  const b = await unit.update(unit.init(createRng("init")), batch, createRng(1));
  near([a.metrics.loss], [b.metrics.loss], 1e-6);
  const x = await agent.act(a.state, batch.observation, 1, createRng("act"));
  const y = await unit.act(b.state, batch.observation, 1, createRng("act"));
  near(x.data, [...y.data].map((v) => 2.5 * v), 1e-5);
});

Deno.test("createSscp() refuses settings out of range", () => {
  const refuses = (change: Partial<SscpConfig>, message: string) =>
    assertThrows(() => createSscp({ ...small, ...change }, spec), RangeError, message);
  refuses({ completionWeight: -0.1 }, "Cannot create SSCP: completionWeight must be at least 0, current value is -0.1");
  refuses({ timeDim: 7 }, "timeDim must be even, at least 2, current value is 7");
  refuses({ valueAt: "noise" as "pure noise" }, "valueAt must be one of completion, pure noise");
});

Deno.test("sscp's presets are the README's", () => {
  const config = resolveConfig(sscp, "hopper-medium-expert-v2");
  assertEquals([config.completionWeight, config.updates, config.batchSize, config.nextValue], [
    0.75,
    500_000,
    1024,
    "min",
  ]);
  assertEquals(Object.keys(sscp.presets).length, 9);
});
