import { assertAlmostEquals } from "@std/assert";
import { scoreGapAtLoss } from "../../../results/experiments/diagnosis/section.ts";
import { syntheticEvaluation } from "../synthetic.ts";

Deno.test("scoreGapAtLoss() compares cloned policies at a training loss that both sets reached", () => {
  const base = syntheticEvaluation(
    { experiment: "diagnosis", algorithm: "bc", task: "hopper-medium-replay-local", seed: 0 },
    [{ score: 0, actMs: 0 }],
  );
  const point = (states: "expert" | "diverse", trainingLoss: number) => ({
    states,
    updates: 1,
    trainingLoss,
    pivotalError: 0,
    surroundingError: 0,
  });
  const rule = (score: number) => ({ ...base.environment!.rules[0], scores: [score] });
  const evaluation = {
    ...base,
    result: [point("expert", 0.1), point("expert", 0.001), point("diverse", 1), point("diverse", 0.01)],
    environment: { ...base.environment!, rules: [rule(10), rule(90), rule(0), rule(60)] },
  };
  assertAlmostEquals(scoreGapAtLoss(evaluation, "largest"), 30 - 10, 1e-9); // At 0.1: half of the way from 0 to 60.
  assertAlmostEquals(scoreGapAtLoss(evaluation, "smallest"), 60 - 50, 1e-9); // At 0.01: half of the way from 10 to 90.
});
