/**
 * The critic of implicit Q-learning: twin action values and a state value, learnt without the policy.
 *
 * Source: Kostrikov, Nair & Levine 2021, arXiv 2110.06169, in the layout of SRPO's authors' code.
 *
 * @module
 */

import type { Batch, Spec } from "./agent.ts";
import { copyArrays, type NdArray } from "../engine/array.ts";
import { initMlp, type Linear, mlp, relu } from "./nn.ts";
import { type AdamStep, initTrained, type Trained, trainStep } from "./optim.ts";
import type { Rng } from "./rng.ts";
import { bellmanTarget, expectileLoss, polyakAverage } from "./td.ts";
import { initTwin, type TwinCritic, twinError, twinValues } from "./twin_critic.ts";
import { stopGradient, type Tensor, tf } from "../engine/tensor.ts";

/** IQL's value regression towards the target critics' minimum (Eq. 5). */
export function iqlValueLoss(v: Linear[], target: TwinCritic, batch: Batch<Tensor>, expectile: number): Tensor {
  const best = stopGradient(tf.minimum(...twinValues(target, batch.observation, batch.action)));
  return expectileLoss(tf.sub(best, mlp(v, batch.observation, relu)), expectile);
}

/** IQL's critic regression towards `r + discount V(s')` (Eq. 6), halved over the two critics. */
export function iqlCriticLoss(p: TwinCritic, nextValue: Tensor, batch: Batch<Tensor>, discount: number): Tensor {
  const target = bellmanTarget(batch.reward, batch.terminal, nextValue, discount);
  return tf.mul(twinError(twinValues(p, batch.observation, batch.action), target), 0.5);
}

/** Networks of the critic with their moments. */
export interface IqlArrays<L = NdArray> {
  /** Both critics in training. */
  critic: Trained<TwinCritic<L>, L>;
  /** Their slow averages. */
  criticTarget: TwinCritic<L>;
  /** The state value in training. */
  value: Trained<Linear<L>[], L>;
}

/** Fresh networks with two hidden layers of width `hidden`. */
export function initIql(
  { observationDim: s, actionDim: a }: Spec,
  hidden: number,
  rng: Rng,
): IqlArrays {
  const critic = initTwin((stream) => initMlp([a + s, hidden, hidden, 1], stream), rng);
  const value = initMlp([s, hidden, hidden, 1], rng.child("value"));
  return { critic: initTrained(critic), criticTarget: copyArrays(critic), value: initTrained(value) };
}

/** One step of value and critic, each on the networks before it, and of the target critic. */
export function iqlStep(
  state: IqlArrays<Tensor>,
  batch: Batch<Tensor>,
  step: AdamStep<Tensor>,
  config: { expectile: number; discount: number; polyakRate: number },
): { next: IqlArrays<Tensor>; metrics: { valueLoss: Tensor; criticLoss: Tensor } } {
  const nextValue = stopGradient(mlp(state.value.params, batch.nextObservation, relu)); // Before V's update.
  const value = trainStep(
    state.value,
    (p) => iqlValueLoss(p, state.criticTarget, batch, config.expectile),
    step,
  );
  const critic = trainStep(state.critic, (p) => iqlCriticLoss(p, nextValue, batch, config.discount), step);
  const criticTarget = polyakAverage(state.criticTarget, critic.next.params, config.polyakRate);
  return {
    next: { value: value.next, critic: critic.next, criticTarget },
    metrics: { valueLoss: value.value, criticLoss: critic.value },
  };
}
