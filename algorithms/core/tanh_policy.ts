/**
 * The deterministic policy of most algorithms here: a perceptron under tanh.
 *
 * @module
 */

import type { Agent, Spec } from "./agent.ts";
import type { NdArray } from "../engine/array.ts";
import { deterministicPolicy } from "./deterministic_policy.ts";
import { createMlpActor } from "./mlp_actor.ts";
import { type Linear, mlp, relu } from "./nn.ts";
import { type Tensor, tf } from "../engine/tensor.ts";

/**
 * `maxAction tanh(MLP(s))` with ReLU between the layers, `[batch, S]` to `[batch, A]`.
 *
 * @param masks Factors of the hidden layers, of dropout in training; null for none.
 */
export function tanhAction(
  p: readonly Linear[],
  s: Tensor,
  maxAction: number,
  masks: readonly Tensor[] | null = null,
): Tensor {
  const activation = masks ? (x: Tensor, layer: number) => tf.mul(relu(x), masks[layer]) : relu;
  return tf.mul(tf.tanh(mlp(p, s, activation)), maxAction);
}

/**
 * The acting half of an agent whose policy is {@linkcode tanhAction}.
 *
 * @param layersOf The policy's layers among the state's arrays.
 */
export function tanhPolicy(
  name: string,
  spec: Spec,
  layersOf: (arrays: unknown) => Linear<NdArray>[],
): Pick<Agent, "act" | "createActor" | "exportPolicy"> {
  return {
    ...deterministicPolicy<Linear[]>(name, spec, layersOf, (p, s) => tanhAction(p, s, spec.maxAction)),
    createActor: ({ arrays }) => createMlpActor(layersOf(arrays), spec.maxAction),
  };
}
