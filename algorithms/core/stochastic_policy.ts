/**
 * Acting with a policy that draws noise, once or for several candidates.
 *
 * @module
 */

import { drawBySoftmax, drawNormals, repeatRows } from "./acting.ts";
import type { Agent, Spec } from "./agent.ts";
import type { NdArray } from "../engine/array.ts";
import { compile, type Computed } from "../engine/compile.ts";
import { asConstants, exportOnnx } from "../engine/export_onnx.ts";
import type { Rng } from "./rng.ts";
import { type Tensor, tf } from "../engine/tensor.ts";

/** A policy with noise and the critic that judges its candidates. */
export interface StochasticPolicy<P, C> {
  /** Arrays of unit Gaussians that an action takes, `[rows, A]` each. @default 1 */
  draws?: number;
  /** The policy's parameters among the state's arrays. */
  paramsOf(arrays: unknown): Computed<P>;
  /** Actions `[rows, A]` for observations `[rows, S]`. */
  sample(params: P, observation: Tensor, noise: Tensor[]): Tensor;
  /** The critic's parameters among the state's arrays. */
  criticOf(arrays: unknown): Computed<C>;
  /** Values `[rows, 1]` of actions. */
  value(critic: C, observation: Tensor, action: Tensor): Tensor;
  /** Takes one of each row's candidates, see {@linkcode drawBySoftmax}. @default drawBySoftmax */
  choose?(action: NdArray, value: NdArray, candidates: number, rng: Rng): NdArray;
}

/** The acting half of an agent whose policy is stochastic: one sample, or one of several candidates chosen by their values. */
export function stochasticPolicy<P, C>(
  name: string,
  { observationDim, actionDim }: Spec,
  { draws = 1, paramsOf, sample, criticOf, value, choose = drawBySoftmax }: StochasticPolicy<P, C>,
): Pick<Agent, "act" | "exportPolicy"> {
  type Inputs = { params: Computed<P>; observation: NdArray; noise: NdArray[] };
  const one = compile<Inputs, { action: Tensor }>(`${name}/act`, ({ params, observation, noise }) => ({
    action: sample(params as P, observation as Tensor, noise as Tensor[]),
  }));
  const several = compile<Inputs & { critic: Computed<C> }, { action: Tensor; value: Tensor }>(
    `${name}/candidates`,
    ({ params, critic, observation, noise }) => {
      const action = sample(params as P, observation as Tensor, noise as Tensor[]);
      return { action, value: value(critic as C, observation as Tensor, action) };
    },
  );
  return {
    async act({ arrays }, observation, candidates, rng) {
      const rows = observation.shape[0] * candidates;
      const noise = Array.from({ length: draws }, () => drawNormals(rows, actionDim, rng));
      const params = paramsOf(arrays);
      if (candidates === 1) {
        const { action }: { action: NdArray } = await one({ params, observation, noise });
        return action;
      }
      const inputs = { params, critic: criticOf(arrays), observation: repeatRows(observation, candidates), noise };
      const scored: { action: NdArray; value: NdArray } = await several(inputs);
      return choose(scored.action, scored.value, candidates, rng);
    },
    exportPolicy({ arrays }) {
      const shapes = { observation: [1, observationDim], noise: [draws, actionDim] };
      return exportOnnx(`${name}/policy`, shapes, ({ observation, noise }) => {
        const params = asConstants(paramsOf(arrays)) as P;
        return { action: sample(params, observation, draws === 1 ? [noise] : tf.split(noise, draws, 0)) };
      });
    },
  };
}
