/**
 * Acting with a policy that has no noise.
 *
 * @module
 */

import type { Agent, Spec } from "./agent.ts";
import type { NdArray } from "../engine/array.ts";
import { compile, type Computed } from "../engine/compile.ts";
import { asConstants, exportOnnx } from "../engine/export_onnx.ts";
import type { Tensor } from "../engine/tensor.ts";

/**
 * The acting half of an agent whose policy is deterministic.
 *
 * @param paramsOf The policy's parameters among the state's arrays.
 * @param action The action `[batch, A]` for observations `[batch, S]`.
 */
export function deterministicPolicy<P>(
  name: string,
  { observationDim }: Spec,
  paramsOf: (arrays: unknown) => Computed<P>,
  action: (params: P, observation: Tensor) => Tensor,
): Pick<Agent, "act" | "exportPolicy"> {
  const act = compile<{ params: Computed<P>; observation: NdArray }, { action: Tensor }>(
    `${name}/act`,
    ({ params, observation }) => ({ action: action(params as P, observation as Tensor) }),
  );
  return {
    async act(state, observation) {
      const result: { action: NdArray } = await act({ params: paramsOf(state.arrays), observation });
      return result.action;
    },
    exportPolicy(state) {
      const params = paramsOf(state.arrays);
      return exportOnnx(`${name}/policy`, { observation: [1, observationDim] }, ({ observation }) => ({
        action: action(asConstants(params) as P, observation),
      }));
    },
  };
}
