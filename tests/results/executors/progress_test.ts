import { assertAlmostEquals, assertEquals } from "@std/assert";
import { doneShare, updatesDone } from "../../../results/executors/progress.ts";
import { planCells } from "../../../results/plan.ts";

Deno.test("doneShare() counts cells by the time that they take, so that many short ones do not hide a long one", () => {
  const cells = planCells("smoke", { only: "toy", seeds: [0, 1, 2] }, "onnx", "").slice(0, 9);
  const secondsOf = (cell: typeof cells[number]) => cell === cells[8] ? 100 : 0.01;
  const shares = new Map(cells.map((cell) => [cell, 1]));
  assertEquals(doneShare(shares, secondsOf), 1);
  shares.set(cells[8], updatesDone({ done: 5, total: 20 }));
  assertAlmostEquals(doneShare(shares, secondsOf), 0.25, 1e-3);
  shares.set(cells[8], updatesDone({ done: 0, total: 0 })); // A cell that is only timed.
  assertAlmostEquals(doneShare(shares, secondsOf), 0, 1e-3);
});
