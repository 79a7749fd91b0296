/**
 * Trains the network policies behind the local HalfCheetah datasets: TD3 on the compiled engine.
 *
 * Source: Fujimoto, van Hoof & Meger 2018, "Addressing Function Approximation Error in Actor-Critic Methods", arXiv
 * 1802.09477, Algorithm 1 and the authors' settings. Deviation: minibatches of 128 for 256 and a policy of width 64, which
 * keeps its file small [Ours]. Writes the policy every so often, so that a replay of the training history can be made:
 * `deno run -A data/behaviour/train_td3.ts halfcheetah 0 500000`.
 *
 * @module
 */

import { encodeCheckpoint } from "../../algorithms/engine/checkpoint.ts";
import { type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { compile } from "../../algorithms/engine/compile.ts";
import { initMlp, type Linear, mlp, relu } from "../../algorithms/core/nn.ts";
import { type AdamState, type AdamStep, adamStep, adamUpdate, initAdam } from "../../algorithms/core/optim.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { bellmanTarget, meanSquaredError, polyakAverage } from "../../algorithms/core/td.ts";
import { type Tensor, tf, valueAndGrad } from "../../algorithms/engine/tensor.ts";
import { mapTree } from "../../algorithms/engine/tree.ts";
import { actPlainly } from "../behaviours.ts";
import { createEnvironment, findTask } from "../../environments/mod.ts";

const settings = {
  width: 256,
  policyWidth: 64,
  batch: 128,
  learningRate: 1e-3,
  discount: 0.99,
  polyakRate: 0.005,
  explorationNoise: 0.1,
  targetNoise: 0.2,
  targetClip: 0.5,
  randomSteps: 10_000,
  every: 10_000,
};
const [task = "halfcheetah", seedText = "0", total = "500000"] = Deno.args;
const seed = Number(seedText);
const rng = createRng(`td3/${task}/${seed}`);
using env = await createEnvironment(findTask(task), "d4rl");
const [s, a] = [env.observationSpace.shape[0], env.actionSpace.shape[0]];

interface State<L = NdArray> {
  actor: Linear<L>[];
  critics: Linear<L>[][];
  actorTarget: Linear<L>[];
  criticTargets: Linear<L>[][];
  actorAdam: AdamState<L>;
  criticAdam: AdamState<L>;
}
type Batch<L = NdArray> = Record<"observation" | "action" | "reward" | "nextObservation" | "terminal" | "noise", L>;
interface Inputs {
  state: State;
  batch: Batch;
  steps: { critic: AdamStep; actor: AdamStep };
}

const act = (p: Linear[], x: Tensor) => tf.tanh(mlp(p, x, relu));
const values = (ps: Linear[][], x: Tensor, action: Tensor) => ps.map((p) => mlp(p, tf.concat([x, action], 1), relu));

function criticStep(state: State<Tensor>, batch: Batch<Tensor>, step: AdamStep<Tensor>): State<Tensor> {
  const noise = tf.clipByValue(tf.mul(batch.noise, settings.targetNoise), -settings.targetClip, settings.targetClip);
  const next = tf.clipByValue(tf.add(act(state.actorTarget, batch.nextObservation), noise), -1, 1);
  const [t1, t2] = values(state.criticTargets, batch.nextObservation, next);
  const target = bellmanTarget(batch.reward, batch.terminal, tf.minimum(t1, t2), settings.discount);
  const { grad } = valueAndGrad((ps) => {
    const [q1, q2] = values(ps, batch.observation, batch.action);
    return tf.add(meanSquaredError(q1, target), meanSquaredError(q2, target));
  }, state.critics);
  const { params, state: adam } = adamUpdate(state.critics, grad, state.criticAdam, step);
  return { ...state, critics: params, criticAdam: adam };
}

const updateCritic = compile<Inputs, { state: State<Tensor> }>("td3/critic", ({ state, batch, steps }) => ({
  state: criticStep(state, batch, steps.critic),
}));

const updateBoth = compile<Inputs, { state: State<Tensor> }>("td3/both", ({ state, batch, steps }) => {
  const next = criticStep(state, batch, steps.critic);
  const { grad } = valueAndGrad(
    (p) => tf.neg(tf.mean(values(next.critics, batch.observation, act(p, batch.observation))[0])),
    state.actor,
  );
  const { params: actor, state: actorAdam } = adamUpdate(state.actor, grad, state.actorAdam, steps.actor);
  const actorTarget = polyakAverage(state.actorTarget, actor, settings.polyakRate);
  const criticTargets = polyakAverage(state.criticTargets, next.critics, settings.polyakRate);
  return { state: { ...next, actor, actorAdam, actorTarget, criticTargets } };
});

const copy = <P>(tree: P): P => mapTree<NdArray, NdArray>(tree, ({ data, shape }) => ndarray(data.slice(), shape));
const actor = initMlp([s, settings.policyWidth, settings.policyWidth, a], rng.child("actor"));
const critics = ["q1", "q2"].map((name) => initMlp([s + a, settings.width, settings.width, 1], rng.child(name)));
let state: State = {
  actor,
  critics,
  actorTarget: copy(actor),
  criticTargets: copy(critics),
  actorAdam: initAdam(actor),
  criticAdam: initAdam(critics),
};

const size = Number(total);
const memory = {
  observation: new Float32Array(size * s),
  action: new Float32Array(size * a),
  reward: new Float32Array(size),
  nextObservation: new Float32Array(size * s),
  terminal: new Float32Array(size),
};
const dims = { observation: s, action: a, reward: 1, nextObservation: s, terminal: 1 };

function drawBatch(count: number): Batch {
  const rows = Array.from({ length: settings.batch }, () => rng.integer(count));
  const gathered = Object.entries(dims).map(([name, dim]) => {
    const out = new Float32Array(rows.length * dim);
    rows.forEach((row, i) =>
      out.set(memory[name as keyof typeof memory].subarray(row * dim, (row + 1) * dim), i * dim)
    );
    return [name, ndarray(out, [rows.length, dim])];
  });
  const noise = ndarray(rng.fillNormal(new Float32Array(settings.batch * a)), [settings.batch, a]);
  return { ...Object.fromEntries(gathered), noise };
}

async function score(): Promise<number> {
  using test = await createEnvironment(findTask(task), "d4rl");
  let sum = 0;
  for (let episode = 0; episode < 3; episode++) {
    let observation = test.reset(5_000_000 + episode);
    for (;;) {
      const result = test.step(actPlainly(state.actor, observation));
      sum += result.reward / 3;
      if (result.terminated || result.truncated) break;
      observation = result.observation;
    }
  }
  return sum;
}

const snapshots: Record<string, Linear<NdArray>[]> = {};
const returns: Record<string, number> = {};
const path = new URL(`./${task}.safetensors`, import.meta.url);
let observation = Float32Array.from(env.reset(seed * 1e6));
for (let step = 0, episode = 1; step < size; step++) {
  const noise = rng.fillNormal(new Float64Array(a));
  const action = step < settings.randomSteps
    ? noise.map(() => 2 * rng.uniform() - 1)
    : actPlainly(state.actor, observation).map((x, i) => x + settings.explorationNoise * noise[i]);
  const result = env.step(action);
  memory.observation.set(observation, step * s);
  memory.action.set(action.map((x) => Math.min(Math.max(x, -1), 1)), step * a);
  memory.reward[step] = result.reward;
  memory.nextObservation.set(result.observation, step * s);
  memory.terminal[step] = result.terminated ? 1 : 0;
  const ended = result.terminated || result.truncated;
  observation = Float32Array.from(ended ? env.reset(seed * 1e6 + episode++) : result.observation);
  if (step >= settings.randomSteps) {
    const count = step - settings.randomSteps + 1;
    const adam = (n: number) => adamStep(n, { learningRate: settings.learningRate });
    const steps = { critic: adam(count), actor: adam(Math.max(Math.floor(count / 2), 1)) };
    const run = count % 2 === 0 ? updateBoth : updateCritic;
    ({ state } = await run({ state, batch: drawBatch(step + 1), steps }) as { state: State });
  }
  if ((step + 1) % settings.every === 0) {
    const name = `${step + 1}`;
    snapshots[name] = copy(state.actor);
    returns[name] = Math.round(await score());
    console.log(`${name} steps: return ${returns[name]}`);
    const metadata = {
      task,
      physics: "d4rl",
      settings: JSON.stringify({ seed, ...settings }),
      returns: JSON.stringify(returns),
    };
    await Deno.writeFile(path, encodeCheckpoint(snapshots, metadata));
  }
}
