import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import type { Cell } from "../../../results/cells/cell.ts";
import type { Evaluation } from "../../../results/cells/record.ts";
import { scoredExperiments, timedTogether, timesTogether } from "../../../results/experiments/speed/together.ts";
import { planCells } from "../../../results/plan.ts";
import { speedFigure } from "../../../results/scores/tables.ts";
import { syntheticEvaluation } from "../synthetic.ts";

const task = "hopper-medium-replay-local";
const scored = [
  syntheticEvaluation({ experiment: "dtql", algorithm: "dtql", task, seed: 0 }, [{ score: 40, actMs: 0.1 }]),
  syntheticEvaluation({ experiment: "family", algorithm: "fql", task, seed: 0 }, [
    { score: 50, actMs: 9 },
    { score: 52, candidates: 50, actMs: 20 },
  ]),
];
/** The times of an evaluation's ways to act, `factor` times its own. */
const timed = ({ cell, environment }: Evaluation, factor: number, seed: number): Evaluation => ({
  ...syntheticEvaluation({ ...cell, algorithm: cell.algorithm as "fql", experiment: timesTogether, seed }, []),
  environment: null,
  result: environment!.rules.map(({ rule, actMs }) => ({ rule, actMs: factor * actMs, batchMs: null })),
});
const times = scored.flatMap((run) => [timed(run, 2, 0), timed(run, 4, 1)]);
const actMs = (evaluations: readonly Evaluation[]) =>
  evaluations.flatMap(({ environment }) => environment?.rules.map(({ actMs }) => actMs) ?? []);
const caption = (evaluations: readonly Evaluation[]) => JSON.stringify(speedFigure(evaluations).title);

Deno.test("timedTogether() gives each way to act the least time of one sitting, and the figure says so", () => {
  const all = timedTogether([...times, ...scored]);
  for (const [i, ms] of actMs(all).entries()) assertAlmostEquals(ms, 2 * [0.1, 9, 20][i], 1e-12);
  assertEquals(all[4].environment!.rules[0].scores, scored[0].environment!.rules[0].scores);
  assertEquals(actMs(scored), [0.1, 9, 20]);
  assertStringIncludes(caption(all.slice(4)), "in one sitting");
});

Deno.test("timedTogether() leaves all times where one is missing, of other settings, another backend or machine, and other experiments'", () => {
  const [first] = times;
  const elsewhereTimed = { ...first, cell: { ...first.cell, backend: "wasm" as const } };
  const threaded = { ...first, cell: { ...first.cell, threads: 2 } };
  const { machine } = first.madeWith;
  const onAnother = { ...first, madeWith: { ...first.madeWith, machine: { ...machine, processor: "another" } } };
  const other = { ...first, cell: { ...first.cell, config: { ...first.cell.config, batchSize: 7 } } };
  const rest = times.slice(2); // Without the second seed of the first.
  const changed = [other, elsewhereTimed, threaded, onAnother].map((one) => [one, ...rest]);
  for (const some of [...changed, times.slice(0, 2), []]) {
    const all = timedTogether([...some, ...scored]);
    assertEquals(actMs(all), [0.1, 9, 20]);
    assertStringIncludes(caption(all.slice(some.length)), "each run's machine");
  }
  const elsewhere = { ...scored[0], cell: { ...scored[0].cell, experiment: "bridges_offline" } };
  assertEquals(actMs(timedTogether([...times, ...scored, elsewhere])).at(-1), 0.1);
});

Deno.test("experiment times has a cell for all networks that standard scores, so their times are of one sitting", () => {
  const settings = ({ task, algorithm, config, sampled, evaluation: { candidates, sampling } }: Cell) =>
    JSON.stringify({ task, algorithm, config, sampled, candidates, sampling });
  const cellsOf = (only: string) => planCells("standard", { only }, "onnx", "").map(settings);
  const wanted = new Set(scoredExperiments.flatMap(cellsOf));
  assert(wanted.size >= 48, `${wanted.size}`);
  assertEquals(new Set(cellsOf(timesTogether)), wanted);
});
