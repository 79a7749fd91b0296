/**
 * The ways to act of an algorithm of minibatches: its own, and those of the diffusion model that it trained.
 *
 * @module
 */

import type { AnyAlgorithm } from "../../algorithms/core/agent.ts";
import type { CommonConfig } from "../../algorithms/core/config.ts";
import type { Cell, SamplingRule } from "../cells/cell.ts";
import type { Rule } from "../cells/record.ts";

/** A way to act, and what it takes to play it. */
export interface WayToAct {
  rule: Rule;
  algorithm: AnyAlgorithm;
  config: CommonConfig;
  candidates: number;
}

/** `15 calls, dpmpp2, argmax of 16`; claims and quoted tables name it. */
function samplingName({ calls, sampler, candidates, choice }: SamplingRule): string {
  return `${calls} calls, ${sampler}${candidates === 1 ? "" : `, ${choice} of ${candidates}`}`;
}

/** The rule of one action per observation. */
export const ownRule = ({ acts }: AnyAlgorithm): Rule => ({ id: "own", label: acts });

/** Its own with one candidate, with the cell's number of candidates, and the sampled ones. */
export function waysToAct(
  { config, evaluation }: Pick<Cell, "config" | "evaluation">,
  algorithm: AnyAlgorithm,
  sampled: AnyAlgorithm | null,
): WayToAct[] {
  const { candidates, sampling = [] } = evaluation;
  return [
    { rule: ownRule(algorithm), algorithm, config, candidates: 1 },
    ...(candidates === 1
      ? []
      : [{ rule: { id: "softmax", label: `softmax of ${candidates}` }, algorithm, config, candidates }]),
    ...sampling.map((sampling): WayToAct => {
      const name = samplingName(sampling);
      const { sampler, calls: nfe, choice } = sampling;
      return {
        rule: { id: name, label: name, sampling },
        algorithm: sampled!,
        config: { ...config, sampler, nfe, choice } as CommonConfig,
        candidates: sampling.candidates,
      };
    }),
  ];
}
