/**
 * What a distillation's cell says.
 *
 * @module
 */

/** What a distillation cell says beside its scores. */
export interface DistillationResult {
  pairs: number;
  /** Exponent of the reciprocal state density; 0 for none. */
  densityExponent: number;
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
