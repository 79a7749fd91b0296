/**
 * The reward generator as a Wasserstein GAN: rewards of transitions, from noise.
 *
 * Source: Hepburn & Montana 2022, arXiv 2211.11603, authors' code.
 *
 * @module
 */

import { drawNormals } from "../core/acting.ts";
import type { NdArray } from "../engine/array.ts";
import { compile } from "../engine/compile.ts";
import { initMlp, type Linear, mlp, relu } from "../core/nn.ts";
import { type AdamStep, adamStep, initTrained, type Trained, trainStep } from "../core/optim.ts";
import type { Rng } from "../core/rng.ts";
import { type Tensor, tf } from "../engine/tensor.ts";
import { treeLeaves } from "../engine/tree.ts";
import type { RegressionConfig, RegressionData } from "./regression.ts";
import { overRows, type RowFunction, takeRows, trainOnRows } from "../core/rows.ts";

/** Defaults, from the authors' code. */
export const rewardGanDefaults: RegressionConfig = {
  updates: 100_000,
  batchSize: 256,
  learningRate: 1e-4,
  hidden: 512,
};

const latent = 2;
const criticSteps = 5; // Per step of the generator, on its minibatch.
const penalty = 1e-4; // Of the critic's squared weights.
const betas = [0.5, 0.999] as const;

/** Generator `(z, s, a, s') -> r` and critic `(s, a, s', r) -> 1`. */
export interface RewardGan<L = Tensor> {
  /** Makes rewards from transitions and noise. */
  generator: Linear<L>[];
  /** Tells them from the data's. */
  critic: Linear<L>[];
}

/** Fresh parameters; `inputs` are the dimensions of a transition, 2 S + A. */
export function initRewardGan(inputs: number, hidden: number, rng: Rng): RewardGan<NdArray> {
  return {
    generator: initMlp([latent + inputs, hidden, hidden, 1], rng.child("generator")),
    critic: initMlp([inputs + 1, hidden, hidden, 1], rng.child("critic")),
  };
}

const generate = (generator: Linear[], transition: Tensor, z: Tensor) =>
  mlp(generator, tf.concat([z, transition], 1), relu);
const judge = (critic: Linear[], transition: Tensor, reward: Tensor) =>
  tf.mean(mlp(critic, tf.concat([transition, reward], 1), relu));

/** What the critic minimizes: low for real rewards, high for generated ones, weights small. */
export function criticLoss(critic: Linear[], transition: Tensor, real: Tensor, generated: Tensor): Tensor {
  const squares = treeLeaves<Tensor>(critic).map((w) => tf.sum(tf.square(w))).reduce((a, b) => tf.add(a, b));
  return tf.add(
    tf.sub(judge(critic, transition, real), judge(critic, transition, generated)),
    tf.mul(squares, penalty),
  );
}

/** What the generator minimizes: the critic's verdict on it. */
export function generatorLoss(generator: Linear[], critic: Linear[], transition: Tensor, z: Tensor): Tensor {
  return judge(critic, transition, generate(generator, transition, z));
}

/**
 * Trains the pair.
 *
 * @param data Transitions `(s, a, s')` as inputs, rewards as targets.
 * @returns The generator and its critic.
 */
export async function trainRewardGan(
  { inputs, targets, count }: RegressionData,
  config: RegressionConfig,
  rng: Rng,
  onProgress: (share: number) => void = () => {},
): Promise<RewardGan<NdArray>> {
  const dim = inputs.length / count;
  type State = { generator: Trained<Linear<NdArray>[]>; critic: Trained<Linear<NdArray>[]> };
  const update = compile<{ state: State; x: NdArray; r: NdArray; z: NdArray[]; steps: AdamStep[]; step: AdamStep }>(
    "stitching/reward_gan",
    ({ state, x, r, z, steps, step }) => {
      let critic = state.critic;
      for (let i = 0; i < criticSteps; i++) {
        const generated = generate(state.generator.params, x, z[i]);
        critic = trainStep(critic, (p) => criticLoss(p, x, r, generated), steps[i], { betas }).next;
      }
      const loss = (p: Linear[]) => generatorLoss(p, critic.params, x, z[criticSteps]);
      return { state: { generator: trainStep(state.generator, loss, step, { betas }).next, critic } };
    },
  );
  const { generator, critic } = initRewardGan(dim, config.hidden, rng.child("init"));
  const first: State = { generator: initTrained(generator), critic: initTrained(critic) };
  const adam = (count: number) => adamStep(count, { learningRate: config.learningRate, betas });
  const last = await trainOnRows(first, count, config, rng, async (state, rows, k) => {
    const noise = rng.child(`noise/${k}`);
    const z = Array.from({ length: criticSteps + 1 }, () => drawNormals(rows.length, latent, noise));
    const steps = Array.from({ length: criticSteps }, (_, i) => adam(k * criticSteps + i + 1));
    const batch = { x: takeRows(inputs, dim, rows), r: takeRows(targets, 1, rows) };
    return (await update({ state, ...batch, z, steps, step: adam(k + 1) })).state as State;
  }, onProgress);
  return { generator: last.generator.params, critic: last.critic.params };
}

/** Rewards of transitions `(s, a, s')`, each from noise drawn anew. */
export function rewardGanFunction({ generator }: RewardGan<NdArray>, rng: Rng): RowFunction {
  const apply = compile<{ p: Linear<NdArray>[]; x: NdArray; z: NdArray }, { reward: Tensor }>(
    "stitching/generate",
    ({ p, x, z }) => ({ reward: generate(p, x, z) }),
  );
  let calls = 0;
  return (inputs, rows) =>
    overRows(inputs, rows, 1, async (x) => {
      const z = drawNormals(x.shape[0], latent, rng.child(`${calls++}`));
      return (await apply({ p: generator, x, z })).reward;
    });
}
