import { assert, assertEquals, assertThrows } from "@std/assert";
import { resolveConfig } from "../../algorithms/core/config.ts";
import { aggregateValues, geluValues } from "../../algorithms/core/gelu_critic.ts";
import type { Linear } from "../../algorithms/core/nn.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { polyakAverage } from "../../algorithms/core/td.ts";
import { useBackend } from "../../algorithms/engine/backend.ts";
import { copyArrays, type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { compile } from "../../algorithms/engine/compile.ts";
import { type Tensor, tf, valueAndGrad } from "../../algorithms/engine/tensor.ts";
import {
  createFql,
  flowAction,
  flowLoss,
  flowRowWeight,
  flowVelocity,
  fql,
  type FqlConfig,
  fqlCriticLoss,
  fqlDefaults,
  type FqlNetworks,
  type FqlNoise,
  fqlTarget,
  fqlTerms,
  oneStepAction,
} from "../../algorithms/fql.ts";
import golden from "../golden/fql_golden.json" with { type: "json" };
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

const widths = [8, 8, 8, 8];
const networks = (): FqlNetworks<NdArray> => ({
  critic: filledGeluCritic(golden.bases.critic),
  flow: filledStack(filler(golden.bases.v), [6, ...widths, 2]),
  policy: filledStack(filler(golden.bases.mu), [5, ...widths, 2]),
});
const batch = batchAt(200000);
const noiseAt = (base: number): FqlNoise => ({
  next: drawAt(base, 5),
  start: drawAt(base, 6),
  t: uniform(base + 7 * 1009, [4, 1]),
  z: drawAt(base, 8),
});
const noise = noiseAt(200000);
const flowOf = (p: FqlNetworks, s: Tensor) => (x: Tensor, t: Tensor) => flowVelocity(p.flow, s, x, t);
const small: FqlConfig = { ...fqlDefaults, hidden: 8 };

type Inputs = {
  p: FqlNetworks<NdArray>;
  target: FqlNetworks<NdArray>["critic"];
  batch: typeof batch;
  noise: FqlNoise;
};
const inputs = (): Inputs => ({ p: networks(), target: filledGeluCritic(golden.bases.target), batch, noise });

Deno.test("the filler gives FQL's reference inputs", () => {
  const { inputs } = golden;
  near(batch.observation.data, inputs.s, 1e-7);
  near(batch.action.data, inputs.a, 1e-7);
  near(batch.nextObservation.data, inputs.s_next, 1e-7);
  near(batch.reward.data, inputs.r, 1e-7);
  near(batch.terminal.data.map((t) => 1 - t), inputs.mask);
  near(noise.next.data, inputs.z_next, 1e-6);
  near(noise.start.data, inputs.x0, 1e-6);
  near(noise.t.data, inputs.u, 1e-7);
  near(noise.z.data, inputs.z, 1e-6);
});

Deno.test("FQL's networks match rows x_t, v, mu, q1, q2, teacher and sampled_action", async () => {
  const run = compile<Inputs>("forward", ({ p, batch, noise }) => {
    const { observation: s, action: a } = batch;
    const x = tf.add(tf.mul(tf.sub(1, noise.t), noise.start), tf.mul(noise.t, a));
    const [q1, q2] = geluValues(p.critic, s, a);
    let at = noise.z;
    const path = Array.from({ length: 10 }, (_, i) => {
      at = tf.add(at, tf.mul(flowVelocity(p.flow, s, at, tf.fill([4, 1], i / 10)), 0.1));
      return at;
    });
    const mu = oneStepAction(p.policy, s, noise.z);
    return {
      x,
      v: flowVelocity(p.flow, s, x, noise.t),
      mu,
      q1,
      q2,
      path,
      teacher: flowAction(flowOf(p, s), noise.z, 10),
    };
  });
  const result = await run(inputs());
  near(result.x.data, golden.x_t);
  near(result.v.data, golden.v);
  near(result.mu.data, golden.mu);
  near(result.q1.data, golden.q1);
  near(result.q2.data, golden.q2);
  golden.teacher.after_step.forEach((row, i) => near(result.path[i].data, row));
  near(result.teacher.data, golden.teacher.clipped);
  near(result.mu.data.map((x: number) => Math.min(Math.max(x, -1), 1)), golden.sampled_action);
});

for (const rule of ["mean", "min"] as const) {
  Deno.test(`fqlTarget() and fqlCriticLoss() match row critic_${rule}`, async () => {
    const config: FqlConfig = { ...small, nextValue: rule };
    const run = compile<Inputs>("critic", ({ p, target, batch, noise }) => {
      const next = tf.clipByValue(oneStepAction(p.policy, batch.nextObservation, noise.next), -1, 1);
      const goal = fqlTarget(p, target, batch, noise.next, config);
      const loss = (critic: typeof p.critic) => fqlCriticLoss(critic, batch.observation, batch.action, goal);
      return { next, nextQ: geluValues(target, batch.nextObservation, next), goal, ...valueAndGrad(loss, p.critic) };
    });
    const expected = golden[`critic_${rule}`];
    const result = await run(inputs());
    near(result.next.data, expected.next_action);
    result.nextQ.forEach((q: NdArray, i: number) => near(q.data, expected.next_q[i]));
    near(result.goal.data, expected.target);
    near(result.value.data, expected.loss);
    nearSummary(orderedCritic(result.grad), expected.grads);
  });
}

/** Terms and their gradients in the flow and the policy, each of its own term alone. */
const actorTerms = (config: FqlConfig) =>
  compile<Inputs>("actor", ({ p, target, batch, noise }) => {
    const terms = (change: Partial<FqlNetworks>) => fqlTerms({ ...p, ...change }, target, batch, noise, config);
    const inPolicy = (term: (t: ReturnType<typeof terms>) => Tensor) =>
      valueAndGrad((policy: Linear[]) => term(terms({ policy })), p.policy).grad;
    const { flow, distillation, value, critic, total } = terms({});
    return {
      values: { flow, distillation, value, actor: tf.sub(total, critic) },
      flow: valueAndGrad((flow: Linear[]) => terms({ flow }).flow, p.flow).grad,
      distillation: inPolicy((t) => t.distillation),
      value: inPolicy((t) => t.value),
      all: valueAndGrad((x: FqlNetworks) => fqlTerms(x, target, batch, noise, config), p).grad,
    };
  });

const actorRows = [
  ["actor_alpha10", small],
  ["actor_alpha0.3_normalized", { ...small, distillationWeight: 0.3, normalizeValue: true }],
] as const;
for (const [row, config] of actorRows) {
  Deno.test(`fqlTerms() matches row ${row}`, async () => {
    const expected = golden[row];
    const { values, flow, distillation, value, all } = await actorTerms(config)(inputs());
    near(values.flow.data, expected.flow);
    near(values.distillation.data, expected.distill);
    near(values.value.data, expected.q);
    near(values.actor.data, expected.total);
    nearSummary(flow, expected.grad_flow_v);
    nearSummary(all.flow, expected.grad_flow_v); // Nothing else reaches the flow.
    nearSummary(distillation, expected.grad_distill_mu);
    nearSummary(value, expected.grad_q_mu);
    nearSummary(all.policy, expected.grad_total_mu);
    nearSummary(orderedCritic(all.critic), golden.critic_mean.grads); // Nor the critic.
  });
}

Deno.test("fqlTerms() matches row actor_clip_active, where five actions lie outside the box", async () => {
  const expected = golden.actor_clip_active;
  const z = filled(208072, [4, 2], 6);
  near(z.data, expected.z, 1e-6);
  const { values, distillation, value } = await actorTerms(small)({ ...inputs(), noise: { ...noise, z } });
  near(values.distillation.data, expected.distill);
  near(values.value.data, expected.q);
  nearSummary(distillation, expected.grad_distill_mu);
  nearSummary(value, expected.grad_q_mu);
  const { mu } = await compile<{ p: Linear<NdArray>[]; s: NdArray; z: NdArray }>("mu", ({ p, s, z }) => ({
    mu: oneStepAction(p, s, z),
  }))({ p: networks().policy, s: batch.observation, z });
  near(mu.data, expected.mu);
  assertEquals([...mu.data].map((x) => Math.abs(x) > 1), golden.clipped_rows.flat());
});

Deno.test("flowRowWeight() and the weighted flowLoss() match row gfp_twin", async () => {
  const run = compile<Inputs>("gfp", ({ p, batch: { observation: s, action }, noise }) => {
    const policy = tf.clipByValue(oneStepAction(p.policy, s, noise.z), -1, 1);
    const [qData, qPolicy] = [action, policy].map((a) => aggregateValues(geluValues(p.critic, s, a), "mean"));
    const at = (temperature: number) => {
      const weight = flowRowWeight(p.critic, s, action, policy, temperature);
      return { weight, loss: flowLoss(p.flow, s, action, noise, weight) };
    };
    return { qData, qPolicy, scale: tf.div(1, tf.mean(tf.abs(qData))), one: at(1), tenth: at(0.1) };
  });
  const { q_data, q_actor, lambda, ...rows } = golden.gfp_twin;
  const result = await run(inputs());
  near(result.qData.data, q_data);
  near(result.qPolicy.data, q_actor);
  near(result.scale.data, lambda);
  for (const [found, row] of [[result.one, rows["eta1.0"]], [result.tenth, rows["eta0.1"]]] as const) {
    near(found.weight.data, row.weight);
    near(found.loss.data, row.loss);
  }
  const config: FqlConfig = { ...small, flowWeight: "value", flowTemperature: 0.1 };
  near((await actorTerms(config)(inputs())).values.flow.data, rows["eta0.1"].loss);
});

Deno.test("polyakAverage() matches row ema_0.005", async () => {
  const run = compile<{ from: Inputs["target"]; to: Inputs["target"] }>("average", ({ from, to }) => ({
    mean: polyakAverage(from, to, 0.005),
  }));
  const { mean } = await run({ from: filledGeluCritic(240000), to: filledGeluCritic(230000) });
  nearSummary(orderedCritic(mean), golden["ema_0.005"]);
});

/** Three updates of the reference trainer's; `check` sees each row with the arrays after it. */
async function replay(config: FqlConfig, run: typeof golden.e2e_default | typeof golden.e2e_min_normalized) {
  const agent = createFql(config, spec);
  const arrays = agent.init(createRng(0)).arrays as Arrays;
  arrays.networks.params = networks();
  arrays.criticTarget = copyArrays(arrays.networks.params.critic);
  let state = { updates: 0, arrays: arrays as unknown };
  const check = (k: number, { networks: { params }, criticTarget }: Arrays) => {
    const row = run.rows[k];
    nearSummary(params.flow, row.v);
    nearSummary(params.policy, row.mu);
    nearSummary(orderedCritic(params.critic), row.critic);
    nearSummary(orderedCritic(criticTarget), row.target);
  };
  check(0, arrays);
  for (let k = 0; k < 3; k++) {
    const base = 250000 + 20000 * k;
    const { next, start, t, z } = noiseAt(base);
    const result = await agent.update(state, batchAt(base), scriptedRng([next, start, z], [t.data]));
    state = result.state as typeof state;
    const { criticLoss, flowLoss, distillationLoss, valueLoss, loss } = result.metrics;
    const row = run.rows[k + 1];
    near([criticLoss, flowLoss, distillationLoss, valueLoss], [row.critic_loss, row.flow, row.distill, row.q]);
    near([loss - criticLoss], row.total);
    check(k + 1, state.arrays as Arrays);
  }
}
interface Arrays {
  networks: { params: FqlNetworks<NdArray> };
  criticTarget: FqlNetworks<NdArray>["critic"];
}

Deno.test("createFql() reproduces the reference trainer of row e2e_default over three updates", () =>
  replay(small, golden.e2e_default));

const fast: FqlConfig = {
  ...small,
  nextValue: "min",
  normalizeValue: true,
  distillationWeight: 0.3,
  learningRate: 0.01,
  polyakRate: 0.1,
};
Deno.test("createFql() reproduces the reference trainer of row e2e_min_normalized over three updates", () =>
  replay(fast, golden.e2e_min_normalized));

Deno.test("createFql() has the published parameter counts on halfcheetah", () => {
  const agent = createFql(fqlDefaults, { observationDim: 17, actionDim: 6, maxAction: 1 });
  const { networks: { params } } = agent.init(createRng(0)).arrays as Arrays;
  const { v, mu, one_q } = golden.param_counts_S17_A6;
  assertEquals([params.flow, params.policy, params.critic.q1, params.critic.q2].map(countOf), [v, mu, one_q, one_q]);
});

// ---------------------------------------------------------------------------------------------- Properties

Deno.test("flowAction() of a constant velocity c is clip(z + c)", async () => {
  const { action } = await compile("constant", ({ z }) => ({
    action: flowAction(() => tf.tensor2d([[0.3, -0.4]]), z, 10),
  }))({ z: noise.z });
  near(action.data, [...noise.z.data].map((z, i) => Math.min(Math.max(z + [0.3, -0.4][i % 2], -1), 1)), 1e-6);
});

Deno.test("flowAction() of the velocity (a - x) / (1 - t) lands on a", async () => {
  const { action } = await compile("point", ({ z, a }) => ({
    action: flowAction((x, t) => tf.div(tf.sub(a, x), tf.sub(1, t)), z, 10),
  }))({ z: noise.z, a: batch.action });
  near(action.data, [...batch.action.data], 1e-6);
});

Deno.test("fqlCriticLoss() of two equal critics is one critic's mean squared error", async () => {
  const { q1 } = filledGeluCritic(230000);
  const run = compile<{ p: Inputs["target"]; batch: typeof batch }>("equal", ({ p, batch }) => {
    const { observation: s, action: a, reward } = batch;
    return { loss: fqlCriticLoss(p, s, a, reward), plain: tf.mean(tf.square(tf.sub(geluValues(p, s, a)[0], reward))) };
  });
  const { loss, plain } = await run({ p: { q1, q2: q1 }, batch });
  near(loss.data, [...plain.data], 1e-6);
});

Deno.test("fqlTerms(): flow and policy share no gradient", async () => {
  const one = (of: "flow" | "policy", term: "flow" | "distillation" | "value") =>
    compile<Inputs>(
      "apart",
      ({ p, target, batch, noise }) =>
        valueAndGrad((x: Linear[]) => fqlTerms({ ...p, [of]: x }, target, batch, noise, small)[term], p[of]),
    );
  for (const [of, term] of [["flow", "distillation"], ["flow", "value"], ["policy", "flow"]] as const) {
    const error = await one(of, term)(inputs()).then(() => "", (e) => e.message);
    assert(error.includes("Cannot compute gradient"), `${term} reaches the ${of}`);
  }
});

// ------------------------------------------------------------------------------------------------- Settings

Deno.test("createFql() moves its target after the step if asked", async () => {
  const after = async (targetAverage: FqlConfig["targetAverage"]) => {
    const agent = createFql({ ...fast, targetAverage }, spec);
    const state = agent.init(createRng(0));
    const before = copyArrays((state.arrays as Arrays).criticTarget);
    const { state: { arrays } } = await agent.update(state, batch, createRng("noise"));
    const { criticTarget, networks: { params } } = arrays as Arrays;
    const [from, to, is] = [before, params.critic, criticTarget].map((q) => q.q1.layers[0].weight.data);
    return { from, to, is };
  };
  const kept = await after("before step");
  near(kept.is, [...kept.from], 1e-6); // The target is a copy of the critic at first.
  const moved = await after("after step");
  near(moved.is, [...moved.from].map((x, i) => 0.9 * x + 0.1 * moved.to[i]), 1e-6);
  assert(moved.is.some((x, i) => Math.abs(x - moved.from[i]) > 1e-4));
});

Deno.test("fqlTarget() with both next actions is the mean of their targets", async () => {
  const run = compile<Inputs>("both", ({ p, target, batch, noise }) => {
    const of = (nextAction: FqlConfig["nextAction"]) =>
      fqlTarget(p, target, batch, noise.next, { ...small, nextAction, discount: 0.5 });
    const flow = flowAction(flowOf(p, batch.nextObservation), noise.next, 10);
    const value = aggregateValues(geluValues(target, batch.nextObservation, flow), "mean");
    const alone = tf.add(batch.reward, tf.mul(tf.mul(tf.sub(1, batch.terminal), 0.5), value));
    return { both: of("both"), half: tf.mul(tf.add(of("one step"), alone), 0.5) };
  });
  const { both, half } = await run(inputs());
  near(both.data, [...half.data], 1e-6);
});

Deno.test("fql's policy stays within bounds of 2.5, where data do, and its value reads actions in units of them", async () => {
  const wide = { ...spec, maxAction: 2.5 };
  const [agent, unit] = [createFql(small, wide), createFql(small, spec)];
  const [state, other] = [agent, unit].map((a) => a.init(createRng("init")));
  const scaled = { ...batch, action: ndarray(batch.action.data.map((a) => 2.5 * a), [4, 2]) };
  const [a, b] = [await agent.update(state, scaled, createRng(1)), await unit.update(other, batch, createRng(1))];
  near([a.metrics.loss], [b.metrics.loss], 1e-6);
  for (const candidates of [1, 8]) {
    const [x, y] = await Promise.all(
      [[agent, a.state], [unit, b.state]].map(([agent, state]) =>
        (agent as typeof unit).act(state as typeof other, batch.observation, candidates, createRng("act"))
      ),
    );
    near(x.data, [...y.data].map((v) => 2.5 * v), 1e-5);
  }
});

Deno.test("createFql() refuses settings out of range", () => {
  const refuses = (change: Partial<FqlConfig>, message: string) =>
    assertThrows(() => createFql({ ...small, ...change }, spec), RangeError, message);
  refuses({ flowSteps: 0 }, "Cannot create FQL: flowSteps must be a positive integer, current value is 0");
  refuses({ distillationWeight: -1 }, "distillationWeight must be positive, current value is -1");
  refuses({ nextValue: "max" as "min" }, 'nextValue must be one of mean, min, current value is "max"');
});

Deno.test("fql's presets are the README's", () => {
  const of = (task: string) => {
    const { distillationWeight, nextValue, updates } = resolveConfig(fql, task);
    return [distillationWeight, nextValue, updates];
  };
  assertEquals(of("antmaze-large-play-v2"), [3, "mean", 500_000]);
  assertEquals(of("hammer-cloned-v1"), [1e4, "min", 500_000]);
  assertEquals(Object.keys(fql.presets).length, 18);
});
