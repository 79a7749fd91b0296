/**
 * What a distillation's cell says.
 *
 * @module
 */

import type { BehaviorDistillationConfig } from "../../../algorithms/offline_behavior_distillation/mod.ts";

/** How states weigh, in words. */
export function weightingOf({ densityWeights, densityExponent }: BehaviorDistillationConfig): string {
  if (densityWeights === "rank") return "by rank";
  if (densityWeights === "bounded") return "bounded";
  return densityExponent === 0 ? "none" : `exponent ${densityExponent}`;
}

/** What a distillation cell says beside its scores. */
export interface DistillationResult {
  pairs: number;
  /** How states weigh: `none`, `exponent 0.05` of the reciprocal density, `by rank`, `bounded`. */
  weighting: string;
  /** Share of rows that the weights leave effective; 1 without. */
  effectiveShare: number;
  /** Mean log density of held-out states under the flow and under a Gaussian, in nats; null without weights. */
  heldOut: { flow: number; gaussian: number } | null;
  /** Mean square error of the policies together against the teacher, by tenths of states from the rarest; null if not asked for. */
  densityErrors: number[] | null;
  /** `[update, outer loss]`, means over a hundredth of the run. */
  curve: [number, number][];
  /** Normalized states in the data's first two principal components. */
  projection: { data: [number, number][]; before: [number, number][]; after: [number, number][] };
}
