/**
 * Who says which actions a distilled set should lead to: IQL of the data, or a policy and critic from another program.
 *
 * @module
 */

import { bc } from "../../../algorithms/bc.ts";
import { iql } from "../../../algorithms/iql.ts";
import type { CommonConfig } from "../../../algorithms/core/config.ts";
import type { Agent, AgentState, AnyAlgorithm, Spec } from "../../../algorithms/core/agent.ts";
import { type Checkpoint, decodeSafetensors } from "../../../algorithms/engine/checkpoint.ts";
import { type NdArray, ndarray, scalar } from "../../../algorithms/engine/array.ts";
import { drawNormals } from "../../../algorithms/core/acting.ts";
import { compile } from "../../../algorithms/engine/compile.ts";
import type { IqlArrays } from "../../../algorithms/core/iql.ts";
import { type TwinCritic, twinValues } from "../../../algorithms/core/twin_critic.ts";
import { normalizeObservations } from "../../../algorithms/core/normalization.ts";
import { neededStatistics } from "../../../algorithms/core/normalized_agent.ts";
import { type Linear, mlp, relu } from "../../../algorithms/core/nn.ts";
import { initTrained, type Trained } from "../../../algorithms/core/optim.ts";
import type { Rng } from "../../../algorithms/core/rng.ts";
import type { Stage } from "../../../algorithms/core/stage.ts";
import { type Tensor, tf } from "../../../algorithms/engine/tensor.ts";
import { returnRange, type Transitions } from "../../../data/d4rl.ts";

/** Says which actions are wanted, and what they are worth; raw observations. */
export interface Teacher {
  agent: Agent;
  state: AgentState;
  /** What an evaluation needs to play it. */
  algorithm: AnyAlgorithm;
  config: CommonConfig;
  value(observation: NdArray, action: NdArray): Promise<NdArray>;
  /** Actions `[rows, A]` sampled about those that the agent takes, for {@linkcode BehaviorDistillationConfig.teacherActions}. */
  sample(observation: NdArray, rng: Rng): Promise<NdArray>;
}

/** Standard deviation before tanh of a teacher that has none. Ours: the authors' teachers have 0.44 to 0.65. */
const defaultDeviation = 0.5;

const gaussianSample = compile<
  { layers: Linear<NdArray>[]; s: NdArray; noise: NdArray; bound: NdArray },
  { action: Tensor }
>("obd/teacher_sample", ({ layers, s, noise, bound }) => {
  const [mean, logDeviation] = tf.split(mlp(layers, s, relu), 2, 1);
  const deviation = tf.exp(tf.clipByValue(logDeviation, -20, 2)); // Authors' code.
  return { action: tf.mul(tf.tanh(tf.add(mean, tf.mul(deviation, noise))), bound) };
});

/** Samples of a policy whose layers give means and, if they give more, log deviations, before tanh. */
function gaussianSampler(layers: readonly Linear<NdArray>[], { actionDim, maxAction }: Spec): Teacher["sample"] {
  const { weight: { data, shape: [inputs, out] }, bias } = layers.at(-1)!;
  const has = out === 2 * actionDim;
  const weight = Float32Array.from(
    { length: inputs * 2 * actionDim },
    (_, i) =>
      has ? data[i] : i % (2 * actionDim) < actionDim ? data[Math.floor(i / (2 * actionDim)) * out + i % out] : 0,
  );
  const last: Linear<NdArray> = {
    weight: ndarray(weight, [inputs, 2 * actionDim]),
    bias: ndarray(
      Float32Array.from({ length: 2 * actionDim }, (_, i) => bias.data[i] ?? Math.log(defaultDeviation)),
      [2 * actionDim],
    ),
  };
  const whole = [...layers.slice(0, -1), last];
  return async (s, rng) => {
    const noise = drawNormals(s.shape[0], actionDim, rng);
    return (await gaussianSample({ layers: whole, s, noise, bound: scalar(maxAction) })).action;
  };
}

/** Settings of {@linkcode trainTeacher}. */
export interface TeacherSettings {
  teacherUpdates: number;
  teacherHidden: number;
  teacherLearningRate: number;
}

const criticValue = compile<{ critic: TwinCritic<NdArray>; s: NdArray; a: NdArray }, { value: Tensor }>(
  "obd/value",
  ({ critic, s, a }) => ({ value: twinValues(critic, s, a)[0] }), // The first critic alone (authors' code).
);

/** IQL of the data, on normalized observations, kept as a stage. */
export async function trainTeacher(
  data: Transitions,
  { teacherUpdates, teacherHidden, teacherLearningRate }: TeacherSettings,
  spec: Spec,
  rng: Rng,
  stage: Stage,
): Promise<Teacher> {
  const config = {
    ...iql.defaults, // Rewards as IQL's authors scale them.
    updates: teacherUpdates,
    hidden: teacherHidden,
    learningRate: teacherLearningRate,
    normalizeObservations: true, // Ours, as the policies that learn from it.
  };
  const statistics = neededStatistics("a teacher", spec);
  const normalize = ({ data, shape }: NdArray) =>
    ndarray(normalizeObservations(data as Float32Array, statistics), shape);
  const agent = iql.create(config, spec);
  const draw = data.batches({ rewardTransform: config.rewardTransform, nextAction: false });
  const arrays = await stage("teacher", async (said) => {
    let state = agent.init(rng.child("init"));
    for (let k = 0; k < config.updates; k++) {
      const batch = draw(config.batchSize, rng.child(`batch/${k}`));
      ({ state } = await agent.update(state, batch, rng.child(`update/${k}`)));
      if (k % 500 === 0) said(k / config.updates);
    }
    return state.arrays;
  });
  const { critic: { params: critic }, policy } = arrays as IqlArrays & { policy: Trained<Linear<NdArray>[]> };
  const [least, largest] = returnRange(data);
  const sample = gaussianSampler(policy.params, spec);
  const unit = (largest - least) / 1000; // Values in the environment's rewards again, as Cal-QL's are.
  return {
    agent,
    state: { updates: config.updates, arrays },
    algorithm: iql as unknown as AnyAlgorithm,
    config,
    async value(s, a) {
      const { value: { data, shape } } = await criticValue({ critic, s: normalize(s), a });
      return ndarray((data as Float32Array).map((q) => unit * q), shape);
    },
    sample: (s, rng) => sample(normalize(s), rng),
  };
}

const importedValue = compile<{ critic: Linear<NdArray>[]; s: NdArray; a: NdArray }, { value: Tensor }>(
  "obd/imported_value",
  ({ critic, s, a }) => ({ value: mlp(critic, tf.concat([s, a], 1), relu) }),
);

/**
 * A teacher from another program, as safetensors: `actor.<k>.weight`, `actor.<k>.bias`, `critic.<k>.weight` and `critic.<k>.bias`
 * for layers k = 0, 1, ... in PyTorch's layout `[out, in]`, ReLU between them; the actor's last layer gives means (and, in a second
 * half that only samples use, logarithms of standard deviations) before tanh, the critic takes `[observation, action]` and gives the value in the
 * environment's rewards; `observation_mean` and `observation_std` of the normalization that both were trained with, if any.
 *
 * @throws {Error} If the file is damaged, or a tensor is missing or has another shape; the message names the tensor.
 */
export async function importTeacher(path: string, spec: Spec): Promise<Teacher> {
  const failed = (why: string) => new Error(`Cannot import teacher "${path}": ${why}`);
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(path);
  } catch {
    throw failed("the file must be readable");
  }
  let tensors: Checkpoint["tensors"];
  try {
    ({ tensors } = decodeSafetensors(bytes));
  } catch (cause) {
    throw failed((cause as Error).message);
  }
  const { observationDim: s, actionDim: a } = spec;
  const vector = (name: string, otherwise: number) => {
    const found = tensors.get(name);
    if (found && `${found.shape}` !== `${s}`) throw failed(`${name} must be [${s}], current is [${found.shape}]`);
    return found?.data ?? new Float32Array(s).fill(otherwise);
  };
  const [center, deviation] = [vector("observation_mean", 0), vector("observation_std", 1)];
  const layersOf = (net: string, inputs: number, outputs: readonly number[]): Linear<NdArray>[] => {
    const layers: Linear<NdArray>[] = [];
    let width = inputs;
    for (let k = 0; tensors.has(`${net}.${k}.weight`); k++) {
      const [weight, bias] = ["weight", "bias"].map((part) => tensors.get(`${net}.${k}.${part}`));
      if (weight!.shape.length !== 2 || weight!.shape[1] !== width) {
        throw failed(`${net}.${k}.weight must be [*, ${width}], current is [${weight!.shape}]`);
      }
      const [out] = weight!.shape;
      if (`${bias?.shape}` !== `${out}`) {
        throw failed(`${net}.${k}.bias must be [${out}], current is ${bias ? `[${bias.shape}]` : "missing"}`);
      }
      layers.push(fromPyTorch(weight!, bias!));
      width = out;
    }
    if (layers.length === 0) throw failed(`${net}.0.weight must be there, current is missing`);
    if (!outputs.includes(width)) {
      throw failed(`the last layer of ${net} must have ${outputs.join(" or ")} outputs, current is ${width}`);
    }
    return [foldNormalization(layers[0], center, deviation), ...layers.slice(1)];
  };
  const actor = layersOf("actor", s, [a, 2 * a]);
  const critic = layersOf("critic", s + a, [1]);
  const policy = [...actor.slice(0, -1), firstOutputs(actor.at(-1)!, a)];
  const agent = bc.create(bc.defaults, spec);
  return {
    agent,
    state: { updates: 0, arrays: { policy: initTrained(policy) } },
    algorithm: bc as unknown as AnyAlgorithm,
    config: bc.defaults,
    value: async (s, a) => (await importedValue({ critic, s, a })).value,
    sample: gaussianSampler(actor, spec),
  };
}

/** `[out, in]` to `[in, out]`. */
function fromPyTorch({ data, shape: [out, inputs] }: NdArray, bias: NdArray): Linear<NdArray> {
  const weight = new Float32Array(out * inputs);
  for (let o = 0; o < out; o++) for (let i = 0; i < inputs; i++) weight[i * out + o] = data[o * inputs + i];
  return { weight: ndarray(weight, [inputs, out]), bias: ndarray(Float32Array.from(bias.data), [out]) };
}

/** The first layer for raw observations: weights over the deviation, and the mean's part in the bias. */
function foldNormalization(
  { weight: { data, shape: [inputs, out] }, bias }: Linear<NdArray>,
  center: ArrayLike<number>,
  deviation: ArrayLike<number>,
): Linear<NdArray> {
  const [weight, shifted] = [Float32Array.from(data), Float64Array.from(bias.data)];
  for (let i = 0; i < center.length; i++) {
    for (let o = 0; o < out; o++) {
      weight[i * out + o] = data[i * out + o] / deviation[i];
      shifted[o] -= center[i] / deviation[i] * data[i * out + o];
    }
  }
  return { weight: ndarray(weight, [inputs, out]), bias: ndarray(Float32Array.from(shifted), [out]) };
}

function firstOutputs(
  { weight: { data, shape: [inputs, out] }, bias }: Linear<NdArray>,
  count: number,
): Linear<NdArray> {
  const kept = Float32Array.from({ length: inputs * count }, (_, i) => data[Math.floor(i / count) * out + i % count]);
  return {
    weight: ndarray(kept, [inputs, count]),
    bias: ndarray(Float32Array.from(bias.data.subarray(0, count)), [count]),
  };
}
