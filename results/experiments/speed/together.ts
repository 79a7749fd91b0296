/**
 * Times per action that compare: of one sitting, in the place of those that each run took on its machine, at its moment.
 *
 * @module
 */

import type { Evaluation } from "../../cells/record.ts";
import type { SpeedRun } from "./section.ts";

/** The experiment that takes them. */
export const timesTogether = "times";
/** Those whose ways to act it times. */
export const scoredExperiments: readonly string[] = ["dtql", "srpo", "family"];

/**
 * The evaluations, those of {@linkcode scoredExperiments} with the times of one sitting. A way to act has the time of the networks of
 * its settings on its task: of the seeds the least, as what else a machine does only adds to it. All keep their own where that of one is
 * missing or the sitting was on several machines, for a mixture would compare worst.
 */
export function timedTogether(evaluations: readonly Evaluation[]): Evaluation[] {
  const key = ({ task, algorithm, backend, threads = 1, config }: Evaluation["cell"], id: string) =>
    JSON.stringify([task, algorithm, backend, threads, Object.entries(config).sort(), id]);
  const times = new Map<string, number>();
  const machines = new Set<string>();
  for (const run of evaluations.filter(({ cell }) => cell.experiment === timesTogether) as SpeedRun[]) {
    const { cell, result } = run;
    machines.add(JSON.stringify(run.madeWith.machine));
    for (const { rule, actMs } of result) {
      const own = key(cell, rule.id);
      times.set(own, Math.min(actMs, times.get(own) ?? Infinity));
    }
  }
  const isScored = ({ cell }: Evaluation) => scoredExperiments.includes(cell.experiment);
  const rulesOf = ({ environment }: Evaluation) => environment?.rules ?? [];
  const known = machines.size === 1 &&
    evaluations.filter(isScored).every((evaluation) =>
      rulesOf(evaluation).every(({ rule }) => times.has(key(evaluation.cell, rule.id)))
    );
  if (!known) return [...evaluations];
  return evaluations.map((evaluation) =>
    !isScored(evaluation) || !evaluation.environment ? evaluation : {
      ...evaluation,
      environment: {
        ...evaluation.environment,
        rules: rulesOf(evaluation).map((result) => ({
          ...result,
          actMs: times.get(key(evaluation.cell, result.rule.id))!,
          together: true,
        })),
      },
    }
  );
}
